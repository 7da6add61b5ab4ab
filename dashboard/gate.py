"""The one door of the dashboard's server: every HTTP request and every websocket passes here before Streamlit sees it.

It checks the host name (against DNS rebinding), the origin (against foreign pages; also before Streamlit compares it with this
machine's public address, which it would look up outside) and the session. It sets headers that forbid the browser to load,
send or frame anything from elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final
from urllib.parse import quote, urlsplit

from dashboard.pages import notice_page
from dashboard.session import COOKIE, GatewayError, Sessions, Viewer

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN_PATHS: Final = frozenset({"/login", "/healthz"})
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
# Streamlit's own bundle compiles chart expressions ('unsafe-eval') and styles elements in place; nothing else is allowed.
POLICY: Final = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; connect-src 'self'; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS: Final = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    # Not `no-referrer`: with that browsers send `Origin: null` even for our own sign-in form.
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), clipboard-read=()"),
)


class Gate:
    """ASGI middleware. `hosts` are the names besides the loopback ones under which the dashboard may be reached."""

    def __init__(self, app: App, sessions: Sessions, hosts: tuple[str, ...] = ()) -> None:
        self._app = app
        self._sessions = sessions
        self._hosts = frozenset((*LOOPBACK, *(host.lower() for host in hosts)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it here."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, _with_headers(send))
        else:
            await self._websocket(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._host_known(scope):
            await answer(send, 421, notice_page("Wrong address", "This dashboard is not served under that name."))
        elif scope["method"] not in {"GET", "HEAD"} and not same_origin(scope):
            await answer(send, 403, notice_page("Refused", "The request came from another page."))
        elif scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
        else:
            try:
                viewer = await self._viewer(session_of(scope))
            except GatewayError:
                text = "The gateway does not answer, so nobody can be let in. Start it with `lockgate up` and try again."
                await answer(send, 503, notice_page("The gateway is away", text, link=_here(scope)))
                return
            if viewer is not None:
                await self._app(scope, receive, send)
            elif scope["method"] == "GET" and b"text/html" in _header(scope, b"accept"):
                await answer(send, 303, "", ((b"location", f"/login?next={quote(_here(scope), safe='')}".encode()),))
            else:
                await answer(send, 401, notice_page("Sign in", "Your session has ended.", link="/login", label="Sign in"))

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        session = session_of(scope)
        if not self._host_known(scope) or not same_origin(scope) or not await self._still(session):
            await receive()  # the handshake must be taken before it can be refused
            await send({"type": "websocket.close", "code": 1008})
            return

        async def guarded() -> Message:
            message = await receive()
            if message["type"] == "websocket.receive" and not await self._still(session):
                await send({"type": "websocket.close", "code": 1008, "reason": "session ended"})
                return {"type": "websocket.disconnect", "code": 1008}
            return message

        await self._app(scope, guarded, send)

    async def _still(self, session: str) -> bool:
        try:
            return await self._viewer(session) is not None
        except GatewayError:
            return False

    async def _viewer(self, session: str) -> Viewer | None:
        known, viewer = self._sessions.fresh(session)
        return viewer if known else await asyncio.to_thread(self._sessions.viewer, session)

    def _host_known(self, scope: Scope) -> bool:
        try:
            name = urlsplit("//" + _header(scope, b"host").decode("ascii", "replace")).hostname
        except ValueError:
            return False
        return name is not None and name.lower() in self._hosts


def session_of(scope: Scope) -> str:
    """The session token in the cookies of a request, empty when there is none."""
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(_header(scope, b"cookie").decode("latin-1"))
    except CookieError:
        return ""
    morsel = jar.get(COOKIE)
    return morsel.value if morsel is not None and len(morsel.value) <= 255 else ""


def same_origin(scope: Scope) -> bool:
    """Whether the request comes from a page of this server, or from a program that names no origin."""
    origin = _header(scope, b"origin").decode("ascii", "replace")
    if not origin:
        return _header(scope, b"sec-fetch-site") in {b"", b"same-origin", b"none"}
    # Letter for letter, as Streamlit compares: a difference would send it to look up this machine's addresses.
    return urlsplit(origin).netloc == _header(scope, b"host").decode("ascii", "replace")


def local_path(text: str) -> str:
    """A path of this server to go on to; the start page for anything that leads elsewhere."""
    inside = text.startswith("/") and not text.startswith(("//", "/\\", "/login", "/logout")) and text.isprintable()
    return text if inside and "\\" not in text else "/"


async def answer(send: Send, status: int, html: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    """Send a whole page that no cache may keep."""
    body = html.encode()
    fixed = ((b"content-type", b"text/html; charset=utf-8"), (b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store"))
    await send({"type": "http.response.start", "status": status, "headers": [*fixed, *headers]})
    await send({"type": "http.response.body", "body": body})


def _with_headers(send: Send) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            taken = {name for name, _ in HEADERS}
            message["headers"] = [*(pair for pair in message.get("headers", ()) if pair[0].lower() not in taken), *HEADERS]
        await send(message)

    return with_headers


def _here(scope: Scope) -> str:
    query = scope.get("query_string", b"").decode("latin-1")
    return local_path(scope["path"] + (f"?{query}" if query else ""))


def _header(scope: Scope, name: bytes) -> bytes:
    return next((bytes(value) for found, value in scope["headers"] if found == name), b"")
