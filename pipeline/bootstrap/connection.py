"""One HTTP connection with limits that uvicorn does not have: how long a request's head may be while it arrives, and how long it may take.

Without them a caller who never ends a header line fills the memory, and one who sends nothing keeps a connection for ever. The
limits of the complete head, and of bodies, are the gateway's own (`pipeline/gateway/http.py`).
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 256 * 1024
"""Bytes that may arrive without completing a head or a piece of a body: an unfinished header, trailers, chunk extensions."""

HEAD_S = 30.0
"""Seconds in which the head of a request must have come, from the connection's or the request's beginning."""

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class BoundedConnection(HttpToolsProtocol):
    """uvicorn's protocol with a bounded, timed head."""

    _waiting = 0
    _moved = False
    _timer: asyncio.TimerHandle | None = None

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
                self.transport.write(_TOO_LARGE)
            self.transport.close()

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
