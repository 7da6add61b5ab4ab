"""The durable outbox in SQL: telemetry on its way, in the order it was written, with nothing lost and everything counted.

accepted = delivered + queued + dead_letter + rejected_by_policy, per destination and signal, in items.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar, cast

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from collectors.backlog import Backlog
from collectors.model import Account, CollectorError, Leased, OutboxRow, Signal
from pipeline.clock import Clock
from pipeline.errors import LedgerError
from pipeline.store.session import HotSql, hot_sql
from pipeline.store.statements import Cursor
from pipeline.store.tables import dead_letters, outbox, outbox_accounts, outbox_rejections

T = TypeVar("T")

_CLAIM_ROWS = 256


class Run(Protocol):
    """Runs a function of the write connection in one short transaction; raises LedgerError when the store is away."""

    def __call__(self, apply: Callable[[Connection], T], /) -> Awaitable[T]:
        """Run it."""
        ...


def enqueue(cursor: Cursor, sql: HotSql, rows: Iterable[OutboxRow], now_us: int) -> None:
    """Put rows into the outbox and count them as accepted, in the transaction that is open on the cursor."""
    queued = []
    accepted: dict[tuple[str, str], tuple[int, int]] = {}
    withheld: dict[tuple[str, str, str], int] = {}
    for row in rows:
        account = (row.destination, row.signal)
        items, rejected = accepted.get(account, (0, 0))
        if row.withheld:
            withheld[*account, row.withheld] = withheld.get((*account, row.withheld), 0) + row.items
            rejected += row.items
        else:
            queued.append((row.destination, row.signal, len(row.payload), row.items, now_us, row.payload))
        accepted[account] = (items + row.items, rejected)
    sql.outbox(cursor, queued)
    for (destination, signal), (items, rejected) in sorted(accepted.items()):
        sql.lists.accept(cursor, destination, signal, items, rejected)
    for (destination, signal, reason), items in sorted(withheld.items()):
        sql.lists.reject(cursor, destination, signal, reason, items)


class SqlOutbox:
    """`collectors.model.OutboxStore` over the ledger's writer. LedgerErrors become CollectorErrors."""

    def __init__(self, run: Run, clock: Clock, *, postgres: bool, backlog: Backlog | None = None) -> None:
        self._run = run
        self._clock = clock
        self._backlog = backlog or Backlog({})
        self._sql = hot_sql(postgres=postgres)

    async def put(self, rows: Sequence[OutboxRow]) -> None:
        """Store rows durably; raises CollectorError when that is not possible."""
        if not rows:
            return
        now_us = self._clock.now_us()

        def apply(connection: Connection) -> None:
            enqueue(cast(Cursor, connection.connection.cursor()), self._sql, rows, now_us)

        await self._do(apply)
        self._backlog.added(rows)

    async def release(self) -> None:
        """Take back every lease: for the only process that sends, when it starts. What a killed one was sending waits no longer."""
        await self._do(lambda connection: connection.execute(update(outbox).values(lease_until_us=0)) and None)

    async def claim(self, destination: str, signal: Signal, *, max_bytes: int, lease_us: int) -> tuple[Leased, ...]:
        """Lease the oldest due rows up to `max_bytes` (at least one); nothing while the oldest is leased or waits."""
        now_us = self._clock.now_us()

        def apply(connection: Connection) -> tuple[Leased, ...]:
            return _claim(connection, destination, signal, max_bytes=max_bytes, now_us=now_us, until_us=now_us + lease_us)

        return await self._do(apply)

    async def delivered(self, ids: Sequence[int], *, rejected_items: int = 0, reason: str = "partial_success") -> None:
        """Remove rows that are done with; `rejected_items` of them were refused for good, for a `reason`."""
        self._backlog.removed(await self._do(lambda connection: _delivered(connection, ids, rejected_items, reason[:64])))

    async def retry(self, ids: Sequence[int], *, due_us: int, reason: str) -> None:
        """Give rows back, not to be claimed before `due_us`."""
        values = {"due_us": due_us, "lease_until_us": 0, "attempts": outbox.c.attempts + 1, "reason": reason[:64]}
        await self._do(lambda connection: connection.execute(update(outbox).where(outbox.c.id.in_(ids)).values(**values)) and None)

    async def bury(self, ids: Sequence[int], *, reason: str) -> None:
        """Move rows to the dead-letter table."""
        now_us = self._clock.now_us()
        await self._do(lambda connection: _bury(connection, ids, reason[:64], now_us))

    async def accounts(self) -> tuple[Account, ...]:
        """The loss equation, per destination and signal."""
        return await self._do(accounts)

    async def _do(self, apply: Callable[[Connection], T]) -> T:
        try:
            return await self._run(apply)
        except LedgerError as error:
            raise CollectorError("the outbox cannot be written: " + error.code) from None


