"""`POST /v1/redact/stream`: a text of any length as it comes, sent on as it becomes safe.

Nobody has to hold all of it, and what cannot be redacted ends the answer without its end, so that no client takes it for whole. Who reads
no answer while it writes is not read from either.
"""

from __future__ import annotations

import asyncio
import codecs
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from pipeline.clock import Clock
from pipeline.errors import BadRequest, LedgerError, PipelineError
from pipeline.gateway.error_table import spoken
from pipeline.gateway.events import by_rule, counted, redaction_counts
from pipeline.gateway.http import ClientDisconnected, RawHeaders, Receive, Send, header_list
from pipeline.gateway.model import House
from pipeline.gateway.permission import counted as counted_call
from pipeline.gateway.redact import (
    FINISH,
    about,
    admitted,
    caller_of,
    direction_of,
    noted,
    policy_of,
    redactor_of,
    refuse_live,
)
from pipeline.gateway.refusals import unscreenable
from pipeline.gateway.request import AdminRequest, Who
from pipeline.keys.model import Caller
from redactors.model import RedactionError, StreamForCaller, tally

START: Final = "gateway:redaction:start"
INLINE_PIECE: Final = 8 * 1024
"""Longer pieces (characters) are redacted on a worker thread."""

PIECES: Final = 10
PACE: Final = 16
"""Bytes a second; see `Patience`."""

_OVERLAP: Final = 8 * 1024
"""So many bytes of what was sent are looked at again with the next piece: a live secret is no longer."""

