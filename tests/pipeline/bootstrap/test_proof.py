"""What proves the record is told when it fails, and never keeps a process from ending."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.bootstrap import proof
from pipeline.bootstrap.proof import BucketPlace, Proof, place_of
from pipeline.config.audit import BucketSection, CheckpointsSection, CopySection
from pipeline.config.references import SecretKeyRef
from pipeline.ledger.copies import FilePlace, FolderPlace
from pipeline.store.checkpoints import Stored
from tests.pipeline.ledger.calls import Clock
from tests.pipeline.ledger.proving import desk
from tests.pipeline.ledger.stores import sqlite_template, sqlite_url

__all__ = ["sqlite_template", "sqlite_url"]


@dataclass
class Hung:
    """A place that never answers."""

    name: str = "file:hung"
    let_go: threading.Event = field(default_factory=threading.Event)

    def put(self, _rows: Sequence[Stored]) -> None:
        self.let_go.wait(20)


async def test_a_place_that_hangs_does_not_keep_a_process_from_ending(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "FINISH_S", 0.2)
    async with desk(sqlite_url) as at:
        hung = Hung()
        at.places = [hung]
        await at.write(3)
        await Proof(at.notary, at.copier).finish()
        assert at.told["signed"] == 1  # the checkpoint stands; its copy is made at the next start
        assert at.told["copied"] == 0
        hung.let_go.set()


async def test_what_fails_is_told_by_place_and_reason(sqlite_url: str, tmp_path: Path) -> None:
    async with desk(sqlite_url) as at:
        at.places = [FilePlace(tmp_path / "absent" / "copies.jsonl"), FilePlace(tmp_path / "copies.jsonl")]
        made = Proof(at.notary, at.copier)
        assert made.remarks() == {}
        await at.write(1)
        await made.finish()
        assert made.remarks() == {f"audit_copy:file:{tmp_path}/absent/copies.jsonl": "No such file or directory"}


def test_relative_places_start_beside_the_document(tmp_path: Path) -> None:
    assert place_of(CopySection(file="a.jsonl"), tmp_path, Clock()) == FilePlace(tmp_path / "a.jsonl")
    assert place_of(CopySection(directory="/mnt/worm"), tmp_path, Clock()) == FolderPlace(Path("/mnt/worm"))
    bucket = place_of(CopySection(s3=BucketSection(bucket="evidence")), tmp_path, Clock())
    assert isinstance(bucket, BucketPlace)
    assert bucket.name == "s3:evidence/lockgate/checkpoints/"


@pytest.mark.parametrize("given", [{}, {"file": "a", "directory": "b"}, {"s3": {"bucket": "X"}}, {"url": "https://example.org"}])
def test_a_copy_has_exactly_one_place(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CopySection.model_validate(given)


@pytest.mark.parametrize("form", [{"file": "audit.key"}, "file:audit.key", {"secret_key_ref": {"file": "audit.key"}}])
def test_the_signing_key_is_a_reference_in_any_of_its_forms(form: object) -> None:
    assert CheckpointsSection.model_validate({"signing_key": form}).signing_key == SecretKeyRef(file="audit.key")
    with pytest.raises(ValidationError):
        CheckpointsSection.model_validate({"signing_key": "MC4CAQAwBQYDK2VwBCIEIA"})
