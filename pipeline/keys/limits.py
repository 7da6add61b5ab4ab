"""Limits of a key: requests and tokens per minute over moving windows, and calls at the same time. Exact within one process.

The arithmetic of requests is the `limits` library's moving window; the storage is ours, because the library's own starts a thread for
each burst and reads the wall clock. Another storage (Redis) takes its place behind the same two methods.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from pipeline.clock import Clock, rfc3339
from pipeline.errors import RateLimited
from pipeline.keys.model import VirtualKey
from pipeline.keys.token_windows import TokenWindows

if TYPE_CHECKING:
    from limits import RateLimitItemPerMinute
    from limits.strategies import MovingWindowRateLimiter

WINDOW_S: Final = 60
MAX_KEYS: Final = 100_000
_EXPORTS: Final = "telemetry"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a key stands at `at_us`: its limit of a kind, what is left of it, and the seconds until all of it is free again."""

    limit: int
    remaining: int
    reset_s: float
    at_us: int = 0
    kind: Literal["requests", "tokens"] = "requests"

    def headers(self) -> dict[str, str]:
        """OpenAI's headers, whose reset is a Go duration, and Anthropic's, whose reset is a time (to the next whole second)."""
        free_at_s = math.ceil(self.at_us / 1_000_000 + self.reset_s)
        return {
            f"x-ratelimit-limit-{self.kind}": str(self.limit),
            f"x-ratelimit-remaining-{self.kind}": str(self.remaining),
            f"x-ratelimit-reset-{self.kind}": go_duration(self.reset_s),
            f"anthropic-ratelimit-{self.kind}-limit": str(self.limit),
            f"anthropic-ratelimit-{self.kind}-remaining": str(self.remaining),
            f"anthropic-ratelimit-{self.kind}-reset": rfc3339(free_at_s * 1_000_000)[:19] + "Z",
        }


@dataclass(frozen=True, slots=True)
class Need:
    """The tokens of a call. `least` is what it asks for by our count, without which it is not sent; `most` what it can come to."""

    least: int = 0
    most: int = 0


class Admission:
    """A call's place within the limits of its key, from `RateLimits.admit` until `release`, which comes however the call ends."""

    __slots__ = ("_held", "_key", "_limits", "_running", "_settled")

    def __init__(self, limits: RateLimits, key: VirtualKey, held: int, running: bool) -> None:
        self._limits, self._key, self._held, self._running = limits, key, held, running
        self._settled = False

    def headers(self) -> dict[str, str]:
        """How the key stands now."""
        return self._limits.headers(self._key)

    def used(self, tokens: int) -> None:
        """Put what the call used in the place of what it held; the first time counts, also after the release (a settlement is shielded)."""
        if self._key.tpm_limit > 0 and not self._settled:
            self._settled = True
            held, self._held = self._held, 0
            self._limits.tokens.settle(self._key.id, held, tokens)

    def release(self) -> None:
        """Give the place back, and the tokens of a call that was never settled. Idempotent."""
        if self._held:
            held, self._held = self._held, 0
            self._limits.tokens.settle(self._key.id, held, 0)
        if self._running:
            self._running = False
            self._limits.parallel.give(self._key.id)


