"""CSV: what a spreadsheet opens is text and numbers, never a formula."""

from __future__ import annotations

import csv
import io

import pytest

from pipeline.store.export import EVENT_COLUMNS, csv_lines, event_lines


def _parsed(lines: object) -> list[list[str]]:
    return list(csv.reader(io.StringIO("".join(lines), newline="")))  # type: ignore[call-overload]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_a_cell_that_a_spreadsheet_would_run_is_defused(start: str) -> None:
    (_, row) = _parsed(csv_lines([{"name": f"{start}HYPERLINK(1)", "safe": f"a{start}b"}]))
    assert row == [f"'{start}HYPERLINK(1)", f"a{start}b"]


def test_numbers_stay_numbers_even_below_zero() -> None:
    assert list(csv_lines([{"cost_micros": -5, "rate": 0.5, "none": None, "yes": True}])) == [
        "cost_micros,rate,none,yes\r\n",
        "-5,0.5,,true\r\n",
    ]


def test_commas_quotes_and_line_breaks_survive() -> None:
    value = 'a,"b"\r\nc'
    assert _parsed(csv_lines([{"text": value}]))[1] == [value]


def test_lists_and_objects_are_json() -> None:
    assert _parsed(csv_lines([{"models": ["ü", "b"], "detail": {"b": 1, "a": 2}}]))[1] == ['["ü", "b"]', '{"a": 2, "b": 1}']


def test_a_header_is_written_even_without_rows_when_the_columns_are_known() -> None:
    assert list(csv_lines([], ("a", "b"))) == ["a,b\r\n"]
    assert list(csv_lines([])) == []


def test_events_have_their_columns_and_a_time_people_can_read() -> None:
    header, row = _parsed(event_lines([{"at_us": 1_795_251_600_000_000, "id": "01", "kind": "policy:prompt:block", "detail": "=1"}]))
    assert header == list(EVENT_COLUMNS)
    assert row[:3] == ["2026-11-21T09:00:00.000000Z", "01", "policy:prompt:block"]
    assert row[header.index("detail")] == "'=1"
