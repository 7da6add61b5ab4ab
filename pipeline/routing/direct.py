"""The direct lane: the provider speaks the caller's wire format, so the request is forwarded, not translated.

OpenAI-compatible (platform.openai.com/docs/api-reference) and Anthropic (docs.anthropic.com/en/api/messages) over aiohttp.
Only the model, the key and, on OpenAI streams, `stream_options.include_usage` differ from what the caller sent.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from pipeline.routing.client import Http, Reader
from pipeline.routing.model import Delta, Outbound, Surface, UpstreamError
from pipeline.routing.providers import Catalog
from pipeline.routing.sse import EventTooLongError, SseDecoder
from pipeline.routing.text_runs import TextRuns, with_piece
from pipeline.routing.upstream import failure_in_stream
from pipeline.vaults.model import Secret

if TYPE_CHECKING:
    from aiohttp import ClientResponse

PATHS: dict[Surface, str] = {
    "openai.chat": "/chat/completions",
    "openai.completions": "/completions",
    "openai.embeddings": "/embeddings",
    "anthropic.messages": "/v1/messages",
    "anthropic.count_tokens": "/v1/messages/count_tokens",
}
ANTHROPIC_VERSION = "2023-06-01"
_FORWARDED = ("anthropic-beta", "anthropic-version")
_ID_HEADERS = ("x-request-id", "request-id", "x-amzn-requestid")


def address(base_url: str, surface: Surface) -> str:
    """The URL of a call. OpenAI bases end in `/v1` (as its SDK has it), Anthropic's do not, but may."""
    base = base_url.rstrip("/")
    path = PATHS[surface]
    if surface.startswith("anthropic."):
        return base.removesuffix("/v1/messages").removesuffix("/v1") + path
    return base.removesuffix(path) + path


def reveal(key: Secret) -> str:
    """The key for a header. An empty or unprintable one is refused here: it must never be sent, or quoted by an HTTP library."""
    value = key.reveal()
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise UpstreamError("auth")
    return value


def headers_for(request: Outbound, key: Secret | None) -> dict[str, str]:
    """The request headers: the key in the provider's own place, and the allow-listed caller headers."""
    headers = {"content-type": "application/json", "accept-encoding": "identity", "user-agent": "lockgate"}
    headers["accept"] = "text/event-stream" if request.stream else "application/json"
    if request.surface.startswith("anthropic."):
        headers["anthropic-version"] = ANTHROPIC_VERSION
        for name in _FORWARDED:
            if name in request.headers:
                headers[name] = request.headers[name]
        if key is not None:
            headers["x-api-key"] = reveal(key)
        return headers
    if key is not None:
        headers["authorization"] = "Bearer " + reveal(key)
    if request.target.extra:
        for name in ("organization", "project"):
            if name in request.target.extra:
                headers["openai-" + name] = request.target.extra[name]
    return headers


def body_for(request: Outbound) -> bytes:
    """The body with the target's model; OpenAI streams always ask for usage (the gateway takes it out again)."""
    body: dict[str, Any] = {**request.body, "model": request.target.model}
    if request.stream:
        body["stream"] = True
    if request.stream and request.surface.startswith("openai.") and request.target.extra.get("include_usage") != "false":
        body["stream_options"] = {**(body.get("stream_options") or {}), "include_usage": True}
    return orjson.dumps(body)


def upstream_id(response: ClientResponse) -> str:
    """The provider's own id of the call, from whichever header it uses; "" without one."""
    for name in _ID_HEADERS:
        value = response.headers.get(name)
        if value is not None:
            return value[:200]
    return ""


class DirectProvider:
    """Forwards to OpenAI-compatible and Anthropic endpoints; the catalog knows the addresses of targets without one."""

    name = "direct"

    def __init__(self, catalog: Catalog, http: Http | None = None) -> None:
        self._http = http or Http()
        self._bases = catalog.bases

    def complete(self, request: Outbound, key: Secret | None) -> AsyncIterator[Delta]:
        """Send the request with the key; yield the answer. Closing the iterator cancels the upstream call."""
        return forward(self._http, request, lambda: self._written(request, key))

    def _written(self, request: Outbound, key: Secret | None) -> Written:
        target = request.target
        base = target.base_url or self._bases.get(target.provider)
        if base is None:
            raise UpstreamError("connect", target_id=target.id)
        if key is None and target.reference is not None:
            raise UpstreamError("auth", target_id=target.id)
        return address(base, request.surface), headers_for(request, key), body_for(request)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()


Written = tuple[str, Mapping[str, str], bytes]
"""Address, headers and body of a request."""


