"""Money: what models cost that the bundled price map does not know, and how much may be spent."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from pipeline.config.section import Environment, Name, Section, Usd
from pipeline.periods import is_time_zone

MICROS = Decimal(1_000_000)


class PriceSection(Section):
    """The price of one provider model, in US dollars per million tokens."""

    input_per_mtok_usd: Usd
    """What goes in."""
    output_per_mtok_usd: Usd
    """What comes out."""
    cache_read_per_mtok_usd: Usd | None = None
    """What the provider read from its cache; the price of input when absent."""
    cache_write_per_mtok_usd: Usd | None = None
    """What the provider wrote to its cache; the price of input when absent."""
    cache_write_1h_per_mtok_usd: Usd | None = None
    """What it wrote to its one-hour cache."""
    reasoning_per_mtok_usd: Usd | None = None
    """What it thought; the price of output when absent."""
    max_input_tokens: Annotated[int, Field(ge=1)] | None = None
    """The most that can go in: bounds what is reserved."""
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None
    """The most that can come out: bounds what is reserved when a call does not say."""


class BudgetSection(Section):
    """How much may be spent. Reserved before a call and settled after it, so that it is never overshot."""

    limit_usd: Annotated[Decimal, Field(gt=0, le=1_000_000_000, allow_inf_nan=False)]
    """The limit in US dollars."""
    period: Literal["day", "week", "month", "quarter", "total"] = "total"
    """When it starts anew (calendar); `total` never does."""
    rolling: Literal["24h", "7d", "30d"] | None = None
    """A window that moves on with time, in place of a period. Counted in buckets of 30 minutes, 4 hours, 12 hours: what was spent leaves
    the window with its whole bucket, so that no 24 hours (7 days, 30 days) ever cost more than the limit."""
    timezone: Annotated[str, StringConstraints(max_length=64)] = "UTC"
    """The IANA time zone whose midnight a calendar period begins at."""
    soft_limit_usd: Annotated[Decimal, Field(gt=0, le=1_000_000_000, allow_inf_nan=False)] | None = None
    """From here on calls are served, with a header that says so, an event and an alert."""
    alert_at: Annotated[tuple[Annotated[int, Field(ge=1, le=100)], ...], Field(max_length=8)] = (50, 80, 100)
    """At how many percent of the limit an alert is told, once in each period."""

    @model_validator(mode="after")
    def _fits(self) -> BudgetSection:
        if self.rolling is not None and self.period != "total":
            raise ValueError("rolling stands in place of a period")
        if self.timezone != "UTC" and (self.period == "total" or not is_time_zone(self.timezone)):
            raise ValueError("timezone is an IANA name and goes with a period")
        if self.soft_limit_usd is not None and self.soft_limit_usd > self.limit_usd:
            raise ValueError("soft_limit_usd lies below limit_usd")
        return self

    @property
    def limit_micros(self) -> int:
        """The limit in integer micro-dollars."""
        return _micros(self.limit_usd)

    @property
    def soft_micros(self) -> int:
        """The soft limit in integer micro-dollars; 0 for none."""
        return 0 if self.soft_limit_usd is None else _micros(self.soft_limit_usd)

    @property
    def sql_period(self) -> str:
        """The period as the ledger spells it: empty for `total`."""
        return self.rolling or ("" if self.period == "total" else self.period)


def _micros(usd: Decimal) -> int:
    return int((usd * MICROS).to_integral_value(rounding=ROUND_HALF_UP))


class OrganizationSection(Section):
    """What everybody may spend together."""

    budgets: tuple[BudgetSection, ...] = ()
    """Its budgets, one for each period."""

    @model_validator(mode="after")
    def _each_once(self) -> OrganizationSection:
        _once_a_period(self.budgets)
        return self


def _once_a_period(budgets: tuple[BudgetSection, ...]) -> None:
    if len({budget.sql_period for budget in budgets}) != len(budgets):
        raise ValueError("there is one budget for each period")


class WorkspaceSection(Section):
    """A team's part of the house: its policy, its budget, the models it may use."""

    name: str = ""
    """What people call it; the slug when empty."""
    policy: Name = "default"
    """The policy of its calls, unless their key or their model names another."""
    environment: Environment | None = None
    """The environment that it stands in (`production`, `staging`): references of any other are out of its reach."""
    budget: BudgetSection | None = None
    """What all its keys may spend together."""
    budgets: tuple[BudgetSection, ...] = ()
    """More of them, for other periods: a day's beside a month's."""
    models: tuple[Name, ...] = ()
    """The models its keys may use; every model when empty."""
    destinations: tuple[Name, ...] | None = None
    """Where the traces of its calls and the telemetry of its programs are sent, by id; to every destination when it does not say, nowhere
    when it names none."""

    @property
    def every_budget(self) -> tuple[BudgetSection, ...]:
        """`budget` and `budgets`."""
        return (*((self.budget,) if self.budget is not None else ()), *self.budgets)

    @model_validator(mode="after")
    def _each_once(self) -> WorkspaceSection:
        _once_a_period(self.every_budget)
        return self
