"""A period that is priced again: only prices change, adjustments count with their charges, and what cannot be priced stays."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.routing.model import Target
from pipeline.routing.prices import PriceMap
from pipeline.routing.pricing import Pricer
from pipeline.routing.repricing import Difference, reprice

BUCKETS = (
    "tokens_input", "tokens_cache_read", "tokens_cache_write_5m", "tokens_cache_write_1h", "tokens_input_audio", "tokens_output",
    "tokens_reasoning", "tokens_output_audio", "tokens_input_image", "tokens_output_image",
)  # fmt: skip
PRICES = {
    "input_per_mtok_usd": 1, "output_per_mtok_usd": 2, "cache_read_per_mtok_usd": 3, "cache_write_per_mtok_usd": 4,
    "cache_write_1h_per_mtok_usd": 5, "reasoning_per_mtok_usd": 7,
}  # fmt: skip


def row(ident: str, cost: int, at_us: int = 1, **fields: Any) -> dict[str, Any]:
    values: dict[str, Any] = {"id": ident, "at_us": at_us, "request_id": ident, "attempt": 1, "state": "observed", "cost_micros": cost}
    values |= {"provider": "openai", "provider_model": "m", "target_id": "t", "service_tier": ""}
    return values | dict.fromkeys(BUCKETS, 0) | {"tokens_input": 10} | fields


def again(rows: list[dict[str, Any]], **more: Any) -> tuple[dict[str, int], Difference]:
    pricer = Pricer(PriceMap({}, "0" * 64), {"openai/m": PRICES, **more}, unknown_price="allow")
    found = Difference(pricer.digest)
    return dict(reprice(rows, pricer, lambda one: Target("t", one["provider"], one["provider_model"]), found)), found


def test_only_charges_whose_cost_changes_are_named() -> None:
    changes, found = again([row("A", 10), row("B", 4, at_us=2), row("C", 99, at_us=3)])
    assert changes == {"B": 10, "C": 10}
    (line,) = found.rows()
    assert line == {
        "provider": "openai", "model": "m", "charges": 3, "changed": 2, "before_micros": 113, "after_micros": 30, "difference_micros": -83,
    }  # fmt: skip
    assert len(found.price_digest) == 64


@pytest.mark.parametrize(("bucket", "dollars"), zip(BUCKETS, (1, 3, 4, 5, 1, 2, 7, 2, 1, 2), strict=True))
def test_every_bucket_has_its_price(bucket: str, dollars: int) -> None:
    changes, _ = again([row("A", 0, **{"tokens_input": 0, bucket: 100})])
    assert changes == {"A": 100 * dollars}


def test_adjustments_count_with_their_charge_and_are_never_priced_themselves() -> None:
    wrong = row("A", 25)
    adjusted = row("B", -15, request_id="A", attempt=1_001, state="adjusted", tokens_input=0)
    other = row("C", 3, request_id="A", attempt=2)
    changes, found = again([wrong, adjusted, other])
    assert changes == {"C": 10}
    assert (found.total().charges, found.total().before_micros) == (2, 13)


@pytest.mark.parametrize(
    ("fields", "why"),
    [({"state": "unknown", "provider": ""}, "no_usage"), ({"state": "cached"}, "no_usage"), ({"provider_model": "m2"}, "price_unknown")],
)
def test_what_cannot_be_priced_stays_as_it_is_and_is_counted(fields: dict[str, Any], why: str) -> None:
    changes, found = again([row("A", 5, **fields)])
    assert (changes, found.rows(), found.skipped) == ({}, [], {why: 1})
