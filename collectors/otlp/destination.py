"""Where telemetry goes, and what came of sending it there."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import urlsplit

from collectors.model import CollectorError, Signal

Protocol = Literal["http/protobuf", "grpc"]
Compression = Literal["none", "gzip"]
HeaderValue = str | Callable[[], str | Awaitable[str]]
"""A header's value, or what gives it at the moment of sending (a secret reference being resolved)."""


_RESERVED: Final = frozenset({"content-type", "content-encoding", "content-length", "host", "transfer-encoding", "te", "user-agent"})


@dataclass(frozen=True, slots=True)
class Destination:
    """One OTLP back end.

    `endpoint` is a base URL: over HTTP `/v1/{signal}` is appended unless `path_is_exact`; over gRPC scheme `http` means no
    TLS. `timeout_s` bounds one request. `max_bytes` bounds what is joined into one request, before compression
    (one larger row still goes, alone); it also bounds how long the last look holds the event loop. `client_key` is the path of the
    key's file, or gives the key itself (PEM) at the moment of connecting; certificates are read then too.
    """

    id: str
    endpoint: str
    protocol: Protocol = "http/protobuf"
    headers: Mapping[str, HeaderValue] = field(default_factory=dict, repr=False)
    compression: Compression = "gzip"
    timeout_s: float = 10.0
    max_bytes: int = 524_288
    signals: tuple[Signal, ...] = ("traces",)
    path_is_exact: bool = False
    ca_file: str | None = None
    client_cert_file: str | None = None
    client_key: str | Callable[[], Awaitable[str]] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise CollectorError(f"destination {self.id}: the endpoint must be an http or https URL")
        if parts.username or parts.password:
            raise CollectorError(f"destination {self.id}: credentials belong into a header reference, not into the endpoint")
        if self.protocol not in ("http/protobuf", "grpc"):
            raise CollectorError(f"destination {self.id}: the protocol must be http/protobuf or grpc")
        for name in self.headers:
            if name.lower() in _RESERVED or name.lower().startswith("grpc-") or name.lower().endswith("-bin"):
                raise CollectorError(f"destination {self.id}: the header {name} is set by the sender")

    def url(self, signal: Signal) -> str:
        """The HTTP address of one signal."""
        if self.path_is_exact:
            return self.endpoint
        base = self.endpoint.rstrip("/")
        for named in ("traces", "logs", "metrics"):
            base = base.removesuffix(f"/v1/{named}")
        return f"{base}/v1/{signal}"


Outcome = Literal["delivered", "retry", "split", "bury"]


@dataclass(frozen=True, slots=True)
class Sent:
    """What a destination answered to one batch.

    `delivered`: it has it, but `rejected` items it refused for good. `retry`: try the same again, not before
    `after_s` when the destination said so. `split`: too large, try smaller pieces. `bury`: it will never take it.
    `reason` is a code (`http_503`, `grpc_UNAVAILABLE`, `timeout`, `connect`), never a text of the other side.
    """

    outcome: Outcome
    reason: str = ""
    rejected: int = 0
    after_s: float | None = None


async def revealed(headers: Mapping[str, HeaderValue]) -> dict[str, str]:
    """The headers with every value resolved.

    Raises whatever a resolver raises, and CollectorError for a value that no header can carry.
    """
    out: dict[str, str] = {}
    for name, value in headers.items():
        if isinstance(value, str):
            text = value
        else:
            resolved = value()
            text = resolved if isinstance(resolved, str) else await resolved
        if not (text.isascii() and text.isprintable()):
            raise CollectorError("a header value cannot be sent")
        out[name] = text
    return out


def batch_id(payload: bytes) -> str:
    """What tells a batch that is sent twice from another one: 32 hex digits of its bytes' SHA-256. Delivery is at least once."""
    return hashlib.sha256(payload).hexdigest()[:32]
