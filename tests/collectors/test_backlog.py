"""What is full is known without asking the store, and never later than it happens."""

from __future__ import annotations

import asyncio

import pytest

from collectors.backlog import Backlog, Bound, FullAnswer, WhenFull
from collectors.model import OutboxRow


def row(size: int, destination: str = "sre", withheld: str = "") -> OutboxRow:
    return OutboxRow(destination, "traces", b"x" * size, 1, withheld)


@pytest.mark.parametrize(
    ("when_full", "size", "answer"),
    [
        ("refuse", 99, "go"),
        ("refuse", 100, "refuse"),
        ("block", 100, "block"),
        ("shed_content", 100, "shed_content"),
        ("shed_content", 199, "shed_content"),
        ("shed_content", 200, "refuse"),
    ],
)
def test_a_bound_is_answered_as_chosen_from_the_byte_on_that_reaches_it(when_full: WhenFull, size: int, answer: FullAnswer) -> None:
    backlog = Backlog({"sre": Bound(100, when_full)})
    backlog.added([row(size)])
    assert backlog.answer() == answer
    assert backlog.full("sre") == (answer != "go")
    assert backlog.sheds("sre") == (when_full == "shed_content" and size >= 100)


def test_the_strictest_answer_of_the_destinations_that_are_named_counts() -> None:
    backlog = Backlog({"a": Bound(10, "shed_content"), "b": Bound(10, "block", block_s=3.0), "c": Bound(10, "refuse")})
    for name in ("a", "b", "c"):
        backlog.added([row(10, name)])
    assert backlog.answer() == "refuse"
    assert backlog.answer({"a", "b"}) == "block"
    assert (backlog.block_s({"a", "b"}), backlog.block_s({"a"})) == (3.0, 0.0)
    assert backlog.answer({"a"}) == "shed_content"
    assert backlog.answer(frozenset()) == "go"


def test_what_is_only_counted_takes_no_room_and_unknown_destinations_have_no_bound() -> None:
    backlog = Backlog({"sre": Bound(10)})
    backlog.added([row(100, withheld="sampled"), row(100, "gone")])
    backlog.removed({"gone": 5})
    assert (backlog.answer(), backlog.kept("sre"), backlog.kept("gone")) == ("go", 0, 0)


def test_a_correction_counts_what_entered_while_the_store_was_asked() -> None:
    backlog = Backlog({"sre": Bound(100)})
    backlog.added([row(90)])
    mark = backlog.mark()
    backlog.added([row(30)])
    backlog.measured({"sre": 20}, mark)  # a sum without the last row, or with it: 20 + 30 is not less than what is there
    assert (backlog.kept("sre"), backlog.answer()) == (50, "go")
    backlog.measured({}, backlog.mark())
    assert backlog.kept("sre") == 0


def test_removals_before_their_addition_was_told_do_not_hide_bytes() -> None:
    backlog = Backlog({"sre": Bound(100)})
    backlog.removed({"sre": 40})
    backlog.added([row(40), row(99)])
    assert (backlog.kept("sre"), backlog.answer()) == (99, "go")
    backlog.added([row(1)])
    assert backlog.answer() == "refuse"


async def test_who_waits_is_told_of_room() -> None:
    backlog = Backlog({"sre": Bound(100, "block")})
    backlog.added([row(100)])

    async def wait() -> None:
        while backlog.answer() == "block":
            await backlog.changed.wait()

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    backlog.removed({"sre": 1})
    await asyncio.wait_for(waiting, 5)
