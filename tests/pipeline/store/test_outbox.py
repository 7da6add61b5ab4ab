"""Nothing is lost between acceptance and delivery, and the order of each destination is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from collectors.model import Account, CollectorError, Leased, OutboxRow, OutboxStore
from pipeline.store import tables
from pipeline.store.outbox import SqlOutbox
from tests.pipeline.ledger.calls import NOW, Clock, made, rows, running

LEASE = 10_000_000


@asynccontextmanager
async def outbox(url: str, clock: Clock) -> AsyncIterator[OutboxStore]:
    async with running(url, clock=clock) as ledger:
        yield SqlOutbox(ledger.run, clock, postgres=url.startswith("postgresql"))


def row(number: int, destination: str = "sre", signal: Any = "traces", size: int = 10) -> OutboxRow:
    return OutboxRow(destination, signal, bytes([number]) * size, number)


def ids(leased: Sequence[Leased]) -> list[int]:
    return [each.id for each in leased]


async def take(store: OutboxStore, destination: str = "sre", signal: Any = "traces", max_bytes: int = 1_000) -> tuple[Leased, ...]:
    return await store.claim(destination, signal, max_bytes=max_bytes, lease_us=LEASE)


async def test_rows_are_claimed_in_order_by_destination_and_signal(url: str) -> None:
    async with outbox(url, Clock()) as store:
        await store.put([row(1), row(2, "other"), row(3), row(4, signal="logs"), row(5)])
        assert [each.row for each in await take(store)] == [row(1), row(3), row(5)]
        assert [each.row for each in await take(store, "other")] == [row(2, "other")]
        assert [each.row for each in await take(store, signal="logs")] == [row(4, signal="logs")]
        assert await take(store, "nobody") == ()


async def test_a_claim_is_bounded_by_bytes_and_takes_at_least_one(url: str) -> None:
    async with outbox(url, Clock()) as store:
        await store.put([row(1, size=50), row(2, size=50), row(3, size=50)])
        first = await take(store, max_bytes=100)
        assert [each.row.items for each in first] == [1, 2]
        await store.delivered(ids(first))
        assert [each.row.items for each in await take(store, max_bytes=1)] == [3]


async def test_nothing_is_claimed_behind_a_row_that_is_leased_or_waits(url: str) -> None:
    clock = Clock()
    async with outbox(url, clock) as store:
        await store.put([row(1)])
        first = await take(store)
        await store.put([row(2)])
        assert await take(store) == ()
        await store.retry(ids(first), due_us=NOW + 5_000_000, reason="http_503")
        assert await take(store) == ()
        clock.at += 5_000_000
        again = await take(store)
        assert [(each.row.items, each.attempts) for each in again] == [(1, 1), (2, 0)]


async def test_a_lease_that_ran_out_is_claimed_again(url: str) -> None:
    clock = Clock()
    async with outbox(url, clock) as store:
        await store.put([row(1)])
        first = await take(store)
        clock.at += LEASE + 1
        assert ids(await take(store)) == ids(first)


async def test_the_loss_equation_holds_through_every_fate(url: str) -> None:
    async with outbox(url, Clock()) as store:
        await store.put([row(number) for number in range(1, 6)] + [row(7, "other", "metrics")])
        claimed = await take(store)
        await store.delivered(ids(claimed)[:2], rejected_items=1)
        await store.bury(ids(claimed)[2:3], reason="http_400")
        await store.retry(ids(claimed)[3:], due_us=0, reason="http_503")
        assert await store.accounts() == (
            Account("other", "metrics", accepted=7, delivered=0, queued=7, dead_letter=0, rejected_by_policy=0),
            Account("sre", "traces", accepted=15, delivered=2, queued=9, dead_letter=3, rejected_by_policy=1),
        )
        await store.delivered(ids(claimed))  # those that are left; the others are not counted twice
        await store.bury(ids(claimed), reason="late")
        (_, account) = await store.accounts()
    assert account.accepted == account.delivered + account.queued + account.dead_letter + account.rejected_by_policy
    assert (account.delivered, account.queued) == (11, 0)
    (buried,) = rows(url, tables.dead_letters)
    assert (buried["payload"], buried["reason"], buried["attempts"]) == (row(3).payload, "http_400", 1)


async def test_nothing_to_put_is_nothing(url: str) -> None:
    async with outbox(url, Clock()) as store:
        await store.put([])
        assert await store.accounts() == ()


async def test_a_store_that_is_away_is_a_collector_error(sqlite_url: str) -> None:
    ledger = made(sqlite_url)
    store = SqlOutbox(ledger.run, Clock(), postgres=False)
    with pytest.raises(CollectorError, match="audit_unavailable"):
        await store.put([row(1)])
