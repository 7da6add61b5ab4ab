"""Dead letters in SQL: what a destination refused for good, to look at, to send again, to give up.

Every function takes a connection; those that change something are quick and work on ids, so that many letters are many short
transactions. A letter that is sent again has the id that it had as a row, and so stands before everything that came after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select, true

from pipeline.store.outbox import reject
from pipeline.store.read_model import Row
from pipeline.store.tables import dead_letters, outbox

MOVED_ROWS = 256
_MOVED_BYTES = 4 * 1024 * 1024
_SHOWN = ("id", "destination", "signal", "reason", "items", "bytes", "attempts", "created_us", "buried_us")


@dataclass(frozen=True, slots=True)
class Letters:
    """Which dead letters are meant; empty fields mean any. Times are of the burial, microseconds, the end is not included."""

    destination: str = ""
    signal: str = ""
    reason: str = ""
    from_us: int = 0
    to_us: int = 0
    ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Moved:
    """How many rows, with how many items, were moved, and the ids of the first and the last."""

    rows: int = 0
    items: int = 0
    first: int = 0
    last: int = 0


def letters_page(connection: Connection, asked: Letters, *, limit: int, after: int = 0) -> list[Row]:
    """Dead letters behind the id `after`, oldest first, without what is in them."""
    table = dead_letters.c
    query = select(*(table[name] for name in _SHOWN)).where(_of(asked), table.id > after).order_by(table.id).limit(limit)
    return [dict(row._mapping) for row in connection.execute(query)]


def letters_total(connection: Connection, asked: Letters) -> Row:
    """How many match: `rows`, `items`, `bytes`."""
    table = dead_letters.c
    row = connection.execute(select(func.count(), func.sum(table["items"]), func.sum(table.bytes)).where(_of(asked))).one()
    return {"rows": int(row[0]), "items": int(row[1] or 0), "bytes": int(row[2] or 0)}


def letter(connection: Connection, ident: int) -> Row | None:
    """One dead letter with its payload, or None."""
    row = connection.execute(select(dead_letters).where(dead_letters.c.id == ident)).first()
    return dict(row._mapping) if row is not None else None


def pick(connection: Connection, asked: Letters) -> tuple[Moved, tuple[int, ...]]:
    """The oldest matching letters that one transaction may move, with their ids."""
    return _picked(connection, dead_letters, _of(asked))


def pick_waiting(connection: Connection, asked: Letters, now_us: int) -> tuple[Moved, tuple[int, ...]]:
    """The same of rows that still wait and that nobody is sending; `asked` by destination, signal and ids."""
    return _picked(connection, outbox, and_(_named(asked, outbox), outbox.c.lease_until_us <= now_us))


def replay(connection: Connection, ids: Sequence[int]) -> int:
    """Put letters back into the outbox, at their old places; returns how many there were."""
    rows = connection.execute(select(dead_letters).where(dead_letters.c.id.in_(ids)).order_by(dead_letters.c.id).with_for_update()).all()
    if rows:
        same = ("id", "destination", "signal", "bytes", "items", "created_us", "payload")
        connection.execute(insert(outbox), [{**{name: row._mapping[name] for name in same}, "reason": "replayed"} for row in rows])
        connection.execute(delete(dead_letters).where(dead_letters.c.id.in_([row.id for row in rows])))
    return len(rows)


def drop(connection: Connection, ids: Sequence[int]) -> int:
    """Give letters up for good: they count as rejected by policy from now on. Returns how many there were."""
    return _dropped(connection, dead_letters, ids, true())


def drop_waiting(connection: Connection, ids: Sequence[int], now_us: int) -> int:
    """The same for rows that still wait; one that a sender took meanwhile stays."""
    return _dropped(connection, outbox, ids, outbox.c.lease_until_us <= now_us)


def _dropped(connection: Connection, table: Any, ids: Sequence[int], free: ColumnElement[bool]) -> int:
    columns = (table.c.id, table.c.destination, table.c.signal, table.c["items"])
    rows = connection.execute(select(*columns).where(table.c.id.in_(ids), free).order_by(table.c.id).with_for_update()).all()
    sums: dict[tuple[str, str], int] = {}
    for _, destination, signal, items in rows:
        sums[destination, signal] = sums.get((destination, signal), 0) + items
    for (destination, signal), items in sorted(sums.items()):
        reject(connection, destination, signal, "dropped", items)
    connection.execute(delete(table).where(table.c.id.in_([row.id for row in rows])))
    return len(rows)


def _picked(connection: Connection, table: Any, condition: ColumnElement[bool]) -> tuple[Moved, tuple[int, ...]]:
    query = select(table.c.id, table.c["items"], table.c.bytes).where(condition).order_by(table.c.id).limit(MOVED_ROWS)
    ids: list[int] = []
    items = size = 0
    for ident, count, length in connection.execute(query):
        if ids and size + length > _MOVED_BYTES:
            break
        ids.append(ident)
        items += count
        size += length
    return (Moved(len(ids), items, ids[0], ids[-1]) if ids else Moved()), tuple(ids)


def _of(asked: Letters) -> ColumnElement[bool]:
    table = dead_letters.c
    parts = [_named(asked, dead_letters)]
    if asked.reason:
        parts.append(table.reason == asked.reason)
    if asked.from_us:
        parts.append(table.buried_us >= asked.from_us)
    if asked.to_us:
        parts.append(table.buried_us < asked.to_us)
    return and_(*parts)


def _named(asked: Letters, table: Any) -> ColumnElement[bool]:
    parts = [column == value for column, value in ((table.c.destination, asked.destination), (table.c.signal, asked.signal)) if value]
    if asked.ids:
        parts.append(table.c.id.in_(asked.ids))
    return and_(true(), *parts)
