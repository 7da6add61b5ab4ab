"""Money: what models cost that the bundled price map does not know, and how much may be spent."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Literal

from pydantic import Field

from pipeline.config.section import Environment, Name, Section, Usd

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
    period: Literal["day", "week", "month", "total"] = "total"
    """When it starts anew (calendar, UTC); `total` never does."""

    @property
    def limit_micros(self) -> int:
        """The limit in integer micro-dollars."""
        return int((self.limit_usd * MICROS).to_integral_value(rounding=ROUND_HALF_UP))

    @property
    def sql_period(self) -> str:
        """The period as the ledger spells it: empty for `total`."""
        return "" if self.period == "total" else self.period


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
    models: tuple[Name, ...] = ()
    """The models its keys may use; every model when empty."""
    destinations: tuple[Name, ...] | None = None
    """Where the traces of its calls and the telemetry of its programs are sent, by id; to every destination when it does not say, nowhere
    when it names none."""
