"""The ASGI application: finds the route, gives the request its id, and turns every error into the caller's dialect.

Pure ASGI, because Starlette's BaseHTTPMiddleware hides the client's disconnect from handlers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from pipeline.errors import BadRequest, IdempotencyError, KeyRejected, PipelineError
from pipeline.gateway.admin import answer_admin
from pipeline.gateway.chat import converse
from pipeline.gateway.error_table import Dialect, failed, render
from pipeline.gateway.http import ClientDisconnected, Headers, Message, Receive, Scope, Send, header_list, read_headers, send_json
from pipeline.gateway.model import Call, House, Overloaded
from pipeline.gateway.request import AdminRequest
from pipeline.gateway.routes import Found, RouteTable
from pipeline.gateway.strays import Strays
from pipeline.gateway.wire import dialect_of

log = logging.getLogger("lockgate.gateway")

App = Callable[[Scope, Receive, Send], Any]
_REQUEST_ID_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")


class Gateway:
    """The application that uvicorn serves."""

    def __init__(self, house: House, routes: RouteTable) -> None:
        self._house = house
        self._routes = routes
        self._strays = Strays(house)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request. Lifespan belongs to bootstrap, web sockets are not spoken."""
        if scope["type"] != "http":
            return
        request_id = self._house.new_id()
        if self._house.site.trusted_proxies:
            scope = {**scope, "client": (self._house.site.client_of(scope), 0)}
        path: str = scope["path"]
        dialect: Dialect = "anthropic" if path.endswith(("/messages", "/count_tokens")) else "openai"
        started = Started(send, request_id, dialect, leaving=self._house.load.draining)
        headers: Headers | None = None
        found: Found | tuple[str, ...] = ()
        try:
            headers = read_headers(scope["headers"], self._house.limits)
            found = self._routes.find(scope["method"], path)
            if isinstance(found, tuple):
                raise _no_route(found)
            scope = {**scope, "path": found.route.shown(path)}
            await self._serve(found, scope, headers, receive, started)
        except ClientDisconnected:
            return
        except PipelineError as error:
            if not _is_noted(found, error):
                await self._strays.note(request_id, error, scope, headers)
            await started.fail(error)
        except Exception as error:
            log.exception("unexpected error", extra={"request_id": request_id, "error_type": type(error).__name__})
            await started.fail(failed())

    def turned_away(self, status: int, code: str, peer: str) -> str:
        """Take note of a request that the server answers itself, because it cannot be read as one; gives its id."""
        return self._strays.note_unread(status, code, peer)

    async def note_refusal(self, request_id: str, error: PipelineError, scope: Scope, headers: Headers) -> None:
        """Write down a request that was refused at another door than this application (OTLP over gRPC)."""
        await self._strays.note(request_id, error, scope, headers)

    async def flush(self) -> None:
        """Write down what was only counted. Call before the ledger stops."""
        await self._strays.flush()

    async def _serve(self, found: Found, scope: Scope, headers: Headers, receive: Receive, started: Started) -> None:
        route, house = found.route, self._house
        client = scope.get("client")
        peer = client[0] if client else ""
        if route.surface is None:
            request = AdminRequest(
                started.request_id, scope["method"], scope["path"], found.params, scope["query_string"], headers, peer, route.name
            )
            await answer_admin(house, route, request, receive, started)
            return
        with house.load.place():
            call = Call(
                request_id=started.request_id,
                surface=route.surface,
                dialect=dialect_of(route.surface),
                headers=headers,
                at_us=house.clock.now_us(),
                started=house.clock.monotonic(),
                peer=peer,
                span=house.tracing.start(headers.get(b"traceparent") or None),
                route=route.name,
            )
            await converse(house, call, receive, started)


class Started:
    """The send side of one request: adds the request id to the answer and knows whether it has begun.

    `leaving`: the gateway stops, and the caller's connection ends with this answer, so that its next one goes elsewhere.
    """

    __slots__ = ("_dialect", "_leaving", "_send", "begun", "request_id")

    def __init__(self, send: Send, request_id: str, dialect: Dialect, *, leaving: bool = False) -> None:
        self._send = send
        self._leaving = leaving
        self._dialect: Dialect = dialect
        self.request_id = request_id
        self.begun = False

    async def __call__(self, message: Message) -> None:
        """Pass a message on; the first one gets the request id headers."""
        if message["type"] == "http.response.start":
            self.begun = True
            identity = self.request_id.encode("ascii")
            own = [(b"x-request-id", identity), (b"x-lockgate-request-id", identity)]
            if self._dialect == "anthropic":
                own.append((b"request-id", identity))
            if self._leaving:
                own.append((b"connection", b"close"))
            message["headers"] = [*message["headers"], *own]
        await self._send(message)

    async def fail(self, error: PipelineError) -> None:
        """Answer with an error; once an answer has begun nothing can be added to it."""
        if self.begun:
            return
        rendered = render(error, self._dialect, self.request_id)
        await send_json(self, rendered.status, rendered.body, header_list(rendered.headers))


def _is_noted(found: Found | tuple[str, ...], error: PipelineError) -> bool:
    """Whether the refusal of a request was written down where it was raised."""
    if isinstance(found, tuple):
        return False
    if found.route.surface is not None:
        return not isinstance(error, Overloaded)
    if isinstance(error, IdempotencyError):
        return True
    # Who is refused by a role is; the dashboard's sessions have events of their own.
    return isinstance(error, KeyRejected) and (found.route.roles is not None or found.route.path.startswith("/v1/dashboard/"))


def _no_route(allowed: tuple[str, ...]) -> BadRequest:
    if allowed:
        return BadRequest(
            "This path does not take this method.",
            hint=f"Use {' or '.join(allowed)}.",
            code="method_not_allowed",
            status=405,
            headers={"allow": ", ".join(allowed)},
        )
    return BadRequest("There is no such path.", hint="The paths are listed in GET /openapi.json.", code="not_found", status=404)
