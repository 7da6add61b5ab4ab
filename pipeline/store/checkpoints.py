"""What SQL there is about checkpoints: read, written once per chain and number, and which of them were copied."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, and_, func, insert, select

from pipeline.store.statements import EVENT_COLUMNS
from pipeline.store.tables import audit_checkpoints, checkpoint_copies, epochs, events

_A = audit_checkpoints.c
CHUNK: Final = 2_000


class Stored(NamedTuple):
    """A row of `audit_checkpoints`."""

    id: str
    chain: str
    number: int
    first_seq: int
    last_seq: int
    at_us: int
    body: str
    digest: str
    key_id: str
    signature: str


_COLUMNS = [audit_checkpoints.c[name] for name in Stored._fields]


def last_checkpoint(connection: Connection, chain: str) -> Stored | None:
    """The newest checkpoint of a chain."""
    row = connection.execute(select(*_COLUMNS).where(_A.chain == chain).order_by(_A.number.desc()).limit(1)).first()
    return None if row is None else Stored(*row)


def checkpoints_of(connection: Connection, chain: str, *, first_seq: int = 0, last_seq: int | None = None) -> Iterator[Stored]:
    """The checkpoints of a chain whose segments touch a range of events, in order; heartbeats among them."""
    query = select(*_COLUMNS).where(_A.chain == chain, _A.last_seq >= first_seq).order_by(_A.number)
    if last_seq is not None:
        query = query.where(_A.first_seq <= last_seq)
    for row in connection.execute(query):
        yield Stored(*row)


def checkpoint_over(connection: Connection, chain: str, seq: int) -> Stored | None:
    """The checkpoint whose segment holds an event."""
    holds = and_(_A.chain == chain, _A.first_seq <= seq, _A.last_seq >= seq)
    row = connection.execute(select(*_COLUMNS).where(holds).order_by(_A.number).limit(1)).first()
    return None if row is None else Stored(*row)


def put_checkpoint(connection: Connection, row: Stored) -> bool:
    """Write a checkpoint, unless another process was first with this number."""
    number = connection.execute(select(func.max(_A.number)).where(_A.chain == row.chain)).scalar() or 0
    if number != row.number - 1:
        return False
    connection.execute(insert(audit_checkpoints).values(row._asdict()))
    return True


def chains_with_checkpoints(connection: Connection) -> list[str]:
    """Every chain that has any."""
    return [*connection.execute(select(_A.chain).distinct().order_by(_A.chain)).scalars()]


def next_chain(connection: Connection, after: str) -> str | None:
    """The first chain of events behind another, by one index seek."""
    return connection.execute(select(func.min(events.c.chain)).where(events.c.chain > after)).scalar()


def is_alive(connection: Connection, chain: str) -> bool:
    """Whether a writer may still write to a chain: its epoch has not ended. Chains of an outage belong to no epoch and have ended."""
    row = connection.execute(select(epochs.c.ended_us).where(epochs.c.id == chain)).first()
    return row is not None and not row.ended_us


def chain_rows(connection: Connection, chain: str, *, after: int, last: int | None = None) -> Iterator[list[tuple[Any, ...]]]:
    """Stored rows of a chain behind `after` (to `last`), in chunks, straight from the driver."""
    columns = [events.c[name] for name in EVENT_COLUMNS]
    while True:
        query = select(*columns).where(events.c.chain == chain, events.c.seq > after).order_by(events.c.seq).limit(CHUNK)
        if last is not None:
            query = query.where(events.c.seq <= last)
        result = connection.execute(query)
        assert result.cursor is not None
        chunk = list(result.cursor.fetchall())
        result.close()
        if not chunk:
            return
        yield chunk
        after = chunk[-1][12]


def leaves_of(connection: Connection, chain: str, first_seq: int, last_seq: int) -> list[tuple[int, str]]:
    """`(seq, hash)` of a segment, in order."""
    query = select(events.c.seq, events.c.hash).where(events.c.chain == chain, events.c.seq.between(first_seq, last_seq))
    return [(row.seq, row.hash) for row in connection.execute(query.order_by(events.c.seq))]


def uncovered(connection: Connection, chain: str, after: int) -> int:
    """How many events a chain has behind a sequence number; chains have no gaps."""
    last = connection.execute(select(func.max(events.c.seq)).where(events.c.chain == chain)).scalar() or 0
    return max(0, int(last) - after)


def not_copied(connection: Connection, place: str, limit: int) -> list[Stored]:
    """The oldest checkpoints that do not stand at a place yet."""
    joined = audit_checkpoints.outerjoin(
        checkpoint_copies, and_(checkpoint_copies.c.checkpoint_id == _A.id, checkpoint_copies.c.place == place)
    )
    query = select(*_COLUMNS).select_from(joined).where(checkpoint_copies.c.checkpoint_id.is_(None)).order_by(_A.id).limit(limit)
    return [Stored(*row) for row in connection.execute(query)]


def mark_copied(connection: Connection, place: str, ids: list[str], at_us: int) -> None:
    """Note that checkpoints stand at a place; another process may have noted some of them."""
    known = select(checkpoint_copies.c.checkpoint_id).where(checkpoint_copies.c.place == place, checkpoint_copies.c.checkpoint_id.in_(ids))
    present = {*connection.execute(known).scalars()}
    rows = [{"place": place, "checkpoint_id": ident, "at_us": at_us} for ident in ids if ident not in present]
    if rows:
        connection.execute(insert(checkpoint_copies), rows)


def all_checkpoints(connection: Connection, chain: str = "") -> Iterator[Stored]:
    """Every checkpoint (of one chain), by chain and number."""
    query = select(*_COLUMNS).order_by(_A.chain, _A.number)
    for row in connection.execute(query.where(_A.chain == chain) if chain else query):
        yield Stored(*row)
