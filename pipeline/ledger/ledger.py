"""The ledger that a process uses: write-ahead of every call, settled before the client sees its end, alive through outages.

It says `Ledger` of model.py over one writer (writer.py), looks after its own epoch (heartbeat) and after what dead ones left
(recovery.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import Connection

from collectors.model import OutboxRow
from pipeline.clock import Clock
from pipeline.ledger.chain import Row
from pipeline.ledger.model import Charge, Claim, Event, Intent, Kept, Receipt, RedactionCount, Settlement
from pipeline.ledger.operations import Change, Close, Keep, Take, append_of, close_of, draft_of, open_of
from pipeline.ledger.recovery import HEARTBEAT_S, abandoned_calls, beat, dead_journals, end_dead_epochs, give_back, give_up_dead_claims
from pipeline.ledger.scribe import Epoch, Require, Scribe
from pipeline.ledger.writer import Measured, Writer, unmeasured
from pipeline.store.engine import sqlite_path

T = TypeVar("T")

_FIRST_RECOVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Condition:
    """How the ledger is: what waits, and why it cannot write (empty when it can)."""

    pending: int
    away: str
    journal: str


class DurableLedger:
    """Events, reservations and charges in SQL and in a journal, hash-chained, in group commits.

    `url` is a SQLAlchemy URL (SQLite file or PostgreSQL) of a migrated store. `journal_dir` None means no second device.
    `require` says whether every device must hold an event (`all`) or one of them (`any`). `epoch_id` is a new ULID for
    every start: it names the chain. `host` must differ between machines and between containers.
    """

    def __init__(
        self,
        url: str,
        *,
        clock: Clock,
        journal_dir: Path | None,
        require: Require,
        epoch_id: str,
        host: str,
        pid: int,
        version: str,
        measured: Measured = unmeasured,
    ) -> None:
        self._clock = clock
        self._epoch = Epoch(epoch_id, host, pid, version)
        self._journal_dir = journal_dir
        self._require: Require = require
        self._sole_writer = sqlite_path(url) is not None
        self._scribe = Scribe(url, self._epoch, clock, journal_dir, require)
        self._writer = Writer(self._scribe, clock, require=require, measured=measured)
        self._ended: frozenset[str] = frozenset()  # epochs whose journals are closed, and need no second look
        self._upkeep: asyncio.Task[None] | None = None

    @property
    def epoch_id(self) -> str:
        """The id of this life, and of its chain."""
        return self._epoch.id

    async def start(self) -> None:
        """Connect, and settle what dead processes left. A database that is away does not stop the start: `ready` says why."""
        await self._writer.start()
        first = asyncio.Event()
        self._upkeep = asyncio.create_task(self._look_after(first), name="lockgate-ledger-upkeep")
        try:
            # What a dead process left is settled before the first call, unless there is much of it.
            await asyncio.wait_for(first.wait(), _FIRST_RECOVERY_S)
        except TimeoutError:
            return

    async def stop(self) -> None:
        """Write what waits, then the checkpoint and the end of this epoch, and close both devices."""
        if self._upkeep is not None:
            self._upkeep.cancel()
            await asyncio.gather(self._upkeep, return_exceptions=True)
        await self._writer.stop()

    async def append(
        self,
        event: Event,
        charge: Charge | None = None,
        redactions: Sequence[RedactionCount] = (),
        outbox: Sequence[OutboxRow] = (),
    ) -> Receipt:
        """Write one event outside a call, with its charge, what was redacted, and telemetry for the outbox, in one transaction.

        A charge is spent by its key, workspace and organization. What goes into the outbox needs the database, whatever `require` says.
        """
        receipt: Receipt = await self._writer.submit(append_of(event, charge, redactions, outbox))
        return receipt

    async def open(self, intent: Intent) -> Receipt:
        """Write the intent and reserve; raises BudgetExceeded (and writes nothing) when a scope is full.

        A request id that was used before raises LedgerError `request_id_used`; a claim that another request holds ClaimTaken.
        """
        receipt: Receipt = await self._writer.submit(open_of(intent))
        return receipt

    async def close(self, settlement: Settlement) -> Receipt:
        """Settle a call. A second close changes nothing and gives the receipt of the call's last event.

        After a LedgerError `audit_unavailable` the settlement is still owed: it is written when the store is back.
        """
        receipt: Receipt = await self._writer.submit(close_of(settlement, self._clock.now_us()))
        return receipt

    async def end_carve(self, event: Event, child_id: str, spent_micros: int) -> Receipt:
        """Give back what a child key held of its parent's budget, and spend there what it spent. Once, as a call is settled once."""
        receipt: Receipt = await self._writer.submit(Close(child_id, (draft_of(event),), cost=spent_micros))
        return receipt

    async def take(self, event: Event, claim: Claim) -> Receipt:
        """Write the event of a request that is no call and take its claim; raises ClaimTaken (and writes nothing) when another holds it."""
        receipt: Receipt = await self._writer.submit(Take(event.request_id, draft_of(event), claim))
        return receipt

    async def keep(self, event: Event, kept: Kept) -> Receipt:
        """End the claim that the event's request took, and write the event. Owed after a LedgerError, as a settlement is."""
        receipt: Receipt = await self._writer.submit(Keep(event.request_id, draft_of(event), kept))
        return receipt

    async def change(self, event: Event, apply: Callable[[Any], T]) -> T:
        """Run an administrative change (`apply(connection)`) and its event in one transaction; an exception of it rolls both back.

        `apply` runs on the writer's thread, in a transaction that others wait behind: it must be quick, and what it gives
        must not be a live result.
        """
        return cast(T, await self._writer.submit(Change(apply, draft_of(event))))

    async def run(self, apply: Callable[[Connection], T], /) -> T:
        """Run a write that needs no event (outbox, heartbeats, last-used marks) in one short transaction."""
        return cast(T, await self._writer.submit(Change(apply)))

    def ready(self) -> tuple[bool, str]:
        """Whether calls can be written down now, and why not."""
        if self._scribe.away:
            return False, self._scribe.away
        if self._require == "all" and self._scribe.journal_trouble:
            return False, self._scribe.journal_trouble
        return True, ""

    def condition(self) -> Condition:
        """Figures for health and metrics."""
        return Condition(self._writer.pending, self._scribe.away, self._scribe.journal_trouble)

    async def recover(self) -> int:
        """Settle what dead processes left open and give their journals back; says how many calls were settled."""
        if self._journal_dir is not None:
            dead, self._ended = await asyncio.to_thread(dead_journals, self._journal_dir, self._epoch, self._ended)
            for epoch_id in dead:
                await give_back(self.run, self._change, self._journal_dir, epoch_id, self._clock.now_us())
        settled = 0
        known = partial(abandoned_calls, own=self._epoch, sole_writer=self._sole_writer)
        while calls := await self.run(partial(known, now_us=self._clock.now_us())):
            for future in [self._writer.submit(call) for call in calls]:
                await future
            settled += len(calls)
        await self.run(partial(give_up_dead_claims, own=self._epoch, now_us=self._clock.now_us(), sole_writer=self._sole_writer))
        await self.run(partial(end_dead_epochs, own=self._epoch, now_us=self._clock.now_us(), sole_writer=self._sole_writer))
        return settled

    async def _change(self, apply: Callable[[Connection], None], event: Row) -> None:
        await self._writer.submit(Change(apply, event))

    async def _look_after(self, first: asyncio.Event) -> None:
        """Every ten seconds: a heartbeat, recovery, and a checkpoint if anything was written; what fails is tried again."""
        while True:
            try:
                await self.run(partial(beat, epoch=self._epoch, now_us=self._clock.now_us()))
                await self.recover()
                await self.run(self._scribe.checkpoint)
            except Exception:  # noqa: BLE001 - this task must outlive whatever fails: without its heartbeat the process counts as dead
                first.set()
                await asyncio.sleep(1.0)
                continue
            first.set()
            await asyncio.sleep(HEARTBEAT_S)
