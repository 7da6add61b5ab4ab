"""Rate limits are exact, their headers tell the truth, and no place is ever lost."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.clock import rfc3339
from pipeline.errors import RateLimited
from pipeline.keys.limits import Parallel, RateLimits, Standing, go_duration
from pipeline.keys.model import VirtualKey
from tests.pipeline.keys.clocks import MovableClock

KEY = VirtualKey("K1", "default", "W", "default", "ci", "key", "active", "lgk_…abcd", rpm_limit=3)


def test_a_key_without_a_limit_is_not_counted(clock: MovableClock) -> None:
    limits = RateLimits(clock)
    assert limits.take(replace(KEY, rpm_limit=0)) is None
    assert len(limits._windows) == 0


def test_the_limit_holds_and_its_headers_tell_the_truth(clock: MovableClock) -> None:
    limits = RateLimits(clock)
    assert limits.take(KEY) == Standing(3, 2, 60.0, clock.us)
    clock.move(10)
    assert limits.take(KEY) == Standing(3, 1, 60.0, clock.us)
    clock.move(10)
    assert limits.take(KEY) == Standing(3, 0, 60.0, clock.us)
    clock.move(1)
    with pytest.raises(RateLimited) as caught:
        limits.take(KEY)
    assert caught.value.status == 429
    assert caught.value.headers == {
        "retry-after": "39",
        "retry-after-ms": "39000",
        "x-ratelimit-limit-requests": "3",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "59s",
        "anthropic-ratelimit-requests-limit": "3",
        "anthropic-ratelimit-requests-remaining": "0",
        "anthropic-ratelimit-requests-reset": rfc3339(clock.us + 59_000_000)[:19] + "Z",
    }
    clock.move(38.9)
    with pytest.raises(RateLimited):
        limits.take(KEY)
    clock.move(0.1)
    assert limits.take(KEY) is not None


def test_who_waits_as_told_gets_in(clock: MovableClock) -> None:
    limits = RateLimits(clock)
    for _ in range(3):
        limits.take(KEY)
        clock.move(0.7)
    with pytest.raises(RateLimited) as caught:
        limits.take(KEY)
    clock.move(int(caught.value.headers["retry-after-ms"]) / 1000)
    assert limits.take(KEY) is not None


def test_keys_do_not_share_a_limit(clock: MovableClock) -> None:
    limits = RateLimits(clock)
    for _ in range(3):
        limits.take(KEY)
    assert limits.take(replace(KEY, id="K2")) is not None


def test_a_changed_limit_counts_at_once(clock: MovableClock) -> None:
    limits = RateLimits(clock)
    for _ in range(3):
        limits.take(KEY)
    with pytest.raises(RateLimited):
        limits.take(KEY)
    assert limits.take(replace(KEY, rpm_limit=5)) is not None


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 8), st.lists(st.floats(0, 40), max_size=60))
def test_no_minute_ever_sees_more_than_the_limit(limit: int, steps: list[float]) -> None:
    clock = MovableClock()
    limits, key, taken = RateLimits(clock), replace(KEY, rpm_limit=limit), []
    for step in steps:
        clock.move(step)
        try:
            limits.take(key)
        except RateLimited:
            # Refused only when the last minute is really full.
            assert sum(1 for at in taken if clock.seconds - at < 60) == limit
        else:
            taken.append(clock.seconds)
    for at in taken:
        assert sum(1 for other in taken if 0 <= at - other < 60) <= limit


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0ms"), (0.0123, "13ms"), (1, "1s"), (1.5, "1.5s"), (59.9999, "1m0s"), (360, "6m0s"), (61.25, "1m1.25s")]
)
def test_durations_are_written_as_go_does(seconds: float, shown: str) -> None:
    assert go_duration(seconds) == shown


async def test_a_place_is_given_back_however_the_call_ends() -> None:
    parallel = Parallel()

    async def call(how: str) -> None:
        with parallel.hold("k", 3):
            await asyncio.sleep(0.001 if how != "cancelled" else 60)
            if how == "failed":
                raise ValueError

    tasks = [asyncio.create_task(call(how)) for how in ("done", "failed", "cancelled")]
    await asyncio.sleep(0)
    assert parallel.running("k") == 3
    with pytest.raises(RateLimited), parallel.hold("k", 3):
        pass
    with parallel.hold("k", 0):
        assert parallel.running("k") == 4
    tasks[2].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert parallel.running("k") == 0
    assert parallel._running == {}
