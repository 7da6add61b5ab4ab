"""What follows from an alert for a key: it is blocked by choice, and unusual spending of it is noted, once a day."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from pipeline.errors import BadRequest
from pipeline.keys import service
from pipeline.keys.service import Actor, Office
from pipeline.ledger.anomalies import Spike
from pipeline.periods import period_start
from pipeline.store.alerts import mark_blocked
from pipeline.store.tables import alerts

SYSTEM = "system"


class _Known(Exception):
    """It was noted before: nothing is written."""


async def block_for(office: Office, alert: Any) -> bool:
    """Block the key that an alert is about, with the event of any block (`admin:key:block`, actor `system`). False where there is none."""
    if alert.scope_kind not in ("key", "model"):
        return False
    key_id = alert.scope_id[:26]
    try:
        await service.block_key(office, Actor(SYSTEM, org_id=alert.org_id), key_id)
    except BadRequest:
        return False  # it was revoked meanwhile, or is gone
    await office.ledger.run(lambda connection: mark_blocked(connection, alert.id))
    return True


async def note_spike(office: Office, spike: Spike) -> bool:
    """Write an alert of unusual spending and its event (`key:spend:spike`); False when this key's was written today (UTC)."""
    now_us, alert_id = office.clock.now_us(), office.new_id()
    day = period_start("day", now_us)
    row = {
        "id": alert_id, "at_us": now_us, "kind": "anomaly", "mark": "rate", "subject": spike.key_id, "org_id": spike.org_id,
        "scope_kind": "key", "scope_id": spike.key_id, "period": "day", "period_start_us": day, "limit_micros": spike.usual_micros,
        "spent_micros": spike.spent_micros,
    }  # fmt: skip

    def apply(connection: Connection) -> None:
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        made = dialect.insert(alerts).values(**row).on_conflict_do_nothing().returning(alerts.c.id)
        if connection.execute(made).first() is None:
            raise _Known

    detail = {"alert": alert_id, "spent_micros": spike.spent_micros, "usual_micros": spike.usual_micros, "score": f"{spike.score:.1f}"}
    told = service.event(office, Actor(SYSTEM, org_id=spike.org_id), "key:spend:spike", detail, key_id=spike.key_id)
    try:
        await office.ledger.change(told, apply)
    except _Known:
        return False
    return True
