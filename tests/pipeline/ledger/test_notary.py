"""Checkpoints are made when they are due, over what was verified, signed by the key in force, and say so when there is none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.errors import SecretError
from pipeline.ids import ulid
from pipeline.ledger.checkpoint import read_checkpoint
from pipeline.ledger.notary import Pace, checkpoint_of, next_segment, stored
from pipeline.ledger.signing import CHECKPOINT, MANIFEST, KeyUnusable, make_private_key, public_key, signer_of
from pipeline.ledger.verify_checkpoints import verify_checkpoints
from pipeline.store.checkpoints import put_checkpoint
from pipeline.store.engine import open_reader
from pipeline.store.tables import audit_checkpoints
from tests.pipeline.ledger.calls import NOW, event, rows, running, tamper
from tests.pipeline.ledger.proving import DIGEST, Desk, desk, trusted


def points(url: str) -> list[Any]:
    return sorted(rows(url, audit_checkpoints), key=lambda row: (row["chain"], row["number"]))


def faults(url: str, *keys: Any) -> list[tuple[int, str]]:
    engine = open_reader(url)
    try:
        with engine.connect() as connection:
            return [(fault.seq, fault.why) for fault in verify_checkpoints(connection, trusted(*keys)).faults]
    finally:
        engine.dispose()


async def test_a_checkpoint_covers_what_was_written_and_is_signed(url: str) -> None:
    async with desk(url) as at:
        await at.write(5)
        assert await at.notary.look() == 1
        [row] = points(url)
        point = read_checkpoint(row["body"])
        assert point is not None
        assert (point.number, point.first_seq, point.last_seq, point.count, point.config_digest) == (1, 1, 5, 5, DIGEST)
        assert at.key is not None
        assert point.key_id == at.key.key_id == row["key_id"]
        ident, check = public_key(at.key.public_pem)
        assert ident == point.key_id
        assert check(CHECKPOINT, point.canonical(), row["signature"])
        assert not check(MANIFEST, point.canonical(), row["signature"])
        assert faults(url, at.key) == []


async def test_the_canonical_form_is_one_that_the_standard_library_makes(url: str) -> None:
    async with desk(url) as at:
        await at.write(1)
        await at.notary.look()
    body = points(url)[0]["body"]
    assert json.dumps(json.loads(body), sort_keys=True, separators=(",", ":")) == body
    assert read_checkpoint(body.replace(":", ": ", 1)) is None
    assert read_checkpoint(b"[]") is None


async def test_one_is_made_after_so_many_events_or_seconds_and_when_nothing_happens(url: str) -> None:
    async with desk(url) as at:
        at.pace = Pace(10, 60)
        await at.write(1)
        assert await at.notary.look() == 1  # the first
        await at.write(9)
        assert await at.notary.look() == 0
        await at.write(1)
        assert await at.notary.look() == 1  # ten events
        assert await at.notary.look() == 0
        at.clock.at += 61_000_000
        assert await at.notary.look() == 1  # a heartbeat
        heartbeat = read_checkpoint(points(url)[-1]["body"])
        assert heartbeat is not None
        assert (heartbeat.count, heartbeat.first_seq, heartbeat.last_seq) == (0, 12, 11)
        await at.write(2)
        assert await at.notary.look(last=True) == 1
        assert [row["last_seq"] for row in points(url)] == [1, 11, 11, 13]
        assert faults(url, at.key) == []


async def test_the_chain_of_a_process_that_has_ended_is_covered_to_its_end(url: str) -> None:
    async with running(url) as ledger:
        for _ in range(3):
            await ledger.append(event())
        dead = ledger.epoch_id
    async with desk(url) as at:
        await at.write(1)
        assert await at.notary.look() == 2
        assert {(row["chain"], row["last_seq"]) for row in points(url)} == {(dead, 3), (at.ledger.epoch_id, 1)}
        at.clock.at += 601_000_000
        assert await at.notary.look() == 1  # no heartbeats of the dead


async def test_without_a_key_they_are_made_and_say_that_nobody_signed(url: str) -> None:
    async with desk(url, signed=False) as at:
        await at.write(2)
        await at.notary.look()
        [row] = points(url)
        assert (row["key_id"], row["signature"], dict(at.told)) == ("", "", {"unsigned": 1})


@pytest.mark.parametrize("error", [SecretError("away"), KeyUnusable("no key")])
async def test_a_key_that_cannot_be_had_makes_no_unsigned_checkpoint(url: str, error: Exception) -> None:
    async with desk(url) as at:
        await at.write(2)
        at.failing = error
        assert await at.notary.look() == 0
        assert (points(url), dict(at.told)) == ([], {"no_key": 1})
        assert "signing key" in at.notary.trouble
        at.failing = None
        assert await at.notary.look() == 1
        assert at.notary.trouble == ""


async def test_a_rotated_key_signs_what_comes_and_both_are_told_apart(url: str) -> None:
    async with desk(url) as at:
        await at.write(2)
        await at.notary.look()
        old, at.key = at.key, signer_of(make_private_key())
        await at.write(2)
        await at.notary.look(last=True)
        assert [row["key_id"] for row in points(url)] == [old.key_id, at.key.key_id]  # type: ignore[union-attr]
        assert faults(url, old, at.key) == []
        assert faults(url, at.key) == [(1, "the signature of checkpoint 1 is by a key that is not trusted here")]


@pytest.mark.parametrize("change", ["UPDATE events SET outcome = 'failed' WHERE seq = 3", "DELETE FROM events WHERE seq = 3"])
async def test_nothing_is_signed_that_does_not_follow(url: str, change: str) -> None:
    async with desk(url) as at:
        await at.write(4)
        tamper(url, change)
        assert await at.notary.look() == 0
        assert (points(url), dict(at.told)) == ([], {"broken": 1})
        assert "audit verify" in at.notary.trouble


async def test_of_two_that_make_the_same_one_stands(url: str) -> None:
    async with desk(url) as at:
        await at.write(2)
        with at.notary.engine.connect() as connection:
            segment = next_segment(connection, at.ledger.epoch_id)
        other = checkpoint_of(segment, ident=ulid(NOW), at_us=NOW, config_digest=DIGEST, key_id="")
        assert await at.notary.look() == 1
        assert await at.ledger.run(lambda connection: put_checkpoint(connection, stored(other, ""))) is False
        assert len(points(url)) == 1


async def _three(at: Desk) -> None:
    for _ in range(3):
        await at.write(4)
        await at.notary.look(last=True)


@pytest.mark.parametrize(
    ("statements", "seq", "why"),
    [
        (["UPDATE audit_checkpoints SET body = REPLACE(body, '\"count\"\\:4', '\"count\"\\:5') WHERE number = 2"], 5, "another"),
        (["UPDATE audit_checkpoints SET last_seq = 9 WHERE number = 2"], 5, "was edited"),
        (["UPDATE audit_checkpoints SET signature = '' WHERE number = 2"], 5, "is gone"),
        (["UPDATE audit_checkpoints SET signature = 'AAAA' WHERE number = 2"], 5, "is not the key's"),
        (["DELETE FROM audit_checkpoints WHERE number = 2"], 9, "does not follow"),
        (["DELETE FROM events WHERE seq = 6"], 6, "deleted"),
        (["DELETE FROM events WHERE seq > 10"], 11, "deleted"),
        (["UPDATE events SET hash = prev_hash WHERE seq = 7"], 5, "another root"),
    ],
)
async def test_what_does_not_fit_is_named(url: str, statements: list[str], seq: int, why: str) -> None:
    async with desk(url) as at:
        await _three(at)
        assert faults(url, at.key) == []
        tamper(url, *statements)
        [(found, said)] = faults(url, at.key)
        if why != "another":  # an edited body has no valid signature either
            assert found == seq
            assert why in said


def test_a_key_is_read_from_one_line_and_from_pem_and_anything_else_is_no_key() -> None:
    one_line = make_private_key()
    pem = f"-----BEGIN PRIVATE KEY-----\n{one_line}\n-----END PRIVATE KEY-----\n"
    assert signer_of(pem).key_id == signer_of(one_line + "\n").key_id
    assert one_line not in repr(signer_of(one_line))
    for text in ("", "hello", "AAAA", pem.replace("M", "N", 1), one_line[:-4]):
        with pytest.raises(KeyUnusable) as caught:
            signer_of(text)
        assert text == "" or text not in str(caught.value)
    with pytest.raises(KeyUnusable):
        public_key(pem)
