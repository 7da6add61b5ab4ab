"""What a period would have cost by other prices: every charge with usage is priced again, and compared with what it costs now.

A charge that was settled without usage (`unknown`) has nothing to price, and one whose model the other prices do not know stays as it
is; both are counted. Numbers are the buckets that were stored, so only prices change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from pipeline.ledger.adjusting import adjusts, attempt_of
from pipeline.routing.model import Target, Usage
from pipeline.routing.pricing import Pricer

Row = dict[str, Any]

UNPRICED: Final = ("unknown", "cached")
"""States of charges whose cost does not follow from their buckets."""


@dataclass(slots=True)
class Line:
    """The sums of one provider's model: charges looked at, those that change, and micro-dollars before and after."""

    charges: int = 0
    changed: int = 0
    before_micros: int = 0
    after_micros: int = 0


@dataclass(slots=True)
class Difference:
    """What repricing makes of a period. `lines` by (provider, its model); `skipped` by why: `no_usage`, `price_unknown`."""

    price_digest: str
    lines: dict[tuple[str, str], Line] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)

    def total(self) -> Line:
        """The sums over all lines."""
        return Line(*(sum(getattr(line, name) for line in self.lines.values()) for name in Line.__slots__))

    def rows(self) -> list[Row]:
        """The lines as rows, the largest difference first."""
        found = [
            {
                "provider": provider, "model": model, "charges": line.charges, "changed": line.changed, "before_micros": line.before_micros,
                "after_micros": line.after_micros, "difference_micros": line.after_micros - line.before_micros,
            }
            for (provider, model), line in self.lines.items()
        ]  # fmt: skip
        return sorted(found, key=lambda row: (-abs(row["difference_micros"]), row["provider"], row["model"]))


def usage_of(row: Row) -> Usage:
    """The buckets of a charge."""
    return Usage(
        input=row["tokens_input"],
        cache_read=row["tokens_cache_read"],
        cache_write_5m=row["tokens_cache_write_5m"],
        cache_write_1h=row["tokens_cache_write_1h"],
        input_audio=row["tokens_input_audio"],
        output=row["tokens_output"],
        reasoning=row["tokens_reasoning"],
        output_audio=row["tokens_output_audio"],
        input_image=row["tokens_input_image"],
        output_image=row["tokens_output_image"],
        service_tier=row["service_tier"],
    )


def reprice(rows: Iterable[Row], pricer: Pricer, target_of: Callable[[Row], Target], found: Difference) -> Iterator[tuple[str, int]]:
    """Price charges (in the order of their times, adjustments among them) again. Yields (charge id, micro-dollars) of those that change.

    Sums are added to `found` as it goes.
    """
    for _, together in groupby(rows, itemgetter("at_us")):
        # An adjustment has the time of its charge.
        net: dict[tuple[str, int], int] = {}
        originals: list[Row] = []
        for row in together:
            key = attempt_of(row)
            net[key] = net.get(key, 0) + row["cost_micros"]
            if not adjusts(row):
                originals.append(row)
        for row in originals:
            changed = _again(row, net[attempt_of(row)], pricer, target_of(row), found)
            if changed is not None:
                yield row["id"], changed


def _again(row: Row, before: int, pricer: Pricer, target: Target, found: Difference) -> int | None:
    if row["state"] in UNPRICED:
        found.skipped["no_usage"] = found.skipped.get("no_usage", 0) + 1
        return None
    cost = pricer.cost(target, usage_of(row))
    if not cost.known:
        found.skipped["price_unknown"] = found.skipped.get("price_unknown", 0) + 1
        return None
    line = found.lines.setdefault((row["provider"], row["provider_model"]), Line())
    line.charges += 1
    line.before_micros += before
    line.after_micros += cost.micros
    if cost.micros == before:
        return None
    line.changed += 1
    return cost.micros
