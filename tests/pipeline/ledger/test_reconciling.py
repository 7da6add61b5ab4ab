"""Our charges against a provider's books: every way in which they can differ is named, and the share that stays unexplained is exact."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from pipeline.ledger.invoices import Entry
from pipeline.ledger.reconciling import Reconciled, reconcile

AT = 1_795_262_400_000_000  # 2026-11-21T12:00:00Z
DAY = "2026-11-21"


def charge(cost: int, **fields: Any) -> dict[str, Any]:
    values = {"at_us": AT, "request_id": "R", "upstream_id": "", "provider_model": "gpt-5-mini", "secret_reference": "prod", "attempt": 1}
    return values | {"state": "observed", "cost_micros": cost, "tokens_input": cost, "tokens_output": 0} | fields


def line(cost: int, model: str = "gpt-5-mini", **fields: Any) -> Entry:
    return Entry(DAY, model, cost_picos=cost * 1_000_000, **fields)


def statuses(found: Reconciled) -> dict[tuple[str, ...], str]:
    return {group.key: group.status for group in found.groups}


def test_groups_of_a_day_and_a_model_are_matched_missing_or_priced_otherwise() -> None:
    ours = [charge(1_000), charge(500), charge(70, provider_model="gpt-4o-2024-08-06"), charge(30, provider_model="here-only")]
    theirs = [line(1_500), line(90, "gpt-4o"), line(40, "there-only")]
    found = reconcile(ours, theirs)
    assert found.by == ("day", "model")
    assert statuses(found) == {
        (DAY, "gpt-5-mini"): "matched",
        (DAY, "gpt-4o"): "price_gap",
        (DAY, "here-only"): "missing_there",
        (DAY, "there-only"): "missing_here",
    }
    assert found.unexplained == Decimal(20 + 30 + 40) / 1_630
    assert [row["gap_micros"] for row in found.rows()] == [40, -30, 20]
    assert len(found.rows(all_groups=True)) == 4
    assert found.counts() == {"matched": 1, "price_gap": 1, "missing_here": 1, "missing_there": 1}


def test_requests_are_matched_by_the_providers_id_when_every_line_has_one() -> None:
    ours = [charge(10, upstream_id="req_1"), charge(20, upstream_id="req_2"), charge(5, request_id="R9")]
    theirs = [line(10, request_id="req_1"), line(25, request_id="req_2"), line(7, request_id="req_3")]
    assert statuses(reconcile(ours, theirs)) == {
        ("req_1",): "matched",
        ("req_2",): "price_gap",
        ("req_3",): "missing_here",
        ("ours:R9",): "missing_there",
    }
    assert reconcile(ours, [*theirs, line(1)]).by == ("day", "model")


def test_names_of_models_and_keys_are_translated() -> None:
    ours = [charge(10), charge(20, secret_reference="spare"), charge(5, provider_model="anthropic.claude")]
    theirs = [line(10, key="key_a"), line(20, key="key_b"), line(5, "claude4sonnet", key="key_a")]
    found = reconcile(ours, theirs, models={"Claude4Sonnet": "anthropic.claude"}, keys={"key_a": "prod", "key_b": "spare"})
    assert found.by == ("day", "model", "key")
    assert set(statuses(found).values()) == {"matched"}
    assert found.unexplained == 0


def test_tokens_are_compared_where_there_is_no_money() -> None:
    found = reconcile([charge(900, tokens_output=100)], [Entry(DAY, "gpt-5-mini", tokens=1_000)])
    assert (found.money, statuses(found)) == (False, {(DAY, "gpt-5-mini"): "matched"})
    short = reconcile([charge(900)], [Entry(DAY, "gpt-5-mini", tokens=1_000)])
    assert (statuses(short)[(DAY, "gpt-5-mini")], short.unexplained) == ("price_gap", Decimal("0.1"))


def test_costs_without_line_items_are_compared_by_day() -> None:
    found = reconcile([charge(10), charge(20, provider_model="other")], [line(30, "")])
    assert (found.by, set(statuses(found).values())) == (("day",), {"matched"})


def test_an_adjustment_belongs_to_its_charge() -> None:
    ours = [charge(100), charge(-40, state="adjusted", attempt=1_001, tokens_input=0)]
    found = reconcile(ours, [line(60)])
    assert statuses(found) == {(DAY, "gpt-5-mini"): "matched"}
    assert found.groups[0].ours.lines == 1


@pytest.mark.parametrize(("charges", "off", "status"), [(1, 0, "matched"), (10, 5, "matched"), (1, 2, "price_gap"), (10, 7, "price_gap")])
def test_rounding_of_each_charge_is_no_gap(charges: int, off: int, status: str) -> None:
    found = reconcile([charge(10) for _ in range(charges)], [line(10 * charges + off)])
    assert statuses(found) == {(DAY, "gpt-5-mini"): status}


def test_charges_that_nobody_settled_are_counted_and_left_out() -> None:
    found = reconcile([charge(10), charge(99, state="unknown", provider_model="")], [line(10)])
    assert (found.unsettled, found.unexplained) == (1, 0)


def test_books_without_anything_have_no_gap() -> None:
    assert reconcile([], []).unexplained == 0
