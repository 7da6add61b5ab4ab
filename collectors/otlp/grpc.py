"""OTLP over gRPC: one unary call of bytes that are serialized already, judged by its code.

Codes that the specification calls retryable are tried again for ever. Source: opentelemetry.io/docs/specs/otlp, section OTLP/gRPC.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final
from urllib.parse import urlsplit

from collectors.model import Signal
from collectors.otlp.answers import rejected_items, retry_delay
from collectors.otlp.certificates import certificates_of
from collectors.otlp.destination import Destination, Sent, batch_id, revealed

_METHODS: Final[dict[Signal, str]] = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}
_RETRYABLE: Final = frozenset(
    {"CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS", "INTERNAL", "UNKNOWN"}
)
"""The specification's list, and the two codes by which proxies and crashing servers answer: losing data to those is worse."""
_OPTIONS: Final = (
    # The configuration names the address; a proxy from the environment is a connection that nobody configured.
    ("grpc.enable_http_proxy", 0),
    # The outbox has a back-off of its own; the channel's would go on refusing for two minutes after the other side is back.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)
_SERVER_LIMIT: Final = 4_194_304  # what a grpcio server accepts unless it was told otherwise


class GrpcSender:
    """Sends to one destination. The channel is opened with the first batch, in the running loop."""

    def __init__(self, destination: Destination) -> None:
        self._destination = destination
        self._channel: Any = None
        self._closing: set[asyncio.Task[None]] = set()
        self._opening = asyncio.Lock()  # several signals share a sender

    async def send(self, signal: Signal, payload: bytes) -> Sent:
        """Send one serialized request; raises nothing but cancellation."""
        import grpc

        destination = self._destination
        try:
            headers = await revealed(destination.headers)
        except Exception:  # noqa: BLE001 - a resolver may fail in any way of its own; without its header nothing is sent
            return Sent("retry", "header_reference")
        try:
            channel = await self._open()
        except (OSError, ValueError):
            return Sent("retry", "tls_files")
        except Exception:  # noqa: BLE001 - the key's resolver may fail in any way of its own
            return Sent("retry", "tls_reference")
        headers["x-lockgate-batch-id"] = batch_id(payload)
        try:
            body = await channel.unary_unary(_METHODS[signal])(
                payload,
                timeout=destination.timeout_s,
                metadata=tuple((name.lower(), value) for name, value in headers.items()),
                compression=grpc.Compression.Gzip if destination.compression == "gzip" else grpc.Compression.NoCompression,
            )
        except grpc.aio.AioRpcError as failed:
            if failed.code() is grpc.StatusCode.UNAVAILABLE and destination.endpoint.startswith("https:"):
                self._renew(channel)
            return judged(failed.code().name, _details(failed), len(payload))
        except Exception:  # noqa: BLE001 - grpc raises private classes for calls it cannot start; the data waits
            return Sent("retry", "grpc_failed")
        return Sent("delivered", rejected=rejected_items(signal, body, is_json=False))

    async def close(self) -> None:
        """Close the channel, and those that were replaced."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()
        for closing in tuple(self._closing):
            closing.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)

    def _renew(self, channel: Any) -> None:
        """Have the next call make a channel with what the certificates' files say then.

        This one is let go of when the calls of other signals have ended on it: closing at once would cancel them, and their tasks.
        """
        if self._channel is channel:
            self._channel = None
            closing = asyncio.create_task(channel.close(self._destination.timeout_s + 1.0))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def _open(self) -> Any:
        import grpc.aio

        async with self._opening:
            if self._channel is None:
                destination = self._destination
                parts = urlsplit(destination.endpoint)
                place = f"{parts.hostname}:{parts.port or 4317}"
                if parts.scheme == "http":
                    self._channel = grpc.aio.insecure_channel(place, options=_OPTIONS)
                else:
                    held = await certificates_of(destination)
                    credentials = grpc.ssl_channel_credentials(held.ca, held.client_key, held.client_cert)
                    self._channel = grpc.aio.secure_channel(place, credentials, options=_OPTIONS)
            return self._channel


def judged(code: str, details: bytes | None, size: int) -> Sent:
    """What a gRPC code means for the batch of `size` bytes."""
    after = retry_delay(details) if details else None
    if code == "RESOURCE_EXHAUSTED" and after is None and size > _SERVER_LIMIT:
        return Sent("split", "grpc_RESOURCE_EXHAUSTED")
    if code in _RETRYABLE or code == "RESOURCE_EXHAUSTED":
        return Sent("retry", f"grpc_{code}", after_s=after)
    return Sent("bury", f"grpc_{code}")


def _details(failed: Any) -> bytes | None:
    for key, value in failed.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            return value
    return None
