"""Idempotency claims in the ledger: one holder whatever comes together, ended with the call, `unknown` after a crash."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import BudgetExceeded, LedgerError
from pipeline.ids import ulid
from pipeline.ledger.ledger import DurableLedger
from pipeline.ledger.model import Claim, ClaimTaken, Intent, Kept, Receipt, Settlement
from pipeline.ledger.operations import abandoned, open_of
from pipeline.store import tables
from pipeline.store.claims import PURGE_ROWS, purge_claims, read_answer
from pipeline.store.engine import open_reader
from tests.pipeline.ledger.calls import NOW, Clock, budget, event, intent, made, rows, running, settlement
from tests.pipeline.ledger.test_recovery import gone_pid, leave

DAY_US = 86_400_000_000
DONE = Kept("done", 200, NOW + 2 * DAY_US, "k1", b"n" * 12, b"sealed")


def claim(name: str = "a", params: str = "p") -> Claim:
    return Claim(name * 64, params * 64, NOW + DAY_US)


def claiming(name: str = "a", params: str = "p", **fields: Any) -> Intent:
    return replace(intent(**fields), claim=claim(name, params))


def ended(start: Intent, kept: Kept | None = DONE) -> Settlement:
    return replace(settlement(start.event.request_id), kept=kept)


def claims(url: str) -> dict[str, tuple[str, str, int]]:
    """Every claim: its request, state and status."""
    return {row["digest"][0]: (row["request_id"], row["state"], row["status"]) for row in rows(url, tables.idempotency_claims)}


async def taken(ledger: DurableLedger, start: Intent) -> ClaimTaken:
    with pytest.raises(ClaimTaken) as caught:
        await ledger.open(start)
    return caught.value


async def test_a_claim_is_open_while_its_call_is_and_done_with_its_settlement(url: str) -> None:
    first = claiming()
    request_id = first.event.request_id
    async with running(url) as ledger:
        await ledger.open(first)
        found = await taken(ledger, claiming())
        assert (found.request_id, found.state, found.same_params) == (request_id, "open", True)
        await ledger.close(ended(first))
        found = await taken(ledger, claiming())
        assert (found.request_id, found.state, found.status, found.same_params) == (request_id, "done", 200, True)
        assert not (await taken(ledger, claiming(params="q"))).same_params
        await ledger.open(claiming("b"))
    assert claims(url) == {"a": (request_id, "done", 200), "b": (claims(url)["b"][0], "open", 0)}
    (row,) = [row for row in rows(url, tables.idempotency_claims) if row["state"] == "done"]
    assert (row["expires_us"], bytes(row["nonce"]), bytes(row["answer"])) == (NOW + 2 * DAY_US, b"n" * 12, b"sealed")
    reserved = {row["request_id"] for row in rows(url, tables.reservations)}
    assert len(reserved) == 2, "what came second reserved nothing and left no event"
    assert {row["request_id"] for row in rows(url, tables.events) if row["kind"] == "gateway:call:start"} == reserved


async def test_of_calls_that_come_together_one_is_first(url: str) -> None:
    async with running(url) as ledger:
        await budget(ledger, limit=10**6)
        outcomes = await asyncio.gather(*(ledger.open(claiming(amount=10)) for _ in range(40)), return_exceptions=True)
        assert sum(isinstance(outcome, Receipt) for outcome in outcomes) == 1
        assert sum(isinstance(outcome, ClaimTaken) and outcome.state == "open" for outcome in outcomes) == 39
    (standing,) = rows(url, tables.budgets)
    assert standing["reserved_micros"] == 10


@pytest.mark.postgres
async def test_of_several_workers_one_is_first(postgres_url: str) -> None:
    hosts = [running(postgres_url, host=host) for host in ("one", "two", "three")]
    async with hosts[0] as one, hosts[1] as two, hosts[2] as three:
        await budget(one, limit=10**6)
        names = "abcdefgh"
        wanted = [(ledger, claiming(name, amount=10)) for name in names for ledger in (one, two, three)]
        outcomes = await asyncio.gather(*(ledger.open(start) for ledger, start in wanted), return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {Receipt, ClaimTaken}
        first = [start for (_, start), outcome in zip(wanted, outcomes, strict=True) if isinstance(outcome, Receipt)]
        assert sorted(start.claim.digest[0] for start in first if start.claim) == list(names)
        # The ends go through whichever worker; each one's own transaction waits for nobody.
        await asyncio.gather(*(ledger.close(ended(start)) for ledger, start in wanted if start in first))
    (standing,) = rows(postgres_url, tables.budgets)
    assert standing["reserved_micros"] == 0
    assert {state for _, state, _ in claims(postgres_url).values()} == {"done"}


async def test_a_refused_reservation_leaves_no_claim(url: str) -> None:
    async with running(url) as ledger:
        await budget(ledger, limit=50)
        for _ in range(2):
            with pytest.raises(BudgetExceeded):
                await ledger.open(claiming(amount=100))
        assert claims(url) == {}
        await ledger.open(claiming(amount=50))
        found = await taken(ledger, claiming(amount=100))
        assert found.state == "open", "whose the claim is comes before what it costs"


async def test_a_second_settlement_changes_no_answer(url: str) -> None:
    start = claiming()
    async with running(url) as ledger:
        await ledger.open(start)
        await ledger.close(ended(start))
        await ledger.close(ended(start, Kept("incomplete", 499, NOW)))
    assert claims(url)["a"][1:] == ("done", 200)


async def test_a_call_that_was_written_down_for_nobody_gives_its_claim_back(url: str) -> None:
    start = claiming()
    async with running(url) as ledger:
        await ledger.open(start)
        await ledger._writer.submit(abandoned(open_of(start), NOW))
        assert claims(url) == {}
        await ledger.open(claiming())


async def test_a_crash_between_call_and_answer_leaves_the_claim_unknown(url: str) -> None:
    ledger = made(url, pid=gone_pid())
    await ledger.start()
    left, settled = claiming("a"), claiming("b")
    for start in (left, settled):
        await ledger.open(start)
    await ledger.close(ended(settled))
    await ledger.take(event("admin:request:start", ulid(NOW)), claim("c"))
    await leave(ledger)
    async with running(url) as after:
        await after.recover()
        found = await taken(after, claiming())
        assert (found.request_id, found.state) == (left.event.request_id, "unknown")
        assert (await taken(after, claiming("b"))).state == "done"
        assert (await taken(after, claiming("c"))).state == "unknown"
    charged = {row["request_id"]: row["state"] for row in rows(url, tables.charges)}
    assert charged == {left.event.request_id: "unknown", settled.event.request_id: "observed"}


@pytest.mark.postgres
async def test_a_living_worker_keeps_its_claims(postgres_url: str) -> None:
    start = claiming()
    async with running(postgres_url, host="one") as one, running(postgres_url, host="two") as two:
        await one.open(start)
        await two.recover()
        assert (await taken(two, claiming())).state == "open"
        await one.close(ended(start))
        assert (await taken(two, claiming())).state == "done"


async def test_an_administrative_claim_is_taken_and_ended_with_its_events(url: str) -> None:
    async with running(url) as ledger:
        first, second = ulid(NOW), ulid(NOW)
        await ledger.take(event("admin:request:start", first), claim())
        with pytest.raises(ClaimTaken):
            await ledger.take(event("admin:request:start", second), claim())
        await ledger.keep(event("admin:request:finish", first), Kept("released"))
        await ledger.take(event("admin:request:start", second), claim())
        await ledger.keep(event("admin:request:finish", second), DONE)
    assert claims(url)["a"] == (second, "done", 200)
    told = [(row["kind"], row["request_id"]) for row in rows(url, tables.events) if row["kind"].startswith("admin:request:")]
    assert sorted(told) == sorted(
        (kind, request_id) for request_id in (first, second) for kind in ("admin:request:finish", "admin:request:start")
    )


async def test_a_settlement_that_is_late_brings_its_answer(sqlite_url: str) -> None:
    start = claiming()
    async with running(sqlite_url) as ledger:
        await ledger.open(start)
        session: Any = ledger._scribe._session
        ledger._scribe._detach(session, "the test took it away")
        ledger._scribe._tried = float("inf")  # no attempt to connect for now
        with pytest.raises(LedgerError):
            await ledger.close(ended(start))
        assert claims(sqlite_url)["a"][1] == "open"
        ledger._scribe._tried = 0.0
        for _ in range(200):
            if claims(sqlite_url)["a"][1] != "open":
                break
            await asyncio.sleep(0.02)
    assert claims(sqlite_url)["a"][1:] == ("done", 200)


async def test_an_expired_claim_is_free_again_and_its_answer_is_gone(url: str) -> None:
    clock = Clock()
    first, again = claiming(), claiming()
    async with running(url, clock=clock) as ledger:
        await ledger.open(first)
        clock.at = NOW + 3 * DAY_US
        assert (await taken(ledger, claiming())).state == "open", "a call that goes on keeps its claim"
        clock.at = NOW
        await ledger.close(ended(first))
        clock.at = NOW + 2 * DAY_US - 1
        assert (await taken(ledger, claiming())).state == "done"
        clock.at = NOW + 2 * DAY_US
        await ledger.open(again)
    assert claims(url)["a"] == (again.event.request_id, "open", 0)
    (row,) = rows(url, tables.idempotency_claims)
    assert (row["nonce"], row["answer"]) == (None, None)


async def test_a_purge_takes_what_has_expired_and_nothing_that_is_open(url: str) -> None:
    async with running(url) as ledger:
        for name, kept in (("a", DONE), ("b", Kept("too_large", 200, NOW + DAY_US)), ("c", None)):
            start = claiming(name)
            await ledger.open(start)
            if kept is not None:
                await ledger.close(ended(start, kept))
        assert await ledger.run(lambda connection: purge_claims(connection, NOW)) == 0
        assert await ledger.run(lambda connection: purge_claims(connection, NOW + DAY_US)) == 1
        assert set(claims(url)) == {"a", "c"}
        assert await ledger.run(lambda connection: purge_claims(connection, NOW + 9 * DAY_US)) == 1
    assert set(claims(url)) == {"c"}


async def test_a_purge_is_done_in_pieces(sqlite_url: str) -> None:
    def fill(connection: Any) -> None:
        values = [
            {"digest": f"{number:064d}", "request_id": ulid(NOW), "epoch_id": "E", "params": "p", "state": "done", "expires_us": 1}
            for number in range(PURGE_ROWS + 3)
        ]
        connection.execute(tables.idempotency_claims.insert(), values)

    async with running(sqlite_url) as ledger:
        await ledger.run(fill)
        assert [await ledger.run(lambda connection: purge_claims(connection, NOW)) for _ in range(3)] == [PURGE_ROWS, 3, 0]


async def test_an_answer_is_read_by_its_claim_and_its_request(url: str) -> None:
    start = claiming()
    async with running(url) as ledger:
        await ledger.open(start)
        await ledger.close(ended(start))
    engine = open_reader(url)
    with engine.connect() as connection:
        found = read_answer(connection, "a" * 64, start.event.request_id)
        assert found is not None
        assert (found.status, found.seal_key, found.nonce, found.sealed) == (200, "k1", b"n" * 12, b"sealed")
        assert read_answer(connection, "a" * 64, ulid(NOW)) is None
        assert read_answer(connection, "b" * 64, start.event.request_id) is None
    engine.dispose()


def test_nothing_but_the_ledger_and_the_replay_reads_what_is_kept() -> None:
    """No export, no read model, no dashboard: a new reader of the table is a decision, taken here."""
    root = Path(__file__).resolve().parents[3]
    sources = [path for package in ("collectors", "dashboard", "pipeline", "redactors") for path in (root / package).rglob("*.py")]
    assert {path.relative_to(root).as_posix() for path in sources if "idempotency_claims" in path.read_text("utf-8")} == {
        "pipeline/store/claims.py",
        "pipeline/store/migrations/versions/0002_idempotency_claims.py",
        "pipeline/store/tables/__init__.py",
        "pipeline/store/tables/ledger.py",
    }
    readers = [path for path in sources if re.search(r"import .*\bread_answer\b", path.read_text("utf-8"))]
    assert [path.relative_to(root).as_posix() for path in readers] == ["pipeline/gateway/idempotency.py"]
