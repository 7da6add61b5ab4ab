"""What a batch notices about money: thresholds that were reached, soft limits that were passed, budgets that refused.

Each is noticed once per budget and period, in the transaction that brings it about: the budget's row says what was told already.
"""

from __future__ import annotations

import orjson

from pipeline.ids import ulid
from pipeline.ledger.budgets import Standing
from pipeline.ledger.chain import Row
from pipeline.ledger.operations import draft

KINDS = {"soft": "soft_limit", "full": "exhausted", "rate": "anomaly"}
"""The kind of an alert by its mark; every other mark is the percent of a threshold."""


def notice(standing: Standing) -> list[str]:
    """The marks that a budget newly reached (`50`, `soft`, `full`), and the note on the row that they were told."""
    told = standing.alerted.split(",") if standing.alerted else []
    reached = [mark for mark in standing.alert_at.split(",") if mark and standing.spent * 100 >= standing.limit * int(mark)]
    if standing.soft and standing.spent > standing.soft:
        reached.append("soft")
    if standing.refused:
        reached.append("full")
    new = [mark for mark in reached if mark not in told]
    if new:
        standing.alerted = ",".join([*told, *new])
        standing.touched = True
    return new


def alert_row(standing: Standing, mark: str, now_us: int) -> Row:
    """A row of `alerts`, in the order of `ALERT_COLUMNS`."""
    return (
        ulid(now_us), now_us, KINDS.get(mark, "threshold"), mark, standing.id, standing.org_id, standing.kind, standing.scope_id,
        standing.period, standing.start_us, standing.limit, standing.spent, standing.reserved,
    )  # fmt: skip


def alert_event(row: Row) -> Row:
    """The event of an alert: `budget:threshold:reach`, `budget:soft_limit:reach`, `budget:exhausted:reach`, `key:spend:spike`."""
    alert_id, at_us, kind, mark, subject, org_id, scope_kind, scope_id, period, start_us, limit, spent, reserved = row
    key_id = scope_id[:26] if scope_kind in ("key", "model") else ""
    detail = {
        "alert": alert_id, "mark": mark, "budget": subject, "scope": scope_kind, "period": period, "period_start_us": start_us,
        "limit_micros": limit, "spent_micros": spent, "reserved_micros": reserved,
    }  # fmt: skip
    return draft(
        event_id=ulid(at_us), at_us=at_us, kind="key:spend:spike" if kind == "anomaly" else f"budget:{kind}:reach", actor="system",
        outcome="ok", detail=orjson.dumps(detail, option=orjson.OPT_SORT_KEYS).decode(), org_id=org_id,
        workspace_id=scope_id if scope_kind == "workspace" else "", key_id=key_id,
    )  # fmt: skip
