"""Alerts about money on their way, in SQL: routed to the destinations of the document, leased, delivered, tried again, given up.

Every worker may run these: rows are leased, so that one of them sends, and a lease that its holder did not end is taken by the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, exists, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from pipeline.store.tables import alert_deliveries, alerts

MOST: Final = 100
_D = alert_deliveries.c


@dataclass(frozen=True, slots=True)
class Leased:
    """A delivery that is ours to make until its lease ends: the alert's row, to which destination, and how often it was tried."""

    alert: Any
    destination: str
    attempts: int


def waits(connection: Connection, now_us: int) -> bool:
    """Whether anything is to be routed or sent: a look that costs no transaction of the writer."""
    unrouted = select(exists().where(alerts.c.routed_us == 0))
    due = select(exists().where(_D.state == "queued", _D.due_us <= now_us, _D.lease_until_us <= now_us))
    return bool(connection.execute(unrouted).scalar()) or bool(connection.execute(due).scalar())


def unrouted(connection: Connection) -> Sequence[Any]:
    """The oldest alerts that no delivery was written for."""
    return connection.execute(select(alerts).where(alerts.c.routed_us == 0).order_by(alerts.c.id).limit(MOST)).all()


def route(connection: Connection, ids: Sequence[str], destinations: Sequence[str], now_us: int) -> None:
    """Write a delivery of each alert to each destination, once."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    rows = [{"alert_id": ident, "destination": name, "due_us": now_us} for ident in ids for name in destinations]
    if rows:
        connection.execute(dialect.insert(alert_deliveries).on_conflict_do_nothing(), rows)
    connection.execute(update(alerts).where(alerts.c.id.in_(ids)).values(routed_us=now_us))


def mark_blocked(connection: Connection, alert_id: str) -> None:
    """Note that the key of an alert was blocked for it."""
    connection.execute(update(alerts).where(alerts.c.id == alert_id).values(blocked=True))


def claim(connection: Connection, now_us: int, lease_us: int) -> tuple[Leased, ...]:
    """Lease what is due, oldest first."""
    free = (_D.state == "queued", _D.due_us <= now_us, _D.lease_until_us <= now_us)
    query = select(_D.alert_id, _D.destination, _D.attempts).where(*free).order_by(_D.alert_id, _D.destination).limit(MOST)
    found = connection.execute(query.with_for_update(skip_locked=True)).all()
    if not found:
        return ()
    pairs = [(row.alert_id, row.destination) for row in found]
    held = update(alert_deliveries).where(tuple_(_D.alert_id, _D.destination).in_(pairs))
    connection.execute(held.values(lease_until_us=now_us + lease_us))
    told = {row.id: row for row in connection.execute(select(alerts).where(alerts.c.id.in_({row.alert_id for row in found})))}
    return tuple(Leased(told[row.alert_id], row.destination, row.attempts) for row in found if row.alert_id in told)


def ended(connection: Connection, leased: Leased, state: str, now_us: int, reason: str = "") -> None:
    """A delivery is over: `delivered`, or `dead` for a reason."""
    _note(connection, leased, state=state, reason=reason[:64], ended_us=now_us)


def again(connection: Connection, leased: Leased, due_us: int, reason: str) -> None:
    """Give a delivery back, not to be claimed before `due_us`."""
    _note(connection, leased, due_us=due_us, reason=reason[:64])


def _note(connection: Connection, leased: Leased, **values: Any) -> None:
    mine = (_D.alert_id == leased.alert.id) & (_D.destination == leased.destination)
    connection.execute(update(alert_deliveries).where(mine).values(lease_until_us=0, attempts=leased.attempts + 1, **values))
