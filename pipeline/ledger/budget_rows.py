"""The budgets of a scope as rows: made, changed, removed, and brought in line with the document."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, delete, insert, select, update

from pipeline.errors import BadRequest
from pipeline.ids import ulid
from pipeline.ledger.budgets import ALERT_AT, Budget, budget_of, check_budget
from pipeline.ledger.model import Scope
from pipeline.periods import CALENDAR, ROLLING, is_time_zone, period_start
from pipeline.store.tables import budgets

DOCUMENT: Final = "document"
_B = budgets.c


@dataclass(frozen=True, slots=True)
class Terms:
    """What a budget says. Amounts in micro-dollars; `period` and `timezone` as in `pipeline.periods`; `alert_at` percents of the limit.

    `soft_micros` 0 means no soft limit; `increase_micros` is added to the limit until `increase_until_us`.
    """

    limit_micros: int
    period: str = ""
    timezone: str = ""
    soft_micros: int = 0
    alert_at: str = ALERT_AT
    increase_micros: int = 0
    increase_until_us: int = 0

    def check(self) -> None:
        """Raise BadRequest for what makes no sense together."""
        check_budget(self.limit_micros, self.period)
        if self.timezone and self.period not in CALENDAR:
            raise BadRequest("A time zone goes with a calendar period.", hint="period: day, week, month or quarter.", param="timezone")
        if not is_time_zone(self.timezone):
            raise BadRequest("There is no such time zone.", hint="An IANA name, for example Europe/Berlin.", param="timezone")
        if self.soft_micros > self.limit_micros:
            raise BadRequest("A soft limit lies below the limit.", param="soft_limit_usd")

    def values(self) -> dict[str, Any]:
        """The columns that hold the terms."""
        return {name: getattr(self, name) for name in self.__slots__}


def terms_of(budget: Budget) -> Terms:
    """What a budget says now."""
    return Terms(**{name: getattr(budget, name) for name in Terms.__slots__})


def add_budget(connection: Connection, scope: Scope, terms: Terms, *, now_us: int, org_id: str = "default", origin: str = "") -> Budget:
    """Make a budget. BadRequest (409) when the scope has one of that period."""
    terms.check()
    if connection.execute(select(_B.id).where(_of(scope), _B.period == terms.period)).first() is not None:
        raise _second()
    start, budget_id = period_start(terms.period, now_us, terms.timezone), ulid(now_us)
    connection.execute(
        insert(budgets).values(
            id=budget_id, scope_kind=scope.kind, scope_id=scope.id, period_start_us=start, created_us=now_us, org_id=org_id, origin=origin,
            **terms.values(),
        )
    )  # fmt: skip
    return find_budget(connection, budget_id, org_id)


def change_budget(connection: Connection, found: Budget, terms: Terms, *, now_us: int, origin: str | None = None) -> Budget:
    """Give a budget other terms; what was spent and is reserved stays, and is that of the new period when the period changes."""
    terms.check()
    values = terms.values()
    clash = select(_B.id).where(_of(found.scope), _B.period == terms.period, _B.id != found.id)
    if connection.execute(clash).first() is not None:
        raise _second()
    if (terms.period, terms.timezone) != (found.period, found.timezone):
        start, spent = period_start(terms.period, now_us, terms.timezone), found.at(now_us).spent
        values |= {"period_start_us": start, "spent_micros": spent, "alerted": "", "buckets": _buckets(terms.period, spent, now_us)}
    if origin is not None:
        values["origin"] = origin
    connection.execute(update(budgets).where(_B.id == found.id).values(**values))
    return find_budget(connection, found.id, found.org_id)


def remove_budget(connection: Connection, budget_id: str) -> None:
    """Take a budget away. Calls in flight end without it."""
    connection.execute(delete(budgets).where(_B.id == budget_id))


def find_budget(connection: Connection, budget_id: str, org_id: str = "default", *, lock: bool = False) -> Budget:
    """One budget; BadRequest (404) when there is none of that id in the organization."""
    query = select(budgets).where(_B.id == budget_id, _B.org_id == org_id)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise BadRequest("There is no such budget.", code="budget_not_found", status=404)
    return budget_of(row)


def budgets_of(connection: Connection, scope: Scope) -> tuple[Budget, ...]:
    """The budgets of a scope, oldest first."""
    return tuple(budget_of(row) for row in connection.execute(select(budgets).where(_of(scope)).order_by(_B.id)))


def mirror_budgets(connection: Connection, scope: Scope, wanted: Iterable[Terms], *, now_us: int, org_id: str = "default") -> bool:
    """Bring a scope's budgets in line with the document, which names one for each period. True when anything changed.

    Those that were made by REST stay, unless the document names one of the same period; a temporary increase stays with its budget.
    """
    present = {budget.period: budget for budget in budgets_of(connection, scope)}
    named: set[str] = set()
    changed = False
    for terms in wanted:
        named.add(terms.period)
        found = present.get(terms.period)
        if found is None:
            add_budget(connection, scope, terms, now_us=now_us, org_id=org_id, origin=DOCUMENT)
            changed = True
            continue
        kept = Terms(**{**terms.values(), "increase_micros": found.increase_micros, "increase_until_us": found.increase_until_us})
        if (terms_of(found), found.origin) != (kept, DOCUMENT):
            change_budget(connection, found, kept, now_us=now_us, origin=DOCUMENT)
            changed = True
    for period, budget in present.items():
        if budget.origin == DOCUMENT and period not in named:
            remove_budget(connection, budget.id)
            changed = True
    return changed


def _second() -> BadRequest:
    message = "There is a budget of that period already."
    return BadRequest(message, hint="Change that one instead.", code="budget_exists", status=409, param="period")


def _of(scope: Scope) -> Any:
    return (_B.scope_kind == scope.kind) & (_B.scope_id == scope.id)


def _buckets(period: str, spent: int, now_us: int) -> str:
    """What was spent before a window was rolling counts as spent now: it leaves the window last, never too early."""
    return f'{{"{now_us // ROLLING[period][1]}":{spent}}}' if period in ROLLING and spent else "{}"
