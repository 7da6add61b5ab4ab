"""Dead letters can be looked at, sent again in their old order, and given up; the account is exact all the time."""

from __future__ import annotations

from dataclasses import replace as changed

import pytest
from sqlalchemy import select

from collectors.model import Account, OutboxRow
from pipeline.ledger.ledger import DurableLedger
from pipeline.store import dead_letters as under_test
from pipeline.store import tables
from pipeline.store.dead_letters import Letters, Moved
from pipeline.store.outbox import SqlOutbox, accounts
from pipeline.store.reads import Tenant, open_reads
from tests.pipeline.ledger.calls import NOW, Clock, rows, running

LEASE = 10_000_000


def row(number: int, destination: str = "sre", size: int = 10) -> OutboxRow:
    return OutboxRow(destination, "traces", bytes([number]) * size, number)


async def buried(store: SqlOutbox, *sent: OutboxRow, reason: str = "http_400") -> None:
    await store.put(sent)
    claimed = await store.claim(sent[0].destination, "traces", max_bytes=1 << 30, lease_us=LEASE)
    await store.bury([each.id for each in claimed], reason=reason)


def balanced(found: tuple[Account, ...]) -> bool:
    return all(one.accepted == one.delivered + one.queued + one.dead_letter + one.rejected_by_policy for one in found)


async def test_a_row_that_comes_after_a_dead_letter_never_has_its_id(url: str) -> None:
    async with running(url, clock=Clock()) as ledger:
        store = SqlOutbox(ledger.run, Clock(), postgres=url.startswith("postgresql"))
        for number in range(1, 4):  # each time the outbox is empty again
            await buried(store, row(number))
    assert len({each["id"] for each in rows(url, tables.dead_letters)}) == 3


async def test_what_is_sent_again_goes_before_what_came_after_it(url: str) -> None:
    async with running(url, clock=Clock()) as ledger:
        store = SqlOutbox(ledger.run, Clock(), postgres=url.startswith("postgresql"))
        await buried(store, row(1), row(2))
        await store.put([row(3)])
        moved, ids = await ledger.run(lambda connection: under_test.pick(connection, Letters()))
        assert (moved.rows, moved.items) == (2, 3)
        assert await ledger.run(lambda connection: under_test.replay(connection, ids)) == 2
        assert await ledger.run(lambda connection: under_test.replay(connection, ids)) == 0, "once"
        claimed = await store.claim("sre", "traces", max_bytes=1 << 30, lease_us=LEASE)
        assert [(each.row.items, each.attempts) for each in claimed] == [(1, 0), (2, 0), (3, 0)]
        assert balanced(await store.accounts())
        assert rows(url, tables.dead_letters) == []


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (Letters(), [1, 2, 4]),
        (Letters(destination="sre"), [1, 2]),
        (Letters(reason="http_401"), [4]),
        (Letters(signal="logs"), []),
        (Letters(to_us=NOW), []),
        (Letters(from_us=NOW, to_us=NOW + 1), [1, 2, 4]),
    ],
)
async def test_letters_are_found_by_what_is_known_of_them(sqlite_url: str, asked: Letters, found: list[int]) -> None:
    async with running(sqlite_url, clock=Clock()) as ledger:
        store = SqlOutbox(ledger.run, Clock(), postgres=False)
        await buried(store, row(1), row(2))
        await buried(store, row(4, "archive"), reason="http_401")
    reads = open_reads(sqlite_url)
    page = reads.letters(asked)
    assert [each["items"] for each in page] == found
    assert reads.letters_total(asked) == {"rows": len(found), "items": sum(found), "bytes": 10 * len(found)}
    assert [each["items"] for each in reads.letters(changed(asked, ids=(page[-1]["id"],)), limit=9)] == found[-1:] if found else not page
    assert all("payload" not in each for each in page)
    one_workspace = reads.seen_by(Tenant("default", "w"))
    assert (one_workspace.letters(asked), one_workspace.letters_total(asked)["rows"], one_workspace.letter(1)) == ([], 0, None)


