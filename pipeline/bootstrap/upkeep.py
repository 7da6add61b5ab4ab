"""What a running gateway does beside serving: writes down when keys were used, and watches how late its event loop is."""

from __future__ import annotations

import asyncio
import gc
import time
from contextlib import suppress

from collectors.backlog import Backlog
from collectors.metrics import Metrics
from pipeline.clock import Clock
from pipeline.errors import LedgerError
from pipeline.keys.authenticator import Authenticator
from pipeline.keys.store import mark_used
from pipeline.ledger.ledger import DurableLedger
from pipeline.store.claims import PURGE_ROWS, purge_claims
from pipeline.store.contents import PURGE_ROWS as PURGE_CONTENTS
from pipeline.store.contents import purge_contents
from pipeline.store.read_model import ReadError
from pipeline.store.reads import Reads
from pipeline.store.rollups import roll_up
from pipeline.vaults.resolver import Resolver

USED_EVERY_S = 5.0
FORGET_EVERY_S = 60.0
ROLL_EVERY_S = 60.0
MEASURE_EVERY_S = 3.0
TEND_EVERY_S = 5.0
YOUNG, MIDDLE, OLD = 10_000, 20, 20


def keep_what_is_loaded() -> None:
    """Take everything that is loaded by now out of the garbage collector's rounds: modules and compiled rules stay to the end.

    A round over them takes up to 100 ms, in which no call is served (so none is made here either). What calls leave behind is
    small and seldom in a circle, so the young generation may hold more of it.
    """
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)


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


async def forget_expired_claims(ledger: DurableLedger, clock: Clock) -> None:
    """Delete idempotency claims and their answers once their time is over, until cancelled; few a transaction, so that none waits long."""
    while True:
        gone = 0
        with suppress(LedgerError):  # the next round does it
            gone = await ledger.run(lambda connection: purge_claims(connection, clock.now_us()))
        await asyncio.sleep(0.1 if gone == PURGE_ROWS else FORGET_EVERY_S)


async def forget_expired_contents(ledger: DurableLedger, clock: Clock) -> None:
    """Remove stored content once its time is over, in the same way; also what a document kept that stores none any more."""
    while True:
        gone = 0
        with suppress(LedgerError):  # the next round does it
            gone = await ledger.run(lambda connection: purge_contents(connection, clock.now_us()))
        await asyncio.sleep(0.1 if gone == PURGE_CONTENTS else FORGET_EVERY_S)


async def roll_up_spend(ledger: DurableLedger, clock: Clock) -> None:
    """Sum the charges of hours that have rested, an hour a transaction, until cancelled."""
    while True:
        more = False
        with suppress(LedgerError):  # the next round does it
            more = await ledger.run(lambda connection: roll_up(connection, clock.now_us()))
        await asyncio.sleep(0.1 if more else ROLL_EVERY_S)


async def tend_vaults(resolver: Resolver) -> None:
    """Renew the vaults' tokens and leases before they end, whether or not anybody asks for a secret, until cancelled."""
    while True:
        await asyncio.sleep(TEND_EVERY_S)
        await resolver.tend()


async def watch_lag(metrics: Metrics) -> None:
    """How late the event loop is: the one figure that shows a blocked loop."""
    while True:
        before = time.monotonic()
        await asyncio.sleep(0.5)
        metrics.loop_lag(max(0.0, time.monotonic() - before - 0.5))


async def measure_backlog(backlog: Backlog, reads: Reads) -> None:
    """Correct what is known of the outbox's size by the store. Raises ReadError."""
    mark = backlog.mark()
    kept: dict[str, int] = {}
    for row in await asyncio.to_thread(reads.accounts):
        kept[row["destination"]] = kept.get(row["destination"], 0) + row["queued_bytes"] + row["dead_letter_bytes"]
    backlog.measured(kept, mark)


async def watch_backlog(backlog: Backlog, reads: Reads) -> None:
    """The same every few seconds, until cancelled; more seldom when the sums take long."""
    while True:
        began = time.monotonic()
        if backlog.bounds:
            with suppress(ReadError):
                await measure_backlog(backlog, reads)
        await asyncio.sleep(max(MEASURE_EVERY_S, 20 * (time.monotonic() - began)))
