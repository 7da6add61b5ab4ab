"""Rate limits are exact, their headers tell the truth, and no place is ever lost."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.clock import rfc3339
from pipeline.errors import RateLimited
from pipeline.keys.limits import Need, RateLimits, Standing, go_duration
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


def test_requests_with_telemetry_have_a_window_of_their_own(clock: MovableClock) -> None:
    limits = RateLimits(clock)
    for _ in range(3):
        limits.take_export(KEY)
    clock.move(20)
    with pytest.raises(RateLimited) as caught:
        limits.take_export(KEY)
    assert caught.value.headers["retry-after"] == "40"
    assert limits.take(KEY) == Standing(3, 2, 60.0, clock.us)
    clock.move(40)
    limits.take_export(KEY)
    limits.take_export(replace(KEY, id="K2"))


def test_a_key_without_a_limit_may_send_any_telemetry(clock: MovableClock) -> None:
    limits = RateLimits(clock)
    limits.take_export(replace(KEY, rpm_limit=0))
    assert len(limits._windows) == 0


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


BUSY = replace(KEY, rpm_limit=0, max_parallel_requests=2)
METERED = replace(KEY, rpm_limit=0, tpm_limit=1000)


def test_no_more_calls_run_at_once_than_the_key_may() -> None:
    limits = RateLimits(MovableClock())
    first, second = limits.admit(BUSY, Need()), limits.admit(BUSY, Need())
    with pytest.raises(RateLimited, match="2 calls of this key are already running") as caught:
        limits.admit(BUSY, Need())
    assert caught.value.headers["retry-after"] == "1"
    assert limits.admit(replace(BUSY, id="K2"), Need()).headers() == {}
    first.release()
    first.release()
    assert limits.parallel.running("K1") == 1, "a place is given back once"
    third = limits.admit(BUSY, Need())
    for admission in (second, third):
        admission.release()
    assert limits.parallel.running("K1") == 0


@pytest.mark.parametrize("full", [replace(BUSY, rpm_limit=1), replace(METERED, rpm_limit=1, max_parallel_requests=1)])
def test_a_call_that_one_limit_refuses_holds_nothing_of_the_others(full: VirtualKey) -> None:
    limits = RateLimits(MovableClock())
    limits.admit(full, Need(10, 10)).release()
    with pytest.raises(RateLimited, match="requests per minute"):
        limits.admit(full, Need(10, 10))
    assert (limits.parallel.running("K1"), limits.tokens.taken("K1")) == (0, 0)


def test_tokens_are_held_at_most_and_corrected_when_they_are_known(clock: MovableClock) -> None:
    limits = RateLimits(clock)
    admission = limits.admit(METERED, Need(50, 700))
    assert admission.headers() == {
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-remaining-tokens": "300",
        "x-ratelimit-reset-tokens": "1m0s",
        "anthropic-ratelimit-tokens-limit": "1000",
        "anthropic-ratelimit-tokens-remaining": "300",
        "anthropic-ratelimit-tokens-reset": rfc3339(clock.us + 60_000_000)[:19] + "Z",
    }
    clock.move(90)
    assert admission.headers()["x-ratelimit-remaining-tokens"] == "300", "what runs does not age"
    admission.used(120)
    admission.used(120)
    admission.release()
    assert admission.headers()["x-ratelimit-remaining-tokens"] == "880"
    clock.move(59.9)
    assert admission.headers()["x-ratelimit-remaining-tokens"] == "880"
    assert admission.headers()["x-ratelimit-reset-tokens"] == "100ms"
    clock.move(0.1)
    assert admission.headers()["x-ratelimit-remaining-tokens"] == "1000"


def test_a_call_without_a_bound_of_its_own_holds_what_is_left() -> None:
    limits = RateLimits(MovableClock())
    unbounded = limits.admit(METERED, Need(50, 128_000))
    with pytest.raises(RateLimited, match="tokens per minute of this key is used up") as caught:
        limits.admit(METERED, Need(50, 60))
    assert (caught.value.headers["retry-after"], caught.value.headers["x-ratelimit-remaining-tokens"]) == ("1", "0")
    unbounded.release()
    limits.admit(METERED, Need(50, 60))


def test_a_call_that_asks_for_more_than_a_minute_has_is_refused_for_good() -> None:
    with pytest.raises(RateLimited, match="more tokens than the 1000 per minute") as caught:
        RateLimits(MovableClock()).admit(METERED, Need(1001, 1001))
    assert caught.value.headers["x-should-retry"] == "false"


def test_who_waits_for_tokens_as_told_gets_in(clock: MovableClock) -> None:
    limits = RateLimits(clock)
    for _ in range(4):
        admission = limits.admit(METERED, Need(250, 250))
        admission.used(250)
        admission.release()
        clock.move(3)
    with pytest.raises(RateLimited) as caught:
        limits.admit(METERED, Need(500, 500))
    clock.move(int(caught.value.headers["retry-after-ms"]) / 1000)
    limits.admit(METERED, Need(500, 500))


def test_what_is_settled_after_the_release_is_counted() -> None:
    """A caller who leaves twice ends the call while its settlement, which is shielded, still runs."""
    limits = RateLimits(MovableClock())
    admission = limits.admit(METERED, Need(50, 700))
    admission.release()
    admission.used(200)
    assert limits.tokens.taken("K1") == 200


Step = tuple[float, int, int, int, str]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(0, 40), st.integers(0, 600), st.integers(0, 600), st.integers(0, 1200), st.sampled_from(["use", "drop", "run"])
        ),
        max_size=40,
    )
)
def test_calls_that_keep_to_what_they_hold_never_pass_the_tokens_of_a_minute(steps: list[Step]) -> None:
    clock = MovableClock()
    limits = RateLimits(clock)
    running = []
    for wait, least, more, used, then in steps:
        clock.move(wait)
        try:
            admission = limits.admit(METERED, Need(least, least + more))
        except RateLimited:
            continue
        assert limits.tokens.taken("K1") <= 1000
        running.append(admission)
        if then == "use":
            admission.used(min(used, admission._held))
        if then != "run":
            admission.release()
    for admission in running:
        admission.release()
    clock.move(60.001)  # seconds that were added up in another order
    assert limits.tokens.taken("K1") == 0
    assert limits.tokens._windows.get("K1") is None or limits.tokens._windows["K1"].held == 0
