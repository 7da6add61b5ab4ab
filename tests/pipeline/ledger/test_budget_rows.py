"""Several budgets of one scope, each with its own period; soft limits, increases and alerts, in the ledger's own transactions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.errors import BadRequest, BudgetExceeded
from pipeline.ids import ulid
from pipeline.ledger.budget_rows import Terms, add_budget, budgets_of, change_budget, find_budget, mirror_budgets
from pipeline.ledger.ledger import DurableLedger
from pipeline.ledger.model import Scope, model_scope
from pipeline.periods import HOUR_US
from pipeline.store import tables
from tests.pipeline.ledger.calls import KEY, NOW, WORKSPACE, Clock, intent, rows, running, settlement

MODEL = model_scope("K1", "gpt-5-mini")


async def add(ledger: DurableLedger, scope: Scope = KEY, now_us: int = NOW, **terms: Any) -> str:
    return (await ledger.run(lambda connection: add_budget(connection, scope, Terms(**terms), now_us=now_us))).id


async def call(ledger: DurableLedger, cost: int, *scopes: Scope, amount: int = 0) -> tuple[str, ...]:
    """Open and close one call; says which soft limits it passes."""
    request_id = ulid(NOW)
    receipt = await ledger.open(intent(request_id, amount or cost, scopes or (KEY,)))
    await ledger.close(settlement(request_id, cost, outbox=(), redactions=()))
    return receipt.soft


async def test_a_scope_has_a_budget_of_each_period_and_every_one_must_cover_a_call(url: str) -> None:
    async with running(url) as ledger:
        day = await add(ledger, limit_micros=100, period="day")
        month = await add(ledger, limit_micros=150, period="month")
        with pytest.raises(BadRequest) as twice:
            await add(ledger, limit_micros=7, period="month")
        assert twice.value.code == "budget_exists"
        await call(ledger, 60)
        with pytest.raises(BudgetExceeded, match="per day"):
            await ledger.open(intent(amount=50))
        await ledger.run(lambda connection: change_budget(connection, find_budget(connection, day), Terms(900, "day"), now_us=NOW))
        with pytest.raises(BudgetExceeded, match="per month"):
            await ledger.open(intent(amount=100))
        found = await ledger.run(lambda connection: budgets_of(connection, KEY))
        assert {(each.id, each.spent_micros, each.reserved_micros) for each in found} == {(day, 60, 0), (month, 60, 0)}


async def test_a_model_of_a_key_has_a_budget_of_its_own(url: str) -> None:
    async with running(url) as ledger:
        await add(ledger, MODEL, limit_micros=50)
        await add(ledger, limit_micros=1_000)
        await call(ledger, 40, KEY, MODEL)
        with pytest.raises(BudgetExceeded, match="model budget"):
            await ledger.open(intent(amount=20, scopes=(KEY, MODEL)))
        await call(ledger, 20, KEY, model_scope("K1", "another"))
        spent = await ledger.run(lambda connection: [budgets_of(connection, scope)[0].spent_micros for scope in (MODEL, KEY)])
        assert spent == [40, 60]


async def test_a_rolling_window_frees_what_was_spent_bucket_by_bucket(url: str) -> None:
    clock = Clock()
    async with running(url, clock=clock) as ledger:
        budget_id = await add(ledger, limit_micros=100, period="24h")
        await call(ledger, 60)
        clock.at += 12 * HOUR_US
        await call(ledger, 40)
        with pytest.raises(BudgetExceeded, match="of 24h"):
            await ledger.open(intent(amount=1))
        clock.at += 12 * HOUR_US - 1
        with pytest.raises(BudgetExceeded):
            await ledger.open(intent(amount=1))
        clock.at += HOUR_US // 2 + 1
        await call(ledger, 60)
        found = await ledger.run(lambda connection: find_budget(connection, budget_id))
        assert (found.spent_micros, found.reserved_micros, found.at(clock.at + 48 * HOUR_US).spent) == (100, 0, 0)


async def test_a_period_in_a_time_zone_starts_anew_at_its_own_midnight_once(url: str) -> None:
    clock = Clock()
    async with running(url, clock=clock) as ledger:
        await add(ledger, limit_micros=100, period="month", timezone="Asia/Tokyo")
        await call(ledger, 100)
        clock.at = 1_796_050_800_000_000 - 1  # 2026-11-30T15:00Z, the first of December in Tokyo
        with pytest.raises(BudgetExceeded):
            await ledger.open(intent(amount=1))
        clock.at += 1
        await call(ledger, 100)
        clock.at -= 3 * HOUR_US  # the clock is set back over the month's end
        with pytest.raises(BudgetExceeded):
            await ledger.open(intent(amount=1))


async def test_a_soft_limit_serves_and_tells(url: str) -> None:
    async with running(url) as ledger:
        await add(ledger, limit_micros=100, soft_micros=50, alert_at="")
        await add(ledger, WORKSPACE, limit_micros=1_000, soft_micros=500, alert_at="")
        assert await call(ledger, 50, KEY, WORKSPACE) == ()
        assert await call(ledger, 10, KEY, WORKSPACE) == ("key",)
        assert await call(ledger, 10, KEY, WORKSPACE) == ("key",)
    assert [(row["kind"], row["spent_micros"]) for row in rows(url, tables.alerts)] == [("soft_limit", 60)]
    told = [row for row in rows(url, tables.events) if row["kind"] == "budget:soft_limit:reach"]
    assert [row["key_id"] for row in told] == ["K1"]


async def test_an_increase_lifts_the_limit_until_it_ends(url: str) -> None:
    clock = Clock()
    async with running(url, clock=clock) as ledger:
        await add(ledger, limit_micros=100, increase_micros=50, increase_until_us=NOW + HOUR_US)
        await call(ledger, 140)
        clock.at += HOUR_US
        with pytest.raises(BudgetExceeded):
            await ledger.open(intent(amount=1))


async def test_each_threshold_is_told_once_in_a_period_and_again_in_the_next(url: str) -> None:
    clock = Clock()
    async with running(url, clock=clock) as ledger:
        budget_id = await add(ledger, limit_micros=100, period="day", alert_at="50,80,100")
        for cost in (40, 20, 20, 20):
            await call(ledger, cost)
        for _ in range(2):
            with pytest.raises(BudgetExceeded):
                await ledger.open(intent(amount=1))
        clock.at += 24 * HOUR_US
        await call(ledger, 90)
    found = [(row["kind"], row["mark"], row["spent_micros"]) for row in rows(url, tables.alerts)]
    assert sorted(found) == [
        ("exhausted", "full", 100),
        ("threshold", "100", 100),
        ("threshold", "50", 60),
        ("threshold", "50", 90),
        ("threshold", "80", 80),
        ("threshold", "80", 90),
    ]
    assert {row["subject"] for row in rows(url, tables.alerts)} == {budget_id}
    assert len([row for row in rows(url, tables.events) if row["kind"].startswith("budget:")]) == 6


async def test_a_call_that_no_limit_could_cover_does_not_count_as_exhausted(sqlite_url: str) -> None:
    async with running(sqlite_url) as ledger:
        await add(ledger, limit_micros=100)
        with pytest.raises(BudgetExceeded, match="more than the whole"):
            await ledger.open(intent(amount=101))
    assert rows(sqlite_url, tables.alerts) == []


async def test_calls_in_flight_that_leave_no_room_do_not_count_as_exhausted(url: str) -> None:
    async with running(url) as ledger:
        await add(ledger, limit_micros=100)
        held = ulid(NOW)
        await ledger.open(intent(held, 80))
        with pytest.raises(BudgetExceeded):
            await ledger.open(intent(amount=30))
        assert rows(url, tables.alerts) == []
        await ledger.close(settlement(held, 80, outbox=(), redactions=()))
        with pytest.raises(BudgetExceeded):
            await ledger.open(intent(amount=30))
    assert {row["kind"] for row in rows(url, tables.alerts)} == {"threshold", "exhausted"}


async def test_a_changed_limit_does_not_tell_again_what_was_told_in_this_period(sqlite_url: str) -> None:
    async with running(sqlite_url) as ledger:
        budget_id = await add(ledger, limit_micros=100, period="day")
        await call(ledger, 60)
        await ledger.run(lambda connection: change_budget(connection, find_budget(connection, budget_id), Terms(1_000, "day"), now_us=NOW))
        await call(ledger, 500)
    assert [row["mark"] for row in rows(sqlite_url, tables.alerts)] == ["50"]


async def test_the_document_owns_its_budgets_and_no_others(sqlite_url: str) -> None:
    month, day = Terms(100, "month"), Terms(10, "day")
    async with running(sqlite_url) as ledger:

        def mirror(*wanted: Terms) -> Any:
            return ledger.run(lambda connection: mirror_budgets(connection, WORKSPACE, wanted, now_us=NOW))

        await add(ledger, WORKSPACE, limit_micros=7, period="week")
        assert await mirror(month, day)
        assert not await mirror(month, day)
        month_id = {each.period: each.id for each in await ledger.run(lambda connection: budgets_of(connection, WORKSPACE))}["month"]
        raised = replace(month, increase_micros=5, increase_until_us=NOW + 1)
        await ledger.run(lambda connection: change_budget(connection, find_budget(connection, month_id), raised, now_us=NOW))
        assert not await mirror(month, day), "an increase is an administrator's and stays"
        assert await mirror(month)
        left = await ledger.run(lambda connection: budgets_of(connection, WORKSPACE))
        assert {(each.period, each.limit_micros, each.origin) for each in left} == {
            ("week", 7, ""),
            ("month", 100, "document"),
        }


@pytest.mark.parametrize(
    "terms",
    [
        Terms(5, "year"), Terms(-1), Terms(5, "day", "Nowhere/Land"), Terms(5, "24h", "Europe/Berlin"), Terms(5, "", "Europe/Berlin"),
        Terms(5, soft_micros=6),
    ],
)  # fmt: skip
async def test_terms_that_make_no_sense_are_refused(sqlite_url: str, terms: Terms) -> None:
    async with running(sqlite_url) as ledger:
        with pytest.raises(BadRequest):
            await ledger.run(lambda connection: add_budget(connection, KEY, terms, now_us=NOW))
