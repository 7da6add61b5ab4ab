"""CSV that is safe to open in a spreadsheet, shared by the command line, the admin API and the dashboard.

Format: RFC 4180 (comma, CRLF, quotes doubled), UTF-8. A cell whose text begins with `=`, `+`, `-`, `@` (or one of their full-width
forms, which some spreadsheets read alike), tab, carriage return or line feed
gets a leading apostrophe, so that no spreadsheet evaluates it (OWASP, CSV injection). Numbers are written as they are.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from pipeline.clock import rfc3339

EVENT_COLUMNS: Final = (
    "at",
    "id",
    "kind",
    "outcome",
    "actor",
    "request_id",
    "workspace",
    "key_id",
    "key_alias",
    "model",
    "target_id",
    "status",
    "error",
    "trace_id",
    "detail",
    "chain",
    "seq",
    "prev_hash",
    "hash",
)
_DANGEROUS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def csv_lines(rows: Iterable[Mapping[str, Any]], columns: Sequence[str] = ()) -> Iterator[str]:
    """Render rows as CSV, header first, one string per line with its line end, in constant memory.

    Without `columns` the keys of the first row are the columns (and nothing at all is rendered when there is no row). A row may
    lack a column; a column `at` that is absent is made from `at_us` as RFC 3339.
    """
    source = iter(rows)
    first = next(source, None)
    names = tuple(columns) or (tuple(first) if first is not None else ())
    if not names:
        return
    yield _line(names)
    if first is not None:
        yield _line([_value(first, name) for name in names])
    for row in source:
        yield _line([_value(row, name) for name in names])


def event_lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Render audit events as CSV with the columns of EVENT_COLUMNS."""
    return csv_lines(rows, EVENT_COLUMNS)


def cell(value: Any) -> str:
    """One cell: numbers plainly, lists and objects as JSON, text defused."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return "'" + text if text.startswith(_DANGEROUS) else text


def _value(row: Mapping[str, Any], name: str) -> Any:
    if name == "at" and "at" not in row:
        return rfc3339(row["at_us"])
    return row.get(name)


def _line(values: Iterable[Any]) -> str:
    buffer = io.StringIO()
    write: Callable[[Iterable[str]], Any] = csv.writer(buffer, lineterminator="\r\n").writerow
    write([cell(value) for value in values])
    return buffer.getvalue()
