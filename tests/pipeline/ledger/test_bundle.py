"""A bundle is verified by what is in it and a key, and by nothing of ours; what is changed in it is named."""

from __future__ import annotations

import importlib.util
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.ledger import offline_verifier
from pipeline.ledger.bundle import Period, bundle_pieces
from pipeline.ledger.copies import FilePlace
from tests.pipeline.ledger.calls import NOW, charge, event, tamper
from tests.pipeline.ledger.proving import Desk, desk

ALL = Period(0, NOW + 10**9)
Files = dict[str, bytes]


async def bundled(url: str, folder: Path, *, signed: bool = True, period: Period = ALL) -> Path:
    """Two segments and some events after them, in a bundle; the key and copies of the checkpoints beside it."""
    async with desk(url, signed=signed) as at:
        at.places = [FilePlace(folder / "copies.jsonl")]
        for _ in range(2):
            await at.write(5)
            await at.notary.look(last=True)
        await at.ledger.append(event(), charge("R1", 1_500_000))
        await at.copier.look()
        return pack(at, folder, period)


def pack(at: Desk, folder: Path, period: Period) -> Path:
    path = folder / "bundle.zip"
    path.write_bytes(b"".join(bundle_pieces(at.notary.engine, period, made_us=NOW + 10**8, signer=at.key, version="0")))
    if at.key is not None:
        (folder / "key.pem").write_text(at.key.public_pem)
    return path


def verify(path: Path, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str]:
    code = offline_verifier.main(["bundle", str(path), "--public-key", str(path.parent / "key.pem"), *more])
    return code, capsys.readouterr().out


def content(path: Path) -> Files:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


async def test_a_bundle_verifies_by_the_verifier_inside_it(url: str, tmp_path: Path) -> None:
    path = await bundled(url, tmp_path)
    (tmp_path / "verify.py").write_bytes(content(path)["verify.py"])
    command = [sys.executable, "-I", "verify.py", "bundle", path.name, "--public-key", "key.pem", "--checkpoints", "copies.jsonl"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[0] == b"11 events, 4 checkpoints, 0 proofs"
    assert b"event" in done.stdout
    assert b"11 to 11 are covered by no checkpoint yet" in done.stdout


async def test_its_manifest_names_every_file_and_its_summary_the_figures(url: str, tmp_path: Path) -> None:
    files = content(await bundled(url, tmp_path))
    manifest = json.loads(files["manifest.json"])
    assert {entry["name"] for entry in manifest["files"]} == files.keys() - {"manifest.json", "manifest.sig"}
    assert (manifest["chains"][0]["first_seq"], manifest["chains"][0]["last_seq"], manifest["checkpoints"]) == (1, 11, 2)
    assert b"11 events in 1 chains, 2 checkpoints" in files["README.txt"]
    if importlib.util.find_spec("fpdf") is None:
        assert manifest["omitted"] == ["summary.pdf: fpdf2 is not installed"]
    else:
        assert files["summary.pdf"].startswith(b"%PDF-")


async def test_a_period_is_widened_to_whole_checkpoints(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with desk(url) as at:
        for number in range(12):
            await at.ledger.append(replace(event(), at_us=NOW + number))
            if number % 4 == 3:
                await at.notary.look(last=True)
        path = pack(at, tmp_path, Period(NOW + 5, NOW + 7))
        [chain] = json.loads(content(path)["manifest.json"])["chains"]
        assert (chain["first_seq"], chain["last_seq"], chain["events"]) == (5, 8, 4)
        assert verify(path, capsys)[0] == 0
        nothing = pack(at, tmp_path, Period(1, 2))
        assert json.loads(content(nothing)["manifest.json"])["chains"] == []


def edit(files: Files) -> None:
    name = next(name for name in files if name.startswith("events/"))
    lines = files[name].splitlines(keepends=True)
    lines[6] = lines[6].replace(b'"outcome":"ok"', b'"outcome":"no"')
    files[name] = b"".join(lines)


def cut(files: Files) -> None:
    name = next(name for name in files if name.startswith("events/"))
    files[name] = b"".join(files[name].splitlines(keepends=True)[:8])


def drop(files: Files) -> None:
    files["checkpoints.jsonl"] = files["checkpoints.jsonl"].splitlines(keepends=True)[0]


def lie(files: Files) -> None:
    files["manifest.json"] = files["manifest.json"].replace(b'"to_us": ', b'"to_us": 1')


def remove(files: Files) -> None:
    del files["README.txt"]


def add(files: Files) -> None:
    files["summary-corrected.pdf"] = b"%PDF-"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (edit, "event 7 ("),
        (cut, "event 9: "),
        (drop, "checkpoint 2 of chain"),
        (lie, "the manifest: its signature is not the key's"),
        (remove, "README.txt is missing"),
        (add, "'summary-corrected.pdf' is in the bundle, and its manifest does not speak of it"),
    ],
)
async def test_what_was_changed_in_a_bundle_is_named(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Callable[[Files], None], said: str
) -> None:
    path = await bundled(url, tmp_path)
    files = content(path)
    change(files)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    code, out = verify(path, capsys, "--checkpoints", str(tmp_path / "copies.jsonl"))
    assert code == 1
    assert said in out


async def test_a_bundle_of_a_store_whose_end_was_cut_off_is_told_by_the_copies(
    sqlite_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with desk(sqlite_url) as at:
        at.places = [FilePlace(tmp_path / "copies.jsonl")]
        for _ in range(3):
            await at.write(4)
            await at.notary.look(last=True)
        await at.copier.look()
        tamper(sqlite_url, "DELETE FROM events WHERE seq > 8", "DELETE FROM audit_checkpoints WHERE number > 2", "DELETE FROM checkpoints")
        path = pack(at, tmp_path, ALL)
    code, said = verify(path, capsys)
    assert code == 0
    assert "no checkpoints kept elsewhere were given" in said
    code, said = verify(path, capsys, "--checkpoints", str(tmp_path / "copies.jsonl"))
    assert code == 1
    assert "event 9: cut off or left out: checkpoint 3" in said


async def test_a_checkpoint_that_is_made_while_a_bundle_is_written_does_not_break_it(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with desk(url) as at:
        await at.write(5)
        await at.notary.look(last=True)
        await at.write(3)
        pieces = bundle_pieces(at.notary.engine, ALL, made_us=NOW + 10**8, signer=at.key, version="0")
        begun = next(pieces)
        await at.write(2)
        await at.notary.look(last=True)
        path = pack(at, tmp_path, ALL)  # its key
        path.write_bytes(begun + b"".join(pieces))
    code, said = verify(path, capsys)
    assert code == 0, said
    assert "6 to 8 are covered by no checkpoint yet" in said


async def test_a_bundle_without_a_key_is_not_verified(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = await bundled(url, tmp_path, signed=False)
    assert offline_verifier.main(["bundle", str(path)]) == 3
    assert "the manifest is not signed" in capsys.readouterr().out


async def test_a_bundle_is_made_a_piece_at_a_time(url: str, tmp_path: Path) -> None:
    async with desk(url) as at:
        await at.write(30)
        pieces = [piece for piece in bundle_pieces(at.notary.engine, ALL, made_us=NOW, signer=at.key, version="0") if piece]
    assert len(pieces) > 5
    assert zipfile.ZipFile(io.BytesIO(b"".join(pieces))).testzip() is None
