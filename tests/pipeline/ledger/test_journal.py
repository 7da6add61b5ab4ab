"""The second device: what has no seal does not count, what failed is void, and a part that broke is followed by another."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import LedgerError
from pipeline.ledger import journal as journal_module
from pipeline.ledger.chain import Head, Row, head_of, link
from pipeline.ledger.journal import Journal, JournalError, event_line
from pipeline.ledger.journal_copy import claimed, has_ended, is_alive, journal_epochs, mark_ended, missing_rows, read_copy
from pipeline.ledger.operations import draft
from pipeline.ledger.verify import verify_store
from pipeline.store import tables
from pipeline.store.engine import open_reader
from pipeline.store.session import Session
from tests.pipeline.ledger.calls import budget, event, intent, rows, running, settlement

EPOCH = "EPOCH1"


def some(count: int, head: Head | None = None) -> tuple[list[Row], list[bytes]]:
    """Chained events, and their lines."""
    head, found, lines = head or Head(EPOCH), [], []
    for number in range(count):
        row, body = link(head, draft(event_id=f"E{number}", at_us=1, kind="a:b:c", actor="a", outcome="ok", detail="{}"))
        head = head_of(row)
        found.append(row)
        lines.append(event_line(row, body))
    return found, lines


def files(folder: Path) -> Sequence[Path]:
    return sorted(folder.iterdir())


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", EPOCH, "all")
    written, lines = some(5)
    journal.write(lines[:2])
    journal.write(lines[2:])
    assert is_alive(tmp_path / "j", EPOCH)
    journal.end("stopped", 1)
    copy = read_copy(tmp_path / "j", EPOCH)
    assert (copy.ended, copy.faults, copy.last) == (True, [], {EPOCH: 5})
    assert copy.hashes == {(EPOCH, row[12]): row[18] for row in written}
    assert missing_rows(tmp_path / "j", EPOCH, {EPOCH: 3}) == written[3:]
    assert has_ended(tmp_path / "j", EPOCH)
    assert not is_alive(tmp_path / "j", EPOCH)
    assert journal_epochs(tmp_path / "j") == (EPOCH,)
    assert [oct(path.stat().st_mode & 0o777) for path in (tmp_path / "j", *files(tmp_path / "j"))] == ["0o700", "0o600"]


@pytest.mark.parametrize("torn", [b'{"actor":"a"', b'{"actor":"a"}\n', b'{"seal":1,"li'])
def test_a_torn_end_does_not_count_and_is_cut_when_the_journal_is_closed(tmp_path: Path, torn: bytes) -> None:
    journal = Journal(tmp_path, EPOCH, "all")
    journal.write(some(2)[1])
    journal._close()
    (path,) = files(tmp_path)
    with path.open("ab") as file:
        file.write(torn)
    copy = read_copy(tmp_path, EPOCH)
    assert (len(copy.hashes), copy.faults, copy.ended) == (2, [], False)
    mark_ended(tmp_path, EPOCH, 1)
    copy = read_copy(tmp_path, EPOCH)
    assert (len(copy.hashes), copy.faults, copy.ended) == (2, [], True)


def test_a_journal_that_died_before_its_first_seal_can_be_closed(tmp_path: Path) -> None:
    (tmp_path / f"{EPOCH}.0001.jsonl").write_bytes(b'{"journal":1')
    mark_ended(tmp_path, EPOCH, 1)
    assert has_ended(tmp_path, EPOCH)
    assert read_copy(tmp_path, EPOCH).faults == []


def test_only_one_claims_the_journal_of_a_dead_process(tmp_path: Path) -> None:
    journal = Journal(tmp_path, EPOCH, "all")
    journal.write(some(1)[1])
    with claimed(tmp_path, EPOCH) as mine:
        assert not mine
    journal._close()
    with claimed(tmp_path, EPOCH) as mine, claimed(tmp_path, EPOCH) as theirs:
        assert (mine, theirs) == (True, False)
    mark_ended(tmp_path, EPOCH, 1)
    with claimed(tmp_path, EPOCH) as mine:
        assert not mine


def test_a_large_journal_goes_on_in_the_next_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "PART_BYTES", 1_000)
    journal = Journal(tmp_path, EPOCH, "all")
    for line in some(10)[1]:
        journal.write([line])
    journal.end("stopped", 1)
    assert len(files(tmp_path)) > 2
    copy = read_copy(tmp_path, EPOCH)
    assert (len(copy.hashes), copy.faults, copy.ended) == (10, [], True)
    files(tmp_path)[1].unlink()
    assert "missing or was changed" in read_copy(tmp_path, EPOCH).faults[0].why


def test_after_a_failed_write_the_next_goes_into_a_new_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path, EPOCH, "all")
    _, lines = some(3)
    journal.write(lines[:1])

    def fails(_fd: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fails)
        with pytest.raises(JournalError) as failure:
            journal.write(lines[1:2])
    assert failure.value.errno == 5
    assert journal.trouble == "journal: Input/output error"
    journal.write(lines[1:])
    assert journal.trouble == ""
    journal.end("stopped", 1)
    copy = read_copy(tmp_path, EPOCH)
    assert (len(files(tmp_path)), len(copy.hashes), copy.faults) == (2, 3, [])


def test_a_part_is_filled_ahead_and_cut_to_its_lines_when_it_is_closed(tmp_path: Path) -> None:
    journal = Journal(tmp_path, EPOCH, "all")
    _, lines = some(40)
    for line in lines:
        journal.write([line])
        journal.fill()
    (path,) = files(tmp_path)
    assert path.stat().st_size >= journal_module.AHEAD_BYTES
    copy = read_copy(tmp_path, EPOCH)
    assert (len(copy.hashes), copy.faults, copy.ended) == (40, [], False)
    assert not has_ended(tmp_path, EPOCH)
    journal.end("stopped", 1)
    assert path.stat().st_size < 40_000
    assert has_ended(tmp_path, EPOCH)
    assert read_copy(tmp_path, EPOCH).faults == []


def test_a_part_that_was_filled_ahead_by_a_dead_process_can_be_closed_with_a_gap(tmp_path: Path) -> None:
    journal = Journal(tmp_path, EPOCH, "all")
    _, lines = some(20)
    for line in lines:
        journal.write([line])
    journal.fill()
    journal._close()
    mark_ended(tmp_path, EPOCH, 1, gap=(21, 23))
    copy = read_copy(tmp_path, EPOCH)
    assert (len(copy.hashes), copy.faults, copy.ended, copy.gaps) == (20, [], True, [(EPOCH, 21, 23)])
    assert has_ended(tmp_path, EPOCH)


def test_a_disk_without_room_to_fill_ahead_is_written_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path, EPOCH, "all")
    _, lines = some(30)
    for line in lines[:20]:
        journal.write([line])
    (path,) = files(tmp_path)
    before = path.stat().st_size

    def full(_fd: int, _data: Any, _at: int) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        journal.fill()
    assert (journal.trouble, path.stat().st_size) == ("", before)
    journal.write(lines[20:])
    journal.end("stopped", 1)
    assert (len(read_copy(tmp_path, EPOCH).hashes), read_copy(tmp_path, EPOCH).faults) == (30, [])


def test_voided_events_do_not_count(tmp_path: Path) -> None:
    journal = Journal(tmp_path, EPOCH, "all")
    first, lines = some(2)
    journal.write(lines)
    failed, lines = some(2, head_of(first[-1]))
    journal.write(lines)
    journal.void(failed)
    again, lines = some(1, head_of(first[-1]))
    journal.write(lines)
    journal.end("stopped", 1)
    copy = read_copy(tmp_path, EPOCH)
    assert (sorted(copy.hashes), copy.voided) == ([(EPOCH, 1), (EPOCH, 2), (EPOCH, 3)], 2)
    assert missing_rows(tmp_path, EPOCH, {EPOCH: 2}) == again


@pytest.mark.parametrize("stands", [True, False], ids=["it-stands", "it-does-not"])
async def test_a_commit_whose_answer_is_lost_is_found_out(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stands: bool) -> None:
    """The connection breaks while committing: a retry must neither lose the batch nor write it twice."""
    original = Session.commit
    broken: list[Any] = []

    def commit(session: Session) -> None:
        if stands or broken:
            original(session)
        if not broken:
            broken.append(session)
            raise sqlite3.OperationalError("the answer was lost")

    async with running(url, journal_dir=tmp_path / "journal") as ledger:
        await budget(ledger)
        start = intent()
        with monkeypatch.context() as patch:
            patch.setattr(Session, "commit", commit)
            assert (await ledger.open(start)).seq == 2
        assert broken
        assert (await ledger.close(settlement(start.event.request_id))).seq == 3
        await ledger.append(event())
    (standing,) = rows(url, tables.budgets)
    assert (standing["spent_micros"], standing["reserved_micros"]) == (60, 0)
    report = verify_store(open_reader(url), tmp_path / "journal")
    assert report.faults == ()
    assert bool(report.remarks) is not stands


async def test_a_database_that_refuses_every_commit_is_away(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Session.commit

    def commit(session: Session) -> None:
        if session.connection.in_transaction():  # the way back in works, writing does not
            return original(session)
        raise OSError(28, "No space left on device")

    async with running(sqlite_url, journal_dir=tmp_path / "journal") as ledger:
        with monkeypatch.context() as patch:
            patch.setattr(Session, "commit", commit)
            with pytest.raises(LedgerError):
                await ledger.append(event())
            assert ledger.ready()[0] is False
        for _ in range(40):
            if ledger.ready()[0]:
                break
            await asyncio.sleep(0.05)
        await ledger.append(event())
    assert len(rows(sqlite_url, tables.events)) == 1
    assert verify_store(open_reader(sqlite_url), tmp_path / "journal").faults == ()
