"""A loopback OTLP back end over HTTP and gRPC that keeps every byte it is sent and answers as it is told.

async with otlp_sink() as sink:
    sink.answer(Answer(status=503, headers={"Retry-After": "1"}))   # once; afterwards 200 again
    ...
    sink.requests[0].body, sink.spans()
"""

from __future__ import annotations

import asyncio
import ssl
import zlib
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse

_SIGNALS = {"TraceService": "traces", "LogsService": "logs", "MetricsService": "metrics"}


@dataclass(frozen=True)
class Answer:
    """How to answer one request.

    `hang_s` waits first (and the request does not count as taken); `rejected` makes a partial success; `code` is the gRPC code's name.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    content_type: str = "application/x-protobuf"
    rejected: int = 0
    hang_s: float = 0.0
    code: str = "OK"
    trailers: tuple[tuple[str, bytes | str], ...] = ()


@dataclass(frozen=True)
class Captured:
    """One request: `wire` is what came, `body` the same decompressed."""

    protocol: str
    signal: str
    path: str
    wire: bytes
    body: bytes
    headers: Mapping[str, str]
    status: int


@dataclass(frozen=True)
class Tls:
    """The sink's certificate and key, and the authority that must have signed its clients'."""

    cert: Path
    key: Path
    client_ca: Path

    def context(self) -> ssl.SSLContext:
        """For HTTP."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.client_ca))
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(self.cert, self.key)
        return context

    def credentials(self) -> Any:
        """For gRPC."""
        pair = (self.key.read_bytes(), self.cert.read_bytes())
        return grpc.ssl_server_credentials([pair], self.client_ca.read_bytes(), require_client_auth=True)


class OtlpSink:
    """Captures and answers. `answer` lines up answers for the next requests; `always` is the answer when none is lined up."""

    def __init__(self) -> None:
        self.requests: list[Captured] = []
        self.always = Answer()
        self.http_url = ""
        self.grpc_url = ""
        self._answers: deque[Answer] = deque()
        self._arrived = asyncio.Event()
        self._closing = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._server: Any = None

    def answer(self, *answers: Answer) -> None:
        """Line up answers for the next requests."""
        self._answers.extend(answers)

    async def wait_for(self, count: int, timeout_s: float = 10.0) -> None:
        """Wait until so many requests have come."""
        async with asyncio.timeout(timeout_s):
            while len(self.requests) < count:
                self._arrived.clear()
                await self._arrived.wait()

    def taken(self) -> list[Captured]:
        """The requests that were answered with success."""
        return [request for request in self.requests if request.status == 200]

    def spans(self) -> list[Any]:
        """Every span of the accepted trace requests, decoded."""
        out = []
        for request in self.taken():
            for resource in ExportTraceServiceRequest.FromString(request.body).resource_spans:
                for scope in resource.scope_spans:
                    out.extend(scope.spans)
        return out

    async def start(self, port: int = 0, grpc_port: int = 0, *, tls: Tls | None = None) -> None:
        """Listen on free (or the given) loopback ports; with `tls` under its certificate, asking clients for theirs."""
        app = web.Application(client_max_size=256 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._http)
        self._runner = web.AppRunner(app, access_log=None, auto_decompress=False)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port, ssl_context=tls.context() if tls else None)
        await site.start()
        scheme = "https" if tls else "http"
        self.http_url = f"{scheme}://127.0.0.1:{self._runner.addresses[0][1]}"
        self._server = grpc.aio.server()
        self._server.add_generic_rpc_handlers((_Raw(self._grpc),))
        if tls:
            bound = self._server.add_secure_port(f"127.0.0.1:{grpc_port}", tls.credentials())
        else:
            bound = self._server.add_insecure_port(f"127.0.0.1:{grpc_port}")
        await self._server.start()
        self.grpc_url = f"{scheme}://127.0.0.1:{bound}"

    async def stop(self) -> None:
        """Stop listening; what hangs is let go."""
        self._closing.set()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._server is not None:
            await self._server.stop(0.1)

    async def _hang(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)

    def _next(self) -> Answer:
        return self._answers.popleft() if self._answers else self.always

    def _keep(self, captured: Captured) -> None:
        self.requests.append(captured)
        self._arrived.set()

    async def _http(self, request: web.Request) -> web.Response:
        wire = await request.read()
        body = zlib.decompress(wire, 47) if request.headers.get("Content-Encoding") == "gzip" else wire
        answer = self._next()
        signal = request.path.rsplit("/", 1)[-1]
        self._keep(Captured("http", signal, request.path, wire, body, dict(request.headers), 0 if answer.hang_s else answer.status))
        if answer.hang_s:
            await self._hang(answer.hang_s)
        content = answer.body
        if content is None:
            content = _response(answer.rejected) if answer.status == 200 else b""
        return web.Response(status=answer.status, body=content, headers=dict(answer.headers), content_type=answer.content_type)

    async def _grpc(self, method: str, body: bytes, context: Any) -> bytes:
        answer = self._next()
        headers = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        status = 200 if answer.code == "OK" and not answer.hang_s else 0
        self._keep(Captured("grpc", _SIGNALS[method.split("/")[1].rsplit(".", 1)[-1]], method, body, body, headers, status))
        if answer.hang_s:
            await self._hang(answer.hang_s)
        if answer.code != "OK":
            await context.abort(grpc.StatusCode[answer.code], "told to fail", answer.trailers)
        return _response(answer.rejected)


class _Raw(grpc.GenericRpcHandler):
    """Hands over raw bytes of every method."""

    def __init__(self, take: Any) -> None:
        self._take = take

    def service(self, handler_call_details: Any) -> Any:
        method = handler_call_details.method

        async def unary(body: bytes, context: Any) -> bytes:
            return await self._take(method, body, context)

        return grpc.unary_unary_rpc_method_handler(unary)


def _response(rejected: int) -> bytes:
    response = ExportTraceServiceResponse()
    if rejected:
        response.partial_success.rejected_spans = rejected
        response.partial_success.error_message = "told to refuse some"
    return response.SerializeToString()


@asynccontextmanager
async def otlp_sink(tls: Tls | None = None) -> AsyncIterator[OtlpSink]:
    """A sink that listens while the block runs."""
    sink = OtlpSink()
    await sink.start(tls=tls)
    try:
        yield sink
    finally:
        await sink.stop()
