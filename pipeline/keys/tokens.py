"""Tokens of identity providers (JWT, RFC 7519): what one must be before anything in it counts.

The algorithm comes from the configuration, the key from the issuer's JWKS by id, and both must fit together: what a token's header says of
keys elsewhere (`jku`, `x5u`, `jwk`) is not read. Every failure is the same 401; nothing says which part was wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pipeline.keys.jwks import KeyRing

MAX_TOKEN: Final = 8_192
_TYPES: Final = frozenset({None, "JWT", "jwt", "at+jwt", "application/at+jwt"})


class BadToken(Exception):
    """A token that proves nothing."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """An issuer whose tokens are taken."""

    name: str
    audience: tuple[str, ...]
    algorithms: tuple[str, ...]
    leeway_s: float
    keys: KeyRing


@dataclass(frozen=True, slots=True)
class Proven:
    """What a verified token says: its claims, and until when it is good (epoch seconds)."""

    issuer: Issuer
    claims: Mapping[str, Any]
    until_s: float


def is_token(text: str) -> bool:
    """Whether a credential has the shape of a JWT: three parts, of which the first is a JSON object in base64."""
    return text.startswith("eyJ") and text.count(".") == 2 and len(text) <= MAX_TOKEN


async def verified(token: str, issuers: Mapping[str, Issuer], now_s: float) -> Proven:
    """Verify a token of one of the issuers (by name). Raises BadToken, or IssuerUnavailable when its keys cannot be had."""
    if not issuers:
        raise BadToken
    import jwt

    try:
        header = jwt.get_unverified_header(token)
        named = jwt.decode(token, options={"verify_signature": False}).get("iss")  # only to choose whose keys must verify it
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise BadToken from None
    issuer = issuers.get(named) if isinstance(named, str) else None
    algorithm, kid = header.get("alg"), header.get("kid")
    if issuer is None or algorithm not in issuer.algorithms or "crit" in header or header.get("typ") not in _TYPES:
        raise BadToken
    if kid is not None and (not isinstance(kid, str) or len(kid) > 255):
        raise BadToken
    found = await issuer.keys.find(kid, algorithm)
    if found is None:
        raise BadToken
    # Times are checked below, by the clock that everything else goes by.
    timeless: Any = {"require": ["iss", "aud", "sub", "exp"], "verify_exp": False, "verify_nbf": False, "verify_iat": False}
    try:
        claims = jwt.decode(
            token, found.key, algorithms=[found.algorithm], audience=list(issuer.audience), issuer=issuer.name, options=timeless
        )
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise BadToken from None
    return Proven(issuer, claims, _until(claims, now_s, issuer.leeway_s))


def _until(claims: Mapping[str, Any], now_s: float, leeway_s: float) -> float:
    """When a token ends; BadToken when it has ended or not begun, or says so in anything but numbers."""
    times = {name: claims[name] for name in ("exp", "nbf", "iat") if name in claims}
    if any(isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12 for value in times.values()):
        raise BadToken
    if now_s >= times["exp"] + leeway_s or any(now_s < times[name] - leeway_s for name in ("nbf", "iat") if name in times):
        raise BadToken
    subject = claims["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:
        raise BadToken
    return float(times["exp"]) + leeway_s
