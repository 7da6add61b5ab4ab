"""A store that was touched is found out, by the chain, the checkpoints or the journal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.ledger.verify import Report, verify_store
from pipeline.store.engine import open_reader
from tests.pipeline.ledger.calls import charge, event, intent, running, settlement, tamper


async def written(url: str, journal: Path | None, calls: int = 6, **fields: Any) -> str:
    """Some calls; gives the chain they stand in."""
    async with running(url, journal_dir=journal, **fields) as ledger:
        for _ in range(calls):
            start = intent()
            await ledger.open(start)
            receipt = await ledger.close(settlement(start.event.request_id))
    return receipt.chain


def report(url: str, journal: Path | None = None) -> Report:
    engine = open_reader(url)
    try:
        return verify_store(engine, journal)
    finally:
        engine.dispose()


async def test_an_untouched_store_verifies_over_several_lives(url: str, tmp_path: Path) -> None:
    for _ in range(3):
        await written(url, tmp_path / "journal")
    found = report(url, tmp_path / "journal")
    assert found.ok
    assert (found.events, found.chains, found.journals, found.checkpoints) == (36, 3, 3, 3)
    assert found.remarks == ()


@pytest.mark.parametrize(
    ("statements", "seq", "why"),
    [
        (["UPDATE events SET outcome = 'failed' WHERE seq = 4"], 4, "edited"),
        (["DELETE FROM events WHERE seq = 4"], 4, "deleted"),
        (
            [
                "UPDATE events SET seq = 100 WHERE seq = 4",
                "UPDATE events SET seq = 4 WHERE seq = 5",
                "UPDATE events SET seq = 5 WHERE seq = 100",
            ],
            4,
            "edited",
        ),
        (["DELETE FROM events WHERE seq > 9"], 10, "deleted: the chain ends"),
        (["DELETE FROM events"], 1, "the whole chain"),
        (["UPDATE checkpoints SET hash = prev_hash FROM events WHERE events.seq = 12"], 12, "written anew"),
    ],
)
async def test_the_first_bad_row_of_a_store_is_named(url: str, statements: list[str], seq: int, why: str) -> None:
    chain = await written(url, None)
    tamper(url, *statements)
    (fault, *_) = report(url).faults
    assert (fault.chain, fault.seq) == (chain, seq)
    assert why in fault.why


async def test_a_tail_cut_off_with_its_checkpoints_is_named_by_the_journal(url: str, tmp_path: Path) -> None:
    await written(url, tmp_path / "journal")
    tamper(url, "DELETE FROM checkpoints", "DELETE FROM events WHERE seq > 9", "DELETE FROM charges")
    (fault,) = report(url, tmp_path / "journal").faults
    assert (fault.seq, fault.why) == (10, "deleted: the journal has it, the database does not")


async def test_a_row_that_the_journal_never_saw_is_named(url: str, tmp_path: Path) -> None:
    chain = await written(url, tmp_path / "journal")
    await written(url, None, epoch_id=chain)  # the same chain goes on without its second device
    found = report(url, tmp_path / "journal").faults
    assert [(fault.seq, fault.why) for fault in found] == [(13, "inserted: the journal does not have it")]


async def test_a_charge_without_any_event_is_named(url: str) -> None:
    async with running(url) as ledger:
        await ledger.append(event(request_id="R1"), charge("R2"))
    (fault,) = report(url).faults
    assert "R2" in fault.why


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda lines: [line.replace(b'"status":0', b'"status":1') if b'"seq":4' in line else line for line in lines], "edited"),
        (lambda lines: [line for line in lines if b'"seq":4,' not in line], "missing or was changed"),
        (lambda lines: lines[3:], "missing or was changed"),
    ],
    ids=["edited", "deleted", "beheaded"],
)
async def test_a_journal_that_was_touched_is_found_out(sqlite_url: str, tmp_path: Path, change: Any, why: str) -> None:
    await written(sqlite_url, tmp_path / "journal")
    (path,) = (tmp_path / "journal").iterdir()
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))
    faults = report(sqlite_url, tmp_path / "journal").faults
    assert any(why in fault.why for fault in faults)


async def test_a_running_store_verifies_while_it_is_written(url: str, tmp_path: Path) -> None:
    import asyncio

    async with running(url, journal_dir=tmp_path / "journal") as ledger:

        async def traffic() -> None:
            for _ in range(40):
                start = intent()
                await ledger.open(start)
                await ledger.close(settlement(start.event.request_id))

        calls = [asyncio.create_task(traffic()) for _ in range(5)]
        found = [await asyncio.to_thread(report, url, tmp_path / "journal") for _ in range(3)]
        await asyncio.gather(*calls)
    assert [each.faults for each in found] == [()] * 3