_TEXT_TYPES: Final = frozenset({"", "text/plain", "application/octet-stream"})
_STREAM_HEADERS: Final[RawHeaders] = [
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


async def redact_stream(house: House, request: AdminRequest, who: Who | None, receive: Receive, send: Send) -> None:
    """`POST /v1/redact/stream?direction=&model=`: text (UTF-8, `text/plain`, of any length) in, the clean text out as it becomes safe.

    An answer without its end was broken off: the rest could not be redacted, written down, or read in time.
    """
    caller = await caller_of(house, request)
    query = request.query()
    direction = direction_of(query.get("direction", "telemetry"))
    _refuse_media(request)
    with admitted(house, caller, house.load.waiting_place()) as admission:
        policy = policy_of(house, caller, query.get("model", ""))
        facts = about(policy, direction)
        async with counted_call(house, caller):
            await house.ledger.append(noted(house, request, who, caller, START, "ok", facts))
        headers = [*_STREAM_HEADERS, *header_list(spoken(admission.headers(), "openai"))]
        flow = _Flow(house, redactor_of(policy, direction).stream(), receive, send, headers)
        await _flowing(house, request, who, caller, flow, facts)


class BrokenOff(ClientDisconnected):
    """An answer that had begun ends without its end; the event says why."""


async def _flowing(house: House, request: AdminRequest, who: Who | None, caller: Caller, flow: _Flow, facts: dict[str, Any]) -> None:
    """Let a stream flow and write down how it ended: before its last piece leaves, or when it broke off."""

    async def end(outcome: str, status: int, code: str) -> None:
        house.metrics.redacted(facts["direction"], by_rule(flow.totals))
        detail = {**facts, "bytes": flow.size, "redactions": counted(flow.totals)}
        event = noted(house, request, who, caller, FINISH, outcome, detail, status=status, error=code)
        await house.ledger.append(event, redactions=redaction_counts(facts["direction"], flow.totals))

    try:
        last = await flow.pump()
    except BaseException as error:
        outcome, status, code = "failed", 500, "internal_error"
        if isinstance(error, ClientDisconnected | asyncio.CancelledError):
            outcome, status, code = "aborted", 499, "client_disconnected"
        elif isinstance(error, PipelineError):
            status, code = error.status, error.code
        with suppress(LedgerError):
            await asyncio.shield(end(outcome, status, code))
        if flow.begun and isinstance(error, PipelineError):
            raise BrokenOff from None
        raise
    await end("ok", 200, "")
    await flow.finish(last)


class Patience:
    """How long a stream may let us wait for its text, so that text that drips holds a place for minutes and not for days.

    For each piece `piece_s` seconds, and for all of them together PIECES times that plus a second for every PACE bytes that came. PACE is
    below what the slowest models write: their answers may be piped through as they come.
    """

    def __init__(self, clock: Clock, piece_s: float) -> None:
        self._clock = clock
        self._piece_s = piece_s
        self._waited_s = 0.0

    @contextmanager
    def waiting(self, size: int) -> Iterator[float]:
        """Wait for the next piece inside; gives the seconds for which that may be done, `size` being the bytes that came so far."""
        left_s = PIECES * self._piece_s + size / PACE - self._waited_s
        began = self._clock.monotonic()
        try:
            yield max(0.0, min(self._piece_s, left_s))
        finally:
            self._waited_s += self._clock.monotonic() - began


class _Flow:
    """One stream on its way: what came, what was done to it, and whether the answer has begun."""

    def __init__(self, house: House, stream: StreamForCaller, receive: Receive, send: Send, headers: RawHeaders) -> None:
        self._house, self._stream = house, stream
        self._receive, self._send = receive, send
        self._headers: RawHeaders | None = headers
        self._sent = b""
        # Bytes that are no UTF-8 go through as they are, as they do on the command line.
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self.size = 0
        self.totals: Counter[tuple[str, str, str, str]] = Counter()
        self._patience = Patience(house.clock, house.limits.body_timeout_s)

    @property
    def begun(self) -> bool:
        """Whether the caller has part of the answer."""
        return self._headers is None

    async def pump(self) -> bytes:
        """Send on what becomes safe; gives the last piece, which waits until the stream is written down."""
        more = True
        while more:
            with self._patience.waiting(self.size) as longest_s:
                try:
                    async with asyncio.timeout(longest_s):
                        message = await self._receive()
                except TimeoutError:
                    told = f"Nothing came for {longest_s:.3g} seconds, which is as long as so little text is waited for."
                    raise BadRequest(told, code="request_timeout", status=408) from None
            if message["type"] == "http.disconnect":
                raise ClientDisconnected
            piece: bytes = message.get("body", b"")
            more = message.get("more_body", False)
            self.size += len(piece)
            safe = await self._clean(self._decoder.decode(piece, final=not more), last=not more)
            if more and safe:
                await self._pass_on(safe, more=True)
        return safe

    async def finish(self, last: bytes) -> None:
        """Send the last piece and the end."""
        await self._pass_on(last, more=False)

    async def _clean(self, text: str, *, last: bool) -> bytes:
        try:
            if len(text) > INLINE_PIECE:
                clean = await asyncio.get_running_loop().run_in_executor(self._house.screening, self._feed, text, last)
            else:
                clean = self._feed(text, last)
        except RedactionError as error:
            raise unscreenable(error, "text") from None
        safe = clean.encode("utf-8", "surrogateescape")
        looked_at = self._sent + safe
        refuse_live(self._house, looked_at)
        self._sent = looked_at[-_OVERLAP:]
        return safe

    def _feed(self, text: str, last: bool) -> str:
        safe = self._stream.feed(text)
        remarks = self._stream.take_remarks()
        if last:
            rest = self._stream.close()
            safe, remarks = safe + rest.value, (*remarks, *rest.remarks)
        self.totals.update(tally(remarks))
        return safe

    async def _pass_on(self, piece: bytes, *, more: bool) -> None:
        try:
            async with asyncio.timeout(self._house.limits.body_timeout_s):
                if self._headers is not None:
                    await self._send({"type": "http.response.start", "status": 200, "headers": self._headers})
                    self._headers = None
                await self._send({"type": "http.response.body", "body": piece, "more_body": more})
        except TimeoutError:
            raise BadRequest(
                f"Nothing was read for {self._house.limits.body_timeout_s:g} seconds.", code="request_timeout", status=408
            ) from None


def _refuse_media(request: AdminRequest) -> None:
    media = request.headers.get(b"content-type").partition(";")[0].strip().lower()
    coding = request.headers.get(b"content-encoding").strip().lower()
    if media not in _TEXT_TYPES or coding not in ("", "identity"):
        raise BadRequest(
            "The content type is not text/plain, or the text is compressed.",
            hint="Send plain UTF-8 with the header content-type: text/plain.",
            code="unsupported_media_type",
            status=415,
        )