async def test_what_is_given_up_counts_as_rejected_by_policy_with_its_reason(url: str) -> None:
    async with running(url, clock=Clock()) as ledger:
        store = SqlOutbox(ledger.run, Clock(), postgres=url.startswith("postgresql"))
        await buried(store, row(1), row(2))
        await store.put([row(3), row(4)])
        _, dead = await ledger.run(lambda connection: under_test.pick(connection, Letters()))
        assert await ledger.run(lambda connection: under_test.drop(connection, dead)) == 2
        leased = await store.claim("sre", "traces", max_bytes=10, lease_us=LEASE)  # row 3 is being sent
        picked, waiting = await ledger.run(lambda connection: under_test.pick_waiting(connection, Letters("sre"), NOW))
        assert picked == Moved(1, 4, waiting[0], waiting[0])
        assert await ledger.run(lambda connection: under_test.drop_waiting(connection, waiting, NOW)) == 1
        await store.delivered([each.id for each in leased])
        assert await store.accounts() == (Account("sre", "traces", 10, 3, 0, 0, 7),)
    (rejected,) = rows(url, tables.outbox_rejections)
    assert (rejected["reason"], rejected["items"]) == ("dropped", 7)


async def test_what_is_withheld_is_accepted_and_rejected_at_once(url: str) -> None:
    async with running(url, clock=Clock()) as ledger:
        store = SqlOutbox(ledger.run, Clock(), postgres=url.startswith("postgresql"))
        await store.put(
            [row(1), OutboxRow("sre", "traces", b"", 5, withheld="sampled"), OutboxRow("sre", "traces", b"", 2, withheld="full")]
        )
        await store.put([OutboxRow("sre", "traces", b"", 5, withheld="sampled")])
        assert await store.accounts() == (Account("sre", "traces", 13, 0, 1, 0, 12),)
    reasons = {each["reason"]: each["items"] for each in rows(url, tables.outbox_rejections)}
    assert reasons == {"sampled": 10, "full": 2}


async def test_many_letters_are_moved_in_transactions_of_bounded_size(sqlite_url: str) -> None:
    async with running(sqlite_url, clock=Clock()) as ledger:
        store = SqlOutbox(ledger.run, Clock(), postgres=False)
        for _ in range(3):
            await buried(store, *(row(1) for _ in range(100)))
        await buried(store, row(1, size=3 << 20))
        sizes = [picked.rows for picked in [await _moved(ledger) for _ in range(3)]]
        assert sum(sizes) == 301
        assert max(sizes) <= under_test.MOVED_ROWS
        assert balanced(await store.accounts())


async def _moved(ledger: DurableLedger) -> Moved:
    moved, ids = await ledger.run(lambda connection: under_test.pick(connection, Letters()))
    await ledger.run(lambda connection: under_test.replay(connection, ids))
    return moved


async def test_the_read_model_and_the_store_tell_the_same_account(url: str) -> None:
    async with running(url, clock=Clock()) as ledger:
        store = SqlOutbox(ledger.run, Clock(), postgres=url.startswith("postgresql"))
        await buried(store, row(1), row(2))
        await store.put([row(5), OutboxRow("sre", "traces", b"", 5, withheld="sampled")])
        told = await ledger.run(accounts)
    (read,) = open_reads(url).accounts()
    assert {name: read[name] for name in ("accepted", "delivered", "queued", "dead_letter", "rejected_by_policy")} == {
        name: getattr(told[0], name) for name in ("accepted", "delivered", "queued", "dead_letter", "rejected_by_policy")
    }
    assert (read["missing"], read["queued_bytes"], read["dead_letter_bytes"], read["oldest_queued_us"]) == (0, 10, 20, NOW)


def test_the_sums_are_read_from_indexes_alone(sqlite_url: str) -> None:
    from sqlalchemy import text

    from pipeline.store.engine import open_reader

    with open_reader(sqlite_url).connect() as connection:
        for table in (tables.outbox, tables.dead_letters):
            columns = f'destination, signal, sum("items"), sum(bytes) FROM {table.name} GROUP BY destination, signal'
            plan = " ".join(str(step[3]) for step in connection.execute(text("EXPLAIN QUERY PLAN SELECT " + columns)))
            assert "USING COVERING INDEX" in plan, plan
        assert connection.execute(select(tables.outbox.c.id)).all() == []
