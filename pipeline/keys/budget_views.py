"""How budgets and alerts are shown: the JSON of the admin API and of the command line. Amounts are dollars as decimal texts."""

from __future__ import annotations

from typing import Any

from pipeline.clock import rfc3339
from pipeline.ledger.budgets import Budget
from pipeline.periods import ROLLING, period_end


def usd(micros: int) -> str:
    """Integer micro-dollars as a decimal text with six places."""
    sign = "-" if micros < 0 else ""
    whole, rest = divmod(abs(micros), 1_000_000)
    return f"{sign}{whole}.{rest:06d}"


def standing_view(budget: Budget, now_us: int) -> dict[str, Any]:
    """What a budget allows and what of it is used, in the period or window of now."""
    held = budget.at(now_us)
    return {
        "limit_usd": usd(held.limit),
        "period": "rolling" if held.period in ROLLING else held.period or "total",
        "spent_usd": usd(held.spent),
        "reserved_usd": usd(held.reserved),
        "remaining_usd": usd(max(0, held.free)),
    }


def budget_view(budget: Budget, now_us: int, names: dict[str, str]) -> dict[str, Any]:
    """One budget with everything that it says. `names` says whose it is: `workspace`, `key`, `model`."""
    held, rolling = budget.at(now_us), budget.period in ROLLING
    ends_us = 0 if rolling else period_end(budget.period, held.start_us, budget.timezone)
    increased = now_us < budget.increase_until_us
    return {
        "object": "budget",
        "id": budget.id,
        "scope": budget.scope.kind,
        "workspace": names.get("workspace"),
        "key": names.get("key"),
        "model": names.get("model"),
        **standing_view(budget, now_us),
        "rolling": budget.period if rolling else None,
        "timezone": budget.timezone or "UTC",
        "soft_limit_usd": usd(budget.soft_micros) if budget.soft_micros else None,
        "alert_at": [int(percent) for percent in budget.alert_at.split(",") if percent],
        "temp_budget_increase": usd(budget.increase_micros) if increased else None,
        "temp_budget_expiry": rfc3339(budget.increase_until_us) if increased else None,
        "resets_at": rfc3339(ends_us) if ends_us else None,
        "in_document": budget.origin == "document",
        "created_at": rfc3339(budget.created_us) if budget.created_us else None,
    }


def alert_view(row: Any) -> dict[str, Any]:
    """One alert: what was reached, how it stood then, and whether its key was blocked for it."""
    spike = row.kind == "anomaly"
    return {
        "object": "alert",
        "id": row.id,
        "at": rfc3339(row.at_us),
        "kind": row.kind,
        "percent": int(row.mark) if row.mark.isdigit() else None,
        "budget": None if spike else row.subject,
        "scope": row.scope_kind,
        "scope_id": row.scope_id,
        "period": "rolling" if row.period in ROLLING else row.period or "total",
        "limit_usd": None if spike else usd(row.limit_micros),
        "usual_usd": usd(row.limit_micros) if spike else None,
        "spent_usd": usd(row.spent_micros),
        "reserved_usd": usd(row.reserved_micros),
        "key_blocked": bool(row.blocked),
    }
