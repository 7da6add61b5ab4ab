"""Refusals are written in one place, and one that cannot be written or redacted is counted and harms nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from pipeline.errors import BadRequest, LedgerError
from pipeline.gateway.model import House
from pipeline.gateway.refusals import unscreenable
from pipeline.gateway.strays import Strays
from redactors.detectors.recognizer import RecognitionError
from redactors.model import RedactionError, seal


class Clock:
    """A clock that stands still."""

    def now_us(self) -> int:
        return 1

    def monotonic(self) -> float:
        return 1.0


class Recorder:
    """A recorder that may be broken."""

    def __init__(self, broken: bool) -> None:
        self.broken = broken

    def tree(self, raw: Any) -> Any:
        if self.broken:
            raise RedactionError("the scan failed")
        return seal(raw)


class Book:
    """A ledger that may be away, and a counter of what it did not take."""

    def __init__(self, away: bool) -> None:
        self.away = away
        self.events: list[Any] = []
        self.unwritten = 0

    async def append(self, event: Any, charge: Any = None, redactions: Any = ()) -> None:
        _ = charge, redactions
        if self.away:
            raise LedgerError("away")
        self.events.append(event)

    def count_unwritten_refusal(self) -> None:
        self.unwritten += 1


def house_with(*, broken: bool, away: bool) -> tuple[House, Book]:
    book = Book(away)
    ids = iter(f"E{number}" for number in range(100))
    parts = SimpleNamespace(clock=Clock(), recorder=Recorder(broken), ledger=book, metrics=book, new_id=lambda: next(ids))
    return cast(House, parts), book


@pytest.mark.parametrize(("broken", "away", "written"), [(False, False, 1), (True, False, 0), (False, True, 0), (True, True, 0)])
async def test_a_stray_request_is_written_or_counted_and_raises_nothing(broken: bool, away: bool, written: int) -> None:
    house, book = house_with(broken=broken, away=away)
    strays = Strays(house)
    scope = {"path": "/nowhere", "method": "GET", "client": ("127.0.0.1", 1)}
    await strays.note("R1", BadRequest("x"), scope)
    strays.note_unread(400, "invalid_http", "127.0.0.1")
    await strays.flush()
    assert (len(book.events), book.unwritten) == (2 * written, 2 * (1 - written))


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(RedactionError("too deep"), 400, "content_not_screenable"), (RecognitionError("no answer"), 503, "recognition_unavailable")],
)
@pytest.mark.parametrize("what", ["request", "text"])
def test_what_cannot_be_screened_is_told_in_one_way(error: RedactionError, status: int, code: str, what: str) -> None:
    told = unscreenable(error, what)
    assert (told.status, told.code) == (status, code)
    assert told.message.startswith(f"The {what} could not be screened, so it was not sent: ")
    assert told.hint
