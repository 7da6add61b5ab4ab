"""Tokens and keys of standards: JWT, private keys, authorization headers, cookies, URLs with passwords."""

from __future__ import annotations

import base64
import json
from random import Random

from redactors.rules.checks import basic, drawn, jwt, token
from redactors.rules.model import Must, MustNot, Rule
from redactors.rules.passwords import password, secret_like, url_password
from redactors.rules.samples import ALNUM, URLSAFE, b64, fixed, in_plain, mixed, within
from redactors.rules.shapes import DATED

PEM_LONGEST = 16_384
"""Characters a private key block may have: an RSA key of 8192 bits takes about 6,500."""


def _part(rng: Random, value: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).decode().rstrip("=")


def make_jwt(rng: Random) -> str:
    """A signed JSON web token with random claims and signature."""
    claims: dict[str, object] = {"sub": mixed(rng, ALNUM, 12), "iat": rng.randint(1_600_000_000, 1_900_000_000)}
    return ".".join((_part(rng, {"alg": "HS256", "typ": "JWT"}), _part(rng, claims), b64(rng, 32, urlsafe=True, padding=False)))


def make_pem(rng: Random, label: str = "PRIVATE KEY", lines: int = 6) -> str:
    """A private key block of random base64 in lines of 64."""
    body = "\n".join(b64(rng, 48) for _ in range(lines))
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----"


def _pem(rng: Random) -> str:
    return make_pem(rng, rng.choice(("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "OPENSSH PRIVATE KEY")))


def _escaped_pem(rng: Random) -> str:
    return make_pem(rng).replace("\n", "\\n")


def _cut_pem(rng: Random) -> str:
    return make_pem(rng).rsplit("\n", 1)[0]


def _basic(rng: Random) -> str:
    return base64.b64encode(f"{mixed(rng, ALNUM, 8)}:{mixed(rng, ALNUM, 14)}".encode()).decode()


_PEM_BODY = r"(?:[A-Za-z0-9+/=:,. \t\r\n\\\"'>|*-]|\\[nr])"

RULES: tuple[Rule, ...] = (
    Rule(
        id="private-key",
        kind="private_key",
        about="Private key in PEM (PKCS 1, PKCS 8, SEC 1, OpenSSH) or PGP armor, whole or cut off, lines escaped or not",
        pattern=r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----[^-]{16,16000}(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?",
        source="https://www.rfc-editor.org/rfc/rfc7468",
        dated=DATED,
        keywords=("private key",),
        longest=PEM_LONGEST,
        validate=token,
        must=(Must(in_plain(_pem)), Must(in_plain(_escaped_pem)), Must(within("cut off: {s}")(_cut_pem))),
        must_not=(
            MustNot(fixed("a file that starts with -----BEGIN PRIVATE KEY----- is a key"), "the header alone, in prose"),
            MustNot(lambda rng: make_pem(rng, "CERTIFICATE"), "a certificate is public"),
            MustNot(lambda rng: make_pem(rng, "PUBLIC KEY"), "a public key is public"),
        ),
    ),
    Rule(
        id="jwt",
        kind="jwt",
        about="JSON web token, signed or encrypted (RFC 7519, RFC 7516)",
        pattern=r"\b(ey[JI][A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{2,}\.[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+){0,2})",
        group=1,
        source="https://www.rfc-editor.org/rfc/rfc7519",
        dated=DATED,
        keywords=("eyj", "eyi"),
        longest=8_192,
        validate=jwt,
        must=(Must(in_plain(make_jwt)),),
        must_not=(
            MustNot(fixed("eyJhbGciOi.. is how every token starts"), "the start alone"),
            MustNot(fixed("see keyJoin.mapAll.reduceBy in the code"), "a dotted name"),
        ),
    ),
)
