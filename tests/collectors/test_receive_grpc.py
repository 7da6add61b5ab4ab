from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from collectors.model import CollectorError, Signal
from collectors.otlp.answers import retry_delay
from collectors.otlp.receive_grpc import METHODS, GrpcReceiver, ReadBody, Refused
from tests.servers.certificates import Authority

CANARY = "canary-7Qk2vX9bLm4T"
LIMIT = 1 << 20


class Taken:
    """Takes what comes with the right word in its metadata, and keeps it."""

    def __init__(self) -> None:
        self.requests: list[tuple[Signal, str, bytes]] = []

    async def __call__(self, signal: Signal, metadata: Mapping[str, str], peer: str, read: ReadBody) -> bytes:
        if metadata.get("authorization") != "right":
            raise Refused(16, "Who are you?")
        body = await read()
        if body == b"full":
            raise Refused(14, "Later.", 2.5)
        if body == b"defect":
            raise ValueError(CANARY)
        self.requests.append((signal, peer, body))
        return b"answer"


@asynccontextmanager
async def served(**more: Any) -> AsyncIterator[tuple[Taken, int]]:
    taken = Taken()
    receiver = GrpcReceiver(taken, max_bytes=LIMIT, **more)
    port = await receiver.start("127.0.0.1", 0)
    try:
        yield taken, port
    finally:
        await receiver.stop(0.1)


async def call(channel: Any, body: bytes, *, path: str | None = None, word: str = "right", gzip: bool = False) -> Any:
    compression = grpc.Compression.Gzip if gzip else grpc.Compression.NoCompression
    method = channel.unary_unary(path or next(iter(METHODS)))
    return await method(body, metadata=(("authorization", word),), compression=compression, timeout=20)


@pytest.mark.parametrize("gzip", [False, True])
async def test_the_three_methods_hand_over_raw_bytes(gzip: bool) -> None:
    async with served() as (taken, port), grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        for path in METHODS:
            assert await call(channel, b"body", path=path, gzip=gzip) == b"answer"
    assert taken.requests == [(signal, "127.0.0.1", b"body") for signal in ("traces", "logs", "metrics")]


@pytest.mark.parametrize(
    ("given", "code", "retry_s"),
    [
        ({"body": b"body", "word": "wrong"}, "UNAUTHENTICATED", None),
        ({"body": b"full"}, "UNAVAILABLE", 2.5),
        ({"body": b"defect"}, "INTERNAL", None),
        ({"body": b"\0" * (LIMIT + 1)}, "INVALID_ARGUMENT", None),
        ({"body": b"\0" * (2 * LIMIT)}, "RESOURCE_EXHAUSTED", None),
        ({"body": b"\0" * (32 * LIMIT), "gzip": True}, "RESOURCE_EXHAUSTED", None),
        ({"body": b"body", "path": "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export"}, "UNIMPLEMENTED", None),
    ],
    ids=["nobody", "full", "a defect", "a little too large", "too large", "too large decompressed", "profiles"],
)
async def test_what_is_refused_is_told_by_its_code(given: dict[str, Any], code: str, retry_s: float | None) -> None:
    async with served() as (taken, port), grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(channel, **given)
    assert refused.value.code().name == code
    assert CANARY not in str(refused.value)
    details = dict(refused.value.trailing_metadata() or ()).get("grpc-status-details-bin")
    assert (retry_delay(details) if details else None) == retry_s  # type: ignore[arg-type]
    assert taken.requests == []


async def test_a_stranger_is_refused_before_its_body_has_come() -> None:
    async with served() as (_, port), grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stream = channel.stream_unary(next(iter(METHODS)))(metadata=(("authorization", "wrong"),), timeout=20)
        with pytest.raises(grpc.aio.AioRpcError) as refused:  # nothing was ever written to it
            await stream
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_second_message_is_refused() -> None:
    async def twice() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    async with served() as (taken, port), grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await channel.stream_unary(next(iter(METHODS)))(twice(), metadata=(("authorization", "right"),), timeout=20)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert taken.requests == []


async def test_it_speaks_tls_with_a_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    pair = authority.sign("server", server=True)
    async with served(tls=(pair.cert.read_bytes(), pair.key.read_bytes())) as (_, port):
        credentials = grpc.ssl_channel_credentials(authority.file.read_bytes())
        async with grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials) as channel:
            assert await call(channel, b"body") == b"answer"
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            with pytest.raises(grpc.aio.AioRpcError):
                await call(channel, b"body")


async def test_a_busy_port_is_an_error_and_not_shared() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(CollectorError, match="cannot be used"):
            await GrpcReceiver(Taken(), max_bytes=LIMIT).start("127.0.0.1", taken.getsockname()[1])


async def test_stopping_what_never_started_is_nothing() -> None:
    await asyncio.wait_for(GrpcReceiver(Taken(), max_bytes=LIMIT).stop(1.0), 5)
