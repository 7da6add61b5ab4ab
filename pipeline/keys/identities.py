"""From a token of an identity provider to who that is here: a person with a role, or a service that goes by a virtual key's alias.

What was verified is remembered by the SHA-256 of the whole token, never past its end, and no longer than its issuer's keys are the same.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.clock import Clock
from pipeline.errors import KeyOutOfScope
from pipeline.keys.jwks import KeySet
from pipeline.keys.model import Role
from pipeline.keys.tokens import Issuer, Proven, verified

MOST_REMEMBERED: Final = 10_000
_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@|:+-]{0,99}")


@dataclass(frozen=True, slots=True)
class Grant:
    """What a claim makes of a token's holder: a `role` (a manager's with the slug of a `workspace`), or the `service` of an alias."""

    claim: str
    values: frozenset[str]
    role: Role | None = None
    workspace: str = ""
    service: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a token proves. `subject` is what is written down: the token's `sub`, or a hash of one that is no plain name.

    A `sub` is unique at its issuer only (OpenID Connect Core, 2), so where several issuers are known it ends in `@` and the first eight hex
    digits of the SHA-256 of the issuer's name.
    """

    subject: str
    grant: Grant


@dataclass(frozen=True, slots=True)
class Provider:
    """An issuer, and what its tokens may do, in order."""

    issuer: Issuer
    grants: tuple[Grant, ...]


@dataclass(frozen=True, slots=True)
class _Remembered:
    identity: Identity
    issuer: Issuer
    keys: KeySet
    until_s: float


class Identities:
    """Proves tokens. Lives on the event loop; `follow` takes the providers of another document."""

    def __init__(self, clock: Clock, providers: Sequence[Provider] = (), *, most: int = MOST_REMEMBERED) -> None:
        self._clock = clock
        self._most = most
        self._known: OrderedDict[bytes, _Remembered] = OrderedDict()
        self._issuers: Mapping[str, Issuer] = {}
        self._grants: Mapping[str, tuple[Grant, ...]] = {}
        self.follow(providers)

    def follow(self, providers: Sequence[Provider]) -> None:
        """Take these providers and forget what the former ones proved."""
        self._issuers = {provider.issuer.name: provider.issuer for provider in providers}
        self._grants = {provider.issuer.name: provider.grants for provider in providers}
        self._known.clear()

    async def prove(self, token: str) -> Identity:
        """Who a token proves. Raises BadToken, KeyOutOfScope for a holder who may do nothing here, IssuerUnavailable."""
        name, now_s = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest(), self._clock.now_us() / 1e6
        known = self._known.get(name)
        if known is not None:
            if known.until_s > now_s and known.issuer.keys.is_fresh() and known.issuer.keys.current is known.keys:
                self._known.move_to_end(name)
                return known.identity
            del self._known[name]
        proven = await verified(token, self._issuers, now_s)
        identity = self._identity(proven)
        self._known[name] = _Remembered(identity, proven.issuer, proven.issuer.keys.current, proven.until_s)
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        return identity

    def _identity(self, proven: Proven) -> Identity:
        for grant in self._grants.get(proven.issuer.name, ()):
            said = proven.claims.get(grant.claim)
            named = (
                {said} if isinstance(said, str) else {each for each in said if isinstance(each, str)} if isinstance(said, list) else set()
            )
            if not grant.values.isdisjoint(named):
                subject, issuer = _subject(str(proven.claims["sub"])), proven.issuer.name
                return Identity(subject if len(self._issuers) == 1 else f"{subject}@{_mark(issuer)}", grant)
        raise KeyOutOfScope(
            "The token is valid, and nothing is granted to its holder here.",
            hint="The operator grants roles and services under identity.providers.",
            code="role_not_allowed",
        )


def _mark(issuer: str) -> str:
    return hashlib.sha256(issuer.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _subject(sub: str) -> str:
    """A subject is kept as it is where it is a plain name; anything else could be a text."""
    return sub if _PLAIN.fullmatch(sub) else "sha256:" + hashlib.sha256(sub.encode("utf-8", "surrogatepass")).hexdigest()[:32]
