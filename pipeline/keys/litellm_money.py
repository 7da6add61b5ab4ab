"""LiteLLM's budget fields as the terms of our budgets, and back: `max_budget`, `budget_duration`, `soft_budget`, `budget_limits`.

LiteLLM starts a day's budget anew at midnight, a week's on Monday, and one of 30 days or a month on the first of the month (its
`get_next_standardized_reset_time`, 1.106.2), which are our calendar periods. Other lengths are refused, never rounded to a near one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pipeline.errors import BadRequest

Terms = dict[str, Any]
"""A budget as `POST /v1/keys` takes it: `limit_usd`, `period`, and what else it says."""

MONEY_FIELDS: Final = frozenset({"max_budget", "budget_duration", "soft_budget", "budget_limits"})
_PERIODS: Final[Mapping[str, str]] = {
    "1d": "day", "24h": "day", "daily": "day",
    "7d": "week", "1w": "week", "weekly": "week",
    "30d": "month", "1mo": "month", "monthly": "month",
}  # fmt: skip
_DURATIONS: Final[Mapping[str, str]] = {"day": "1d", "week": "7d", "month": "30d", "quarter": "3mo"}


def read_money(body: Mapping[str, Any]) -> Terms | None:
    """The one budget of a request, or None when it asks for none. BadRequest names the field.

    `budget_limits` may hold one window in place of `max_budget`.
    """
    limits = body.get("budget_limits")
    if limits is not None and limits != []:
        return _windowed(body, limits)
    limit, duration, soft = body.get("max_budget"), body.get("budget_duration"), body.get("soft_budget")
    if limit is None:
        for name, value in (("budget_duration", duration), ("soft_budget", soft)):
            if value is not None:
                raise BadRequest(f"{name} needs max_budget.", hint="Send both, or leave it out.", param=name)
        return None
    if soft is not None:
        raise BadRequest("soft_budget is not supported here.", hint="Set thresholds with POST /v1/budgets.", param="soft_budget")
    return {"limit_usd": dollars(limit, "max_budget"), "period": read_period(duration, "budget_duration")}


def read_period(duration: Any, param: str) -> str:
    """`1d`, `7d`, `30d` and their other spellings as a calendar period; null is a budget that never starts anew."""
    if duration is None or duration == "":
        return "total"
    period = _PERIODS.get(duration.strip().lower()) if isinstance(duration, str) else None
    if period is None:
        raise BadRequest(
            f"{param} is not a period that budgets have here.",
            hint="Use 1d (or 24h), 7d (or 1w), 30d (or 1mo), or leave it out for one that never starts anew.",
            param=param,
        )
    return period


def dollars(amount: Any, param: str) -> float | int:
    """An amount as it is sent; a budget of zero is refused, because here it would be none that could ever be used."""
    if isinstance(amount, bool) or not isinstance(amount, int | float) or not amount > 0:
        hint = "To let a key spend nothing, send blocked: true."
        raise BadRequest(f"{param} is a number of dollars above zero.", hint=hint, param=param)
    return amount


def duration_of(budget: Mapping[str, Any] | None) -> str | None:
    """A budget's period in LiteLLM's spelling; None for one that never starts anew."""
    if budget is None:
        return None
    return budget.get("rolling") or _DURATIONS.get(str(budget["period"]))


def _windowed(body: Mapping[str, Any], limits: Any) -> Terms:
    if body.get("max_budget") is not None or body.get("budget_duration") is not None:
        raise BadRequest("budget_limits and max_budget say the same thing; send one of them.", param="budget_limits")
    entry = limits[0] if isinstance(limits, list) and len(limits) == 1 else None
    if not isinstance(entry, Mapping) or set(entry) - {"budget_duration", "max_budget", "reset_at"} or entry.get("reset_at") is not None:
        hint = "More budgets of one key are made with POST /v1/budgets."
        raise BadRequest("budget_limits is a list of one {budget_duration, max_budget}.", hint=hint, param="budget_limits")
    return {
        "limit_usd": dollars(entry.get("max_budget"), "budget_limits"),
        "period": read_period(entry.get("budget_duration"), "budget_limits"),
    }
