"""The formats by name: what their media type is, how a file is called, how rows become bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from pipeline.clock import rfc3339
from pipeline.store.export import event_lines
from pipeline.store.formats import cef, cloudevents, ecs, ocsf
from pipeline.store.formats.meaning import Row, detail
from pipeline.store.formats.parquet import parquet_pieces

Pieces = Callable[[Iterable[Row]], Iterator[bytes]]
_JSON_LINES: Final = "application/jsonl"


@dataclass(frozen=True, slots=True)
class Format:
    """One format of exports."""

    media_type: str
    extension: str
    pieces: Pieces


def _lines(of: Callable[[Row], Mapping[str, Any]]) -> Pieces:
    def pieces(rows: Iterable[Row]) -> Iterator[bytes]:
        for row in rows:
            yield orjson.dumps(of(row), option=orjson.OPT_APPEND_NEWLINE, default=str)

    return pieces


def _csv(rows: Iterable[Row]) -> Iterator[bytes]:
    return (line.encode() for line in event_lines(rows))


def _cef(rows: Iterable[Row]) -> Iterator[bytes]:
    return (cef.of_event(row).encode() + b"\n" for row in rows)


def _ours(row: Row) -> Mapping[str, Any]:
    named = {str(name): value for name, value in row.items()}  # SQLAlchemy's names are a kind of str of their own
    return {"at": rfc3339(row["at_us"]), **named, "detail": detail(row)}


FORMATS: Final[Mapping[str, Format]] = {
    "csv": Format("text/csv; charset=utf-8", "csv", _csv),
    "json": Format(_JSON_LINES, "jsonl", _lines(_ours)),
    "parquet": Format("application/vnd.apache.parquet", "parquet", parquet_pieces),
    "ocsf": Format(_JSON_LINES, "ocsf.jsonl", _lines(ocsf.of_event)),
    "ecs": Format(_JSON_LINES, "ecs.jsonl", _lines(ecs.of_event)),
    "cef": Format("text/plain; charset=utf-8", "cef", _cef),
    "cloudevents": Format(_JSON_LINES, "cloudevents.jsonl", _lines(cloudevents.of_event)),
}
