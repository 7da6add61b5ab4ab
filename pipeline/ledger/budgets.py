"""Budgets: the arithmetic of reserve and settle, and the one budget that a scope is made with.

A budget row says what a scope may spend in a period (`pipeline.periods`: a calendar period in a time zone, a rolling window, or "",
which never starts anew); a scope may have one of each. What it spent and what calls in flight have reserved always fit together:
spent + reserved ≤ limit, decided before a call is sent. Money is integer micro-dollars.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import Connection, delete, insert, select, update

from pipeline.clock import rfc3339
from pipeline.errors import BadRequest, BudgetExceeded
from pipeline.ids import ulid
from pipeline.ledger.model import Scope
from pipeline.periods import PERIODS, ROLLING, Period, bucket_of, first_bucket, period_end, period_start
from pipeline.store.tables import budgets

__all__ = ["PERIODS", "Budget", "Period", "Standing", "period_end", "period_start"]

ALERT_AT = "50,80,100"
"""At how many percent of its limit a budget tells, when nobody says otherwise."""
_FULL = "full"


@dataclass(slots=True)
class Standing:
    """A budget row while one batch works on it. Mutable on purpose: many calls of a batch move the same row.

    The fields up to `buckets` are what `Statements.budgets` reads, in its order.
    """

    id: str
    kind: str
    scope_id: str
    limit: int
    period: str
    start_us: int
    spent: int
    reserved: int
    org_id: str = ""
    timezone: str = ""
    soft: int = 0
    alert_at: str = ""
    alerted: str = ""
    increase: int = 0
    increase_until_us: int = 0
    buckets: str = "{}"
    touched: bool = False
    refused: bool = False  # whether what was spent (not what is in flight) left no room for a call that the limit could cover
    _spent_in: dict[int, int] = field(default_factory=dict)  # of a rolling window, by bucket
    _bucket: int = 0  # of the batch's moment

    @property
    def free(self) -> int:
        """What may still be reserved; negative when the limit was lowered below what is used."""
        return self.limit - self.spent - self.reserved

    def row(self) -> tuple[Any, ...]:
        """What is written of it, in the order of `Statements.set_budgets`."""
        kept = orjson.dumps(self._spent_in, option=orjson.OPT_NON_STR_KEYS).decode() if self.period in ROLLING else self.buckets
        return (self.id, self.start_us, self.spent, self.reserved, kept, self.alerted)


def roll(standing: Standing, now_us: int) -> None:
    """Bring a row that was just read to a moment: its period, its window, its temporary increase. What is reserved stays reserved.

    A clock that steps back changes nothing, so that a period starts anew exactly once.
    """
    if now_us < standing.increase_until_us:
        standing.limit += standing.increase
    if not standing.period:
        return
    start = period_start(standing.period, now_us, standing.timezone)
    if standing.period in ROLLING:
        _slide(standing, now_us)
    elif start > standing.start_us:
        standing.spent, standing.touched = 0, True
    if start > standing.start_us:
        standing.start_us, standing.alerted, standing.touched = start, "", True


def _slide(standing: Standing, now_us: int) -> None:
    """Let a rolling window forget the buckets that lie outside it."""
    kept = {int(number): micros for number, micros in orjson.loads(standing.buckets).items()}
    standing._bucket, first = bucket_of(standing.period, now_us), first_bucket(standing.period, now_us)
    standing._spent_in = {number: micros for number, micros in kept.items() if number >= first}
    spent = sum(standing._spent_in.values())
    if spent != standing.spent:
        standing.spent, standing.touched = spent, True


def reserve(standings: Iterable[Standing], amount: int) -> Standing | None:
    """Reserve an amount in all of them, or in none: gives the first that is too full, or None when it is done."""
    held = tuple(standings)
    for standing in held:
        if standing.limit - standing.spent - standing.reserved < amount:
            if standing.limit - standing.spent < amount <= standing.limit and _FULL not in standing.alerted:
                standing.refused = standing.touched = True
            return standing
    for standing in held:
        standing.reserved += amount
        standing.touched = True
    return None


def settle(standing: Standing, reserved: int, spent: int) -> None:
    """Replace a reservation by what was spent."""
    standing.reserved = max(0, standing.reserved - reserved)
    if standing.period in ROLLING:
        standing._spent_in[standing._bucket] = standing._spent_in.get(standing._bucket, 0) + spent
        standing.spent = max(0, sum(standing._spent_in.values()))
    else:
        standing.spent = max(0, standing.spent + spent)
    standing.touched = True


def exceeded(standing: Standing, amount: int) -> BudgetExceeded:
    """The refusal: names the kind of the scope and when it starts anew, not whose money it is."""
    rolling = standing.period in ROLLING
    per = f" of {standing.period}" if rolling else f" per {standing.period}" if standing.period else ""
    if amount > standing.limit:
        message = f"This call could cost more than the whole {standing.kind} budget{per}."
        hint = "Ask for fewer output tokens (max_tokens), or ask an administrator to raise the budget."
        return BudgetExceeded(message, hint=hint)
    hint = "Ask an administrator to raise it, or ask for fewer output tokens (max_tokens)."
    if rolling:
        hint += " It frees what was spent as time passes."
    elif standing.period:
        hint += f" It starts anew at {rfc3339(period_end(standing.period, standing.start_us, standing.timezone))[:19]}Z."
    return BudgetExceeded(f"The {standing.kind} budget{per} does not cover what this call could cost.", hint=hint)


@dataclass(frozen=True, slots=True)
class Budget:
    """A budget as it is shown: amounts in micro-dollars, times in epoch microseconds; see the table for the fields."""

    id: str
    scope: Scope
    limit_micros: int
    period: str
    period_start_us: int
    spent_micros: int
    reserved_micros: int
    created_us: int = 0
    org_id: str = ""
    timezone: str = ""
    soft_micros: int = 0
    alert_at: str = ""
    increase_micros: int = 0
    increase_until_us: int = 0
    buckets: str = "{}"
    origin: str = ""

    def at(self, now_us: int) -> Standing:
        """How it stands at a moment: with what was spent in the period or window of that moment, and the limit of that moment."""
        standing = Standing(
            self.id, self.scope.kind, self.scope.id, self.limit_micros, self.period, self.period_start_us, self.spent_micros,
            self.reserved_micros, self.org_id, self.timezone, self.soft_micros, self.alert_at, "", self.increase_micros,
            self.increase_until_us, self.buckets,
        )  # fmt: skip
        roll(standing, now_us)
        return standing


def check_budget(limit_micros: int, period: str) -> None:
    """Raise BadRequest for a limit or a period that makes no sense."""
    if period not in PERIODS:
        raise BadRequest("A budget's period is day, week, month, quarter, 24h, 7d, 30d, or empty for none.", param="period")
    if limit_micros < 0 or limit_micros >= 1 << 62:
        raise BadRequest("A budget's limit is zero or more.", param="limit")


def set_budget(connection: Connection, scope: Scope, limit_micros: int, period: str, now_us: int, org_id: str = "default") -> Budget:
    """Create the first budget of a scope, or change its limit and period; spent and reserved stay. Raises BadRequest for a wrong value.

    What else a budget may say, and several of one scope: `pipeline.ledger.budget_rows`.
    """
    check_budget(limit_micros, period)
    found = _row(connection, scope, lock=True)
    start = period_start(period, now_us)
    if found is None:
        values = {"limit_micros": limit_micros, "period": period, "period_start_us": start, "created_us": now_us}
        values |= {"org_id": org_id, "alert_at": ALERT_AT}
        connection.execute(insert(budgets).values(id=ulid(now_us), scope_kind=scope.kind, scope_id=scope.id, **values))
    else:
        kept = start if found.period != period else found.period_start_us  # what was spent in the former period counts in this one
        changed = update(budgets).where(budgets.c.id == found.id)
        connection.execute(changed.values(limit_micros=limit_micros, period=period, period_start_us=kept))
    budget = get_budget(connection, scope)
    assert budget is not None
    return budget


def delete_budget(connection: Connection, scope: Scope) -> bool:
    """Take the limit of a scope away; says whether there was one. Calls in flight end without it."""
    found = _row(connection, scope, lock=True)
    if found is not None:
        connection.execute(delete(budgets).where(budgets.c.id == found.id))
    return found is not None


def get_budget(connection: Connection, scope: Scope) -> Budget | None:
    """The first (oldest) budget of a scope as it was last written; None when it has none."""
    found = _row(connection, scope, lock=False)
    return None if found is None else budget_of(found)


def list_budgets(connection: Connection) -> tuple[Budget, ...]:
    """Every budget, oldest first."""
    return tuple(budget_of(row) for row in connection.execute(select(budgets).order_by(budgets.c.id)))


def _row(connection: Connection, scope: Scope, *, lock: bool) -> Any:
    query = select(budgets).where(budgets.c.scope_kind == scope.kind, budgets.c.scope_id == scope.id).order_by(budgets.c.id).limit(1)
    if lock:
        query = query.with_for_update()  # SQLite leaves it out: its transaction locks the whole file
    return connection.execute(query).one_or_none()


def budget_of(row: Any) -> Budget:
    """A row of the table as a value."""
    return Budget(
        row.id, Scope(row.scope_kind, row.scope_id), row.limit_micros, row.period, row.period_start_us, row.spent_micros,
        row.reserved_micros, row.created_us, row.org_id, row.timezone, row.soft_micros, row.alert_at, row.increase_micros,
        row.increase_until_us, row.buckets, row.origin,
    )  # fmt: skip
