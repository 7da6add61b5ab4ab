"""Follows a revision in the store and reads again when it changes: how every worker learns of a change within a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from pipeline.keys.revisions import read_revisions

POLL_S: Final = 0.4


def current(engine: Engine, name: str) -> int | None:
    """The revision now, or None when the store cannot be read."""
    try:
        with engine.connect() as connection:
            return read_revisions(connection, (name,))[name]
    except SQLAlchemyError:
        return None


async def follow(poll: Callable[[], None], *, poll_s: float = POLL_S) -> None:
    """Call `poll` (blocking, never raising) in a thread, again and again, until cancelled."""
    while True:
        await asyncio.sleep(poll_s)
        await asyncio.to_thread(poll)
