"""What somebody asks for who makes or changes a budget: read from JSON, checked field by field. An error names the field.

Names are those of the document (`limit_usd`, `period`, `rolling`, `timezone`, `soft_limit_usd`, `alert_at`) and, for a temporary
increase, LiteLLM's (`temp_budget_increase`, `temp_budget_expiry`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, Final, Literal, cast, get_args

from pipeline.clock import parse_rfc3339
from pipeline.errors import BadRequest
from pipeline.ledger.budget_rows import Terms
from pipeline.periods import CALENDAR, ROLLING

MAX_MICROS: Final = 1_000_000_000 * 1_000_000
MOST_ALERTS: Final = 8
TERMS: Final = frozenset({"limit_usd", "period", "rolling", "timezone", "soft_limit_usd", "alert_at"})
INCREASE: Final = frozenset({"temp_budget_increase", "temp_budget_expiry"})

Level = Literal["org", "workspace", "key", "model"]


@dataclass(frozen=True, slots=True)
class NewBudget:
    """A budget to be made: for the organization, a workspace (slug), a key (id or alias), or a key's use of one model."""

    level: Level
    workspace: str
    key: str
    model: str
    terms: Terms


def read_new_budget(body: Mapping[str, Any], now_us: int) -> NewBudget:
    """Read the body of `POST /v1/budgets`: `scope`, what names it, and the terms."""
    _only(body, TERMS | INCREASE | {"scope", "workspace", "key", "model"})
    level = body.get("scope")
    if not isinstance(level, str) or level not in get_args(Level):
        raise BadRequest(f"scope is one of: {', '.join(get_args(Level))}.", param="scope")
    needed = {"org": (), "workspace": ("workspace",), "key": ("key",), "model": ("key", "model")}[level]
    named = {}
    for name in ("workspace", "key", "model"):
        value = body.get(name)
        if (value is not None) != (name in needed):
            raise BadRequest(f"A budget of the scope {level} names {' and '.join(needed) or 'nothing else'}.", param=name)
        if value is not None and (not isinstance(value, str) or not 0 < len(value) <= 255):
            raise BadRequest(f"{name} is a text.", param=name)
        named[name] = value or ""
    return NewBudget(cast(Level, level), named["workspace"], named["key"], named["model"], read_changes(body, Terms(0), now_us))


def read_changes(body: Mapping[str, Any], terms: Terms, now_us: int) -> Terms:
    """Terms with what a body says in their place (`PUT /v1/budgets/{id}`); a limit must come from somewhere."""
    terms = read_terms({name: body[name] for name in TERMS if name in body}, terms)
    if INCREASE & body.keys():
        terms = _increased(body, terms, now_us)
    return terms


def read_terms(tree: Mapping[str, Any], before: Terms | None = None, prefix: str = "") -> Terms:
    """Read `{limit_usd, period | rolling, timezone, soft_limit_usd, alert_at}`; what is absent stays as it was `before`."""
    _only(tree, TERMS, prefix)
    terms = before or Terms(0)
    if "limit_usd" in tree or not terms.limit_micros:
        terms = replace(terms, limit_micros=usd_micros(tree.get("limit_usd"), prefix + "limit_usd"))
    if "period" in tree or "rolling" in tree:
        terms = replace(terms, period=_period(tree, prefix))
    if "timezone" in tree:
        terms = replace(terms, timezone=_text(tree["timezone"], prefix + "timezone", 64))
    if "soft_limit_usd" in tree:
        soft = tree["soft_limit_usd"]
        terms = replace(terms, soft_micros=0 if soft is None else usd_micros(soft, prefix + "soft_limit_usd"))
    if "alert_at" in tree:
        terms = replace(terms, alert_at=_percents(tree["alert_at"], prefix + "alert_at"))
    terms.check()
    return terms


def usd_micros(amount: Any, param: str) -> int:
    """Dollars (number or text) as integer micro-dollars, rounded half up. BadRequest unless it is more than zero."""
    try:
        if isinstance(amount, bool) or not isinstance(amount, int | float | str | Decimal):
            raise InvalidOperation
        micros = int((Decimal(str(amount)) * 1_000_000).to_integral_value(rounding=ROUND_HALF_UP))
    except (InvalidOperation, ValueError, OverflowError):
        raise BadRequest(f"{param} is an amount in dollars.", hint="For example 25 or 0.50.", param=param) from None
    if not 0 < micros <= MAX_MICROS:
        raise BadRequest(f"{param} must be more than zero, and at most a billion dollars.", param=param)
    return micros


def _period(tree: Mapping[str, Any], prefix: str) -> str:
    period, rolling = tree.get("period") or "", tree.get("rolling") or ""
    if rolling:
        if period not in ("", "rolling") or rolling not in ROLLING:
            raise BadRequest("rolling is 24h, 7d or 30d, in place of a period.", param=prefix + "rolling")
        return str(rolling)
    if period == "total":
        return ""
    if period and period not in CALENDAR:
        raise BadRequest(
            "A budget's period is day, week, month, quarter or total.", hint="Or rolling: 24h, 7d, 30d.", param=prefix + "period"
        )
    return str(period)


def _percents(value: Any, param: str) -> str:
    if not isinstance(value, list | tuple) or len(value) > MOST_ALERTS or not all(type(each) is int and 1 <= each <= 100 for each in value):
        raise BadRequest(f"{param} is a list of at most {MOST_ALERTS} percents from 1 to 100.", param=param)
    return ",".join(str(each) for each in sorted(set(value)))


def _increased(body: Mapping[str, Any], terms: Terms, now_us: int) -> Terms:
    """`temp_budget_increase` (dollars) until `temp_budget_expiry`; an increase of null ends one."""
    if body.get("temp_budget_increase") is None:
        return replace(terms, increase_micros=0, increase_until_us=0)
    micros = usd_micros(body["temp_budget_increase"], "temp_budget_increase")
    try:
        until_us = parse_rfc3339(_text(body.get("temp_budget_expiry"), "temp_budget_expiry", 64))
    except (ValueError, OverflowError):
        raise BadRequest("temp_budget_expiry is a time (RFC 3339).", param="temp_budget_expiry") from None
    if until_us <= now_us:
        raise BadRequest("temp_budget_expiry is in the past.", param="temp_budget_expiry")
    return replace(terms, increase_micros=micros, increase_until_us=until_us)


def _text(value: Any, param: str, most: int) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > most:
        raise BadRequest(f"{param} is a text of at most {most} characters.", param=param)
    return value.strip()


def _only(body: Mapping[str, Any], known: frozenset[str], prefix: str = "") -> None:
    unknown = [name for name in body if name not in known]
    if unknown:
        names = ", ".join(sorted(prefix + name for name in known))
        raise BadRequest(f"{len(unknown)} field(s) of the request are not known here.", hint=f"Known: {names}.")
