"""Loss accounting and chain heads: what an auditor needs to believe that nothing is missing.

Both belong to the installation, not to a workspace: a viewer who is restricted to one gets nothing here.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, select

from pipeline.store.read_model import Row
from pipeline.store.tables import checkpoints, dead_letters, epochs, events, outbox, outbox_accounts, outbox_rejections

_NONE = (0, 0)


def accounts(connection: Connection) -> list[Row]:
    """The loss equation per destination and signal, in items, with `missing` = accepted − (delivered + queued + dead_letter + rejected).

    `missing` is 0 in a sound installation. All parts are of one state of the store.
    """
    counters = {(row.destination, row.signal): row._mapping for row in connection.execute(select(outbox_accounts))}
    queued, dead = _sums(connection, outbox), _sums(connection, dead_letters)
    rows = []
    for place in sorted({*counters, *queued, *dead}):
        counter = counters.get(place, {"accepted": 0, "delivered": 0, "rejected_by_policy": 0})
        parts = (counter["delivered"], queued.get(place, _NONE)[0], dead.get(place, _NONE)[0], counter["rejected_by_policy"])
        rows.append(
            {
                "destination": place[0],
                "signal": place[1],
                "accepted": counter["accepted"],
                "delivered": parts[0],
                "queued": parts[1],
                "dead_letter": parts[2],
                "rejected_by_policy": parts[3],
                "missing": counter["accepted"] - sum(parts),
                "oldest_queued_us": _oldest(connection, *place) if place in queued else 0,
                "queued_bytes": queued.get(place, _NONE)[1],
                "dead_letter_bytes": dead.get(place, _NONE)[1],
            }
        )
    return rows


def rejections(connection: Connection) -> list[Row]:
    """What `rejected_by_policy` is made of: items by destination, signal and reason."""
    table = outbox_rejections.c
    found = connection.execute(select(outbox_rejections).order_by(table.destination, table.signal, table.reason))
    return [dict(row._mapping) for row in found]


def dead_letter_reasons(connection: Connection) -> list[Row]:
    """Dead letters by destination, signal and reason code, with how many items and when the last one was buried."""
    table = dead_letters.c
    sums = (func.sum(table["items"]).label("items"), func.count().label("rows"), func.max(table.buried_us).label("last_us"))
    query = select(table.destination, table.signal, table.reason, *sums).group_by(table.destination, table.signal, table.reason)
    found = connection.execute(query.order_by(table.destination, table.signal, table.reason))
    return [{**row._mapping, "items": int(row._mapping["items"]), "rows": int(row.rows)} for row in found]


def chain_heads(connection: Connection, limit: int) -> list[Row]:
    """The newest chains (one per life of a writer), newest first: head, number of events, gaps, last checkpoint.

    `gaps` is how many sequence numbers are absent: anything but 0 means that rows were removed. That each row still says what
    it said is proved by `lockgate audit verify`, not here.
    """
    heads: list[Row] = []
    below = ""
    while len(heads) < limit:
        # One index seek per chain instead of a scan over all events.
        query = select(func.max(events.c.chain))
        chain = connection.execute(query.where(events.c.chain < below) if below else query).scalar()
        if chain is None:
            break
        heads.append(_head(connection, chain))
        below = chain
    return heads


def _sums(connection: Connection, table: Any) -> dict[tuple[str, str], tuple[int, int]]:
    """Items and bytes per destination and signal, read from an index that has them."""
    sums = (func.sum(table.c["items"]), func.sum(table.c.bytes))
    query = select(table.c.destination, table.c.signal, *sums).group_by(table.c.destination, table.c.signal)
    return {(row[0], row[1]): (int(row[2]), int(row[3])) for row in connection.execute(query)}


def _oldest(connection: Connection, destination: str, signal: str) -> int:
    """When the row that has waited longest entered."""
    first = select(outbox.c.created_us).where(outbox.c.destination == destination, outbox.c.signal == signal).order_by(outbox.c.id).limit(1)
    return int(connection.execute(first).scalar() or 0)


def _head(connection: Connection, chain: str) -> Row:
    table = events.c
    numbers = connection.execute(select(func.min(table.seq), func.max(table.seq), func.count()).where(table.chain == chain)).one()
    first, last, count = int(numbers[0]), int(numbers[1]), int(numbers[2])
    head = connection.execute(select(table.at_us, table.hash).where(table.chain == chain, table.seq == last)).one()
    point = connection.execute(
        select(checkpoints.c.seq, checkpoints.c.at_us).where(checkpoints.c.chain == chain).order_by(checkpoints.c.seq.desc()).limit(1)
    ).first()
    epoch = connection.execute(select(epochs.c.host, epochs.c.ended_us, epochs.c.version).where(epochs.c.id == chain)).first()
    return {
        "chain": chain,
        "first_seq": first,
        "seq": last,
        "events": count,
        "gaps": last - first + 1 - count,
        "hash": head.hash,
        "at_us": head.at_us,
        "checkpoint_seq": point.seq if point else None,
        "checkpoint_us": point.at_us if point else 0,
        "host": epoch.host if epoch else "",
        "version": epoch.version if epoch else "",
        "ended_us": epoch.ended_us if epoch else 0,
    }
