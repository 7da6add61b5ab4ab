"""Answers that are kept to be given back under an `Idempotency-Key`: hashed names, sealed bodies.

What stands in the database shows nothing: the header and the request are HMAC-SHA256, the answer is AES-256-GCM, each with a key
of its own derived from the local store's key by HKDF (RFC 5869). The seal is bound to the virtual key, the claim, the request
that made the answer, and its status, so that a row that was moved or edited does not open.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from pipeline.errors import PipelineError
from pipeline.gateway.error_table import Dialect, render
from pipeline.gateway.http import Message, Send
from pipeline.ledger.model import Claim, ClaimState, Kept
from pipeline.store.claims import SealedAnswer
from pipeline.vaults.local_keys import NONCE_BYTES, LocalKeys

RandomBytes = Callable[[int], bytes]
_HASH: Final = b"lockgate:idempotency:hash:v1"
_SEAL: Final = b"lockgate:idempotency:seal:v1"


@dataclass(frozen=True, slots=True)
class Told:
    """An answer as its caller gets it: status, headers (ours, without the request id's) and the exact bytes of the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Untold:
    """Why an ended request has no answer to give back."""

    state: ClaimState
    status: int


def told_error(error: PipelineError, dialect: Dialect, request_id: str) -> Told:
    """An error as the error table answers it."""
    shown = render(error, dialect, request_id)
    body = orjson.dumps(shown.body, option=orjson.OPT_NON_STR_KEYS)  # as `send_json` writes it
    return Told(shown.status, {"content-type": "application/json", **shown.headers}, body)


class KeptAnswers:
    """Names claims and seals answers. `keep_s` is how long an answer is given back, `max_answer_bytes` what is kept at most.

    Names are hashed with the first key of the store's key file, so that they stay the same while keys are added; answers are
    sealed with the current one. A request that repeats one from before the first key was taken away runs anew.
    """

    def __init__(self, keys: LocalKeys, random_bytes: RandomBytes, *, keep_s: float, max_answer_bytes: int) -> None:
        self._hash_key = hkdf_sha256(next(iter(keys.keys.values())), _HASH)
        self._seal_keys = {name: hkdf_sha256(key, _SEAL) for name, key in keys.keys.items()}
        self._current = keys.current
        self._random_bytes = random_bytes
        self._keep_us = int(keep_s * 1_000_000)
        self.max_answer_bytes = max_answer_bytes

    def claim(self, owner: str, token: str, asked: tuple[str, ...], body: Mapping[str, Any], now_us: int) -> Claim:
        """The claim of `owner` (a key id or user) by the header `token` for a request: `asked` is its method and path, `body` its JSON.

        The order of the body's keys makes no difference.
        """
        params = hmac.new(self._hash_key, _joined(b"params", *(part.encode("utf-8", "surrogateescape") for part in asked)), "sha256")
        params.update(orjson.dumps(body, option=orjson.OPT_SORT_KEYS))
        digest = hmac.digest(self._hash_key, _joined(b"claim", owner.encode(), token.encode("ascii")), "sha256")
        return Claim(digest.hex(), params.hexdigest(), now_us + self._keep_us)

    def keep(self, claim: Claim, owner: str, request_id: str, told: Told | Untold, now_us: int) -> Kept:
        """How the claim ends: with the sealed answer, or with why there is none."""
        expires_us = now_us + self._keep_us
        if isinstance(told, Told) and len(told.body) > self.max_answer_bytes:
            told = Untold("too_large", told.status)
        if isinstance(told, Untold):
            assert told.state != "open", "a claim ends here"
            state: Any = told.state
            return Kept(state, told.status, expires_us)
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = self._random_bytes(NONCE_BYTES)
        plain = orjson.dumps(dict(told.headers)) + b"\n" + told.body  # JSON has no bare line break
        bound = _bound_to(owner, claim.digest, request_id, told.status)
        sealed = AESGCM(self._seal_keys[self._current]).encrypt(nonce, plain, bound)
        return Kept("done", told.status, expires_us, self._current, nonce, sealed)

    def open(self, claim: Claim, owner: str, request_id: str, answer: SealedAnswer) -> Told | None:
        """The answer again; None when its key is gone, or when anything of it was changed or moved."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key = self._seal_keys.get(answer.seal_key)
        if key is None:
            return None
        try:
            plain = AESGCM(key).decrypt(answer.nonce, answer.sealed, _bound_to(owner, claim.digest, request_id, answer.status))
        except (InvalidTag, ValueError):
            return None
        headers, _, body = plain.partition(b"\n")
        return Told(answer.status, orjson.loads(headers), body)


class Copy:
    """Passes a stream's messages on and copies what its caller gets, up to a limit: more is not kept, and not held in memory."""

    def __init__(self, send: Send, limit: int, headers: Mapping[str, str]) -> None:
        self._send = send
        self._limit = limit
        self._headers = headers
        self._size = 0
        self._parts: list[bytes] = []

    async def __call__(self, message: Message) -> None:
        """Send a message."""
        if message["type"] == "http.response.body":
            self._add(message["body"])
        await self._send(message)

    def ending_with(self, last: bytes) -> Told | Untold:
        """The whole answer, `last` being the bytes that are yet to be sent."""
        self._add(last)
        if self._size > self._limit:
            return Untold("too_large", 200)
        return Told(200, self._headers, b"".join(self._parts))

    def _add(self, part: bytes) -> None:
        self._size += len(part)
        if self._size <= self._limit:
            self._parts.append(part)
        else:
            self._parts.clear()


def hkdf_sha256(key: bytes, info: bytes) -> bytes:
    """Derive 32 bytes for one use: HKDF with SHA-256 and no salt, one block (RFC 5869, 2.2 and 2.3)."""
    extracted = hmac.digest(bytes(32), key, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")


def _joined(*parts: bytes) -> bytes:
    """Parts with their lengths, so that no two lists of parts look alike."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _bound_to(owner: str, digest: str, request_id: str, status: int) -> bytes:
    return _joined(_SEAL, owner.encode(), digest.encode(), request_id.encode(), str(status).encode())
