"""Follows a revision in the store and reads again when it changes: how every worker learns of a change within a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

POLL_S: Final = 0.4


async def follow(poll: Callable[[], None], *, poll_s: float = POLL_S) -> None:
    """Call `poll` (blocking, never raising) in a thread, again and again, until cancelled."""
    while True:
        await asyncio.sleep(poll_s)
        await asyncio.to_thread(poll)
