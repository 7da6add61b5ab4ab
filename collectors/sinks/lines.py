"""Clean records as JSON lines, for a console, a file or a pipe."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, BinaryIO

import orjson

from collectors.model import CollectorError, Record
from redactors.model import Clean, is_clean


class LinesSink:
    """Writes one JSON object a record (`signal`, then the record's tree) to a binary stream, and flushes."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, batch: Sequence[Clean[Record]]) -> None:
        """Write a batch; raises CollectorError when a record is not clean or the stream does not take it."""
        lines = bytearray()
        for record in batch:
            if not is_clean(record) or type(record.value) is not Record:
                raise CollectorError("only clean records are written")
            lines += orjson.dumps({"signal": record.value.signal, **record.value.tree}, default=_encoded) + b"\n"
        try:
            self._stream.write(bytes(lines))
            self._stream.flush()
        except (OSError, ValueError) as failed:
            raise CollectorError(f"the stream does not take records: {type(failed).__name__}") from None


def _encoded(value: Any) -> Any:
    """Bytes as base64, as in OTLP/JSON; raises TypeError for what is no plain value."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError("not a plain value")
