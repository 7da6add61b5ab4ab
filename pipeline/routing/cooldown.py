"""Which targets rest: a target that keeps failing is left alone for a while, with jitter so that callers do not return at once.

A rate limit or a refused key rests a target at once; connection failures, time-outs and 5xx do so from the third in a row.
Each further rest is twice as long. A success ends it. Failures that are the caller's own (bad request, …) do not count.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from pipeline.clock import Clock

AT_ONCE = frozenset({"rate_limit", "auth"})
COUNTED = frozenset({"connect", "timeout", "5xx", "broken_stream"})


@dataclass(slots=True)
class _State:
    failures: int = 0
    rests: int = 0
    until: float = 0.0


class Cooldown:
    """The memory of failures by target id, on the monotonic clock. Seconds throughout."""

    def __init__(self, clock: Clock, rng: random.Random, *, threshold: int = 3, first_s: float = 5.0, longest_s: float = 120.0) -> None:
        self._clock = clock
        self._rng = rng
        self._threshold = threshold
        self._first = first_s
        self._longest = longest_s
        self._states: dict[str, _State] = {}

    def resting(self, target_id: str) -> bool:
        """Whether the target should be left alone now."""
        state = self._states.get(target_id)
        return state is not None and state.until > self._clock.monotonic()

    def report(self, target_id: str, outcome: str, retry_after_s: float | None = None) -> None:
        """Take note of how a try ended: `ok`, a FailureClass, or an error code (which does not count)."""
        if outcome == "ok":
            self._states.pop(target_id, None)
            return
        if outcome not in AT_ONCE and outcome not in COUNTED:
            return
        state = self._states.setdefault(target_id, _State())
        state.failures += 1
        if outcome in COUNTED and state.failures < self._threshold:
            return
        base = min(self._first * 2**state.rests, self._longest)
        if retry_after_s is not None:
            base = min(max(retry_after_s, 0.0), self._longest)
        state.until = self._clock.monotonic() + base * (1 + 0.2 * self._rng.random())
        state.rests = min(state.rests + 1, 16)
        state.failures = 0 if outcome in AT_ONCE else self._threshold - 1  # after the rest one more failure is enough
