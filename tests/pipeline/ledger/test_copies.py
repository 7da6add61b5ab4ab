"""Copies stand outside, are complete, and a place that fails is told and tried again."""

from __future__ import annotations

import json
import stat
from pathlib import Path

from pipeline.ledger.checkpoint import of_tree
from pipeline.ledger.copies import RETRY_S, FilePlace, FolderPlace
from pipeline.store.tables import audit_checkpoints
from tests.pipeline.ledger.calls import rows
from tests.pipeline.ledger.proving import desk, lines


async def test_every_checkpoint_is_appended_to_a_file_once(url: str, tmp_path: Path) -> None:
    async with desk(url) as at:
        at.places = [FilePlace(tmp_path / "copies.jsonl")]
        for _ in range(3):
            await at.write(2)
            await at.notary.look(last=True)
            await at.copier.look()
            await at.copier.look()
        found = [json.loads(line) for line in lines(tmp_path / "copies.jsonl")]
        bodies = [row["body"] for row in rows(url, audit_checkpoints)]
    assert sorted(of_tree(line["checkpoint"]).canonical().decode() for line in found) == sorted(bodies)  # type: ignore[union-attr]
    assert all(line["signature"] for line in found)
    assert stat.S_IMODE((tmp_path / "copies.jsonl").stat().st_mode) == 0o600
    assert at.told["copied"] == 3


async def test_a_folder_gets_a_file_for_each_and_never_changes_one(url: str, tmp_path: Path) -> None:
    async with desk(url) as at:
        at.places = [FolderPlace(tmp_path)]
        await at.write(2)
        await at.notary.look()
        forged = tmp_path / at.ledger.epoch_id / "00000001.json"
        forged.parent.mkdir()
        forged.write_text("{}")
        await at.copier.look()
        assert at.copier.troubles == {f"directory:{tmp_path}": "another checkpoint of this number is there already"}
        assert forged.read_text() == "{}"


async def test_a_place_that_fails_is_told_and_given_everything_later(url: str, tmp_path: Path) -> None:
    async with desk(url) as at:
        place = FilePlace(tmp_path / "absent" / "copies.jsonl")
        at.places = [place]
        for _ in range(2):
            await at.write(1)
            await at.notary.look(last=True)
            await at.copier.look()
        assert at.told["failed"] == 1  # not before its time
        assert at.copier.troubles == {place.name: "No such file or directory"}
        place.path.parent.mkdir()
        now = at.clock.monotonic()
        at.clock.monotonic = lambda: now + RETRY_S + 1  # type: ignore[method-assign]
        await at.copier.look()
        assert at.copier.troubles == {}
        assert len(lines(place.path)) == 2
