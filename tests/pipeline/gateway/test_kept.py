"""What is kept for repetitions: names that tell nothing, answers that only open where they belong."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pipeline.errors import BadRequest, IdempotencyError
from pipeline.gateway.error_table import render
from pipeline.gateway.http import Headers, HttpLimits, Message, read_headers, send_json
from pipeline.gateway.idempotency import is_claimed, token_of
from pipeline.gateway.kept import Copy, KeptAnswers, Told, Untold, hkdf_sha256, told_error
from pipeline.ledger.model import Claim, Kept
from pipeline.store.claims import SealedAnswer
from pipeline.vaults.local_keys import LocalKeys

NOW = 1_795_000_000_000_000
OLD, NEW = bytes(range(32)), bytes(range(32, 64))
TOLD = Told(200, {"content-type": "application/json"}, b'{"said":"\nnothing that a file may show"}')


def answers(current: str = "k1", keys: dict[str, bytes] | None = None, **more: Any) -> KeptAnswers:
    return KeptAnswers(LocalKeys(current, keys or {"k1": OLD}), os.urandom, **{"keep_s": 60, "max_answer_bytes": 1024, **more})


def claim(kept: KeptAnswers, owner: str = "K1", token: str = "t", asked: tuple[str, ...] = ("POST", "/x"), **body: Any) -> Claim:
    return kept.claim(owner, token, asked, body, NOW)


def stored(kept: Kept) -> SealedAnswer:
    assert kept.nonce is not None
    assert kept.sealed is not None
    return SealedAnswer(kept.status, kept.seal_key, kept.nonce, kept.sealed)


@pytest.mark.parametrize("info", [b"", b"lockgate:idempotency:seal:v1"])
def test_keys_are_derived_as_the_standard_says(info: bytes) -> None:
    assert hkdf_sha256(OLD, info) == HKDF(SHA256(), 32, None, info).derive(OLD)


def test_an_answer_opens_again_byte_for_byte() -> None:
    kept = answers()
    mine = claim(kept)
    sealed = kept.keep(mine, "K1", "R1", TOLD, NOW)
    assert (sealed.state, sealed.status, sealed.expires_us) == ("done", 200, NOW + 60_000_000)
    assert b"nothing that" not in (sealed.sealed or b"")
    assert b"nothing that" not in repr(sealed).encode() + repr(stored(sealed)).encode() + repr(TOLD).encode()
    assert kept.open(mine, "K1", "R1", stored(sealed)) == TOLD


def test_an_answer_opens_only_for_its_key_its_claim_its_request_and_its_status() -> None:
    kept = answers()
    mine = claim(kept)
    sealed = stored(kept.keep(mine, "K1", "R1", TOLD, NOW))
    assert kept.open(mine, "K2", "R1", sealed) is None
    assert kept.open(claim(kept, token="other"), "K1", "R1", sealed) is None
    assert kept.open(mine, "K1", "R2", sealed) is None
    assert kept.open(mine, "K1", "R1", replace(sealed, status=500)) is None
    assert kept.open(mine, "K1", "R1", replace(sealed, sealed=sealed.sealed[:-1] + bytes([sealed.sealed[-1] ^ 1]))) is None
    assert kept.open(mine, "K1", "R1", replace(sealed, sealed=b"")) is None
    assert answers(keys={"k1": NEW}).open(mine, "K1", "R1", sealed) is None


def test_a_new_store_key_changes_no_name_and_opens_what_the_former_sealed() -> None:
    before, after = answers(), answers("k2", {"k1": OLD, "k2": NEW})
    mine = claim(before)
    assert claim(after) == mine
    assert after.open(mine, "K1", "R1", stored(before.keep(mine, "K1", "R1", TOLD, NOW))) == TOLD
    sealed = after.keep(mine, "K1", "R1", TOLD, NOW)
    assert sealed.seal_key == "k2"
    assert before.open(mine, "K1", "R1", stored(sealed)) is None


def test_a_claim_is_of_one_owner_and_one_header() -> None:
    kept = answers()
    digests = {claim(kept, owner, token).digest for owner, token in (("K1", "t"), ("K2", "t"), ("K1", "u"), ("K1t", ""), ("K", "1t"))}
    assert len(digests) == 5
    assert all("t" not in digest and len(digest) == 64 for digest in digests)


@pytest.mark.parametrize(
    ("asked", "body", "same"),
    [
        (("POST", "/x"), {"a": 1, "b": {"c": 2, "d": 3}}, True),
        (("POST", "/x"), {"b": {"d": 3, "c": 2}, "a": 1}, True),
        (("POST", "/x"), {"a": 1, "b": {"c": 2, "d": 4}}, False),
        (("POST", "/x"), {"a": 1.0, "b": {"c": 2, "d": 3}}, False),
        (("POST", "/y"), {"a": 1, "b": {"c": 2, "d": 3}}, False),
        (("PUT", "/x"), {"a": 1, "b": {"c": 2, "d": 3}}, False),
        (("POST/", "x"), {"a": 1, "b": {"c": 2, "d": 3}}, False),
    ],
)
def test_the_parameters_are_method_path_and_meaning_of_the_body(asked: tuple[str, ...], body: dict[str, Any], same: bool) -> None:
    kept = answers()
    first = kept.claim("K1", "t", ("POST", "/x"), {"a": 1, "b": {"c": 2, "d": 3}}, NOW)
    assert (kept.claim("K1", "t", asked, body, NOW).params == first.params) == same


def test_the_hashes_are_keyed() -> None:
    here, there = claim(answers()), claim(answers(keys={"k1": NEW}))
    assert here.digest != there.digest
    assert here.params != there.params


@pytest.mark.parametrize("size", [1024, 1025])
def test_an_answer_is_kept_up_to_the_limit(size: int) -> None:
    kept = answers()
    ended = kept.keep(claim(kept), "K1", "R1", Told(200, {}, b"x" * size), NOW)
    assert (ended.state, ended.sealed is None) == (("done", False) if size == 1024 else ("too_large", True))


def test_an_ending_without_an_answer_keeps_none() -> None:
    kept = answers()
    ended = kept.keep(claim(kept), "K1", "R1", Untold("incomplete", 499), NOW)
    assert (ended.state, ended.status, ended.sealed) == ("incomplete", 499, None)


@pytest.mark.parametrize("limit", [9, 10, 11])
async def test_a_stream_is_copied_as_it_was_sent_or_not_at_all(limit: int) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    copy = Copy(send, limit, {"content-type": "text/event-stream"})
    for part in (b"abc", b"def"):
        await copy({"type": "http.response.body", "body": part, "more_body": True})
    assert [message["body"] for message in sent] == [b"abc", b"def"]
    ended = copy.ending_with(b"ghij")
    if limit < 10:
        assert ended == Untold("too_large", 200)
    else:
        assert ended == Told(200, {"content-type": "text/event-stream"}, b"abcdefghij")


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
async def test_an_error_is_kept_as_it_is_answered(dialect: Any) -> None:
    error = IdempotencyError("Wait – please.", headers={"retry-after": "1"})
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    shown = render(error, dialect, "R1")
    await send_json(send, shown.status, shown.body, [])
    told = told_error(error, dialect, "R1")
    assert (told.status, told.body) == (sent[0]["status"], sent[1]["body"])
    assert told.headers["retry-after"] == "1"


@pytest.mark.parametrize("token", ["a", "!~", "x" * 255, '"quoted"'])
def test_visible_ascii_is_a_key(token: str) -> None:
    headers = Headers({b"idempotency-key": token.encode()})
    assert is_claimed(headers)
    assert token_of(headers) == token


@pytest.mark.parametrize("token", [b"", b"x" * 256, b"a b", b"a\tb", b"a\x7f", "ü".encode(), b"a\0"])
def test_anything_else_is_refused_without_being_repeated(token: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        token_of(Headers({b"idempotency-key": token}))
    assert (caught.value.code, caught.value.status, caught.value.headers) == ("invalid_idempotency_key", 400, {"x-should-retry": "false"})
    assert not token or token.decode("latin-1") not in caught.value.message


def test_two_of_them_are_refused() -> None:
    with pytest.raises(BadRequest, match="stands twice"):
        read_headers([(b"idempotency-key", b"a"), (b"idempotency-key", b"b")], HttpLimits())
