"""A correction is a row of its own: originals and budgets stay, the sum is what was wanted, and doing it twice changes nothing."""

from __future__ import annotations

import pytest

from pipeline.ledger.adjusting import adjust
from pipeline.ledger.ledger import DurableLedger
from pipeline.ledger.verify import verify_store
from pipeline.store import tables
from pipeline.store.engine import open_reader
from tests.pipeline.ledger.calls import NOW, budget, charge, event, intent, rows, running, settlement, total

DIGEST = "e" * 64


async def settled(ledger: DurableLedger, *costs: int) -> list[str]:
    """One call with a charge per attempt; gives the charges' ids."""
    begun = intent()
    await ledger.open(begun)
    request_id = begun.event.request_id
    charges = tuple(charge(request_id, cost, attempt=number) for number, cost in enumerate(costs, 1))
    await ledger.close(settlement(request_id, charges=charges))
    return [one.id for one in charges]


async def corrected(ledger: DurableLedger, wanted: dict[str, int], org_id: str = "default") -> tuple[int, int, int, int]:
    done = await ledger.change(
        event("admin:spend:adjust"), lambda connection: adjust(connection, wanted, DIGEST, org_id=org_id, now_us=NOW + 5)
    )
    return done.adjusted, done.unchanged, done.missing, done.difference_micros


async def test_charges_cost_what_was_wanted_and_stay_as_they_were(url: str) -> None:
    async with running(url) as ledger:
        await budget(ledger)
        first, second = await settled(ledger, 60, 30)
        before = rows(url, tables.charges)
        assert await corrected(ledger, {first: 45, second: 30}) == (1, 1, 0, -15)
        assert await corrected(ledger, {first: 45, second: 30}) == (0, 2, 0, 0)
        assert await corrected(ledger, {first: 70, "nobody": 3}) == (1, 0, 1, 25)
    after = rows(url, tables.charges)
    assert [row for row in after if row["state"] != "adjusted"] == before
    made = sorted((row for row in after if row["state"] == "adjusted"), key=lambda row: row["attempt"])
    assert [(row["attempt"], row["cost_micros"], row["at_us"], row["price_digest"]) for row in made] == [
        (1_001, -15, NOW, DIGEST),
        (2_001, 25, NOW, DIGEST),
    ]
    assert total(url, tables.charges, "cost_micros") == 100
    assert total(url, tables.charges, "tokens_input") == sum(row["tokens_input"] for row in before)
    assert [row["spent_micros"] for row in rows(url, tables.budgets)] == [90]
    assert len(rows(url, tables.spend_gaps)) == 1


async def test_another_organizations_charges_and_adjustments_are_not_touched(url: str) -> None:
    async with running(url) as ledger:
        (ident,) = await settled(ledger, 60)
        assert await corrected(ledger, {ident: 1}, org_id="other") == (0, 0, 1, 0)
        await corrected(ledger, {ident: 50})
        (made,) = [row["id"] for row in rows(url, tables.charges) if row["state"] == "adjusted"]
        assert await corrected(ledger, {made: 1}) == (0, 0, 1, 0)
    assert total(url, tables.charges, "cost_micros") == 50


@pytest.mark.parametrize("wanted", [0, 60, 10**12])
async def test_the_record_still_verifies(url: str, wanted: int) -> None:
    async with running(url) as ledger:
        (ident,) = await settled(ledger, 60)
        await corrected(ledger, {ident: wanted})
    engine = open_reader(url)
    assert verify_store(engine).ok
    engine.dispose()
