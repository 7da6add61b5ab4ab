"""Where work that grows with a text is done: at once while there is little of it, on a worker thread when there is much."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Final, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

INLINE_BYTES: Final = 64 * 1024
"""What is longer never holds up the event loop."""


async def worked(pool: Executor, size: int, work: Callable[[*Ts], T], *given: *Ts) -> T:
    """Do work on so many bytes and give its result; in `pool` when they are more than INLINE_BYTES."""
    if size <= INLINE_BYTES:
        return work(*given)
    return await asyncio.get_running_loop().run_in_executor(pool, work, *given)
