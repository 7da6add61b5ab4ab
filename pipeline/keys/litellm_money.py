"""LiteLLM's budget fields as the terms of our budgets, and back.

These are `max_budget`, `budget_duration`, `soft_budget`, `budget_limits` and `model_max_budget`. LiteLLM starts a day's budget anew at
midnight, a week's on Monday, and one of 30 days or a month on the first of the month (its `get_next_standardized_reset_time`, 1.106.2),
which are our calendar periods. Other lengths are refused, never rounded to a near one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pipeline.errors import BadRequest
from pipeline.keys.litellm_fields import says_nothing

Terms = dict[str, Any]
"""A budget as `POST /v1/keys` takes it: `limit_usd`, `period`, and what else it says."""

MONEY_FIELDS: Final = frozenset({"max_budget", "budget_duration", "soft_budget", "budget_limits", "model_max_budget"})
INCREASE: Final = frozenset({"temp_budget_increase", "temp_budget_expiry"})
MOST_BUDGETS: Final = 8
_PERIODS: Final[Mapping[str, str]] = {
    "1d": "day", "24h": "day", "daily": "day",
    "7d": "week", "1w": "week", "weekly": "week",
    "30d": "month", "1mo": "month", "monthly": "month",
}  # fmt: skip
_DURATIONS: Final[Mapping[str, str]] = {"day": "1d", "week": "7d", "month": "30d", "quarter": "3mo"}


@dataclass(frozen=True, slots=True)
class Money:
    """The budgets of a new key or team: its own, one of each period, and for a key those of single models."""

    own: tuple[Terms, ...] = ()
    models: Mapping[str, Terms] = field(default_factory=dict)


def read_money(body: Mapping[str, Any]) -> Money:
    """The budgets that a request asks for. BadRequest names the field."""
    own = []
    if body.get("max_budget") is not None:
        own.append(
            {"limit_usd": dollars(body["max_budget"], "max_budget"), "period": read_period(body.get("budget_duration"), "budget_duration")}
        )
        if body.get("soft_budget") is not None:
            own[0]["soft_limit_usd"] = dollars(body["soft_budget"], "soft_budget")
    else:
        for name in ("budget_duration", "soft_budget"):
            if body.get(name) is not None:
                raise BadRequest(f"{name} needs max_budget.", hint="Send both, or leave it out.", param=name)
    own += [_window(entry, "budget_limits") for entry in _entries(body.get("budget_limits"))]
    if len({terms["period"] for terms in own}) < len(own):
        raise BadRequest("There is one budget for each period.", hint="Send one entry for each budget_duration.", param="budget_limits")
    return Money(tuple(own), _models(body.get("model_max_budget")))


def read_money_changes(body: Mapping[str, Any]) -> Terms | None:
    """The changes of the first budget as `PUT /v1/budgets/{id}` takes them; None for a limit of null, which takes the budget away."""
    for name in ("budget_limits", "model_max_budget"):
        if not says_nothing(body.get(name)):
            hint = "Each budget is changed on its own: PUT /v1/budgets/{id}."
            raise BadRequest(f"{name} is not changed here.", hint=hint, code="unsupported_field", param=name)
    if "max_budget" in body and body["max_budget"] is None:
        return None
    changes: Terms = {}
    if "max_budget" in body:
        changes["limit_usd"] = dollars(body["max_budget"], "max_budget")
    if "budget_duration" in body:
        changes["period"] = read_period(body["budget_duration"], "budget_duration")
    if "soft_budget" in body:
        changes["soft_limit_usd"] = None if body["soft_budget"] is None else dollars(body["soft_budget"], "soft_budget")
    return {**changes, **{name: body[name] for name in sorted(INCREASE) if name in body}}


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


def _entries(limits: Any) -> list[Any]:
    if limits is None:
        return []
    if not isinstance(limits, list) or len(limits) > MOST_BUDGETS:
        raise BadRequest("budget_limits is a list of {budget_duration, max_budget}.", param="budget_limits")
    return limits


def _window(entry: Any, param: str) -> Terms:
    """One `{budget_duration, max_budget}`; LiteLLM also writes `time_period` and `budget_limit`. A plain number is a budget for good."""
    if isinstance(entry, int | float):
        return {"limit_usd": dollars(entry, param), "period": "total"}
    known = {
        "budget_duration": "budget_duration",
        "time_period": "budget_duration",
        "max_budget": "max_budget",
        "budget_limit": "max_budget",
    }
    said = {name: value for name, value in entry.items() if value is not None} if isinstance(entry, Mapping) else {"": None}
    if set(said) - set(known):
        raise BadRequest(f"{param} has entries of {{budget_duration, max_budget}}.", hint="Limits of rate stand on keys.", param=param)
    terms = {known[name]: value for name, value in said.items()}
    return {"limit_usd": dollars(terms.get("max_budget"), param), "period": read_period(terms.get("budget_duration"), param)}


def _models(budgets: Any) -> dict[str, Terms]:
    if says_nothing(budgets):
        return {}
    if not isinstance(budgets, Mapping) or len(budgets) > MOST_BUDGETS:
        raise BadRequest(f"model_max_budget names at most {MOST_BUDGETS} models.", param="model_max_budget")
    return {str(model): _window(entry, "model_max_budget") for model, entry in budgets.items()}
