"""Text that drips: for how long it is waited for, and how many places it can take."""

from __future__ import annotations

import pytest

from pipeline.gateway.model import Load, Overloaded
from pipeline.gateway.redact_stream import PACE, PIECES, Patience


class MovableClock:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.s = 100.0

    def now_us(self) -> int:
        return int(self.s * 1_000_000)

    def monotonic(self) -> float:
        return self.s


def waits(every_s: float, size: int, *, at_most: int = 100_000) -> tuple[int, float]:
    """How many pieces of a size come, one in so many seconds, before none is waited for; and how long that took."""
    clock = MovableClock()
    patience, came, total = Patience(clock, 30.0), 0, 0
    while came < at_most:
        with patience.waiting(total) as longest_s:
            if longest_s < every_s:
                return came, clock.s - 100.0
            clock.s += every_s
        came, total = came + 1, total + size
    return came, clock.s - 100.0


def test_a_drip_ends_after_minutes() -> None:
    came, took_s = waits(29.0, 1)
    assert came < PIECES + 2
    assert took_s < 30.0 * (PIECES + 1)


@pytest.mark.parametrize(("every_s", "size"), [(0.25, 4), (1.0, PACE), (5.0, 5 * PACE), (30.0, 30 * PACE)])
def test_text_at_the_pace_of_a_slow_model_never_ends(every_s: float, size: int) -> None:
    assert waits(every_s, size, at_most=5_000)[0] == 5_000


def test_silence_ends_after_the_time_of_one_piece_however_much_came_before() -> None:
    patience = Patience(MovableClock(), 30.0)
    with patience.waiting(10**9) as longest_s:
        assert longest_s == 30.0


def test_time_that_is_not_spent_waiting_does_not_count() -> None:
    clock = MovableClock()
    patience = Patience(clock, 30.0)
    for _ in range(1_000):
        with patience.waiting(0) as longest_s:
            assert longest_s == 30.0
        clock.s += 30.0  # the text is redacted, or its reader is slow


@pytest.mark.parametrize(("limit", "most"), [(8, 2), (100, 25), (3, 1), (1, 1)])
def test_what_waits_for_its_caller_never_takes_all_places(limit: int, most: int) -> None:
    load = Load(limit)
    open_places = [load.waiting_place() for _ in range(most)]
    for place in open_places:
        place.__enter__()
    with pytest.raises(Overloaded), load.waiting_place():
        pass
    assert (load.running, load.waiting) == (most, most)
    if limit > most:
        with load.place():
            assert load.running == most + 1
    for place in open_places:
        place.__exit__(None, None, None)
    assert (load.running, load.waiting) == (0, 0)


def test_a_stopping_gateway_gives_no_such_place_either() -> None:
    load = Load(8, draining=True)
    with pytest.raises(Overloaded, match="shutting down"), load.waiting_place():
        pass
    assert load.waiting == 0
