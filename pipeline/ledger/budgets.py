"""Budgets: the arithmetic of reserve and settle, and the changes an administrator makes.

A budget row says what a scope may spend in a period (a calendar day, week or month in UTC; "" never starts anew). What it
spent and what calls in flight have reserved always fit together: spent + reserved ≤ limit, decided before a call is sent.
Money is integer micro-dollars.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Literal

from sqlalchemy import Connection, delete, insert, select, update

from pipeline.clock import rfc3339
from pipeline.errors import BadRequest, BudgetExceeded
from pipeline.ids import ulid
from pipeline.ledger.model import Scope
from pipeline.store.tables import budgets

Period = Literal["", "day", "week", "month"]
_DAY_US = 86_400_000_000
PERIODS: tuple[Period, ...] = ("", "day", "week", "month")


@dataclass(slots=True)
class Standing:
    """A budget row while one batch works on it. Mutable on purpose: many calls of a batch move the same row."""

    id: str
    kind: str
    scope_id: str
    limit: int
    period: str
    start_us: int
    spent: int
    reserved: int
    touched: bool = False

    @property
    def free(self) -> int:
        """What may still be reserved; negative when the limit was lowered below what is used."""
        return self.limit - self.spent - self.reserved


def period_start(period: str, now_us: int) -> int:
    """When the calendar period of a moment began (UTC, epoch microseconds); 0 for no period."""
    return _start_of(period, now_us // _DAY_US) if period else 0


@lru_cache(maxsize=64)
def _start_of(period: str, day_number: int) -> int:
    """The same by day: every call of a day asks for it."""
    day = datetime.fromtimestamp(day_number * 86_400, UTC)
    if period == "week":
        day -= timedelta(days=day.weekday())
    elif period == "month":
        day = day.replace(day=1)
    return int(day.timestamp()) * 1_000_000


def period_end(period: str, start_us: int) -> int:
    """When the period that began at `start_us` ends (epoch microseconds); 0 for no period."""
    if not period:
        return 0
    start = datetime.fromtimestamp(start_us // 1_000_000, UTC)
    if period == "month":
        end = (start.replace(day=28) + timedelta(days=4)).replace(day=1)
    else:
        end = start + timedelta(days=7 if period == "week" else 1)
    return int(end.timestamp()) * 1_000_000


def roll(standing: Standing, now_us: int) -> None:
    """Begin a new period when its time has come: what was spent starts at zero, what is reserved stays reserved.

    A clock that steps back changes nothing, so that a period starts anew exactly once.
    """
    start = period_start(standing.period, now_us) if standing.period else 0
    if start > standing.start_us:
        standing.start_us, standing.spent, standing.touched = start, 0, True


def reserve(standings: Iterable[Standing], amount: int) -> Standing | None:
    """Reserve an amount in all of them, or in none: gives the first that is too full, or None when it is done."""
    held = tuple(standings)
    for standing in held:
        if standing.limit - standing.spent - standing.reserved < amount:
            return standing
    for standing in held:
        standing.reserved += amount
        standing.touched = True
    return None


def settle(standing: Standing, reserved: int, spent: int) -> None:
    """Replace a reservation by what was spent."""
    standing.reserved = max(0, standing.reserved - reserved)
    standing.spent = max(0, standing.spent + spent)
    standing.touched = True


def exceeded(standing: Standing, amount: int) -> BudgetExceeded:
    """The refusal: names the kind of the scope and when it starts anew, not whose money it is."""
    per = f" per {standing.period}" if standing.period else ""
    if amount > standing.limit:
        message = f"This call could cost more than the whole {standing.kind} budget{per}."
        hint = "Ask for fewer output tokens (max_tokens), or ask an administrator to raise the budget."
        return BudgetExceeded(message, hint=hint)
    hint = "Ask an administrator to raise it, or ask for fewer output tokens (max_tokens)."
    if standing.period:
        hint += f" It starts anew at {rfc3339(period_end(standing.period, standing.start_us))[:19]}Z."
    return BudgetExceeded(f"The {standing.kind} budget{per} does not cover what this call could cost.", hint=hint)


@dataclass(frozen=True, slots=True)
class Budget:
    """A budget as it is shown: limit, spent and reserved in micro-dollars, the period's start in epoch microseconds."""

    id: str
    scope: Scope
    limit_micros: int
    period: str
    period_start_us: int
    spent_micros: int
    reserved_micros: int


def set_budget(connection: Connection, scope: Scope, limit_micros: int, period: str, now_us: int) -> Budget:
    """Create the budget of a scope, or change its limit and period; spent and reserved stay. Raises BadRequest for a wrong value."""
    if period not in PERIODS:
        raise BadRequest("A budget's period is day, week, month, or empty for one that never starts anew.", param="period")
    if limit_micros < 0 or limit_micros >= 1 << 62:
        raise BadRequest("A budget's limit is zero or more.", param="limit")
    found = _row(connection, scope, lock=True)
    start = period_start(period, now_us)
    if found is None:
        values = {"limit_micros": limit_micros, "period": period, "period_start_us": start, "created_us": now_us}
        connection.execute(insert(budgets).values(id=ulid(now_us), scope_kind=scope.kind, scope_id=scope.id, **values))
    else:
        kept = start if found.period != period else found.period_start_us
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
    """The budget of a scope as it was last written; None when it has none."""
    found = _row(connection, scope, lock=False)
    return None if found is None else _shown(found)


def list_budgets(connection: Connection) -> tuple[Budget, ...]:
    """Every budget, oldest first."""
    return tuple(_shown(row) for row in connection.execute(select(budgets).order_by(budgets.c.id)))


def _row(connection: Connection, scope: Scope, *, lock: bool) -> Any:
    query = select(budgets).where(budgets.c.scope_kind == scope.kind, budgets.c.scope_id == scope.id)
    if lock:
        query = query.with_for_update()  # SQLite leaves it out: its transaction locks the whole file
    return connection.execute(query).one_or_none()


def _shown(row: Any) -> Budget:
    scope = Scope(row.scope_kind, row.scope_id)
    return Budget(row.id, scope, row.limit_micros, row.period, row.period_start_us, row.spent_micros, row.reserved_micros)
