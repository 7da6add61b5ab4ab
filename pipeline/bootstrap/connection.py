"""One HTTP connection with limits that uvicorn does not have: how long a request's head may be while it arrives, and how long it may take.

Without them a caller who never ends a header line fills the memory, and one who sends nothing keeps a connection for ever. The
limits of the complete head, and of bodies, are the gateway's own (`pipeline/gateway/http.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 256 * 1024
"""Bytes that may arrive without completing a head or a piece of a body: an unfinished header, trailers, chunk extensions."""

HEAD_S = 30.0
"""Seconds in which the head of a request must have come, from the connection's or the request's beginning."""

TurnedAway = Callable[[int, str, str], str]
"""Takes note of a request that never reached the gateway (status, error code, peer), and gives its id."""

_REASONS = {400: "Bad Request", 431: "Request Header Fields Too Large"}


class BoundedConnection(HttpToolsProtocol):
    """uvicorn's protocol with a bounded, timed head, whose own refusals have a request id like any other."""

    _waiting = 0
    _moved = False
    _timer: asyncio.TimerHandle | None = None

    def __init__(self, *given: Any, turned_away: TurnedAway, **named: Any) -> None:
        super().__init__(*given, **named)
        self._turned_away = turned_away

    def connection_made(self, transport: Any) -> None:
        """A caller has connected: its first request must begin and its head end in time."""
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller is gone."""
        self._head_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse a piece; too many bytes that complete nothing end the connection."""
        self._moved = False
        super().data_received(data)
        self._waiting = 0 if self._moved else self._waiting + len(data)
        if self._waiting > MAX_HEAD and not self.transport.is_closing():
            if self.cycle is None or self.cycle.response_complete:
                self._refuse(431, "headers_too_large")
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP. The text is uvicorn's own, and says nothing of the request."""
        self._refuse(400, "invalid_http", msg.encode("ascii", "replace"))
        self.transport.close()

    def _refuse(self, status: int, code: str, text: bytes = b"") -> None:
        identity = self._turned_away(status, code, self.client[0] if self.client else "")
        head = (
            f"HTTP/1.1 {status} {_REASONS[status]}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {len(text)}\r\n"
            f"x-request-id: {identity}\r\nx-lockgate-request-id: {identity}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + text)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        if self._timer is None:
            self._expect_head()

    def on_headers_complete(self) -> None:
        """The head has come."""
        self._moved = True
        self._head_came()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of the body has come."""
        self._moved = True
        super().on_body(body)

    def _expect_head(self) -> None:
        self._timer = self.loop.call_later(HEAD_S, self._too_late)

    def _head_came(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_late(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.close()
