"""What a dead process left is settled, once, and nothing is lost."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.clock import SystemClock
from pipeline.ledger.ledger import DurableLedger
from pipeline.ledger.recovery import STALE_US
from pipeline.ledger.verify import verify_store
from pipeline.store import tables
from pipeline.store.engine import open_reader
from tests.pipeline.ledger.calls import NOW, Clock, budget, event, intent, made, rows, running, settlement, tamper, total


def gone_pid() -> int:
    """The pid of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


async def leave(ledger: DurableLedger) -> None:
    """End a ledger as a killed process does: without its last words."""
    assert ledger._upkeep is not None
    ledger._upkeep.cancel()
    ledger._scribe.finish = lambda: _vanish(ledger)  # type: ignore[method-assign]
    await ledger._writer.stop()


def _vanish(ledger: DurableLedger) -> None:
    scribe: Any = ledger._scribe
    if scribe._session is not None:
        scribe._session.close()
    if scribe._lock is not None:
        scribe._lock.release()
    if scribe._journal is not None:
        scribe._journal._close()


async def died(url: str, journal: Path | None = None, **fields: Any) -> str:
    """A process that opened two calls, settled one, and died; gives its epoch."""
    ledger = made(url, journal_dir=journal, **fields)
    await ledger.start()
    await budget(ledger)
    settled, left = intent(amount=100), intent(amount=150)
    await ledger.open(settled)
    await ledger.open(left)
    await ledger.close(settlement(settled.event.request_id, cost=70))
    await leave(ledger)
    return ledger._epoch.id


