"""Tokens per minute: what calls in flight have reserved and what they used in the last minute, by key. Exact within one process.

Tokens are reserved before a call is sent and corrected when it is settled; only then do they begin to age. So a call of ten minutes
counts for as long as it runs, and a minute more.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Final

from pipeline.clock import Clock

WINDOW_S: Final = 60.0
MAX_KEYS: Final = 100_000


@dataclass(slots=True)
class _Window:
    """One key's minute: tokens held by calls in flight, tokens used with the second (monotonic) they were settled at, and their sum."""

    held: int = 0
    used: deque[tuple[float, int]] = field(default_factory=deque)
    total: int = 0


class TokenWindows:
    """The windows of all keys. Used on the event loop; a key that was never limited has none."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._windows: OrderedDict[str, _Window] = OrderedDict()

    def take(self, name: str, limit: int, least: int, most: int) -> int | None:
        """Hold up to `most` tokens, as many as are left; None when not even `least` are. Gives how many are held."""
        left = limit - self.taken(name)
        if left < least:
            return None
        window = self._windows.get(name)
        if window is None:
            window = self._windows[name] = _Window()
            self._forget()
        self._windows.move_to_end(name)
        held = max(least, min(most, left))
        window.held += held
        return held

    def settle(self, name: str, held: int, used: int) -> None:
        """Replace what a call held by what it used (0: it was not sent)."""
        window = self._windows.setdefault(name, _Window())
        window.held -= held
        if used > 0:
            window.used.append((self._clock.monotonic(), used))
            window.total += used

    def taken(self, name: str) -> int:
        """Tokens held or used within the last minute."""
        window = self._windows.get(name)
        if window is None:
            return 0
        since = self._clock.monotonic() - WINDOW_S
        while window.used and window.used[0][0] <= since:
            window.total -= window.used.popleft()[1]
        return window.held + window.total

    def reset_s(self, name: str) -> float:
        """Seconds until all is free again, if what runs now ended now."""
        window = self._windows.get(name)
        if window is None or not (window.held or window.used):
            return 0.0
        newest = self._clock.monotonic() if window.held else window.used[-1][0]
        return max(0.0, newest + WINDOW_S - self._clock.monotonic())

    def wait_s(self, name: str, limit: int, least: int) -> float:
        """Seconds until `least` are free; one second where that depends on calls that still run."""
        missing = least - (limit - self.taken(name))
        window = self._windows.get(name)
        for at, used in window.used if window is not None else ():
            missing -= used
            if missing <= 0:
                return max(0.001, at + WINDOW_S - self._clock.monotonic())
        return 1.0

    def _forget(self) -> None:
        """Bound the table: the keys that were not used for longest go first, never one with a call in flight."""
        for name in list(self._windows)[: max(0, len(self._windows) - MAX_KEYS)]:
            if not self._windows[name].held:
                del self._windows[name]
