"""Rate limits of a key: requests per minute over a moving window, and calls at the same time. Exact within one process.

The arithmetic is the `limits` library's moving window; the storage is ours, because the library's own starts a thread for
each burst and reads the wall clock. Another storage (Redis) takes its place behind the same two methods.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pipeline.clock import Clock, rfc3339
from pipeline.errors import RateLimited
from pipeline.keys.model import VirtualKey

if TYPE_CHECKING:
    from limits import RateLimitItemPerMinute
    from limits.strategies import MovingWindowRateLimiter

WINDOW_S: Final = 60
MAX_KEYS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Standing:
    """How a key stands after a request at `at_us`: its limit, what is left, and the seconds until all of it is free again."""

    limit: int
    remaining: int
    reset_s: float
    at_us: int = 0

    def headers(self) -> dict[str, str]:
        """OpenAI's headers, whose reset is a Go duration, and Anthropic's, whose reset is a time (to the next whole second)."""
        free_at_s = math.ceil(self.at_us / 1_000_000 + self.reset_s)
        return {
            "x-ratelimit-limit-requests": str(self.limit),
            "x-ratelimit-remaining-requests": str(self.remaining),
            "x-ratelimit-reset-requests": go_duration(self.reset_s),
            "anthropic-ratelimit-requests-limit": str(self.limit),
            "anthropic-ratelimit-requests-remaining": str(self.remaining),
            "anthropic-ratelimit-requests-reset": rfc3339(free_at_s * 1_000_000)[:19] + "Z",
        }


class RateLimits:
    """Takes requests from the limit of their key. Used on the event loop; costs nothing for keys without a limit."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._windows: OrderedDict[str, deque[float]] = OrderedDict()
        self._items: dict[int, RateLimitItemPerMinute] = {}
        self._limiter = _limiter(self)

    def take(self, key: VirtualKey) -> Standing | None:
        """Count one request of a key. None when it has no limit; RateLimited (429, with Retry-After) when it is used up."""
        limit = key.rpm_limit
        if limit <= 0:
            return None
        item = self._items.get(limit)
        if item is None:
            from limits import RateLimitItemPerMinute

            item = self._items[limit] = RateLimitItemPerMinute(limit)
        if self._limiter.hit(item, key.id):
            return self._standing(item.key_for(key.id), limit)
        standing = self._standing(item.key_for(key.id), limit)
        wait_s = self._wait(item.key_for(key.id))
        raise RateLimited(
            f"The limit of {limit} requests per minute of this key is used up.",
            hint=f"Try again in {max(1, math.ceil(wait_s))} s.",
            headers={
                "retry-after": str(max(1, math.ceil(wait_s))),
                "retry-after-ms": str(max(1, math.ceil(wait_s * 1000))),
                **standing.headers(),
            },
        )

    def acquire(self, name: str, limit: int, expiry_s: float, amount: int) -> bool:
        """Take `amount` from a moving window of `limit` in `expiry_s`; the storage's half of the library's strategy."""
        now = self._clock.monotonic()
        window = self._windows.get(name)
        if window is None:
            window = self._windows[name] = deque()
            if len(self._windows) > MAX_KEYS:
                self._windows.popitem(last=False)
        else:
            self._windows.move_to_end(name)
        while window and now - window[0] >= expiry_s:
            window.popleft()
        if len(window) + amount > limit:
            return False
        window.extend([now] * amount)
        return True

    def counted(self, name: str, expiry_s: float) -> tuple[float, int]:
        """The oldest entry of a window (seconds, monotonic) and how many there are."""
        now = self._clock.monotonic()
        window = self._windows.get(name, deque())
        while window and now - window[0] >= expiry_s:
            window.popleft()
        return (window[0] if window else now), len(window)

    def _standing(self, name: str, limit: int) -> Standing:
        window = self._windows.get(name, deque())
        newest = window[-1] if window else self._clock.monotonic() - WINDOW_S
        left_s = max(0.0, newest + WINDOW_S - self._clock.monotonic())
        return Standing(limit, max(0, limit - len(window)), left_s, self._clock.now_us())

    def _wait(self, name: str) -> float:
        oldest, count = self.counted(name, WINDOW_S)
        return max(0.001, oldest + WINDOW_S - self._clock.monotonic()) if count else 0.001


class Parallel:
    """Counts calls that run at the same time. The place is given back however the call ends, so that none is ever lost."""

    def __init__(self) -> None:
        self._running: dict[str, int] = {}

    @contextmanager
    def hold(self, name: str, limit: int) -> Iterator[None]:
        """Take a place while the block runs; RateLimited when `limit` are taken (0: no limit)."""
        running = self._running.get(name, 0)
        if 0 < limit <= running:
            raise RateLimited(
                f"{limit} calls of this key are already running.", hint="Wait until one of them has ended.", headers={"retry-after": "1"}
            )
        self._running[name] = running + 1
        try:
            yield
        finally:
            left = self._running[name] - 1
            if left:
                self._running[name] = left
            else:
                del self._running[name]

    def running(self, name: str) -> int:
        """How many run now."""
        return self._running.get(name, 0)


def go_duration(seconds: float) -> str:
    """A duration as Go prints it and OpenAI's headers have it: `12ms`, `1.5s`, `6m0s`."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    minutes, rest = divmod(math.ceil(seconds * 1000) / 1000, 60)
    shown = f"{rest:.3f}".rstrip("0").rstrip(".")
    return f"{int(minutes)}m{shown}s" if minutes else f"{shown}s"


def _limiter(windows: RateLimits) -> MovingWindowRateLimiter:
    """The library's moving-window strategy over our windows. Imported with the first `RateLimits`, which only a gateway makes."""
    from limits.storage.base import MovingWindowSupport, Storage
    from limits.strategies import MovingWindowRateLimiter

    class Windows(Storage, MovingWindowSupport):
        """Our windows, as the library's storage."""

        def __init__(self) -> None:
            super().__init__(None, wrap_exceptions=False)

        @property
        def base_exceptions(self) -> type[Exception]:
            return ValueError

        def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
            return windows.acquire(key, limit, expiry, amount)

        def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
            _ = limit
            return windows.counted(key, expiry)

        def incr(self, key: str, expiry: int, amount: int = 1) -> int:
            raise RuntimeError("only moving windows are used")

        def get(self, key: str) -> int:
            return windows.counted(key, WINDOW_S)[1]

        def get_expiry(self, key: str) -> float:
            return windows.counted(key, WINDOW_S)[0]

        def check(self) -> bool:
            return True

        def reset(self) -> int | None:
            raise RuntimeError("windows end by themselves")

        def clear(self, key: str) -> Any:
            raise RuntimeError("windows end by themselves")

    return MovingWindowRateLimiter(Windows())
