"""The verifier that auditors are given: by itself, with the standard library, and never "verified" when it cannot know."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.ledger import merkle, offline_verifier
from pipeline.ledger.chain import GENESIS, Head, head_of, link
from pipeline.ledger.checkpoint import Sealed
from pipeline.ledger.journal import event_line
from pipeline.ledger.notary import Segment, checkpoint_of
from pipeline.ledger.operations import draft
from pipeline.ledger.signing import CHECKPOINT, Signer, make_private_key, signer_of

SCRIPT = Path(offline_verifier.__file__)
Lines = list[bytes]


@dataclass
class Evidence:
    """A chain of 30 events with three checkpoints, in files."""

    folder: Path
    key: Signer
    lines: Lines
    points: Lines

    def write(self, lines: Lines | None = None, points: Lines | None = None) -> list[str]:
        (self.folder / "events.jsonl").write_bytes(b"".join(self.lines if lines is None else lines))
        (self.folder / "points.jsonl").write_bytes(b"".join(self.points if points is None else points))
        (self.folder / "key.pem").write_text(self.key.public_pem)
        return ["chain", str(self.folder / "events.jsonl"), "--checkpoints", str(self.folder / "points.jsonl"), *self.trust]

    @property
    def trust(self) -> list[str]:
        return ["--public-key", str(self.folder / "key.pem")]


def chained(count: int, head: Head, mark: str = "") -> list[tuple[Any, bytes]]:
    found = []
    for number in range(count):
        fields: dict[str, Any] = {"detail": json.dumps({"n": number, "seq": '","seq":9,"'}), "target_id": "openai"}
        row, body = link(head, draft(event_id=f"E{mark}{number}", at_us=1000 + number, kind="a:b:c", actor="é", outcome="ok", **fields))
        head = head_of(row)
        found.append((row, event_line(row, body)))
    return found


def sealed(key: Signer | None, rows: list[Any], number: int, prev: str) -> Sealed:
    root = merkle.root([merkle.leaf(row[18]) for row in rows]).hex()
    segment = Segment(rows[0][2], number, prev, rows[0][12], rows[-1][12], rows[-1][18], rows[0][1], rows[-1][1], root)
    made = checkpoint_of(segment, ident=f"P{number}", at_us=5000 + number, config_digest="c", key_id=key.key_id if key else "")
    return Sealed(made, key.sign(CHECKPOINT, made.canonical()) if key else "")


def points_over(key: Signer | None, rows: list[Any]) -> Lines:
    prev, found = GENESIS, []
    for number, start in enumerate(range(0, 30, 10), 1):
        point = sealed(key, rows[start : start + 10], number, prev)
        prev = point.checkpoint.digest()
        found.append(point.line())
    return found


@pytest.fixture
def evidence(tmp_path: Path) -> Evidence:
    key, both = signer_of(make_private_key()), chained(30, Head("C1"))
    return Evidence(tmp_path, key, [line for _, line in both], points_over(key, [row for row, _ in both]))


def verify(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = offline_verifier.main(arguments)
    return code, capsys.readouterr().out


def test_untouched_evidence_is_verified(evidence: Evidence, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = verify(evidence.write(), capsys)
    assert (code, said.splitlines()) == (0, ["30 events, 3 checkpoints, 0 proofs", "VERIFIED"])


def edit(lines: Lines) -> Lines:
    return [line.replace(b'"outcome":"ok"', b'"outcome":"no"') if number == 11 else line for number, line in enumerate(lines)]


def rename(lines: Lines) -> Lines:
    """Behind what is hashed: a reader of JSON takes the last of two fields of one name."""
    return [*lines[:11], lines[11].replace(b'","prev_hash":"', b'","target_id":"'), *lines[12:]]


def swap(lines: Lines) -> Lines:
    return [*lines[:11], lines[12], lines[11], *lines[13:]]


def insert(lines: Lines) -> Lines:
    first = json.loads(lines[10])
    _, line = chained(1, Head("C1", first["seq"], first["hash"]), "X")[0]
    return [*lines[:11], line, *lines[11:]]


def rewrite(lines: Lines) -> Lines:
    """From the twelfth on, with every hash right again: only a checkpoint knows."""
    last = json.loads(lines[10])
    return [*lines[:11], *(line for _, line in chained(19, Head("C1", last["seq"], last["hash"]), "X"))]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (edit, "event 12 (E11): edited"),
        (lambda lines: [*lines[:11], *lines[12:]], "event 12: deleted: the next that is there is 13"),
        (lambda lines: [*lines[:12], lines[11], *lines[12:]], "event 12 (E11): inserted or repeated"),
        (swap, "event 12: reordered: event 13 stands before it"),
        (insert, "event 12 (E11): inserted or repeated"),
        (lambda lines: lines[:25], "event 26: cut off: checkpoint 3 of chain C1 covers up to 30"),
        (rewrite, "event 11: checkpoint 2 of chain C1 has another root"),
        (lambda lines: [*lines[:11], b"nonsense\n", *lines[11:]], "event 12: the line is not an event in canonical form"),
        (rename, "event 12 (E11): edited"),
    ],
    ids=["edit", "delete", "repeat", "reorder", "insert", "truncate", "rewrite", "nonsense", "rename"],
)
def test_the_first_bad_event_is_named(
    evidence: Evidence, capsys: pytest.CaptureFixture[str], change: Callable[[Lines], Lines], said: str
) -> None:
    code, out = verify(evidence.write(change(evidence.lines)), capsys)
    assert code == 1
    assert said in out
    assert out.endswith("BROKEN\n")


def test_an_end_that_no_checkpoint_covers_is_told(evidence: Evidence, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = verify(evidence.write(evidence.lines[:25], evidence.points[:2]), capsys)
    assert code == 0
    assert "events 21 to 25 are covered by no checkpoint yet; their end is not proven" in said


def test_a_beginning_that_was_cut_off_is_not_verified(evidence: Evidence, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = verify(evidence.write(evidence.lines[3:]), capsys)
    assert code == 3
    assert "events 4 to 10 lie in no whole checkpoint that is here" in said


def test_a_beginning_that_was_cut_off_between_two_checkpoints_is_not_verified(
    evidence: Evidence, capsys: pytest.CaptureFixture[str]
) -> None:
    for points in (evidence.points, evidence.points[1:]):
        code, said = verify(evidence.write(evidence.lines[10:], points), capsys)
        assert code == 3
        assert "events 1 to 10 are not here" in said


def test_a_range_whose_beginning_is_gone_is_broken(evidence: Evidence, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = evidence.write([*evidence.lines[:10], *evidence.lines[20:]])
    code, said = verify([*arguments, "--from", "11"], capsys)
    assert code == 1
    assert "event 11: deleted: the next that is there is 21" in said


def test_a_checkpoint_without_events_covers_none(evidence: Evidence, capsys: pytest.CaptureFixture[str]) -> None:
    row = chained(20, Head("C1"))[-1][0]
    segment = Segment("C1", 3, GENESIS, 21, 20, row[18])
    beat = checkpoint_of(segment, ident="P3", at_us=6000, config_digest="c", key_id=evidence.key.key_id)
    point = Sealed(beat, evidence.key.sign(CHECKPOINT, beat.canonical())).line()
    code, said = verify([*evidence.write(None, [point]), "--from", "21"], capsys)
    assert code == 3
    assert "no checkpoint covers it" in said


def test_a_range_is_verified_alone(evidence: Evidence, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = verify([*evidence.write(), "--from", "11", "--to", "20"], capsys)
    assert (code, said.splitlines()[0]) == (0, "10 events, 1 checkpoints, 0 proofs")
    code, said = verify([*evidence.write(edit(evidence.lines)), "--from", "11", "--to", "20"], capsys)
    assert code == 1
    assert "event 12 (E11): edited" in said


@pytest.mark.parametrize(
    ("points", "said"),
    [
        (lambda points: [points[0], points[2]], "checkpoint 3 of chain C1 does not follow"),
        (lambda points: [points[0].replace(b'"count":10', b'"count":11'), *points[1:]], "its signature is not the key's"),
        (lambda points: [points[0][: points[0].index(b'"signature"')] + b'"signature":""}\n', *points[1:]], "its signature is gone"),
    ],
    ids=["missing", "edited", "unsigned"],
)
def test_checkpoints_that_were_touched_are_named(
    evidence: Evidence, capsys: pytest.CaptureFixture[str], points: Callable[[Lines], Lines], said: str
) -> None:
    code, out = verify(evidence.write(None, points(evidence.points)), capsys)
    assert code == 1
    assert said in out


def test_what_is_not_signed_or_has_no_key_is_not_verified(evidence: Evidence, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = evidence.write()
    assert verify(arguments[:4], capsys)[0] == 3  # no key
    assert verify(arguments[:2] + arguments[4:], capsys)[0] == 3  # no checkpoints
    rows = [row for row, _ in chained(30, Head("C1"))]
    code, said = verify(evidence.write(None, points_over(None, rows)), capsys)
    assert code == 3
    assert "is not signed" in said
    other = signer_of(make_private_key())
    evidence.key = other
    code, said = verify(evidence.write(), capsys)
    assert code == 1
    assert "not one of those that were given" in said


def proof_of(evidence: Evidence, seq: int) -> dict[str, Any]:
    first = (seq - 1) // 10 * 10
    rows = [json.loads(line) for line in evidence.lines[first : first + 10]]
    leaves = [merkle.leaf(row["hash"]) for row in rows]
    line = json.loads(evidence.lines[seq - 1])
    own = {name: line.pop(name) for name in ("hash", "prev_hash")}
    body = json.dumps(line, separators=(",", ":"), ensure_ascii=False)
    path = [one.hex() for one in merkle.path(leaves, seq - 1 - first)]
    point = json.loads(evidence.points[first // 10])
    return {"format": "lockgate-proof/1", "event": body, **own, "index": seq - 1 - first, "size": 10, "path": path, **point}


@pytest.mark.parametrize("seq", [1, 10, 11, 18, 30])
def test_one_event_is_proven_without_the_others(evidence: Evidence, capsys: pytest.CaptureFixture[str], seq: int) -> None:
    evidence.write()
    file = evidence.folder / "proof.json"
    proof = proof_of(evidence, seq)
    file.write_text(json.dumps(proof))
    assert verify(["proof", str(file), *evidence.trust], capsys)[0] == 0
    assert verify(["proof", str(file)], capsys)[0] == 3
    for forged in (
        {**proof, "event": proof["event"].replace('"ok"', '"no"')},
        {**proof, "index": (proof["index"] + 1) % 10},
        {**proof, "path": proof["path"][::-1]},
        {**proof, "checkpoint": {**proof["checkpoint"], "root": "0" * 64}},
    ):
        file.write_text(json.dumps(forged))
        assert verify(["proof", str(file), *evidence.trust], capsys)[0] == 1


def test_a_newer_checkpoint_goes_on_from_an_older_one_or_does_not(evidence: Evidence, capsys: pytest.CaptureFixture[str]) -> None:
    evidence.write()
    old, new = evidence.folder / "old", evidence.folder / "new"
    old.write_bytes(evidence.points[0])
    new.write_bytes(evidence.points[2])
    arguments = ["consistency", str(old), str(new), str(evidence.folder / "points.jsonl"), *evidence.trust]
    assert verify(arguments, capsys)[0] == 0
    evidence.write(None, [evidence.points[0], evidence.points[2]])
    assert verify(arguments, capsys)[0] == 1
    other = [row for row, _ in chained(30, Head("C1"), "Y")]
    new.write_bytes(points_over(evidence.key, other)[2])
    evidence.write()
    code, said = verify(arguments, capsys)
    assert code == 1
    assert "was made anew" in said


@pytest.mark.parametrize("arguments", [["proof", "absent.json"], ["chain", "absent.jsonl"], ["bundle", "absent.zip"]])
def test_what_cannot_be_read_is_neither_verified_nor_broken(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(arguments, capsys)[0] == 2


def alone(arguments: list[str], **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run a copy of the file by an interpreter that sees no package at all."""
    return subprocess.run([sys.executable, "-I", "-S", *arguments], capture_output=True, check=False, timeout=60, env=environment)


def test_it_runs_by_itself_with_the_openssl_command_and_without_it_never_says_verified(evidence: Evidence) -> None:
    script = evidence.folder / "verify.py"
    shutil.copy(SCRIPT, script)
    arguments = evidence.write()
    without = alone([str(script), *arguments], PATH="/nowhere")
    assert (without.returncode, without.stdout.splitlines()[-1]) == (3, b"NOT VERIFIED")
    assert b"neither the package cryptography nor an openssl" in without.stdout
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl command here")
    done = alone([str(script), *arguments], PATH=os.environ["PATH"])
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, b"VERIFIED"), done.stderr
    forged = evidence.write(None, [evidence.points[0].replace(b'"config_digest":"c"', b'"config_digest":"d"'), *evidence.points[1:]])
    broken = alone([str(script), *forged], PATH=os.environ["PATH"])
    assert broken.returncode == 1
    assert b"its signature is not the key's" in broken.stdout


def test_it_imports_nothing_of_ours() -> None:
    text = SCRIPT.read_text()
    assert "from pipeline" not in text
    assert "import pipeline" not in text
