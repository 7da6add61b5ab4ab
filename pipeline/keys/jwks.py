"""The public keys of an issuer of tokens (JWKS, RFC 7517), fetched off the event loop and kept for a while.

One fetch at a time. Keys are fetched again after their TTL, and at once for a key id that nobody has heard of, but then no more often than
every `MISS_S`: a stranger's tokens must not make us a client of the issuer at their pace. When the issuer is away its last keys count for
a bounded time; after that its tokens prove nothing (503), because a key that it withdrew could not be told from one that it has.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pipeline.clock import Clock
from pipeline.errors import PipelineError

MISS_S: Final = 30.0
RETRY_S: Final = 5.0
MAX_BYTES: Final = 512 * 1024
MAX_KEYS: Final = 100
TIMEOUT_S: Final = 5.0
_KINDS: Final = {"RS256": ("RSA", ""), "ES256": ("EC", "P-256"), "EdDSA": ("OKP", "Ed25519")}


class IssuerUnavailable(PipelineError):
    """The keys of an issuer cannot be had, and the last ones are too old."""

    code, status, type = "identity_unavailable", 503, "server_error"


class BadKeySet(Exception):
    """What was fetched is no set of keys that could verify anything."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that verifies one algorithm; `key` is `cryptography`'s."""

    kid: str
    algorithm: str
    key: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeySet:
    """The keys of an issuer as of one fetch."""

    keys: tuple[PublicKey, ...] = ()

    def find(self, kid: str | None, algorithm: str) -> PublicKey | None:
        """The key of an id and an algorithm; for a token without an id the only one of its algorithm."""
        fitting = [key for key in self.keys if key.algorithm == algorithm and kid in (None, key.kid)]
        return fitting[0] if len(fitting) == 1 else None


class KeyRing:
    """Keeps the keys of one issuer fresh. `fetch` is blocking and gives the JWKS as bytes; OSError or BadKeySet when it cannot."""

    def __init__(
        self, fetch: Callable[[], bytes], clock: Clock, *, algorithms: tuple[str, ...], ttl_s: float = 300.0, max_stale_s: float = 3_600.0
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._algorithms = algorithms
        self._ttl_s = ttl_s
        self._max_stale_s = max_stale_s
        self._one_at_a_time = asyncio.Lock()
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self.current = KeySet()

    def is_fresh(self) -> bool:
        """Whether the keys need no look at their issuer."""
        return self._fetched_at is not None and self._clock.monotonic() - self._fetched_at < self._ttl_s

    async def find(self, kid: str | None, algorithm: str) -> PublicKey | None:
        """The key that a token names; None when the issuer has none such. Raises IssuerUnavailable."""
        if not self.is_fresh():
            await self._refresh(RETRY_S)
        now = self._clock.monotonic()
        if self._fetched_at is None or now - self._fetched_at > self._ttl_s + self._max_stale_s:
            hint = "Try again; the operator sees why."
            raise IssuerUnavailable("The keys of the token's issuer cannot be fetched.", hint=hint, headers={"retry-after": "5"})
        found = self.current.find(kid, algorithm)
        if found is None:
            await self._refresh(MISS_S)
            found = self.current.find(kid, algorithm)
        return found

    async def _refresh(self, pause_s: float) -> None:
        """Fetch again unless somebody did, or tried to, within the pause; a failure leaves what there is."""
        async with self._one_at_a_time:
            now = self._clock.monotonic()
            if self._tried_at is not None and now - self._tried_at < pause_s:
                return
            self._tried_at = now
            try:
                async with asyncio.timeout(2 * TIMEOUT_S):
                    raw = await asyncio.to_thread(self._fetch)
                found = read_keys(raw, self._algorithms)
            except (OSError, BadKeySet):
                return
            self.current, self._fetched_at = found, now


def read_keys(raw: bytes, algorithms: tuple[str, ...]) -> KeySet:
    """The keys of a JWKS that can verify one of the algorithms; others (symmetric, weak, for encryption) are left out. BadKeySet."""
    try:
        tree = json.loads(raw)
    except (ValueError, RecursionError):
        raise BadKeySet("not JSON") from None
    listed = tree.get("keys") if isinstance(tree, Mapping) else None
    if not isinstance(listed, list) or len(listed) > MAX_KEYS:
        raise BadKeySet("not a JWKS")
    found = [key for each in listed if isinstance(each, Mapping) for key in _public(each, algorithms)]
    if not found:
        raise BadKeySet("no key of the JWKS can verify anything")
    return KeySet(tuple(found))


def fetch_file(path: Path) -> bytes:
    """A JWKS in a file."""
    with path.open("rb") as stream:
        return _bounded(stream.read(MAX_BYTES + 1))


def fetch_uri(uri: str) -> bytes:
    """A JWKS by HTTP: no redirects, no proxy of the environment, bounded in time (also where it drips) and size. OSError or BadKeySet."""
    import http.client
    from urllib.parse import urlsplit

    split = urlsplit(uri)
    kind = http.client.HTTPSConnection if split.scheme == "https" else http.client.HTTPConnection
    connection = kind(split.hostname or "", split.port, timeout=TIMEOUT_S)
    over, deadline = threading.Event(), None
    try:
        connection.connect()
        deadline = threading.Timer(TIMEOUT_S, _cut, (connection.sock, over))
        deadline.daemon = True
        deadline.start()
        connection.request("GET", (split.path or "/") + (f"?{split.query}" if split.query else ""), headers={"accept": "application/json"})
        answer = connection.getresponse()
        if answer.status != 200:
            raise BadKeySet("the issuer did not answer 200")
        raw = _bounded(answer.read(MAX_BYTES + 1))
        if over.is_set():  # what was cut off looks like an answer that ended
            raise BadKeySet("the issuer did not answer in time")
        return raw
    except http.client.HTTPException as error:
        raise BadKeySet(f"the issuer did not speak HTTP ({type(error).__name__})") from None
    finally:
        if deadline is not None:
            deadline.cancel()
        connection.close()


def _cut(sock: socket.socket, over: threading.Event) -> None:
    """End whatever waits on a socket: its own time-out is for each piece, and a byte now and then would hold a thread for good."""
    over.set()
    try:
        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # not the TLS socket's own, which another thread reads
    except OSError:
        return


def _bounded(raw: bytes) -> bytes:
    if len(raw) > MAX_BYTES:
        raise BadKeySet("the JWKS is too large")
    return raw


def _public(jwk: Mapping[str, Any], algorithms: tuple[str, ...]) -> list[PublicKey]:
    """The key as each algorithm that it is for; none when it cannot verify."""
    import jwt

    kid, said = jwk.get("kid", ""), jwk.get("alg")
    if jwk.get("use", "sig") != "sig" or not isinstance(kid, str) or len(kid) > 255 or "d" in jwk:
        return []
    fitting = [name for name in algorithms if _KINDS[name] == (jwk.get("kty"), jwk.get("crv", "")) and said in (None, name)]
    found = []
    for name in fitting:
        try:
            key = jwt.PyJWK(dict(jwk), algorithm=name).key
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
        if name != "RS256" or key.key_size >= 2048:
            found.append(PublicKey(kid, name, key))
    return found