async def test_calls_of_a_dead_process_are_charged_as_unknown_at_the_next_start(url: str, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    dead = await died(url, journal, pid=gone_pid())
    async with running(url, journal_dir=journal) as ledger:
        assert await ledger.recover() == 0  # start did it already
    unknown = [row for row in rows(url, tables.charges) if row["state"] == "unknown"]
    assert [(row["cost_micros"], row["key_id"], row["model"]) for row in unknown] == [(150, "K1", "gpt-5-mini")]
    (standing,) = rows(url, tables.budgets)
    assert (standing["spent_micros"], standing["reserved_micros"]) == (220, 0)
    told = [row for row in rows(url, tables.events) if row["kind"] == "gateway:call:unknown"]
    assert [row["request_id"] for row in told] == [unknown[0]["request_id"]]
    assert {row["id"]: row["ended_us"] > 0 for row in rows(url, tables.epochs)}[dead]
    assert verify_store(open_reader(url), journal).faults == ()


@pytest.mark.postgres
async def test_a_living_process_keeps_its_calls_until_it_falls_silent(postgres_url: str) -> None:
    clock = Clock()
    other = made(postgres_url, clock=clock, host="elsewhere", pid=1)
    await other.start()
    await budget(other)
    start = intent()
    await other.open(start)
    async with running(postgres_url, clock=clock) as ledger:
        assert await ledger.recover() == 0
        clock.at += STALE_US + 1
        assert await ledger.recover() == 1
        late = await other.close(settlement(start.event.request_id, cost=10))
        assert late.chain == ledger._epoch.id  # it was settled by the other, so that nothing is charged twice
    await other.stop()
    assert [(row["state"], row["cost_micros"]) for row in rows(postgres_url, tables.charges)] == [("unknown", 100)]


@pytest.mark.postgres
async def test_two_that_recover_at_once_charge_once(postgres_url: str) -> None:
    await died(postgres_url, pid=gone_pid())
    async with running(postgres_url) as first, running(postgres_url, host="elsewhere") as second:
        await asyncio.gather(first.recover(), second.recover())
    assert total(postgres_url, tables.charges, "cost_micros") == 220


async def test_what_only_the_journal_has_is_given_back(url: str, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    ledger = made(url, journal_dir=journal, pid=gone_pid())
    await ledger.start()
    for kind in ("first:event:written", "second:event:journaled"):
        await ledger.append(event(kind))
    await leave(ledger)
    tamper(url, "DELETE FROM events WHERE seq = 2")  # as if it had died between the journal's fsync and the commit
    assert [fault.seq for fault in verify_store(open_reader(url), journal).faults] == [2]
    async with running(url, journal_dir=journal):
        pass
    found = rows(url, tables.events)
    assert {row["kind"] for row in found} == {"first:event:written", "second:event:journaled", "ledger:event:recover"}
    (told,) = [json.loads(row["detail"]) for row in found if row["kind"] == "ledger:event:recover"]
    assert told["spans"] == [{"chain": ledger._epoch.id, "from": 2, "to": 2, "stands": False}], "its transaction did not commit"
    assert verify_store(open_reader(url), journal).faults == ()


@pytest.mark.parametrize("lost", [2, 500], ids=["a-batch", "more-than-a-batch"])
async def test_what_only_the_database_has_is_noted_in_the_journal(sqlite_url: str, tmp_path: Path, lost: int) -> None:
    """The machine lost power after the commit and before the journal's sync. More than a batch cannot have been lost that way."""
    journal = tmp_path / "journal"
    ledger = made(sqlite_url, journal_dir=journal, pid=gone_pid())
    await ledger.start()
    await ledger.append(event("first:event:written"))
    (path,) = journal.iterdir()
    kept = path.read_bytes()
    await asyncio.gather(*(ledger.append(event("second:event:unsynced")) for _ in range(lost)))
    await leave(ledger)
    path.write_bytes(kept)
    async with running(sqlite_url, journal_dir=journal):
        pass
    told = [json.loads(row["detail"]) for row in rows(sqlite_url, tables.events) if row["kind"] == "ledger:event:recover"]
    report = verify_store(open_reader(sqlite_url), journal)
    if lost == 2:
        assert [detail["unjournaled"] for detail in told] == [[2, 3]]
        assert report.faults == ()
        assert any("2 events are only in the database" in remark for remark in report.remarks)
    else:
        assert told == []
        assert [(fault.seq, fault.why) for fault in report.faults] == [(2, "inserted: the journal does not have it")]


async def test_a_journal_line_that_was_changed_is_not_given_back(url: str, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    ledger = made(url, journal_dir=journal, pid=gone_pid())
    await ledger.start()
    await ledger.append(event("first:event:written"))
    await leave(ledger)
    (path,) = journal.iterdir()
    path.write_bytes(path.read_bytes().replace(b"first:event", b"forged:event"))
    tamper(url, "DELETE FROM events")
    async with running(url, journal_dir=journal):
        pass
    assert rows(url, tables.events) == []
    assert any("edited" in fault.why for fault in verify_store(open_reader(url), journal).faults)


TRAFFIC = """
import asyncio, os, sys
from pathlib import Path
from pipeline.clock import SystemClock
from pipeline.ids import ulid
from pipeline.ledger.ledger import DurableLedger
from tests.pipeline.ledger.calls import intent, settlement

async def main(url, journal, parallel):
    clock = SystemClock()
    life = {"epoch_id": ulid(clock.now_us()), "host": "h", "pid": os.getpid(), "version": "0"}
    ledger = DurableLedger(url, clock=clock, journal_dir=Path(journal), require="all", **life)
    await ledger.start()
    async def call():
        while True:
            start = intent(ulid(clock.now_us()), amount=100)
            await ledger.open(start)
            sys.stdout.write("open " + start.event.request_id + "\\n")
            await ledger.close(settlement(start.event.request_id, cost=60))
            sys.stdout.write("done " + start.event.request_id + "\\n")
            sys.stdout.flush()
    await asyncio.gather(*(call() for _ in range(parallel)))

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


async def test_a_process_killed_at_any_moment_loses_nothing_it_acknowledged(url: str, tmp_path: Path) -> None:
    moments = random.Random(7)
    journal = tmp_path / "journal"
    async with running(url, journal_dir=journal, clock=Clock(NOW)) as ledger:
        await budget(ledger, limit=10**9)
    opened: set[str] = set()
    done: set[str] = set()
    for _ in range(5):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", TRAFFIC, url, str(journal), "16", stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]
        )
        assert process.stdout is not None
        first = await process.stdout.readline()
        await asyncio.sleep(moments.uniform(0.01, 0.25))
        process.send_signal(signal.SIGKILL)
        said = (first + await process.stdout.read()).decode().splitlines()
        await process.wait()
        opened |= {line[5:31] for line in said if line.startswith("open ") and len(line) == 31}
        done |= {line[5:31] for line in said if line.startswith("done ") and len(line) == 31}
    async with running(url, journal_dir=journal, clock=SystemClock(), host="h") as ledger:
        await ledger.recover()
    charged = {row["request_id"]: row for row in rows(url, tables.charges)}
    finished = {row["request_id"] for row in rows(url, tables.events) if row["kind"] == "gateway:call:finish"}
    assert len(done) > 50
    assert done <= finished
    assert opened <= charged.keys()
    assert all(charged[request_id]["state"] == "observed" for request_id in done)
    assert {row["state"] for row in rows(url, tables.reservations)} == {"closed"}
    (standing,) = rows(url, tables.budgets)
    assert (standing["spent_micros"], standing["reserved_micros"]) == (total(url, tables.charges, "cost_micros"), 0)
    assert verify_store(open_reader(url), journal).faults == ()
