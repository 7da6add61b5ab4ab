"""Request bodies: what is read, what is refused, and with which status."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from typing import Any

import pytest

from pipeline.errors import BadRequest
from pipeline.gateway.http import ClientDisconnected, Headers, HttpLimits, read_headers, read_json

LIMITS = HttpLimits(body_bytes=1000, decoded_bytes=2000, json_depth=10, body_timeout_s=0.05)


def receiving(parts: Sequence[bytes], *, disconnect: bool = False) -> Any:
    messages = [
        {"type": "http.request", "body": part, "more_body": index < len(parts) - 1 or disconnect} for index, part in enumerate(parts)
    ]
    if disconnect:
        messages.append({"type": "http.disconnect"})

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    return receive


def headers(**values: str) -> Headers:
    return Headers({name.replace("_", "-").encode(): value.encode() for name, value in values.items()})


async def test_a_json_object_is_read_from_several_pieces_and_its_size_is_told() -> None:
    body, size = await read_json(receiving([b'{"a"', b": 1}"]), headers(content_type="application/json; charset=utf-8"), LIMITS)
    assert body == {"a": 1}
    assert size == 8


@pytest.mark.parametrize(
    ("raw", "given", "status", "code"),
    [
        (b"{", {}, 400, "invalid_json"),
        (b"", {}, 400, "invalid_json"),
        (b"[1]", {}, 400, "invalid_json"),
        (b'{"a": NaN}', {}, 400, "invalid_json"),
        (b'{"a": "\xff"}', {}, 400, "invalid_json"),
        (b'{"a": "\\ud83d"}', {}, 400, "invalid_json"),
        (b"\xef\xbb\xbf{}", {}, 400, "invalid_json"),
        (b'{"a":' * 11 + b"1" + b"}" * 11, {}, 400, "json_too_deep"),
        (b"{}", {"content_type": "text/plain"}, 415, "unsupported_media_type"),
        (b"{}", {"content_encoding": "br"}, 415, "unsupported_media_type"),
        (b"{}", {"content_encoding": "gzip"}, 400, "invalid_encoding"),
        (gzip.compress(b"{}", mtime=0)[:-4], {"content_encoding": "gzip"}, 400, "invalid_encoding"),
        (gzip.compress(b'{"a":"' + b"x" * 5000 + b'"}', mtime=0), {"content_encoding": "gzip"}, 413, "request_too_large"),
        (b'{"a":"' + b"x" * 1000 + b'"}', {}, 413, "request_too_large"),
        (b"{}", {"content_length": "1001"}, 413, "request_too_large"),
        (b"{}", {"content_length": "-1"}, 413, "request_too_large"),
    ],
)
async def test_a_bad_body_is_refused_with_its_own_status_and_code(raw: bytes, given: dict[str, str], status: int, code: str) -> None:
    with pytest.raises(BadRequest) as caught:
        await read_json(receiving([raw]), headers(**given), LIMITS)
    assert (caught.value.status, caught.value.code) == (status, code)
    assert caught.value.hint


async def test_brackets_inside_strings_are_not_depth() -> None:
    body, _ = await read_json(receiving([b'{"a": "[[[[[[[[[[[[[[[[\\"[["}']), headers(), LIMITS)
    assert body["a"].startswith("[[[[")


@pytest.mark.parametrize(("coding", "packed"), [("gzip", gzip.compress(b'{"a": 1}', mtime=0)), ("deflate", zlib.compress(b'{"a": 1}'))])
async def test_a_compressed_body_is_read(coding: str, packed: bytes) -> None:
    body, size = await read_json(receiving([packed]), headers(content_encoding=coding), LIMITS)
    assert body == {"a": 1}
    assert size == 8


async def test_a_body_that_grows_past_the_limit_is_refused_while_it_arrives() -> None:
    with pytest.raises(BadRequest, match="larger than 1000 bytes"):
        await read_json(receiving([b"x" * 600, b"x" * 600, b"never read"]), headers(), LIMITS)


async def test_a_body_that_does_not_arrive_in_time_is_a_408() -> None:
    async def receive() -> dict[str, Any]:
        if not sent:
            sent.append(1)
            return {"type": "http.request", "body": b"{", "more_body": True}
        import asyncio

        await asyncio.sleep(10)
        raise AssertionError

    sent: list[int] = []
    with pytest.raises(BadRequest) as caught:
        await read_json(receive, headers(), LIMITS)
    assert caught.value.status == 408


async def test_a_caller_that_leaves_is_noticed() -> None:
    with pytest.raises(ClientDisconnected):
        await read_json(receiving([b"{"], disconnect=True), headers(), LIMITS)


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        ([(b"x", b"y" * 20_000)], 431),
        ([(b"x%d" % index, b"y") for index in range(101)], 431),
        ([(b"host", b"a"), (b"host", b"b")], 400),
        ([(b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")], 400),
        ([(b"content-length", b"1"), (b"content-length", b"2")], 400),
    ],
)
def test_headers_beyond_the_limits_or_repeated_where_that_misleads_are_refused(raw: list[tuple[bytes, bytes]], status: int) -> None:
    with pytest.raises(BadRequest) as caught:
        read_headers(raw, HttpLimits())
    assert caught.value.status == status
