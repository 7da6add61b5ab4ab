"""The one HTTP client of routing: aiohttp with explicit time-outs and caps, and no habits of its own.

No redirects, no cookies, no proxy from the environment, no retry. Time-outs are the target's: connect (with TLS), first byte,
and idle between pieces, which counts only while we wait for the provider, not while our own caller is slow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from pipeline.routing.model import Departure, Target, UpstreamError
from pipeline.routing.upstream import MAX_ERROR_BODY, refusal

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession
    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.payload import BytesPayload

MAX_BODY = 64 << 20
"""Bytes of a whole answer, after decoding."""

MAX_STREAM = 256 << 20
"""Bytes of a whole stream, after decoding."""


class Http:
    """Holds one aiohttp session, opened with the first request (and so on the loop that uses it)."""

    def __init__(self) -> None:
        self._session: ClientSession | None = None
        self._payload: Callable[[bytes, Departure], BytesPayload] | None = None

    def _open(self) -> ClientSession:
        import aiohttp

        self._payload = _payload()
        connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=60, keepalive_timeout=30)
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=True,
            timeout=aiohttp.ClientTimeout(total=None),
        )
        return self._session

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], target: Target, departure: Departure | None = None
    ) -> ClientResponse:
        """Send a body and wait for the answer's headers. Raises UpstreamError `connect` or `timeout`.

        `departure.sent` is true from the moment in which the connection stands and the body is being written.
        """
        import aiohttp
        from yarl import URL

        session = self._session or self._open()
        assert self._payload is not None
        data = self._payload(body, departure or Departure())
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=target.connect_timeout_s)
        try:
            async with asyncio.timeout(target.connect_timeout_s + target.first_byte_timeout_s):
                return await session.post(URL(url, encoded=True), data=data, headers=headers, allow_redirects=False, timeout=timeout)
        except aiohttp.ConnectionTimeoutError:
            raise UpstreamError("connect", target_id=target.id) from None
        except TimeoutError:
            raise UpstreamError("timeout", target_id=target.id) from None
        except (aiohttp.ClientError, OSError, ValueError):
            # ValueError: a header or address that aiohttp refuses; its text is not ours to repeat
            raise UpstreamError("connect", target_id=target.id) from None

    async def aclose(self) -> None:
        """Close the session and its connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


def _payload() -> Callable[[bytes, Departure], BytesPayload]:
    """A body that notes when it is written: aiohttp's errors do not tell whether the request had left. Made with the session."""
    from aiohttp.payload import BytesPayload

    class Leaving(BytesPayload):
        def __init__(self, value: bytes, departure: Departure) -> None:
            super().__init__(value)
            self._departure = departure

        async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
            self._departure.sent = True
            await super().write_with_length(writer, content_length)

    return Leaving


class Reader:
    """Reads one answer with an idle limit and a cap. One timer per answer, re-armed only when it fires, so pieces cost nothing."""

    __slots__ = ("_idle", "_left", "_loop", "_response", "_timer", "_waiting_since", "timed_out")

    def __init__(self, response: ClientResponse, target: Target) -> None:
        self._response = response
        self._idle = target.idle_timeout_s
        self._left = MAX_STREAM
        self._loop = asyncio.get_running_loop()
        self._waiting_since = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.timed_out = False

    def _check(self) -> None:
        self._timer = None
        since = self._waiting_since
        if not since:
            return  # the next wait arms it again
        left = since + self._idle - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._check)
            return
        self.timed_out = True
        self._response.content.set_exception(TimeoutError())
        self._response.close()

    async def piece(self) -> bytes:
        """The next bytes as they came; empty at the end. Raises UpstreamError `timeout`, `broken_stream` or `too_large`."""
        import aiohttp

        self._waiting_since = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(self._idle, self._check)
        try:
            data = await self._response.content.readany()
        except (aiohttp.ClientError, OSError):
            # TimeoutError is an OSError; ours comes from `_check`
            raise UpstreamError("timeout" if self.timed_out else "broken_stream", status=self._response.status) from None
        finally:
            self._waiting_since = 0.0
        self._left -= len(data)
        if self._left < 0:
            raise UpstreamError("too_large", status=self._response.status)
        return data

    async def body(self, limit: int) -> bytes:
        """Everything up to a limit (bytes), beyond which it is `too_large`."""
        pieces = []
        size = 0
        while data := await self.piece():
            size += len(data)
            if size > limit:
                raise UpstreamError("too_large", status=self._response.status)
            pieces.append(data)
        return b"".join(pieces)

    async def tree(self, ident: str) -> dict[str, Any]:
        """The whole answer as a JSON object; anything else is `broken_stream`."""
        try:
            tree = orjson.loads(await self.body(MAX_BODY))
        except orjson.JSONDecodeError:
            tree = None
        except UpstreamError as error:
            error.upstream_id = ident
            raise
        if not isinstance(tree, dict):
            raise UpstreamError("broken_stream", status=self._response.status, upstream_id=ident)
        return tree

    async def refusal(self, ident: str) -> UpstreamError:
        """The error for a status that is not 200, with at most 64 KiB of its body."""
        raw = b""
        try:
            while len(raw) < MAX_ERROR_BODY and (data := await self.piece()):
                raw += data
        except UpstreamError:
            pass  # the status alone says enough; what came of the body is kept
        return refusal(self._response.status, raw, self._response.headers, ident)

    async def drain(self) -> None:
        """After the terminator: take the end of the body, if it comes at once, so that the connection can be used again."""
        content = self._response.content
        if content.at_eof():
            return
        try:
            async with asyncio.timeout(0.1):
                while await self.piece():
                    pass
        except (TimeoutError, UpstreamError):
            return

    def close(self) -> None:
        """Give the connection back when the answer was read to its end, else close it, which cancels the call upstream."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._response.release() if self._response.content.at_eof() else self._response.close()
