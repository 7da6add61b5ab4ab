"""What a running gateway does beside serving: writes down when keys were used, and watches how late its event loop is."""

from __future__ import annotations

import asyncio
import time

from collectors.metrics import Metrics
from pipeline.errors import LedgerError
from pipeline.keys.authenticator import Authenticator
from pipeline.keys.store import mark_used
from pipeline.ledger.ledger import DurableLedger

USED_EVERY_S = 5.0


async def mark_used_keys(ledger: DurableLedger, authenticator: Authenticator) -> None:
    """Write down when keys were last used, every few seconds, until cancelled."""
    while True:
        await asyncio.sleep(USED_EVERY_S)
        used = authenticator.drain_used()
        if used:
            try:
                await ledger.run(lambda connection, used=used: mark_used(connection, used))  # type: ignore[misc]
            except LedgerError:
                continue


async def watch_lag(metrics: Metrics) -> None:
    """How late the event loop is: the one figure that shows a blocked loop."""
    while True:
        before = time.monotonic()
        await asyncio.sleep(0.5)
        metrics.loop_lag(max(0.0, time.monotonic() - before - 0.5))
