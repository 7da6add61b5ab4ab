"""The ledger as its callers see it, on both databases."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from pipeline.errors import BudgetExceeded, LedgerError
from pipeline.ids import ulid
from pipeline.ledger.budgets import delete_budget, set_budget
from pipeline.ledger.model import Event, RedactionCount, Scope
from pipeline.ledger.verify import verify_store
from pipeline.store import tables
from pipeline.store.engine import open_reader
from tests.pipeline.ledger.calls import KEY, NOW, WORKSPACE, Clock, budget, charge, event, intent, rows, running, settlement, total


async def test_a_call_leaves_its_events_charge_redactions_and_outbox_rows(url: str, tmp_path: Path) -> None:
    async with running(url, journal_dir=tmp_path / "journal") as ledger:
        await budget(ledger)
        start = intent()
        opened = await ledger.open(start)
        closed = await ledger.close(settlement(start.event.request_id))
    assert (opened.seq, closed.seq) == (2, 3)
    assert [row["kind"] for row in sorted(rows(url, tables.events), key=lambda row: row["seq"])] == [
        "admin:budget:set",
        "gateway:call:start",
        "gateway:call:finish",
    ]
    (charged,) = rows(url, tables.charges)
    assert (charged["cost_micros"], charged["tokens_input"], charged["state"]) == (60, 10, "observed")
    (counted,) = rows(url, tables.redactions)
    assert (counted["rule"], counted["count"], counted["workspace_id"]) == ("email", 2, "W1")
    (account,) = rows(url, tables.outbox_accounts)
    assert (account["destination"], account["accepted"], total(url, tables.outbox, "items")) == ("sre", 3, 3)
    (standing,) = rows(url, tables.budgets)
    assert (standing["spent_micros"], standing["reserved_micros"]) == (60, 0)
    assert [row["state"] for row in rows(url, tables.reservations)] == ["closed"]
    assert verify_store(open_reader(url), tmp_path / "journal").faults == ()


async def test_fifty_parallel_calls_never_overshoot_a_budget(url: str) -> None:
    async with running(url) as ledger:
        await budget(ledger, limit=1_000)
        await budget(ledger, WORKSPACE, limit=5_000)

        async def call() -> str:
            start = intent(amount=90, scopes=(KEY, WORKSPACE))
            try:
                await ledger.open(start)
            except BudgetExceeded:
                return "refused"
            (standing, _) = rows(url, tables.budgets)
            assert standing["spent_micros"] + standing["reserved_micros"] <= 1_000
            await ledger.close(settlement(start.event.request_id, cost=90))
            return "ok"

        outcomes = await asyncio.gather(*(call() for _ in range(50)))
    assert outcomes.count("ok") == 11
    assert total(url, tables.charges, "cost_micros") == 990
    assert [row["spent_micros"] for row in rows(url, tables.budgets)] == [990, 990]


async def test_a_refused_call_reserves_nothing_anywhere(url: str) -> None:
    async with running(url) as ledger:
        await budget(ledger, WORKSPACE, limit=1_000)
        await budget(ledger, KEY, limit=50)
        with pytest.raises(BudgetExceeded) as refusal:
            await ledger.open(intent(amount=60, scopes=(WORKSPACE, KEY)))
    assert "key budget" in str(refusal.value)
    assert refusal.value.hint
    assert [row["reserved_micros"] for row in rows(url, tables.budgets)] == [0, 0]
    assert rows(url, tables.reservations) == []


async def test_a_scope_without_a_budget_is_not_limited(url: str) -> None:
    async with running(url) as ledger:
        assert (await ledger.open(intent(amount=10**15))).seq == 1


async def test_closing_twice_charges_once_and_gives_the_same_receipt(url: str) -> None:
    async with running(url) as ledger:
        await budget(ledger)
        start = intent()
        await ledger.open(start)
        first = await ledger.close(settlement(start.event.request_id))
        assert await ledger.close(settlement(start.event.request_id, cost=900)) == first
        both = intent()
        await ledger.open(both)
        together = await asyncio.gather(*(ledger.close(settlement(both.event.request_id)) for _ in range(3)))
    assert len(set(together)) == 1
    assert total(url, tables.charges, "cost_micros") == 120
    assert [row["spent_micros"] for row in rows(url, tables.budgets)] == [120]


async def test_a_request_id_is_opened_once(url: str) -> None:
    async with running(url) as ledger:
        await budget(ledger)
        start = intent()
        results = await asyncio.gather(ledger.open(start), ledger.open(intent(start.event.request_id)), return_exceptions=True)
        with pytest.raises(LedgerError, match="already") as refusal:
            await ledger.open(intent(start.event.request_id))
    assert sum(isinstance(result, LedgerError) for result in results) == 1
    assert refusal.value.code == "request_id_used"
    assert [row["reserved_micros"] for row in rows(url, tables.budgets)] == [100]


async def test_a_call_that_was_never_opened_is_not_settled(url: str) -> None:
    async with running(url) as ledger:
        with pytest.raises(LedgerError) as refusal:
            await ledger.close(settlement(ulid(NOW)))
    assert refusal.value.code == "reservation_unknown"


async def test_a_raw_detail_is_refused_at_run_time(sqlite_url: str) -> None:
    raw: Any = {"prompt": "raw"}
    async with running(sqlite_url) as ledger:
        with pytest.raises(LedgerError, match="not redacted"):
            await ledger.append(Event(ulid(NOW), NOW, "a:b:c", "K1", "ok", raw))
    assert rows(sqlite_url, tables.events) == []


async def test_one_poisoned_call_does_not_fail_the_others_of_its_batch(url: str) -> None:
    async with running(url) as ledger:
        await budget(ledger, limit=10_000)
        starts = [intent() for _ in range(20)]
        await asyncio.gather(*(ledger.open(start) for start in starts))
        same = ulid(NOW)
        settlements = [settlement(start.event.request_id) for start in starts]
        settlements[7] = settlement(starts[7].event.request_id, charges=(charge(starts[7].event.request_id, 60, id=same),) * 2)
        settlements[11] = settlement(starts[11].event.request_id, charges=(charge(starts[11].event.request_id, 1 << 70),))
        results = await asyncio.gather(*(ledger.close(each) for each in settlements), return_exceptions=True)
        assert [index for index, result in enumerate(results) if isinstance(result, BaseException)] == [7, 11]
        assert all(isinstance(results[index], LedgerError) for index in (7, 11))
        assert ledger.ready() == (True, "")
    assert total(url, tables.charges, "cost_micros") == 18 * 60
    assert verify_store(open_reader(url)).faults == ()


async def test_a_change_and_its_event_stand_or_fall_together(url: str) -> None:
    def fails(connection: Any) -> None:
        set_budget(connection, KEY, 5, "", NOW)
        raise KeyError("no such thing")

    def adds(connection: Any) -> str:
        connection.execute(insert(tables.settings).values(name="a", value="1"))
        return "added"

    async with running(url) as ledger:
        results = await asyncio.gather(
            ledger.change(event("admin:setting:add"), adds),
            ledger.change(event("admin:budget:set"), fails),
            ledger.append(event("gateway:call:refuse")),
            ledger.run(lambda connection: connection.execute(insert(tables.settings).values(name="b", value="2")) is not None),
            return_exceptions=True,
        )
    assert results[0] == "added"
    assert isinstance(results[1], KeyError)
    assert results[3] is True
    assert [row["kind"] for row in sorted(rows(url, tables.events), key=lambda row: row["seq"])] == [
        "admin:setting:add",
        "gateway:call:refuse",
    ]
    assert rows(url, tables.budgets) == []
    assert [row["name"] for row in rows(url, tables.settings)] == ["a", "b"]


async def test_an_event_outside_a_call_brings_what_was_redacted(url: str) -> None:
    counts = (
        RedactionCount("answer", "pii", "email", "email", "hash", 3),
        RedactionCount("answer", "secrets", "jwt", "jwt", "mask", 1),
    )
    async with running(url) as ledger:
        await ledger.append(event(request_id="R1"), redactions=counts)
    found = [(row["request_id"], row["workspace_id"], row["key_id"], row["rule"], row["count"]) for row in rows(url, tables.redactions)]
    assert found == [("R1", "W1", "K1", "email", 3), ("R1", "W1", "K1", "jwt", 1)]


async def test_a_change_may_catch_a_duplicate_without_harming_its_batch(url: str) -> None:
    def twice(connection: Any) -> None:
        for _ in range(2):
            connection.execute(insert(tables.settings).values(name="a", value="1"))

    async with running(url) as ledger:
        results = await asyncio.gather(ledger.run(twice), ledger.append(event()), return_exceptions=True)
    assert type(results[0]).__name__ == "IntegrityError"
    assert len(rows(url, tables.events)) == 1
    assert rows(url, tables.settings) == []


async def test_a_new_period_forgets_what_was_spent_and_keeps_what_is_reserved(url: str) -> None:
    clock = Clock()
    async with running(url, clock=clock) as ledger:
        await budget(ledger, limit=100, period="day")
        first, second = intent(amount=60), intent(amount=40)
        await ledger.open(first)
        await ledger.open(second)
        await ledger.close(settlement(first.event.request_id, cost=60))
        with pytest.raises(BudgetExceeded, match="per day") as refusal:
            await ledger.open(intent(amount=10))
        assert "2026-11-1" in refusal.value.hint
        clock.at += 86_400_000_000
        await ledger.open(intent(amount=60))
        with pytest.raises(BudgetExceeded):
            await ledger.open(intent(amount=1))
        clock.at -= 86_400_000_000
        with pytest.raises(BudgetExceeded):
            await ledger.open(intent(amount=1))
    (standing,) = rows(url, tables.budgets)
    assert (standing["spent_micros"], standing["reserved_micros"]) == (0, 100)


async def test_a_budget_made_anew_does_not_take_over_old_reservations(url: str) -> None:
    async with running(url) as ledger:
        await budget(ledger)
        old, new = intent(amount=300), intent(amount=200)
        await ledger.open(old)
        await ledger.change(event("admin:budget:delete"), lambda connection: delete_budget(connection, KEY))
        await budget(ledger)
        await ledger.open(new)
        await ledger.close(settlement(old.event.request_id, cost=100))
    (standing,) = rows(url, tables.budgets)
    assert (standing["spent_micros"], standing["reserved_micros"]) == (100, 200)


async def test_an_adjustment_outside_a_call_moves_the_budgets(url: str) -> None:
    async with running(url) as ledger:
        await budget(ledger)
        await budget(ledger, Scope("org", "default"))
        request_id = ulid(NOW)
        await ledger.append(event("admin:charge:adjust", request_id), charge(request_id, 40, state="adjusted"))
        await ledger.append(event("admin:charge:adjust", request_id), charge(request_id, -15, state="adjusted", attempt=2))
    assert [row["spent_micros"] for row in rows(url, tables.budgets)] == [25, 25]


async def test_odd_texts_are_fitted_and_still_verify(url: str) -> None:
    odd = 'naïve \u2028 \x07 \\ " \U0001f600' + "x" * 300
    async with running(url) as ledger:
        await ledger.append(event(model="a\0b\ud800" + odd, detail={"text": odd + "\0", "lone": "\udcff", "big": 1 << 80, "float": 0.1}))
        start = intent()
        await ledger.open(start)
        await ledger.close(settlement(start.event.request_id, charges=(charge(start.event.request_id, upstream_id="ü\0" * 300),)))
        with pytest.raises(LedgerError):
            await ledger.append(event(detail={"nan": float("nan"), "big": 1 << 80}))
    assert verify_store(open_reader(url)).faults == ()
    assert {len(row["model"]) for row in rows(url, tables.events)} == {255, len("gpt-5-mini")}


async def test_a_stopped_ledger_refuses(sqlite_url: str) -> None:
    async with running(sqlite_url) as ledger:
        await ledger.append(event())
    with pytest.raises(LedgerError):
        await ledger.append(event())
    assert ledger.ready()[0] is False
    (epoch,) = rows(sqlite_url, tables.epochs)
    assert epoch["ended_us"] == NOW
    assert [row["seq"] for row in rows(sqlite_url, tables.checkpoints)] == [1]


async def test_what_waits_is_written_before_the_ledger_stops(url: str) -> None:
    async with running(url) as ledger:
        waiting = [asyncio.ensure_future(ledger.append(event())) for _ in range(300)]
        await asyncio.sleep(0)
    receipts = await asyncio.gather(*waiting)
    assert sorted(receipt.seq for receipt in receipts) == list(range(1, 301))


async def test_a_caller_that_goes_away_while_opening_leaves_no_reservation(url: str) -> None:
    async with running(url) as ledger:
        await budget(ledger)
        opening = asyncio.ensure_future(ledger.open(intent()))
        await asyncio.sleep(0)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        await ledger.append(event())
        await ledger.append(event())
    assert [row["reserved_micros"] for row in rows(url, tables.budgets)] == [0]
    assert {row["state"] for row in rows(url, tables.reservations)} <= {"closed"}
