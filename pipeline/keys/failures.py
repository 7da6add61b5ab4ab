"""Counts failed proofs by address, so that guessing is slowed down without ever locking out a caller who has the right key."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from typing import Final

from pipeline.clock import Clock
from pipeline.errors import RateLimited

MAX_ADDRESSES: Final = 10_000


class FailureLimit:
    """At most `limit` failures in `window_s` seconds by one address (IPv6: its /64). Bounded: the address seen longest ago is forgotten."""

    def __init__(self, clock: Clock, *, limit: int = 20, window_s: float = 60.0, most: int = MAX_ADDRESSES) -> None:
        self._clock = clock
        self._limit = limit
        self._window_s = window_s
        self._most = most
        self._seen: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def failed(self, address: str) -> None:
        """Count a failure. Raises RateLimited (429, `too_many_failures`) once there were too many."""
        now = self._clock.monotonic()
        name = network_of(address)
        began, count = self._seen.pop(name, (now, 0))
        if now - began >= self._window_s:
            began, count = now, 0
        self._seen[name] = (began, count + 1)
        if len(self._seen) > self._most:
            self._seen.popitem(last=False)
        if count >= self._limit:
            wait = max(1, int(self._window_s - (now - began)) + 1)
            raise RateLimited(
                "Too many attempts with wrong credentials from this address.",
                hint=f"Wait {wait} s, and check the key.",
                code="too_many_failures",
                headers={"retry-after": str(wait), "x-should-retry": "false"},
            )


def network_of(address: str) -> str:
    """What stands for an address: itself, or the /64 of an IPv6 address, because a caller has all of that."""
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))
