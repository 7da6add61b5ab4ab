"""Our charges against a provider's own books: by its request id where its export has them, else by day, model and key.

What is compared is money where the export has money, tokens where it only has those. A provider's books and ours agree on a group when
they differ by no more than rounding: a charge is rounded to a micro-dollar once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, Literal

from pipeline.ledger.adjusting import adjusts
from pipeline.ledger.invoices import Entry, plain_model

Status = Literal["matched", "price_gap", "missing_here", "missing_there"]
Group = tuple[str, ...]

STATUSES: Final[tuple[Status, ...]] = ("matched", "price_gap", "missing_here", "missing_there")


@dataclass(slots=True)
class Side:
    """One side's sums of a group: lines, pico-dollars, tokens."""

    lines: int = 0
    picos: int = 0
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Compared:
    """One group: `key` by the names of `Reconciled.by`, what we have, what they have, and what that means."""

    key: Group
    ours: Side
    theirs: Side
    status: Status

    def gap(self, *, money: bool) -> int:
        """Theirs less ours, in pico-dollars or tokens."""
        return self.theirs.picos - self.ours.picos if money else self.theirs.tokens - self.ours.tokens


@dataclass(frozen=True, slots=True)
class Reconciled:
    """The outcome. `money`: amounts were compared, not tokens. `unsettled`: our charges of which no provider is known."""

    by: tuple[str, ...]
    money: bool
    groups: tuple[Compared, ...]
    unsettled: int

    @property
    def unexplained(self) -> Decimal:
        """The absolute gaps of all groups that do not match, as a share of what the provider says (or of ours, if that says nothing)."""
        gaps = sum(abs(group.gap(money=self.money)) for group in self.groups if group.status != "matched")
        theirs = sum(group.theirs.picos if self.money else group.theirs.tokens for group in self.groups)
        ours = sum(group.ours.picos if self.money else group.ours.tokens for group in self.groups)
        return Decimal(gaps) / Decimal(theirs or ours or 1)

    def rows(self, *, all_groups: bool = False) -> list[dict[str, Any]]:
        """The groups as rows, the largest gap first; those that match only when asked for."""
        shown = [group for group in self.groups if all_groups or group.status != "matched"]
        shown.sort(key=lambda group: (-abs(group.gap(money=self.money)), group.key))
        return [
            {
                **dict(zip(self.by, group.key, strict=True)), "status": group.status,
                "ours_micros": _micros(group.ours.picos), "theirs_micros": _micros(group.theirs.picos) if self.money else None,
                "gap_micros": _micros(group.gap(money=True)) if self.money else None, "ours_tokens": group.ours.tokens,
                "theirs_tokens": group.theirs.tokens, "charges": group.ours.lines, "lines": group.theirs.lines,
            }
            for group in shown
        ]  # fmt: skip

    def counts(self) -> dict[Status, int]:
        """How many groups have each status."""
        return {status: sum(group.status == status for group in self.groups) for status in STATUSES}


def reconcile(
    charges: Iterable[Mapping[str, Any]], entries: Sequence[Entry], *, models: Mapping[str, str] | None = None,
    keys: Mapping[str, str] | None = None,
) -> Reconciled:  # fmt: skip
    """Compare our charges (rows) with a provider's entries.

    `models` and `keys` say what the provider's names are called here (its model → ours, its API key → our secret reference). Without
    `keys` groups are not told apart by key.
    """
    models, keys = {plain_model(name): plain_model(ours) for name, ours in (models or {}).items()}, keys or {}
    by_request = all(entry.request_id for entry in entries)
    money = all(entry.cost_picos is not None for entry in entries)
    names = ("request_id",) if by_request else ("day", "model", "key") if keys else ("day", "model")
    whole = not by_request and not any(entry.model for entry in entries)  # costs that were not grouped by line item
    names = ("day",) if whole else names
    ours: dict[Group, Side] = {}
    theirs: dict[Group, Side] = {}
    unsettled = 0
    for row in charges:
        if row["state"] == "unknown":
            unsettled += 1
            continue
        day = datetime.fromtimestamp(row["at_us"] // 1_000_000, UTC).strftime("%Y-%m-%d")
        values = {"request_id": row["upstream_id"] or f"ours:{row['request_id']}", "day": day}
        values |= {"model": plain_model(row["provider_model"]), "key": row["secret_reference"]}
        side = ours.setdefault(tuple(values[name] for name in names), Side())
        side.lines += not adjusts(row)
        side.picos += row["cost_micros"] * 1_000_000
        side.tokens += sum(row[name] for name in row if name.startswith("tokens_"))
    for entry in entries:
        values = {"request_id": entry.request_id, "day": entry.day, "model": models.get(entry.model, entry.model)}
        values["key"] = keys.get(entry.key, entry.key)
        side = theirs.setdefault(tuple(values[name] for name in names), Side())
        side.lines += 1
        side.picos += entry.cost_picos or 0
        side.tokens += entry.tokens or 0
    groups = [_compared(key, ours.get(key), theirs.get(key), money) for key in sorted(ours.keys() | theirs.keys())]
    return Reconciled(names, money, tuple(groups), unsettled)


def _compared(key: Group, ours: Side | None, theirs: Side | None, money: bool) -> Compared:
    here, there = ours or Side(), theirs or Side()
    if theirs is None and (here.picos if money else here.tokens):
        return Compared(key, here, there, "missing_there")
    if ours is None and (there.picos if money else there.tokens):
        return Compared(key, here, there, "missing_here")
    rounding = 500_000 * max(here.lines, 1) + 500_000 * there.lines if money else 0
    gap = there.picos - here.picos if money else there.tokens - here.tokens
    return Compared(key, here, there, "matched" if abs(gap) <= rounding else "price_gap")


def _micros(picos: int) -> int:
    """Pico-dollars as micro-dollars, rounded half away from zero."""
    return (abs(picos) + 500_000) // 1_000_000 * (1 if picos >= 0 else -1)
