"""OTLP over gRPC, the receiving side: the three `Export` methods as bytes, authenticated before a body is read.

The methods are served as streams of one message, which is the same on the wire: so the caller's metadata is looked at, and a place found,
before its message is taken from the connection. Source: opentelemetry.io/docs/specs/otlp, section OTLP/gRPC.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final

from collectors.model import CollectorError, Signal
from collectors.otlp.replies import status_of

_log = logging.getLogger(__name__)

METHODS: Final[Mapping[str, Signal]] = {
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export": "traces",
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export": "logs",
    "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export": "metrics",
}
_HEADROOM: Final = 64 * 1024

ReadBody = Callable[[], Awaitable[bytes]]
Take = Callable[[Signal, Mapping[str, str], str, ReadBody], Awaitable[bytes]]
"""Takes one request: its signal, its metadata, the address it comes from, and what reads its body. Gives the answer, or raises Refused."""


class Refused(CollectorError):
    """A request that is not taken: a `google.rpc.Code`, a text of ours, and the seconds after which it may come again (None: never)."""

    def __init__(self, code: int, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s


class GrpcReceiver:
    """Serves the three methods on one address in the running loop. `tls` is a certificate chain and its key (PEM)."""

    def __init__(self, take: Take, *, max_bytes: int, tls: tuple[bytes, bytes] | None = None) -> None:
        self._take = take
        self._max_bytes = max_bytes
        self._tls = tls
        self._server: Any = None

    async def start(self, host: str, port: int) -> int:
        """Listen; gives the port, which is a free one for 0. Raises CollectorError when the address cannot be had."""
        import grpc.aio

        options = (
            ("grpc.max_receive_message_length", self._max_bytes + _HEADROOM),
            ("grpc.max_metadata_size", 16_384),
            ("grpc.so_reuseport", 0),  # a second process on the same port would be given half of the requests
        )
        self._server = grpc.aio.server(options=options)
        self._server.add_generic_rpc_handlers(self._services())
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            if self._tls is None:
                bound = self._server.add_insecure_port(place)
            else:
                chain, key = self._tls
                bound = self._server.add_secure_port(place, grpc.ssl_server_credentials(((key, chain),)))
        except RuntimeError:
            raise CollectorError(f"the address {place} cannot be used for OTLP over gRPC") from None
        await self._server.start()
        return int(bound)

    async def stop(self, grace_s: float) -> None:
        """Take nothing new; what runs has so many seconds to end."""
        if self._server is not None:
            await self._server.stop(grace_s)

    def _services(self) -> Any:
        from grpc import method_handlers_generic_handler, stream_unary_rpc_method_handler

        def export(signal: Signal) -> Any:
            async def take(messages: AsyncIterator[bytes], context: Any) -> bytes:
                return await self._export(signal, messages, context)

            return stream_unary_rpc_method_handler(take)

        return tuple(
            method_handlers_generic_handler(service, {method: export(METHODS[f"/{service}/{method}"])})
            for service, method in (path.strip("/").split("/") for path in METHODS)
        )

    async def _export(self, signal: Signal, messages: AsyncIterator[bytes], context: Any) -> bytes:
        metadata = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        try:
            return await self._take(signal, metadata, peer_of(context.peer()), lambda: self._body(messages))
        except Refused as refused:
            await _abort(context, refused)
        except Exception as error:  # noqa: BLE001 - boundary: grpc would answer with the exception's text
            _log.error("unexpected error in a telemetry request (%s)", type(error).__name__)
            await _abort(context, Refused(13, "The gateway failed."))
        raise AssertionError("abort raises")

    async def _body(self, messages: AsyncIterator[bytes]) -> bytes:
        """The one message of a request."""
        body: bytes | None = None
        async for message in messages:
            if body is not None:
                raise Refused(3, "A request has one message.")
            body = message
        if body is None:
            raise Refused(3, "The request has no message.")
        if len(body) > self._max_bytes:
            raise Refused(3, f"The message has more than {self._max_bytes} bytes.")
        return body


async def _abort(context: Any, refused: Refused) -> None:
    import grpc

    code = next(code for code in grpc.StatusCode if code.value[0] == refused.code)
    details = status_of(refused.code, refused.message, refused.retry_after_s).SerializeToString()
    await context.abort(code, refused.message, (("grpc-status-details-bin", details),))


def peer_of(spelled: str) -> str:
    """The address in gRPC's spelling of a peer (`ipv4:127.0.0.1:5000`, `ipv6:%5B::1%5D:5000`)."""
    kind, _, rest = spelled.partition(":")
    if kind not in ("ipv4", "ipv6"):
        return ""
    return rest.rpartition(":")[0].replace("%5B", "").replace("%5D", "").strip("[]")
