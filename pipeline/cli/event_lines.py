"""Audit events as they are exported: CSV that is safe in a spreadsheet, or one JSON object per line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pipeline.clock import rfc3339
from pipeline.store.export import event_lines


def csv_pieces(rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """CSV, in UTF-8."""
    return (line.encode() for line in event_lines(rows))


def json_pieces(rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """JSON lines, in UTF-8; the time also as RFC 3339."""
    for row in rows:
        yield json.dumps({"at": rfc3339(row["at_us"]), **row}, ensure_ascii=False, default=str).encode() + b"\n"