def accounts(connection: Connection) -> tuple[Account, ...]:
    """Read the loss equation over any connection, a read-only one too."""
    queued = _sums(connection, outbox)
    buried = _sums(connection, dead_letters)
    rows = connection.execute(select(outbox_accounts).order_by(outbox_accounts.c.destination, outbox_accounts.c.signal))
    return tuple(
        Account(
            destination=row.destination,
            signal=row.signal,
            accepted=row.accepted,
            delivered=row.delivered,
            queued=queued.get((row.destination, row.signal), 0),
            dead_letter=buried.get((row.destination, row.signal), 0),
            rejected_by_policy=row.rejected_by_policy,
        )
        for row in rows
    )


def _sums(connection: Connection, table: Any) -> dict[tuple[str, str], int]:
    query = select(table.c.destination, table.c.signal, func.sum(table.c["items"])).group_by(table.c.destination, table.c.signal)
    return {(destination, signal): int(items) for destination, signal, items in connection.execute(query)}


def _claim(connection: Connection, destination: str, signal: Signal, *, max_bytes: int, now_us: int, until_us: int) -> tuple[Leased, ...]:
    columns = (outbox.c.id, outbox.c.bytes, outbox.c.due_us, outbox.c.lease_until_us)
    waiting = (
        select(*columns).where(outbox.c.destination == destination, outbox.c.signal == signal).order_by(outbox.c.id).limit(_CLAIM_ROWS)
    )
    picked: list[int] = []
    total = 0
    for row_id, size, due_us, lease_until_us in connection.execute(waiting.with_for_update()):
        if due_us > now_us or lease_until_us > now_us or (picked and total + size > max_bytes):
            break
        picked.append(row_id)
        total += size
    if not picked:
        return ()
    connection.execute(update(outbox).where(outbox.c.id.in_(picked)).values(lease_until_us=until_us))
    rows = connection.execute(
        select(outbox.c.id, outbox.c.payload, outbox.c["items"], outbox.c.attempts).where(outbox.c.id.in_(picked)).order_by(outbox.c.id)
    )
    return tuple(Leased(row_id, OutboxRow(destination, signal, payload, items), attempts) for row_id, payload, items, attempts in rows)


def _delivered(connection: Connection, ids: Sequence[int], rejected_items: int, reason: str) -> dict[str, int]:
    """Remove rows and count their items; gives the bytes that were freed, by destination."""
    totals = _totals(connection, ids)
    rejected = rejected_items
    freed: dict[str, int] = {}
    for (destination, signal), (items, size) in sorted(totals.items()):
        freed[destination] = freed.get(destination, 0) + size
        refused = min(rejected, items)
        rejected -= refused
        account = (outbox_accounts.c.destination == destination) & (outbox_accounts.c.signal == signal)
        connection.execute(update(outbox_accounts).where(account).values(delivered=outbox_accounts.c.delivered + items - refused))
        if refused:
            reject(connection, destination, signal, reason, refused)
    connection.execute(delete(outbox).where(outbox.c.id.in_(ids)))
    return freed


def reject(connection: Connection, destination: str, signal: str, reason: str, items: int) -> None:
    """Count items as rejected by policy, for a reason; their account exists."""
    account = (outbox_accounts.c.destination == destination) & (outbox_accounts.c.signal == signal)
    rejected = outbox_accounts.c.rejected_by_policy + items
    connection.execute(update(outbox_accounts).where(account).values(rejected_by_policy=rejected))
    fresh = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(outbox_rejections)
    counted = fresh.values(destination=destination, signal=signal, reason=reason, items=items)
    more = {"items": outbox_rejections.c["items"] + items}
    connection.execute(counted.on_conflict_do_update(index_elements=["destination", "signal", "reason"], set_=more))


def _totals(connection: Connection, ids: Sequence[int]) -> dict[tuple[str, str], tuple[int, int]]:
    # Rows that another sender already settled are gone and not counted twice; PostgreSQL locks those that are left.
    totals: dict[tuple[str, str], tuple[int, int]] = {}
    columns = (outbox.c.destination, outbox.c.signal, outbox.c["items"], outbox.c.bytes)
    for destination, signal, items, size in connection.execute(
        select(*columns).where(outbox.c.id.in_(ids)).order_by(outbox.c.id).with_for_update()
    ):
        before = totals.get((destination, signal), (0, 0))
        totals[destination, signal] = (before[0] + items, before[1] + size)
    return totals


def _bury(connection: Connection, ids: Sequence[int], reason: str, now_us: int) -> None:
    query = select(outbox).where(outbox.c.id.in_(ids)).order_by(outbox.c.id).with_for_update()
    rows = connection.execute(query).all()
    if not rows:
        return
    buried = [
        {
            "id": row.id,
            "destination": row.destination,
            "signal": row.signal,
            "payload": row.payload,
            "bytes": row.bytes,
            "items": row.items,
            "attempts": row.attempts + 1,
            "reason": reason,
            "created_us": row.created_us,
            "buried_us": now_us,
        }
        for row in rows
    ]
    connection.execute(insert(dead_letters), buried)
    connection.execute(delete(outbox).where(outbox.c.id.in_([row.id for row in rows])))
