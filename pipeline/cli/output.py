"""What commands write: data to stdout as a table or as versioned JSON, everything else to stderr."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def print_json(schema: str, data: Mapping[str, Any]) -> None:
    """Write one JSON document; `schema` names its shape and version (`lockgate.keys.list/1`)."""
    print(json.dumps({"schema": schema, **data}, ensure_ascii=False, default=str))


def print_line(tree: Mapping[str, Any]) -> None:
    """Write one line of JSON lines, at once, so that a reader on the other end of a pipe sees it."""
    print(json.dumps(tree, ensure_ascii=False, default=str), flush=True)


def print_table(columns: Sequence[tuple[str, str]], rows: Iterable[Mapping[str, Any]], *, empty: str) -> None:
    """Write rows under headings; `columns` are (heading, field). With no row, `empty` goes to stderr: what to do next."""
    lines = [[_cell(row.get(field)) for _, field in columns] for row in rows]
    if not lines:
        note(empty)
        return
    headings = [heading for heading, _ in columns]
    widths = [max(_width(line[index]) for line in (headings, *lines)) for index in range(len(columns))]
    for line in (headings, *lines):
        padded = [cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)]
        print("  ".join(padded).rstrip())


def print_fields(tree: Mapping[str, Any], names: Sequence[tuple[str, str]]) -> None:
    """Write one object as `label: value` lines; fields that are empty are left out."""
    width = max(len(label) for label, _ in names)
    for label, field in names:
        value = tree.get(field)
        if value not in (None, "", [], {}):
            print(f"{label + ':':<{width + 1}} {_cell(value)}")


def counted(number: int, name: str) -> str:
    """A number of things for a person: `1 chain`, `2 chains`."""
    return f"{number} {name}{'' if number == 1 else 's'}"


def note(text: str) -> None:
    """Write something that is not data."""
    print(text, file=sys.stderr)


def money(usd: str | None) -> str:
    """Dollars for a person: no trailing zeros beyond the cent."""
    if usd is None:
        return ""
    whole, _, rest = usd.partition(".")
    rest = rest.rstrip("0").ljust(2, "0")
    return f"${whole}.{rest}"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(str(part) for part in value)
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return _printable(str(value))


def _printable(text: str) -> str:
    """Text without control characters: a name in a table must not move a terminal's cursor."""
    return "".join(letter if unicodedata.category(letter)[0] != "C" else "�" for letter in text)


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