async def forward(http: Http, request: Outbound, write: Callable[[], Written]) -> AsyncIterator[Delta]:
    """Send what `write` makes and yield the answer as it comes, in the surface's own wire format.

    A stream ends only after the provider's terminator; an error event, a bad line or an early end raises UpstreamError.
    """
    url, headers, body = write()
    target = request.target
    response = await http.post(url, body, headers, target, request.departure)
    reader = Reader(response, target)
    ident = upstream_id(response)
    try:
        if response.status != 200:
            raise await reader.refusal(ident)
        request.departure.answered = True
        if not request.stream:
            yield Delta(whole(await reader.tree(ident), ident), "", ident)
            return
        if not response.headers.get("content-type", "").startswith("text/event-stream"):
            whole(await reader.tree(ident), ident)
            raise UpstreamError("broken_stream", status=200, upstream_id=ident)
        decoder, runs = SseDecoder(), TextRuns()
        take = anthropic_deltas if request.surface.startswith("anthropic.") else openai_deltas
        done = False
        while not done:
            piece = await reader.piece()
            if not piece:
                raise UpstreamError("broken_stream", status=200, upstream_id=ident)
            deltas, done, failure = take(decoder.feed(piece), ident, runs)
            for delta in deltas:
                yield delta
            if failure is not None:
                raise failure
        await reader.drain()
    except EventTooLongError:
        raise UpstreamError("too_large", status=200, upstream_id=ident) from None
    finally:
        reader.close()


def whole(tree: dict[str, Any], ident: str) -> dict[str, Any]:
    """A whole answer, unless it is an error that came with status 200 (some aggregators do that)."""
    if tree.get("error"):
        raise UpstreamError(failure_in_stream(tree), status=200, body=tree, upstream_id=ident)
    return tree


Taken = tuple[list[Delta], bool, UpstreamError | None]
"""Pieces of an answer, whether the terminator was among them, and how the stream failed after them."""


def openai_deltas(events: Sequence[tuple[str, bytes]], ident: str, runs: TextRuns) -> Taken:
    """OpenAI's events up to `[DONE]`, which is no Delta; an event with an `error` or a line that is not JSON fails the stream."""
    taken = _Together(ident, runs if len(events) > 1 else None)
    for _, data in events:
        if taken.goes_on("", data):
            continue
        if data == b"[DONE]":
            return taken.ended(), True, None
        try:
            tree = orjson.loads(data)
            error = tree.get("error")
        except (orjson.JSONDecodeError, AttributeError):
            return taken.ended(), False, UpstreamError("broken_stream", status=200, upstream_id=ident)
        if error:
            return taken.ended(), False, UpstreamError(failure_in_stream(tree), status=200, body=tree, upstream_id=ident)
        taken.add("", data, tree)
    return taken.ended(), False, None


def anthropic_deltas(events: Sequence[tuple[str, bytes]], ident: str, runs: TextRuns) -> Taken:
    """Anthropic's events including `message_stop`, which ends the stream; an `error` event or bad JSON fails it."""
    taken = _Together(ident, runs if len(events) > 1 else None)
    for event, data in events:
        if taken.goes_on(event, data):
            continue
        try:
            tree = orjson.loads(data)
            kind = event or tree.get("type", "")
        except (orjson.JSONDecodeError, AttributeError):
            return taken.ended(), False, UpstreamError("broken_stream", status=200, upstream_id=ident)
        if kind == "error":
            return taken.ended(), False, UpstreamError(failure_in_stream(tree), status=200, body=tree, upstream_id=ident)
        taken.add(event, data, tree, kind)
        if kind == "message_stop":
            return taken.ended(), True, None
    return taken.ended(), False, None


class _Together:
    """The Deltas of events that came together; those that differ in their piece of text only are one. One alone needs no `runs`."""

    __slots__ = ("_deltas", "_first", "_ident", "_kind", "_pieces", "_runs", "_tree")

    def __init__(self, ident: str, runs: TextRuns | None) -> None:
        self._ident, self._runs = ident, runs
        self._deltas: list[Delta] = []
        self._tree: dict[str, Any] = {}
        self._kind = self._first = ""
        self._pieces: list[str] = []

    def goes_on(self, event: str, data: bytes) -> bool:
        """Take an event of the shape that the stream has had before; False when it has another and must be parsed."""
        if self._runs is None or not (piece := self._runs.piece(event, data)):
            return False
        if not self._pieces:
            self._kind, self._tree, self._first = self._runs.kind, self._runs.tree, ""
        self._pieces.append(piece)
        return True

    def add(self, event: str, data: bytes, tree: dict[str, Any], kind: str = "") -> None:
        """Take an event that was parsed."""
        self._close()
        if self._runs is not None and (piece := self._runs.learn(event, data, tree, kind)):
            self._kind, self._tree, self._first, self._pieces = kind, tree, piece, [piece]
        else:
            self._deltas.append(Delta(tree, kind, self._ident, more=True))

    def ended(self) -> list[Delta]:
        """The Deltas, the last of which says that nothing came with it."""
        if self._pieces:
            self._close(more=False)
        elif self._deltas:
            last = self._deltas[-1]
            self._deltas[-1] = Delta(last.data, last.event, last.upstream_id, False, last.pieces)
        return self._deltas

    def _close(self, *, more: bool = True) -> None:
        pieces = self._pieces
        if not pieces:
            return
        tree = self._tree if pieces[0] == self._first else with_piece(self._tree, pieces[0])
        assert tree is not None  # it was learned by putting another piece in
        self._deltas.append(Delta(tree, self._kind, self._ident, more, tuple(pieces) if len(pieces) > 1 else ()))
        self._pieces = []
