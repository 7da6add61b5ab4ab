"""What a dead process left behind: its open reservations are charged as unknown, its journal is given back to the database.

Nothing is deleted and nothing is guessed away: a call that nobody lived to settle is charged what it could have cost at
most, in state `unknown`, with an event that says so; an administrator may adjust it when the provider's bill is known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection, func, insert, select, update

from pipeline import processes
from pipeline.ids import ulid
from pipeline.ledger.chain import Row
from pipeline.ledger.journal_copy import Copy, claimed, has_ended, is_alive, journal_epochs, mark_ended, missing_rows, read_copy
from pipeline.ledger.model import Charge, Kept
from pipeline.ledger.operations import Close, charge_row, draft
from pipeline.ledger.scribe import Epoch
from pipeline.store.claims import epochs_with_open_claims, give_up_claims
from pipeline.store.outbox import Run
from pipeline.store.statements import EVENT_COLUMNS
from pipeline.store.tables import epochs, events, reservations

HEARTBEAT_S = 10.0
STALE_US = 30_000_000  # three heartbeats
ROWS = 200
MOST_IN_A_BATCH = 400  # events: 200 operations (writer.py), few of which write more than one
GIVEN_BACK = "ledger:event:recover"
UNKNOWN = Kept("unknown")

Changing = Callable[[Callable[[Connection], None], Row], Awaitable[Any]]
"""Runs a function of the connection and writes an event (a draft) in the same transaction."""


def beat(connection: Connection, epoch: Epoch, now_us: int) -> None:
    """Say that this epoch lives."""
    connection.execute(update(epochs).where(epochs.c.id == epoch.id).values(heartbeat_us=now_us))


def is_dead(row: Any, own: Epoch, now_us: int, *, sole_writer: bool) -> bool:
    """Whether an epoch's process is gone: it ended, it cannot be another (one writer per SQLite file), it is silent, or its pid is free.

    A heartbeat that lies ahead (clocks differ) counts as alive.
    """
    if row.id == own.id:
        return False
    if row.ended_us or sole_writer or now_us - row.heartbeat_us > STALE_US:
        return True
    return bool(row.host == own.host and (row.pid == own.pid or not processes.is_alive(row.pid)))


def abandoned_calls(connection: Connection, own: Epoch, now_us: int, *, sole_writer: bool) -> tuple[Close, ...]:
    """The settlements of at most 200 calls that dead epochs left open, oldest first. Only reads: settling them is idempotent."""
    left = select(reservations.c.epoch_id).where(reservations.c.state == "open").distinct()
    dead = [
        row.id
        for row in connection.execute(select(epochs).where(epochs.c.id.in_(left)))
        if is_dead(row, own, now_us, sole_writer=sole_writer)
    ]
    if not dead:
        return ()
    query = select(reservations).where(reservations.c.state == "open", reservations.c.epoch_id.in_(dead))
    return tuple(_unknown(row, now_us) for row in connection.execute(query.order_by(reservations.c.request_id).limit(ROWS)))


def give_up_dead_claims(connection: Connection, own: Epoch, now_us: int, *, sole_writer: bool) -> None:
    """Mark the idempotency claims as `unknown` that dead epochs left open: those of administrative writes (a call's end with the call)."""
    dead = [row.id for row in epochs_with_open_claims(connection) if is_dead(row, own, now_us, sole_writer=sole_writer)]
    if dead:
        give_up_claims(connection, dead)


def end_dead_epochs(connection: Connection, own: Epoch, now_us: int, *, sole_writer: bool) -> None:
    """Mark the epochs as ended whose process is gone and whose calls are all settled."""
    open_ones = set(connection.execute(select(reservations.c.epoch_id).where(reservations.c.state == "open").distinct()).scalars())
    for row in connection.execute(select(epochs).where(epochs.c.ended_us == 0)).all():
        if row.id not in open_ones and is_dead(row, own, now_us, sole_writer=sole_writer):
            connection.execute(update(epochs).where(epochs.c.id == row.id).values(ended_us=now_us))


def dead_journals(folder: Path, own: Epoch, ended: frozenset[str]) -> tuple[tuple[str, ...], frozenset[str]]:
    """The epochs whose journal on this machine has no end and no living writer, and all those that have ended (`ended`: known before)."""
    others = [epoch_id for epoch_id in journal_epochs(folder) if epoch_id != own.id and epoch_id not in ended]
    closed = frozenset(epoch_id for epoch_id in others if has_ended(folder, epoch_id))
    dead = tuple(epoch_id for epoch_id in others if epoch_id not in closed and not is_alive(folder, epoch_id))
    return dead, ended | closed


async def give_back(run: Run, change: Changing, folder: Path, epoch_id: str, now_us: int) -> int:
    """Insert what the journal of a dead epoch has beyond the database (its process died between the two), then close that journal.

    Says how many events that were; each transaction that inserts some tells so by an event. What only the database has, because the
    machine lost power before the journal was synced, is at most the last batch, which nobody was told of: an event names it, and the
    journal's last block has it as a gap. Files are read beside the loop; every transaction is short.
    """
    with claimed(folder, epoch_id) as mine:
        if not mine:
            return 0
        copy = await asyncio.to_thread(read_copy, folder, epoch_id)
        tails = await run(partial(_tails, chains=sorted({*copy.last, epoch_id})))
        rows = await asyncio.to_thread(missing_rows, folder, epoch_id, tails)
        for start in range(0, len(rows), ROWS):
            some = rows[start : start + ROWS]
            await change(partial(_insert, rows=some), _given_back(some, epoch_id, now_us))
        gap = _unjournaled(copy, tails.get(epoch_id, 0))
        if gap is not None:
            await change(_nothing, _told(now_us, {"epoch": epoch_id, "events": 0, "spans": [], "unjournaled": list(gap)}))
        await asyncio.to_thread(mark_ended, folder, epoch_id, now_us, gap=gap)
        return len(rows)


def _unjournaled(copy: Copy, tail: int) -> tuple[int, int] | None:
    """The events of an epoch's own chain that stand in the database alone: no more than a batch, or verification names them."""
    first = copy.last.get(copy.epoch_id, 0) + 1
    last_gap = max((last for chain, _, last in copy.gaps if chain == copy.epoch_id), default=0)
    first = max(first, last_gap + 1)
    return (first, tail) if not copy.faults and 0 <= tail - first < MOST_IN_A_BATCH else None


def _nothing(_connection: Connection) -> None:
    """An event without a change."""


def _tails(connection: Connection, chains: Sequence[str]) -> dict[str, int]:
    query = select(events.c.chain, func.max(events.c.seq)).where(events.c.chain.in_(chains)).group_by(events.c.chain)
    return {chain: int(last) for chain, last in connection.execute(query)}


def _insert(connection: Connection, rows: Sequence[Row]) -> None:
    connection.execute(insert(events), [dict(zip(EVENT_COLUMNS, row, strict=True)) for row in rows])


def _given_back(rows: Sequence[Row], epoch_id: str, now_us: int) -> Row:
    """The event of giving back: which events of which chain, and whether what they tell `stands`.

    An event of the epoch's own chain was journaled with a transaction that then did not commit, so what it tells (a call that was
    settled, a key that was revoked) did not come to be. Other chains were written while the database was away: they stand.
    """
    spans = []
    for chain in dict.fromkeys(row[2] for row in rows):
        seqs = [row[12] for row in rows if row[2] == chain]
        spans.append({"chain": chain, "from": min(seqs), "stands": chain != epoch_id, "to": max(seqs)})
    return _told(now_us, {"epoch": epoch_id, "events": len(rows), "spans": spans})


def _told(now_us: int, detail: dict[str, Any]) -> Row:
    text = orjson.dumps(detail, option=orjson.OPT_SORT_KEYS).decode()
    return draft(event_id=ulid(now_us), at_us=now_us, kind=GIVEN_BACK, actor="system", outcome="ok", detail=text)


def _unknown(row: Any, now_us: int) -> Close:
    """Settle a call at the most it could cost."""
    charge = Charge(
        id=ulid(now_us),
        request_id=row.request_id,
        at_us=now_us,
        org_id=row.org_id,
        workspace_id=row.workspace_id,
        key_id=row.key_id,
        model=row.model,
        target_id="",
        provider="",
        provider_model="",
        state="unknown",
        cost_micros=row.amount_micros,
        price_digest="",
    )
    detail = orjson.dumps(
        {"cost_micros": row.amount_micros, "epoch": row.epoch_id, "opened_us": row.created_us}, option=orjson.OPT_SORT_KEYS
    )
    event = draft(
        event_id=ulid(now_us), at_us=now_us, kind="gateway:call:unknown", actor="system", outcome="unknown", detail=detail.decode(),
        request_id=row.request_id, org_id=row.org_id, workspace_id=row.workspace_id, key_id=row.key_id, model=row.model,
    )  # fmt: skip
    return Close(row.request_id, (event,), (charge_row(charge),), row.amount_micros, kept=UNKNOWN)
