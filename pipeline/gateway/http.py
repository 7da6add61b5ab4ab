"""Bytes in, JSON out: reading request bodies within limits, and writing answers, on bare ASGI.

The limits are ours because the server has none of its own for bodies: size as sent, size after decoding, nesting depth,
time to arrive. What is forwarded later is always the re-serialised object, never these bytes.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

import orjson

from pipeline.errors import BadRequest
from pipeline.gateway.workers import INLINE_BYTES

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
RawHeaders = list[tuple[bytes, bytes]]

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)  # possessive: linear in time, constant in memory

JSON_TYPE = (b"content-type", b"application/json")
_ONCE = frozenset({b"host", b"content-length", b"authorization", b"x-api-key", b"content-encoding", b"idempotency-key"})


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """What a request may weigh. Sizes in bytes, `body_timeout_s` in seconds for the whole body to arrive."""

    header_bytes: int = 16_384
    header_count: int = 100
    body_bytes: int = 10 * 1024 * 1024
    decoded_bytes: int = 20 * 1024 * 1024
    json_depth: int = 128
    json_containers: int = 200_000
    json_values: int = 1_000_000
    body_timeout_s: float = 30.0


class ClientDisconnected(Exception):
    """The caller went away before its request was complete."""


@dataclass(frozen=True, slots=True)
class Headers:
    """The request headers by lower-case name; the first one wins where a name repeats."""

    values: Mapping[bytes, bytes]

    def get(self, name: bytes, default: str = "") -> str:
        """The value of a header as text (latin-1, as HTTP has it)."""
        value = self.values.get(name)
        return default if value is None else value.decode("latin-1")


def read_headers(raw: Iterable[tuple[bytes, bytes]], limits: HttpLimits) -> Headers:
    """Index the headers within the limits; raises BadRequest (431) beyond them, and for repeated framing or host headers."""
    values: dict[bytes, bytes] = {}
    size = 0
    count = 0
    for name, value in raw:
        size += len(name) + len(value)
        count += 1
        if name in values:
            if name in _ONCE:
                raise BadRequest(f"The header {name.decode()} stands twice.", hint="Send it once.", code="duplicate_header")
            continue
        values[name] = value
    if size > limits.header_bytes or count > limits.header_count:
        raise BadRequest(
            f"The request headers are larger than {limits.header_bytes} bytes or more than {limits.header_count}.",
            hint="Send fewer or shorter headers.",
            code="headers_too_large",
            status=431,
        )
    return Headers(values)


async def read_json(receive: Receive, headers: Headers, limits: HttpLimits) -> tuple[dict[str, Any], int]:
    """Read and parse the body as a JSON object; also its size in bytes after decoding.

    Raises BadRequest: 413 too large, 415 media type or coding, 408 too slow, 400 not a JSON object or too deep.
    """
    media = headers.get(b"content-type").partition(";")[0].strip().lower()
    if media and media != "application/json":
        raise BadRequest(
            "The content type is not application/json.",
            hint="Send the header content-type: application/json.",
            code="unsupported_media_type",
            status=415,
        )
    raw = await read_body(receive, headers, limits)
    # Large ones are parsed on a worker thread: the event loop never waits for a text.
    body = parse_json(raw, limits) if len(raw) <= INLINE_BYTES else await asyncio.to_thread(parse_json, raw, limits)
    return body, len(raw)


def parse_json(raw: bytes, limits: HttpLimits) -> dict[str, Any]:
    """Bytes as a JSON object, or BadRequest 400: not JSON, not an object, nested too deeply, more values than any request has.

    The parser holds the interpreter's lock while it works, which for millions of tiny values is seconds; so they are counted first.
    """
    if _has_more(raw, limits):
        raise BadRequest(
            f"The JSON has more than {limits.json_containers} objects and arrays, or more than {limits.json_values} values.",
            hint="Send it in several requests.",
            code="json_too_many_values",
        )
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        if error.msg.startswith("depth limit"):  # deeper than the parser itself goes
            raise _too_deep(limits) from None
        # The decoder's position is a number; its text could quote the body, so only the number is passed on.
        raise BadRequest(
            f"The body is not valid JSON (line {error.lineno}, column {error.colno}).",
            hint="Send a JSON object in UTF-8.",
            code="invalid_json",
        ) from None
    if not isinstance(body, dict):
        raise BadRequest("The body is not a JSON object.", hint='Send an object such as {"model": …}.', code="invalid_json")
    if raw.count(b"[") + raw.count(b"{") > limits.json_depth and _is_deeper(body, limits.json_depth):
        raise _too_deep(limits)
    return body


async def read_body(receive: Receive, headers: Headers, limits: HttpLimits) -> bytes:
    """Read the whole body within the limits and undo its content coding (gzip, deflate)."""
    raw = await read_raw(receive, headers, limits, most=limits.body_bytes)
    coding = headers.get(b"content-encoding").strip().lower()
    if coding in ("", "identity"):
        return raw
    return _decoded(raw, coding, limits)


async def read_raw(receive: Receive, headers: Headers, limits: HttpLimits, *, most: int) -> bytes:
    """Read the whole body as it is sent, at most so many bytes of it."""
    declared = headers.get(b"content-length")
    if declared and (not declared.isdigit() or int(declared) > most):
        raise _too_large(most)
    first = await receive()
    if first["type"] == "http.disconnect":
        raise ClientDisconnected
    raw: bytes = first.get("body", b"")
    if first.get("more_body", False):
        try:
            async with asyncio.timeout(limits.body_timeout_s):
                raw = await _rest(receive, raw, most)
        except TimeoutError:
            raise BadRequest(
                f"The body took longer than {limits.body_timeout_s:g} seconds to arrive.",
                hint="Send it faster or in smaller parts.",
                code="request_timeout",
                status=408,
            ) from None
    if len(raw) > most:
        raise _too_large(most)
    return raw


async def _rest(receive: Receive, head: bytes, most: int) -> bytes:
    parts = [head]
    size = len(head)
    while True:
        if size > most:  # before the next message is waited for, which may never come
            raise _too_large(most)
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        part = message.get("body", b"")
        size += len(part)
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _decoded(raw: bytes, coding: str, limits: HttpLimits) -> bytes:
    window = {"gzip": 31, "x-gzip": 31, "deflate": 15}.get(coding)
    if window is None:
        raise BadRequest(
            "The content coding is not supported.",
            hint="Send gzip, deflate or no content-encoding.",
            code="unsupported_media_type",
            status=415,
        )
    inflater = zlib.decompressobj(window)
    try:
        text = inflater.decompress(raw, limits.decoded_bytes + 1)
    except zlib.error:
        raise BadRequest("The body cannot be decompressed.", hint="Check the content-encoding header.", code="invalid_encoding") from None
    if len(text) > limits.decoded_bytes:
        raise _too_large(limits.body_bytes)
    if not inflater.eof or inflater.unused_data:
        raise BadRequest("The compressed body is cut off or has a tail.", hint="Send one complete stream.", code="invalid_encoding")
    return text


def _has_more(raw: bytes, limits: HttpLimits) -> bool:
    """Whether there are too many values, counted outside strings; most bodies need no look at their strings at all."""

    def over(text: bytes) -> bool:
        return text.count(b"[") + text.count(b"{") > limits.json_containers or text.count(b",") > limits.json_values

    return over(raw) and over(_STRING.sub(b"", raw))


def _is_deeper(tree: Any, limit: int) -> bool:
    """Whether a tree has more than `limit` levels of objects and arrays, level by level: no recursion, one look at each value."""
    level = [tree]
    for _ in range(limit):
        level = [
            child
            for node in level
            for child in (node.values() if type(node) is dict else node)
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return False
    return True


def _too_deep(limits: HttpLimits) -> BadRequest:
    return BadRequest(f"The JSON is nested deeper than {limits.json_depth} levels.", hint="Flatten it.", code="json_too_deep")


def _too_large(most: int) -> BadRequest:
    return BadRequest(
        f"The body is larger than {most} bytes.",
        hint="Send a smaller request, or ask the operator to raise limits.max_body_bytes.",
        code="request_too_large",
        status=413,
    )


def header_list(pairs: Mapping[str, str]) -> RawHeaders:
    """Encode response headers; line breaks cannot get in, because every value is ours or checked."""
    return [(name.encode("ascii"), value.encode("latin-1", "replace")) for name, value in pairs.items()]


async def send_bytes(send: Send, status: int, body: bytes, headers: RawHeaders) -> None:
    """Send a complete answer."""
    await send(
        {"type": "http.response.start", "status": status, "headers": [*headers, (b"content-length", b"%d" % len(body))]},
    )
    await send({"type": "http.response.body", "body": body})


async def send_json(send: Send, status: int, tree: Any, headers: RawHeaders) -> None:
    """Send a JSON answer."""
    # SQL rows have keys of a str subclass, which the strict encoder refuses.
    await send_bytes(send, status, orjson.dumps(tree, option=orjson.OPT_NON_STR_KEYS), [JSON_TYPE, *headers])
