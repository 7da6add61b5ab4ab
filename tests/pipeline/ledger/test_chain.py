"""The chain names the first bad row."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ledger.chain import FIELDS, GENESIS, Head, Row, canonical, head_of, link, verify
from pipeline.ledger.operations import draft

Rows = list[Row]


def chained(count: int, chain: str = "C1") -> Rows:
    head, rows = Head(chain), []
    for number in range(count):
        row, _ = link(
            head, draft(event_id=f"E{number}", at_us=number, kind="a:b:c", actor="system", outcome="ok", detail=f'{{"n":{number}}}')
        )
        rows.append(row)
        head = head_of(row)
    return rows


def edited(row: Row, place: int, value: Any) -> Row:
    return (*row[:place], value, *row[place + 1 :])


def test_an_untouched_chain_is_good() -> None:
    rows = chained(50)
    assert verify(rows) == (head_of(rows[-1]), None, 50)


def test_the_hash_is_that_of_the_standard_library() -> None:
    first, second = chained(2)
    body = json.dumps(dict(zip(FIELDS, second[:17], strict=True)), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert body.encode() == canonical(second)
    assert first[17] == GENESIS
    assert second[18] == hashlib.sha256(first[18].encode() + body.encode()).hexdigest()


def rehashed(rows: Rows, index: int) -> None:
    """Put a row's own hash right again, as somebody would who edits with care."""
    row = rows[index]
    rows[index] = edited(row, 18, hashlib.sha256(row[17].encode() + canonical(row)).hexdigest())


def edit(rows: Rows) -> None:
    rows[4] = edited(rows[4], 3, '{"n":40}')


def edit_with_care(rows: Rows) -> None:
    edit(rows)
    rehashed(rows, 4)


def delete(rows: Rows) -> None:
    del rows[4]


def swap(rows: Rows) -> None:
    rows[4], rows[5] = rows[5], rows[4]


def swap_numbers(rows: Rows) -> None:
    rows[4], rows[5] = edited(rows[5], 12, 5), edited(rows[4], 12, 6)


def insert(rows: Rows) -> None:
    row, _ = link(head_of(rows[3]), draft(event_id="X", at_us=4, kind="a:b:c", actor="system", outcome="ok", detail="{}"))
    rows.insert(4, row)


def renumber_after_delete(rows: Rows) -> None:
    del rows[4]
    for index in range(4, len(rows)):
        rows[index] = edited(rows[index], 12, index + 1)


def other_chain(rows: Rows) -> None:
    rows[4] = chained(5, "C2")[4]


@pytest.mark.parametrize(
    ("tamper", "seq", "good_rows", "why"),
    [
        (edit, 5, 4, "edited"),
        (edit_with_care, 6, 5, "reordered"),
        (delete, 5, 4, "deleted"),
        (swap, 5, 4, "deleted"),
        (swap_numbers, 5, 4, "edited"),
        (insert, 5, 5, "inserted"),
        (renumber_after_delete, 5, 4, "edited"),
        (other_chain, 5, 4, "another chain"),
    ],
)
def test_the_first_bad_row_is_named(tamper: Callable[[Rows], None], seq: int, good_rows: int, why: str) -> None:
    rows = chained(10)
    tamper(rows)
    _, fault, good = verify(rows)
    assert fault is not None
    assert (fault.seq, good) == (seq, good_rows)
    assert why in fault.why


@given(place=st.integers(0, 16), row=st.integers(0, 9), text=st.text(max_size=5), number=st.integers(0, 2**62))
def test_no_field_of_any_row_can_be_changed_unseen(place: int, row: int, text: str, number: int) -> None:
    rows = chained(10)
    value = number if isinstance(rows[row][place], int) else text
    if value == rows[row][place]:
        return
    rows[row] = edited(rows[row], place, value)
    _, fault, good = verify(rows)
    assert fault is not None
    assert good == row


def test_a_cut_tail_needs_a_checkpoint_to_be_seen() -> None:
    rows = chained(10)
    head, fault, _ = verify(rows[:6])
    assert fault is None
    assert head is not None
    assert head.seq == 6
