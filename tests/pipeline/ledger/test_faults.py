"""Each device away in each way: the documented answer, and recovery without a restart."""

from __future__ import annotations

import asyncio
import os
import resource
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from pipeline.clock import SystemClock
from pipeline.errors import LedgerError
from pipeline.ledger import scribe as scribe_module
from pipeline.ledger.model import RedactionCount
from pipeline.ledger.verify import verify_store
from pipeline.ledger.writer import DEADLINE_S
from pipeline.store import tables
from pipeline.store.engine import open_reader, sqlite_path
from tests.pipeline.ledger.calls import budget, event, intent, made, rows, running, settlement
from tests.servers.postgres import Postgres


async def until(check: Callable[[], Awaitable[bool]], seconds: float = 10.0) -> None:
    """Wait for something that will come to be."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not await check():
        assert loop.time() < end, "it did not come to be"
        await asyncio.sleep(0.05)


def works(ledger: Any) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        try:
            await ledger.append(event("after:the:fault"))
        except LedgerError:
            return False
        return True

    return check


async def test_every_batch_is_measured_and_a_failed_one_counts_nothing(sqlite_url: str) -> None:
    seen: list[int] = []
    async with running(sqlite_url, measured=lambda entries, _seconds: seen.append(entries)) as ledger:
        await ledger.append(event())
        assert 0 not in seen
        assert sum(seen) > 0
        other = sqlite3.connect(str(sqlite_path(sqlite_url)), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError):
            await ledger.append(event())
        assert seen[-1] == 0
        other.execute("ROLLBACK")
        other.close()
        await until(works(ledger))
        assert seen[-1] == 1


async def test_a_locked_database_refuses_and_comes_back(sqlite_url: str) -> None:
    async with running(sqlite_url) as ledger:
        await budget(ledger)
        start = intent()
        await ledger.open(start)
        other = sqlite3.connect(str(sqlite_path(sqlite_url)), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        results = await asyncio.gather(
            ledger.append(event()),
            ledger.close(settlement(start.event.request_id)),
            ledger.change(event(), lambda _: 1),
            return_exceptions=True,
        )
        assert [getattr(result, "code", "") for result in results] == ["audit_unavailable"] * 3
        able, why = ledger.ready()
        assert (able, why) == (False, "SQLite: SQLITE_BUSY")
        other.execute("ROLLBACK")
        other.close()
        await until(works(ledger))
        assert ledger.ready() == (True, "")
        # The settlement whose caller was refused is still written: the call was made.
        await until(lambda: _is(lambda: len(rows(sqlite_url, tables.charges)) == 1))
    assert verify_store(open_reader(sqlite_url)).faults == ()


async def _is(check: Callable[[], bool]) -> bool:
    return check()


async def test_a_process_that_was_held_itself_has_not_waited_for_its_database(sqlite_url: str) -> None:
    go_on = threading.Event()
    async with running(sqlite_url) as ledger:
        waiting = asyncio.ensure_future(ledger.change(event(), lambda _: go_on.wait(10)))
        await asyncio.sleep(0.1)
        time.sleep(DEADLINE_S + 1)  # as when the machine is suspended: neither loop nor thread gets anywhere
        await asyncio.sleep(0.1)
        go_on.set()
        assert await waiting is True
        assert ledger.ready() == (True, "")


async def test_a_database_that_was_moved_away_refuses(sqlite_url: str) -> None:
    path = sqlite_path(sqlite_url)
    assert path is not None
    async with running(sqlite_url) as ledger:
        await ledger.append(event())
        path.rename(path.with_suffix(".away"))
        with pytest.raises(LedgerError):
            await ledger.append(event())
        await asyncio.sleep(0.6)
        assert ledger.ready() == (False, "there is no database file; run: lockgate db migrate")
        path.with_suffix(".away").rename(path)
        await until(works(ledger))
    assert verify_store(open_reader(sqlite_url)).faults == ()


async def test_a_full_disk_refuses_and_comes_back(sqlite_url: str, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    clock = SystemClock()  # one that moves: SQLite writes nothing down for a value that is the same
    async with running(sqlite_url, journal_dir=tmp_path / "journal", clock=clock) as ledger:
        await ledger.append(event())
        path = sqlite_path(sqlite_url)
        assert path is not None
        wal = path.with_name(path.name + "-wal").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (wal + 8_192, before[1]))
        refused = 0
        try:
            for _ in range(50):
                try:
                    await ledger.append(event(detail={"text": "x" * 4_000}))
                except LedgerError:
                    refused += 1
                if not ledger.ready()[0]:
                    break
            assert refused > 0
            assert ledger.ready()[0] is False
            reader = sqlite3.connect(path)  # as the gateway's own readers: SQLite's log stays where it is
            reader.execute("SELECT count(*) FROM events").fetchone()
            resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, before[1]))
            with pytest.raises(LedgerError):
                await ledger.append(event())
            for _ in range(10):
                await asyncio.sleep(0.1)
                assert ledger.ready()[0] is False, "a store that can be read, but not written, is not back"
            reader.close()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        await until(works(ledger))
    assert verify_store(open_reader(sqlite_url), tmp_path / "journal").faults == ()
    assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_a_database_that_is_away_at_the_start_is_waited_for(sqlite_url: str) -> None:
    path = sqlite_path(sqlite_url)
    assert path is not None
    hidden = path.rename(path.with_suffix(".away"))
    ledger = made(sqlite_url)
    await ledger.start()
    assert ledger.ready() == (False, "there is no database file; run: lockgate db migrate")
    with pytest.raises(LedgerError, match="cannot be written") as refusal:
        await ledger.open(intent())
    assert refusal.value.status == 503
    hidden.rename(path)
    await until(works(ledger))
    await ledger.stop()


async def test_a_store_without_a_schema_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    async with running(f"sqlite:///{tmp_path}/empty.db") as ledger:
        assert ledger.ready() == (False, "the schema is missing; run: lockgate db migrate")


async def test_two_processes_do_not_write_one_file(sqlite_url: str) -> None:
    async with running(sqlite_url) as ledger:
        second = made(sqlite_url)
        await second.start()
        assert "another process" in second.ready()[1]
        with pytest.raises(LedgerError):
            await second.append(event())
        await second.stop()
        await ledger.append(event())


@pytest.mark.parametrize("require", ["all", "any"])
async def test_a_journal_that_cannot_be_written(url: str, tmp_path: Path, require: Any) -> None:
    journal = tmp_path / "journal"
    journal.write_text("not a folder")
    ledger = made(url, journal_dir=journal, require=require)
    await ledger.start()
    start = intent()
    if require == "all":
        with pytest.raises(LedgerError):
            await ledger.open(start)
        assert ledger.ready() == (False, "journal: File exists")
        assert rows(url, tables.events) == []
    else:
        await ledger.open(start)
        await ledger.close(settlement(start.event.request_id))
        assert ledger.ready() == (True, "")
        assert ledger.condition().journal == "journal: File exists"
    journal.unlink()
    await ledger.append(event("after:the:fault"))
    assert ledger.condition().journal == ""
    await ledger.stop()
    report = verify_store(open_reader(url), journal)
    assert report.faults == ()
    assert any("journal was away" in remark for remark in report.remarks) is (require == "any")


@pytest.mark.parametrize("failures", [1, 2], ids=["made-up-for-in-a-new-part", "refused"])
async def test_a_sync_of_the_journal_that_fails_beside_the_commit(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    """The transaction stands by then: it is made up for, or its caller is refused, its reservation ends and the journal notes the gap."""
    journal = tmp_path / "journal"
    left = [failures]

    def sync(_fd: int) -> None:
        if left[0]:
            left[0] -= 1
            raise OSError(5, "Input/output error")

    async with running(sqlite_url, journal_dir=journal) as ledger:
        await budget(ledger)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", sync)
            start = intent()
            if failures == 1:
                await ledger.open(start)
            else:
                with pytest.raises(LedgerError) as refusal:
                    await ledger.open(start)
                assert (refusal.value.code, refusal.value.status) == ("audit_unavailable", 503)
            assert left == [0]
        await ledger.append(event("after:the:fault"))
        if failures == 2:
            await until(lambda: _is(lambda: rows(sqlite_url, tables.reservations)[0]["state"] == "closed"))
        else:
            await ledger.close(settlement(start.event.request_id))
    (standing,) = rows(sqlite_url, tables.budgets)
    assert (standing["spent_micros"], standing["reserved_micros"]) == (60 if failures == 1 else 0, 0)
    report = verify_store(open_reader(sqlite_url), journal)
    assert report.faults == ()
    assert any("only in the database" in remark for remark in report.remarks) is (failures == 2)


async def test_a_change_whose_journal_cannot_be_synced_does_not_stand(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_fd: int) -> None:
        raise OSError(5, "Input/output error")

    async with running(sqlite_url, journal_dir=tmp_path / "journal") as ledger:
        await ledger.append(event())
        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", fails)
            with pytest.raises(LedgerError):
                await budget(ledger)
        assert rows(sqlite_url, tables.budgets) == []
        await budget(ledger)
    assert verify_store(open_reader(sqlite_url), tmp_path / "journal").faults == ()


async def test_sqlites_log_is_folded_into_the_database_in_a_quiet_moment(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scribe_module, "_FOLD_EVERY", 5)
    path = sqlite_path(sqlite_url)
    assert path is not None
    async with running(sqlite_url) as ledger:
        before = path.stat().st_mtime_ns
        for _ in range(12):
            await ledger.append(event())
        await until(lambda: _is(lambda: path.stat().st_mtime_ns > before))
        wal = path.with_name(path.name + "-wal").stat().st_size
        for _ in range(60):
            await ledger.append(event())
            await asyncio.sleep(0.005)  # the quiet moment
        assert path.with_name(path.name + "-wal").stat().st_size < wal * 3


async def test_with_any_an_event_goes_to_the_journal_alone_and_to_the_database_later(sqlite_url: str, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    async with running(sqlite_url, journal_dir=journal, require="any") as ledger:
        await ledger.append(event("before:the:fault"))
        other = sqlite3.connect(str(sqlite_path(sqlite_url)), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        receipt = await ledger.append(event("during:the:fault"))
        assert receipt.chain != ledger._epoch.id
        with pytest.raises(LedgerError):
            await ledger.open(intent())  # budgets stand in the database
        counts = (RedactionCount("prompt", "pii", "email", "email", "mask", 2),)
        assert (await ledger.append(event("during:the:fault"), redactions=counts)).seq == 2
        other.execute("ROLLBACK")
        other.close()
        await until(lambda: _is(lambda: ledger.ready()[0]))
        await ledger.append(event("after:the:fault"))
    kinds = [row["kind"] for row in rows(sqlite_url, tables.events)]
    assert sorted(kinds) == ["after:the:fault", "before:the:fault", "during:the:fault", "during:the:fault"]
    assert [row["count"] for row in rows(sqlite_url, tables.redactions)] == [2]
    assert verify_store(open_reader(sqlite_url), journal).faults == ()


async def test_the_queue_is_bounded_and_settlements_pass(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(sqlite_url) as ledger:
        start = intent()
        await ledger.open(start)
        ledger._writer._max_pending = 10
        waiting = [asyncio.ensure_future(ledger.append(event())) for _ in range(20)]
        settling = asyncio.ensure_future(ledger.close(settlement(start.event.request_id)))
        results = await asyncio.gather(*waiting, return_exceptions=True)
        await settling
    refused = [result for result in results if isinstance(result, LedgerError)]
    assert [error.code for error in refused] == ["overloaded"] * 10
    assert refused[0].headers["Retry-After"] == "1"


@pytest.mark.postgres
async def test_cut_connections_are_made_anew(postgres: Postgres, postgres_url: str, tmp_path: Path) -> None:
    async with running(postgres_url, journal_dir=tmp_path / "journal") as ledger:
        await budget(ledger, limit=10**9)

        async def call() -> int:
            good = 0
            for _ in range(15):
                start = intent()
                try:
                    await ledger.open(start)
                except LedgerError:
                    await asyncio.sleep(0.02)
                    continue
                try:
                    await ledger.close(settlement(start.event.request_id))
                except LedgerError:
                    await asyncio.sleep(0.02)
                    continue
                good += 1
            return good

        calls = [asyncio.create_task(call()) for _ in range(10)]
        for _ in range(5):
            await asyncio.sleep(0.05)
            await asyncio.to_thread(postgres.end_connections)
        assert sum(await asyncio.gather(*calls)) > 0
        await until(works(ledger))
        await until(lambda: _is(lambda: {row["state"] for row in rows(postgres_url, tables.reservations)} == {"closed"}))
    (standing,) = rows(postgres_url, tables.budgets)
    assert standing["reserved_micros"] == 0
    assert standing["spent_micros"] == sum(row["cost_micros"] for row in rows(postgres_url, tables.charges))
    assert verify_store(open_reader(postgres_url), tmp_path / "journal").faults == ()


@pytest.mark.postgres
async def test_nobody_is_refused_while_a_stale_connection_is_made_anew(postgres: Postgres, postgres_url: str) -> None:
    async with running(postgres_url) as ledger:
        meanwhile: list[tuple[bool, str]] = []
        sqlalchemy.event.listen(ledger._scribe._engine, "do_connect", lambda *_: meanwhile.append(ledger.ready()))
        await asyncio.to_thread(postgres.end_connections)
        await ledger.append(event())
        assert meanwhile == [(True, "")]


@pytest.mark.postgres
async def test_a_database_that_hangs_fails_in_time_and_never_blocks_the_loop(postgres: Postgres, postgres_url: str, tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    async with running(postgres_url, journal_dir=tmp_path / "journal") as ledger:
        await budget(ledger)
        start = intent()
        await ledger.open(start)
        with postgres.frozen():
            began = loop.time()  # frozen for longer than any caller waits
            attempts = [ledger.append(event()), ledger.open(intent()), ledger.close(settlement(start.event.request_id))]
            async with asyncio.timeout(10):
                results = await asyncio.gather(*attempts, return_exceptions=True)
            assert all(isinstance(result, LedgerError) for result in results)
            ticks = 0
            while loop.time() - began < 3.5:
                await asyncio.sleep(0.01)
                ticks += 1
            assert ticks > 20
            assert ledger.ready()[0] is False
            with pytest.raises(LedgerError):
                await ledger.open(intent())
        await until(works(ledger))
        await until(lambda: _is(lambda: {row["state"] for row in rows(postgres_url, tables.reservations)} == {"closed"}))
    (standing,) = rows(postgres_url, tables.budgets)
    assert (standing["spent_micros"], standing["reserved_micros"]) == (60, 0)
    assert verify_store(open_reader(postgres_url), tmp_path / "journal").faults == ()


@pytest.mark.postgres
async def test_a_row_lock_of_somebody_else_ends_in_a_refusal(postgres_url: str) -> None:
    from sqlalchemy import create_engine, text

    async with running(postgres_url) as ledger:
        await budget(ledger)
        engine = create_engine(postgres_url)
        with engine.connect() as other:
            other.execute(text("SELECT * FROM budgets FOR UPDATE"))
            with pytest.raises(LedgerError):
                await ledger.open(intent())
            other.rollback()
        engine.dispose()
        await until(works(ledger))
        await ledger.open(intent())
    assert [row["reserved_micros"] for row in rows(postgres_url, tables.budgets)] == [100]


@pytest.mark.postgres
async def test_two_writers_share_a_budget_without_overshooting(postgres_url: str) -> None:
    async with running(postgres_url) as first, running(postgres_url, host="elsewhere") as second:
        await budget(first, limit=1_000)
        results = await asyncio.gather(
            *(ledger.open(intent(amount=90)) for _ in range(25) for ledger in (first, second)), return_exceptions=True
        )
    assert sum(not isinstance(result, BaseException) for result in results) == 11
    assert [row["reserved_micros"] for row in rows(postgres_url, tables.budgets)] == [990]