class RateLimits:
    """Admits calls within the limits of their key. Used on the event loop; costs nothing for keys without a limit."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._windows: OrderedDict[str, deque[float]] = OrderedDict()
        self._items: dict[int, RateLimitItemPerMinute] = {}
        self._limiter = _limiter(self)
        self.parallel = Parallel()
        self.tokens = TokenWindows(clock)

    def admit(self, key: VirtualKey, need: Need) -> Admission:
        """Take a call's place in every limit of its key, or in none: RateLimited (429, with Retry-After) names the one that is used up.

        The request is counted last, so that a call which another limit refuses does not use one up.
        """
        running = self._take_place(key)
        admission = Admission(self, key, 0, running)
        try:
            held = self._take_tokens(key, need)
            admission = Admission(self, key, held, running)
            self.take(key)
        except RateLimited as refusal:
            admission.release()
            refusal.headers |= self.headers(key)  # without what this call held
            raise
        except BaseException:
            admission.release()
            raise
        return admission

    def headers(self, key: VirtualKey) -> dict[str, str]:
        """How a key stands now, in both dialects' headers; empty for one without a limit."""
        headers: dict[str, str] = {}
        if key.rpm_limit > 0:
            name = self._item(key.rpm_limit).key_for(key.id)
            self.counted(name, WINDOW_S)
            headers |= self._standing(name, key.rpm_limit).headers()
        if key.tpm_limit > 0:
            headers |= self._tokens_of(key).headers()
        return headers

    def _take_place(self, key: VirtualKey) -> bool:
        limit = key.max_parallel_requests
        if limit <= 0:
            return False
        if not self.parallel.take(key.id, limit):
            raise self._refusal(key, f"{limit} calls of this key are already running.", "Wait until one of them has ended.", 1.0)
        return True

    def _take_tokens(self, key: VirtualKey, need: Need) -> int:
        limit = key.tpm_limit
        if limit <= 0:
            return 0
        if need.least > limit:
            message = f"This call asks for more tokens than the {limit} per minute of this key."
            refusal = self._refusal(key, message, "Send less text, or ask for fewer output tokens (max_tokens).", WINDOW_S)
            refusal.headers["x-should-retry"] = "false"
            raise refusal
        held = self.tokens.take(key.id, limit, need.least, need.most)
        if held is None:
            wait_s = self.tokens.wait_s(key.id, limit, need.least)
            hint = f"Try again in {max(1, math.ceil(wait_s))} s."
            raise self._refusal(key, f"The limit of {limit} tokens per minute of this key is used up.", hint, wait_s)
        return held

    def _tokens_of(self, key: VirtualKey) -> Standing:
        left = max(0, key.tpm_limit - self.tokens.taken(key.id))
        return Standing(key.tpm_limit, left, self.tokens.reset_s(key.id), self._clock.now_us(), "tokens")

    def _refusal(self, key: VirtualKey, message: str, hint: str, wait_s: float) -> RateLimited:
        waits = {"retry-after": str(max(1, math.ceil(wait_s))), "retry-after-ms": str(max(1, math.ceil(wait_s * 1000)))}
        return RateLimited(message, hint=hint, headers={**waits, **self.headers(key)})

    def _item(self, limit: int) -> RateLimitItemPerMinute:
        item = self._items.get(limit)
        if item is None:
            from limits import RateLimitItemPerMinute

            item = self._items[limit] = RateLimitItemPerMinute(limit)
        return item

    def take(self, key: VirtualKey) -> Standing | None:
        """Count one request of a key. None when it has no limit; RateLimited (429, with Retry-After) when it is used up."""
        limit = key.rpm_limit
        if limit <= 0:
            return None
        name = self._hit(key, f"The limit of {limit} requests per minute of this key is used up.", key.id)
        return self._standing(name, limit)

    def take_export(self, key: VirtualKey) -> None:
        """Count one request with telemetry of a key, in a window of its own as large as that of its calls: neither takes the other's place.

        RateLimited (429, with Retry-After) when it is used up.
        """
        if key.rpm_limit > 0:
            self._hit(key, f"The limit of {key.rpm_limit} requests with telemetry per minute of this key is used up.", key.id, _EXPORTS)

    def _hit(self, key: VirtualKey, message: str, *names: str) -> str:
        """Count one request in a window of the key's limit; gives the window's name."""
        item = self._item(key.rpm_limit)
        name = item.key_for(*names)
        if not self._limiter.hit(item, *names):
            wait_s = self._wait(name)
            raise self._refusal(key, message, f"Try again in {max(1, math.ceil(wait_s))} s.", wait_s)
        return name

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
    """Counts calls that run at the same time, of keys that have a limit of them."""

    def __init__(self) -> None:
        self._running: dict[str, int] = {}

    def take(self, name: str, limit: int) -> bool:
        """Take a place, unless `limit` are taken."""
        running = self._running.get(name, 0)
        if running >= limit:
            return False
        self._running[name] = running + 1
        return True

    def give(self, name: str) -> None:
        """Give a place back."""
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
