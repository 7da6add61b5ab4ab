"""Tokens of identity providers: the set of known attacks proves nothing, good ones prove exactly what was granted."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from pipeline.errors import KeyOutOfScope
from pipeline.keys import jwks as jwks_module
from pipeline.keys.identities import Grant, Identities, Provider
from pipeline.keys.jwks import MISS_S, BadKeySet, IssuerUnavailable, KeyRing, fetch_file, fetch_uri, read_keys
from pipeline.keys.tokens import MAX_TOKEN, BadToken, Issuer, is_token
from tests.identity_provider import AUDIENCE, ISSUER, IdentityProvider, b64, unsigned
from tests.pipeline.keys.clocks import START_US, MovableClock

ALGORITHMS = ("RS256", "ES256", "EdDSA")
GRANTS = (
    Grant("groups", frozenset({"platform"}), "admin"),
    Grant("groups", frozenset({"blue"}), "manager", "alpha"),
    Grant("sub", frozenset({"batch"}), service="batch"),
)


@pytest.fixture(scope="module")
def idp() -> IdentityProvider:
    return IdentityProvider(START_US // 1_000_000)


class Source:
    """A JWKS that a test can change, take away, and count the fetches of."""

    def __init__(self, raw: bytes) -> None:
        self.raw: bytes | None = raw
        self.fetched = 0

    def __call__(self) -> bytes:
        self.fetched += 1
        if self.raw is None:
            raise OSError
        return self.raw


def identities(source: Callable[[], bytes], clock: MovableClock, *, algorithms: tuple[str, ...] = ALGORITHMS, **more: Any) -> Identities:
    ring = KeyRing(source, clock, algorithms=algorithms)
    return Identities(clock, [Provider(Issuer(ISSUER, (AUDIENCE,), algorithms, 30.0, ring), GRANTS)], **more)


@pytest.mark.parametrize("kid", ["rsa-1", "ec-1", "ed-1"])
@pytest.mark.parametrize("aud", [AUDIENCE, ["other", AUDIENCE]])
async def test_a_good_token_of_each_algorithm_proves_its_holder(idp: IdentityProvider, clock: MovableClock, kid: str, aud: Any) -> None:
    found = await identities(Source(idp.jwks()), clock).prove(idp.token(kid, groups=["red", "blue"], aud=aud))
    assert (found.subject, found.grant.role, found.grant.workspace) == ("ana", "manager", "alpha")


async def test_the_first_grant_that_fits_counts_and_without_one_there_is_none(idp: IdentityProvider, clock: MovableClock) -> None:
    proving = identities(Source(idp.jwks()), clock)
    assert (await proving.prove(idp.token(groups=["blue", "platform"]))).grant.role == "admin"
    assert (await proving.prove(idp.token(sub="batch"))).grant.service == "batch"
    for claims in ({"groups": "green"}, {"groups": {"platform": True}}, {"groups": [["platform"]]}, {"groups": True}, {}):
        with pytest.raises(KeyOutOfScope) as caught:
            await proving.prove(idp.token(**claims))
        assert caught.value.code == "role_not_allowed"


async def test_a_subject_that_is_no_plain_name_is_kept_as_a_hash(idp: IdentityProvider, clock: MovableClock) -> None:
    found = await identities(Source(idp.jwks()), clock).prove(idp.token(sub="a text with blanks", groups="platform"))
    assert found.subject.startswith("sha256:")
    assert "blanks" not in found.subject


def attacks(idp: IdentityProvider) -> dict[str, str]:
    """Tokens that must prove nothing."""
    stranger = rsa.generate_private_key(65537, 2048)
    now, good = idp.now_s, idp.token()
    head, body, signature = good.split(".")
    own_jwk = json.loads(jwt.get_algorithm_by_name("RS256").to_jwk(stranger.public_key()))
    by_stranger = {"kid": "rsa-1"}
    sql = "rsa-1' OR '1'='1"
    return {
        "no algorithm": idp.forged({"alg": "none", "kid": "rsa-1"}, None),
        "no algorithm in capitals": idp.forged({"alg": "None", "kid": "rsa-1"}, None),
        "no algorithm, empty": idp.forged({"alg": "", "kid": "rsa-1"}, None),
        "no algorithm at all": idp.forged({"kid": "rsa-1"}, None),
        "HMAC with the public key": idp.forged({"alg": "HS256", "kid": "rsa-1"}, idp.pem()),
        "HMAC with the public key without its last line end": idp.forged({"alg": "HS256", "kid": "rsa-1"}, idp.pem().strip()),
        "HMAC with a prefixed public key": idp.forged({"alg": "HS256", "kid": "rsa-1"}, b"\n \n" + idp.pem()),
        "HMAC with the key's JWK": idp.forged({"alg": "HS256", "kid": "rsa-1"}, json.dumps(idp.public("rsa-1")).encode()),
        "HMAC with an empty secret": idp.forged({"alg": "HS256", "kid": "rsa-1"}, b""),
        "HMAC called RS256": idp.forged({"alg": "RS256", "kid": "rsa-1"}, idp.pem()),
        "RS256 without a signature": idp.forged({"alg": "RS256", "kid": "rsa-1"}, None),
        "a list of algorithms": idp.forged({"alg": ["RS256"], "kid": "rsa-1"}, None),
        "another algorithm of the same key": jwt.encode(idp.claims(), idp.keys["rsa-1"][1], "RS512", headers={"kid": "rsa-1"}),
        "PSS of the same key": jwt.encode(idp.claims(), idp.keys["rsa-1"][1], "PS256", headers={"kid": "rsa-1"}),
        "a key id of another kind": jwt.encode(idp.claims(), idp.keys["rsa-1"][1], "RS256", headers={"kid": "ec-1"}),
        "a key id that is a path": idp.token(header={"kid": "../../../../dev/null"}),
        "a key id that is SQL": idp.token(header={"kid": sql}),
        "a key id that is a list": f"{b64(json.dumps({'alg': 'RS256', 'kid': ['rsa-1']}).encode())}.{body}.{signature}",
        "signed by a stranger": jwt.encode(idp.claims(), stranger, "RS256", headers=by_stranger),
        "a key of its own": jwt.encode(idp.claims(), stranger, "RS256", headers={**by_stranger, "jwk": own_jwk}),
        "a key set elsewhere": jwt.encode(idp.claims(), stranger, "RS256", headers={**by_stranger, "jku": "http://127.0.0.1:9/jwks"}),
        "a certificate elsewhere": jwt.encode(idp.claims(), stranger, "RS256", headers={**by_stranger, "x5u": "http://127.0.0.1:9/x"}),
        "a critical extension": idp.token(header={"crit": ["b64"], "b64": True}),
        "another kind of token": idp.token(header={"typ": "dpop+jwt"}),
        "another audience": idp.token(aud="someone-else"),
        "an audience that begins alike": idp.token(aud=AUDIENCE + "x"),
        "no audience": idp.token(aud=None),
        "another issuer": idp.token(iss="https://idp.example.evil"),
        "an issuer that is a list": f"{unsigned({'alg': 'RS256', 'kid': 'rsa-1'}, idp.claims() | {'iss': [ISSUER]})}.{signature}",
        "no issuer": idp.token(iss=None),
        "expired": idp.token(exp=now - 31),
        "no end": idp.token(exp=None),
        "an end that is a text": f"{unsigned({'alg': 'RS256', 'kid': 'rsa-1'}, idp.claims() | {'exp': '9999999999'})}.{signature}",
        "an end beyond numbers": idp.token(exp=10**13),
        "not yet": idp.token(nbf=now + 3_600),
        "issued in the future": idp.token(iat=now + 3_600),
        "no subject": idp.token(sub=None),
        "an empty subject": idp.token(sub=""),
        "claims of somebody else": f"{head}.{b64(json.dumps(idp.claims(groups=['platform'])).encode())}.{signature}",
        "a changed signature": good[:-6] + ("AAAAAA" if not good.endswith("AAAAAA") else "BBBBBB"),
        "the same first twenty characters": good[:20] + idp.forged({"alg": "none"}, None)[20:],
        "no JSON": f"eyJ{'A' * 40}.{body}.{signature}",
        "claims that are a list": f"{unsigned({'alg': 'RS256', 'kid': 'rsa-1'}, [])}.{signature}",
    }


async def test_every_attack_of_the_set_proves_nothing(idp: IdentityProvider, clock: MovableClock) -> None:
    """With the good token remembered, so that no look-up by a part of it lets another in."""
    proving = identities(Source(idp.jwks()), clock)
    await proving.prove(idp.token(groups="platform"))
    let_in = []
    for name, token in attacks(idp).items():
        try:
            await proving.prove(token)
        except BadToken:
            continue
        let_in.append(name)
    assert let_in == []


async def test_only_configured_algorithms_are_taken(idp: IdentityProvider, clock: MovableClock) -> None:
    only = identities(Source(idp.jwks()), clock, algorithms=("ES256",))
    with pytest.raises(BadToken):
        await only.prove(idp.token("rsa-1", groups="platform"))
    assert (await only.prove(idp.token("ec-1", groups="platform"))).grant.role == "admin"


@pytest.mark.parametrize("name", ["nbf", "iat"])
async def test_clocks_may_differ_by_the_leeway_and_no_more(idp: IdentityProvider, clock: MovableClock, name: str) -> None:
    proving = identities(Source(idp.jwks()), clock)
    await proving.prove(idp.token(groups="platform", **{name: idp.now_s + 30}))
    with pytest.raises(BadToken):
        await proving.prove(idp.token(groups="platform", **{name: idp.now_s + 31}))


async def test_what_was_proven_ends_with_its_token(idp: IdentityProvider, clock: MovableClock) -> None:
    proving, token = identities(Source(idp.jwks()), clock), idp.token(groups="platform", exp=idp.now_s + 60)
    assert await proving.prove(token) is await proving.prove(token), "remembered"
    clock.move(89)
    await proving.prove(token)
    clock.move(1)
    with pytest.raises(BadToken):
        await proving.prove(token)


async def test_what_was_proven_ends_when_the_issuer_withdraws_its_key(idp: IdentityProvider, clock: MovableClock) -> None:
    source = Source(idp.jwks())
    proving, token = identities(source, clock), idp.token(groups="platform", exp=idp.now_s + 9_000)
    await proving.prove(token)
    source.raw = idp.jwks("ec-1")
    clock.move(299)
    await proving.prove(token)
    clock.move(1)
    with pytest.raises(BadToken):
        await proving.prove(token)


async def test_the_memory_is_bounded(idp: IdentityProvider, clock: MovableClock) -> None:
    proving = identities(Source(idp.jwks()), clock, most=2)
    tokens = [idp.token("ed-1", groups="platform", jti=str(number)) for number in range(3)]
    first = await proving.prove(tokens[0])
    for token in tokens[1:]:
        await proving.prove(token)
    again = await proving.prove(tokens[0])
    assert again == first
    assert again is not first, "the oldest was forgotten, so it was verified again"


async def test_a_thousand_callers_make_one_fetch(idp: IdentityProvider, clock: MovableClock) -> None:
    source = Source(idp.jwks())
    proving = identities(source, clock)
    tokens = [idp.token("ed-1", groups="platform", jti=str(number)) for number in range(50)]
    found = await asyncio.gather(*(proving.prove(token) for token in tokens))
    assert {identity.grant.role for identity in found} == {"admin"}
    assert source.fetched == 1


async def test_a_new_key_is_fetched_at_once_and_a_stranger_cannot_make_us_ask_without_end(
    idp: IdentityProvider, clock: MovableClock
) -> None:
    source = Source(idp.jwks("ec-1"))
    proving = identities(source, clock)
    await proving.prove(idp.token("ec-1", groups="platform"))
    for number in range(20):
        with pytest.raises(BadToken):
            await proving.prove(idp.token(header={"kid": f"made-up-{number}"}))
    assert source.fetched == 1, "the keys are too young to be asked for again"
    source.raw = idp.jwks()
    clock.move(MISS_S)
    assert (await proving.prove(idp.token("rsa-1", groups="platform"))).grant.role == "admin"
    assert source.fetched == 2


async def test_an_issuer_that_is_away_is_believed_for_a_bounded_time(idp: IdentityProvider, clock: MovableClock) -> None:
    source = Source(idp.jwks())
    proving = identities(source, clock)
    await proving.prove(idp.token(groups="platform"))
    source.raw = None
    clock.move(300 + 3_600)
    idp_later = idp.token(groups="platform", iat=None, exp=idp.now_s + 90_000)
    assert (await proving.prove(idp_later)).grant.role == "admin"
    clock.move(1)
    with pytest.raises(IssuerUnavailable) as caught:
        await proving.prove(idp_later)
    assert caught.value.status == 503
    tried = source.fetched
    for _ in range(10):
        with pytest.raises(IssuerUnavailable):
            await proving.prove(idp_later)
    assert source.fetched == tried, "no more often than the pause"
    source.raw = idp.jwks()
    clock.move(5)
    assert (await proving.prove(idp_later)).grant.role == "admin"


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b"{}", b'{"keys": {}}', b'{"keys": []}', b'{"keys": [7]}', b'{"keys": [{"kty": "oct", "k": "AAAA", "kid": "a"}]}',
     b'{"keys": [{"kty": "RSA", "n": "AQ", "e": "AQAB", "kid": "tiny"}]}', json.dumps({"keys": [{}] * 101}).encode()],
)  # fmt: skip
def test_a_key_set_that_can_verify_nothing_is_none(raw: bytes) -> None:
    with pytest.raises(BadKeySet):
        read_keys(raw, ALGORITHMS)


def test_keys_that_are_private_weak_or_for_something_else_are_left_out(idp: IdentityProvider) -> None:
    weak = rsa.generate_private_key(65537, 1024)
    codec = jwt.get_algorithm_by_name("RS256")
    private = json.loads(codec.to_jwk(idp.keys["rsa-1"][1])) | {"kid": "private"}
    listed = [
        idp.public("rsa-1"),
        idp.public("rsa-1") | {"kid": "encrypts", "use": "enc"},
        idp.public("rsa-1") | {"kid": "other", "alg": "RS512"},
        json.loads(codec.to_jwk(weak.public_key())) | {"kid": "weak"},
        private,
    ]
    assert [key.kid for key in read_keys(json.dumps({"keys": listed}).encode(), ALGORITHMS).keys] == ["rsa-1"]


@pytest.mark.parametrize(
    ("text", "fits"), [("lgk_" + "a" * 43, False), ("eyJa.b.c", True), ("eyJa.b", False), ("eyJ" + "a" * MAX_TOKEN + ".b.c", False)]
)
def test_a_token_is_told_from_a_key_by_its_shape(text: str, fits: bool) -> None:
    assert is_token(text) is fits


@pytest.fixture
def server(idp: IdentityProvider) -> Iterator[str]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/moved":
                self.send_response(302)
                self.send_header("location", "/jwks")
                self.end_headers()
                return
            body = idp.jwks() if self.path == "/jwks" else b"x" * (jwks_module.MAX_BYTES + 1)
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    running = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()
    thread.join(5)


def test_a_key_set_is_fetched_without_redirects_and_within_bounds(server: str, idp: IdentityProvider, tmp_path: Path) -> None:
    assert fetch_uri(f"{server}/jwks") == idp.jwks()
    for path in ("/moved", "/large"):
        with pytest.raises(BadKeySet):
            fetch_uri(server + path)
    with pytest.raises(ConnectionRefusedError):
        fetch_uri("http://127.0.0.1:9/jwks")
    (tmp_path / "jwks.json").write_bytes(idp.jwks())
    assert fetch_file(tmp_path / "jwks.json") == idp.jwks()


async def test_the_same_subject_of_two_issuers_is_two_people(idp: IdentityProvider, clock: MovableClock) -> None:
    """What they write is told apart in the audit, and no idempotency key of the one gives the other an answer."""
    other = "https://other.example"
    issuers = [
        Issuer(name, (AUDIENCE,), ALGORITHMS, 30.0, KeyRing(Source(idp.jwks()), clock, algorithms=ALGORITHMS)) for name in (ISSUER, other)
    ]
    both = Identities(clock, [Provider(issuer, GRANTS) for issuer in issuers])
    found = {(await both.prove(idp.token(groups=["platform"], iss=name))).subject for name in (ISSUER, other)}
    assert len(found) == 2
    assert {name.partition("@")[0] for name in found} == {"ana"}
