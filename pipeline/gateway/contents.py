"""Content of calls that is kept in our store instead of on spans: redacted before, sealed, and looked at once more on its way in and out.

The seal is AES-256-GCM (NIST SP 800-38D, 96-bit random nonce), bound to all that stands beside it in its row, so that a row that was
moved or edited does not open. It is written before the call is settled, in a transaction of its own: a span never refers to
what is not there, and a store that fails costs the span its content and the caller nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

import orjson
from sqlalchemy import Connection

from collectors.genai import PARTS, Content, StoredContent, Unstored
from collectors.model import CollectorError
from pipeline.errors import ConfigError, LedgerError, SecretError
from pipeline.gateway.content_keys import ContentKeys, SealKey
from pipeline.gateway.kept import RandomBytes
from pipeline.gateway.workers import worked
from pipeline.store.contents import SealedContent, put_content
from pipeline.vaults.local_keys import NONCE_BYTES
from redactors.model import is_clean

_log = logging.getLogger(__name__)

T = TypeVar("T")
STORE_S: Final = 5.0
"""Seconds that a call waits at most until its content is stored."""
_DOMAIN: Final = b"lockgate:stored-content:v1"


class Run(Protocol):
    """Runs a function of the write connection in one short transaction; raises LedgerError when the store is away."""

    def __call__(self, apply: Callable[[Connection], T], /) -> Awaitable[T]:
        """Run it."""
        ...


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose call it was: its request id, and ids of the tenant and the virtual key."""

    request_id: str
    org_id: str
    workspace_id: str
    key_id: str
    model: str


@dataclass(frozen=True, slots=True)
class Limits:
    """How long content is kept, in seconds, and how many bytes of one call."""

    keep_s: float
    max_bytes: int


class ContentStore:
    """Seals and stores what calls said. `is_dirty` is the last look for live secrets, `limits` are those in force now."""

    def __init__(
        self,
        keys: ContentKeys,
        run: Run,
        *,
        is_dirty: Callable[[bytes], bool],
        random_bytes: RandomBytes,
        limits: Callable[[], Limits],
        pool: Executor,
        failed: Callable[[str], None],
    ) -> None:
        self.keys = keys
        self._run = run
        self._is_dirty = is_dirty
        self._random_bytes = random_bytes
        self._limits = limits
        self._pool = pool
        self._failed = failed

    async def put(self, owner: Owner, content: Content, now_us: int) -> StoredContent:
        """Store the content of a call, and say what stands there now or why it does not. Raises CollectorError for content that is raw."""
        texts = plain_of(content)
        if not texts:
            return StoredContent(owner.request_id)
        reason = await self._put(owner, texts, now_us)
        if reason is None:
            return StoredContent(owner.request_id, tuple(texts))
        self._failed(reason)
        _log.warning("the content of a call was not stored", extra={"reason": reason, "request_id": owner.request_id})
        return StoredContent(owner.request_id, unstored=reason)

    async def _put(self, owner: Owner, texts: Mapping[str, str], now_us: int) -> Unstored | None:
        limits = self._limits()
        try:
            data = orjson.dumps(texts)
            if len(data) > limits.max_bytes:
                return "too_large"
            if await worked(self._pool, len(data), self._is_dirty, data):
                return "live_secret"
            async with asyncio.timeout(STORE_S):
                key = await self.keys.current()
                parts = (key, owner, data, tuple(texts), (now_us, now_us + int(limits.keep_s * 1e6)), self._random_bytes(NONCE_BYTES))
                row = await worked(self._pool, len(data), seal_content, *parts)
                await self._run(lambda connection: put_content(connection, row))
        except (SecretError, ConfigError):
            return "key"
        except (LedgerError, TimeoutError):
            return "store"
        except Exception as failed:  # noqa: BLE001 - whatever the look or the store raises, the call is settled; its span goes without content
            _log.error("the store of content failed", extra={"error_type": type(failed).__name__})
            return "store"
        return None


def plain_of(content: Content) -> dict[str, str]:
    """The parts of a content that are there, as JSON texts. CollectorError unless each was redacted."""
    texts: dict[str, str] = {}
    for part in PARTS:
        value = getattr(content, part)
        if value is None:
            continue
        if not is_clean(value):
            raise CollectorError("content that was not redacted is not stored")
        texts[part] = value.value
    return texts


def seal_content(key: SealKey, owner: Owner, data: bytes, parts: tuple[str, ...], times: tuple[int, int], nonce: bytes) -> SealedContent:
    """Encrypt one content. `times` are when it was made and when it expires, epoch microseconds."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    row = SealedContent(
        id=owner.request_id,
        created_us=times[0],
        expires_us=times[1],
        org_id=owner.org_id,
        workspace_id=owner.workspace_id,
        key_id=owner.key_id,
        model=owner.model,
        parts=",".join(parts),
        bytes=len(data),
        seal_key=key.name,
        nonce=nonce,
        sealed=b"",
    )
    sealed = AESGCM(key.key).encrypt(nonce, data, _bound_to(row))
    return SealedContent(**{name: getattr(row, name) for name in row.__slots__ if name != "sealed"}, sealed=sealed)


def open_content(key: SealKey, row: SealedContent) -> dict[str, Any] | None:
    """Decrypt one content: its parts by name, each as the tree of messages that it was. None when anything of the row was changed."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        data = AESGCM(key.key).decrypt(row.nonce, row.sealed, _bound_to(row))
    except (InvalidTag, ValueError):
        return None
    return {part: orjson.loads(text) for part, text in orjson.loads(data).items()}


def _bound_to(row: SealedContent) -> bytes:
    times = (str(row.created_us), str(row.expires_us))
    parts = (row.id, row.org_id, row.workspace_id, row.key_id, row.model, row.parts, str(row.bytes), row.seal_key, *times)
    return b"".join(len(part).to_bytes(4, "big") + part for part in (_DOMAIN, *(part.encode() for part in parts)))
