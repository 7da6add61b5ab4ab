"""A circuit breaker for one backend: after some failures in a row it is left alone for a while, then tried once.

closed ──failures──> open ──cooldown──> half open (one trial) ──success──> closed, ──failure──> open
"""

from __future__ import annotations


class Circuit:
    """Counts transient failures in a row. Used on the event loop only. Times are monotonic seconds, given by the caller."""

    __slots__ = ("_cooldown_s", "_failures", "_opens_after", "_trial_until", "_until")

    def __init__(self, opens_after: int, cooldown_s: float) -> None:
        self._opens_after = opens_after
        self._cooldown_s = cooldown_s
        self._failures = 0
        self._until = 0.0
        self._trial_until = 0.0

    def admits(self, now: float) -> bool:
        """Whether a call may be made. While half open it admits one call, and another only when that one was never reported."""
        if self._failures < self._opens_after:
            return True
        if now < self._until or now < self._trial_until:
            return False
        self._trial_until = now + self._cooldown_s
        return True

    def succeeded(self) -> None:
        """Report a call that the backend answered, be it with a refusal."""
        self._failures = 0
        self._trial_until = 0.0

    def failed(self, now: float, jitter: float) -> None:
        """Report a transient failure. `jitter` in [0, 1) lengthens the pause by up to half, so that replicas spread out."""
        self._failures += 1
        self._trial_until = 0.0
        if self._failures >= self._opens_after:
            self._until = now + self._cooldown_s * (1 + jitter / 2)

    @property
    def is_open(self) -> bool:
        """Whether the backend is being left alone, or on trial."""
        return self._failures >= self._opens_after
