"""How much memory a worker needs for streams that are open and silent: agents that think for minutes keep many of them.

    python -m tests.benchmarks.idle_streams [--streams 1000]

The provider is in this process: it sends a few pieces of every answer and then nothing. The figure is the growth of the gateway's
private memory, first opening and second apart, because what the first one grows beyond the second is kept and used again.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import orjson

from tests.benchmarks.gateway_contenders import bodies
from tests.benchmarks.load import request_bytes
from tests.walks.rig import MASK_ALL, Gateway, openai_target, running_gateway

PIECES = ("The report says", " that sales grew", " in the second", " quarter, and")
AT_ONCE = 50
TRIES = 20


def _event(delta: dict[str, Any]) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    head = {"id": "chatcmpl-idle", "object": "chat.completion.chunk", "created": 1763700000, "model": "idle"}
    return b"data: " + orjson.dumps({**head, "choices": [choice]}) + b"\n\n"


class Silent(asyncio.Protocol):
    """A provider that begins every answer and ends none."""

    BEGINNING = b"".join([_event({"role": "assistant", "content": ""}), *(_event({"content": piece}) for piece in PIECES)])
    HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"

    def __init__(self) -> None:
        self._seen = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer as soon as the request has come whole: its body ends in a brace."""
        self._seen += data
        head, separator, body = self._seen.partition(b"\r\n\r\n")
        if separator and len(body) >= int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]):
            self._seen = b""
            chunk = b"%x\r\n%b\r\n" % (len(self.BEGINNING), self.BEGINNING)
            self._transport.write(self.HEAD + chunk)  # type: ignore[attr-defined]


async def opened(port: int, request: bytes) -> asyncio.StreamWriter:
    """One stream, open, with its first piece read. A gateway that says it is busy is asked again."""
    for _ in range(TRIES):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        async with asyncio.timeout(60):
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 503 " not in head[:16]:
                assert b" 200 " in head[:16], head[:200]
                await reader.readuntil(PIECES[0].encode())
                return writer
        writer.close()
        await asyncio.sleep(1)
    raise AssertionError("the gateway stayed busy")


def private_mib(pid: int) -> float:
    """The memory of a process that nobody shares, in MiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean", "Private_Dirty"))) / 1024


async def _settled(pid: int) -> float:
    """The memory once it stands still for a second; a minute at most."""
    last = private_mib(pid)
    for _ in range(60):
        await asyncio.sleep(1)
        now = private_mib(pid)
        if abs(now - last) < 0.1:
            break
        last = now
    return now


async def fill(port: int, request: bytes, count: int) -> list[asyncio.StreamWriter]:
    """Open streams, some at a time."""
    writers: list[asyncio.StreamWriter] = []
    while len(writers) < count:
        writers += await asyncio.gather(*(opened(port, request) for _ in range(min(AT_ONCE, count - len(writers)))))
    return writers


async def drop(writers: list[asyncio.StreamWriter]) -> None:
    """Hang up."""
    for writer in writers:
        writer.close()
    for writer in writers:
        await writer.wait_closed()


async def measure(gateway: Gateway, key: str, count: int) -> None:
    """Open and leave twice; print what each opening added."""
    port, pid = int(gateway.url.rsplit(":", 1)[1]), gateway.process.pid
    request = request_bytes("127.0.0.1", port, "/v1/chat/completions", key, bodies("idle")[1])
    await drop(await fill(port, request, AT_ONCE))
    for turn in ("first", "second"):
        before = await _settled(pid)
        started = time.perf_counter()
        writers = await fill(port, request, count)
        took = time.perf_counter() - started
        after = await _settled(pid)
        print(
            f"{turn} {count} idle streams: {after - before:6.1f} MiB more ({(after - before) * 1024 / count:5.1f} KiB a stream), "
            f"{after:6.1f} MiB in all, opened in {took:.1f} s",
            flush=True,
        )
        await drop(writers)


async def run(count: int, folder: Path) -> None:
    """The provider, the gateway, the measurement."""
    server = await asyncio.get_running_loop().create_server(Silent, "127.0.0.1", 0, backlog=1024)
    upstream = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    document = {
        "targets": [openai_target("idle", "idle", upstream, lane="direct", secret_key_ref={"env": "BENCH_KEY"})],
        "models": {"idle": {"targets": ["idle"]}},
        "prices": {"openai/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2}},
        "policies": {"default": MASK_ALL},
        "limits": {"max_in_flight": count + AT_ONCE},
    }
    started = running_gateway(folder, document, BENCH_KEY="bench-loopback-only")
    gateway = await asyncio.to_thread(started.__enter__)
    try:
        made = await asyncio.to_thread(gateway.create_key, alias="idle")
        await measure(gateway, made["key"], count)
    finally:
        await asyncio.to_thread(started.__exit__, None, None, None)
        server.close()


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=1000)
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * options.streams + 512
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(options.streams, Path(folder)))


if __name__ == "__main__":
    main()
