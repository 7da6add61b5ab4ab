"""A load generator that costs little: prebuilt bytes over raw connections, closed loop, bounded in time and count.

It measures what the server process tree spends (CPU milliseconds per request, from /proc), which moves far less under noise
than requests per second, and beside it throughput and latencies.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Window:
    """What one window of load showed. Latencies in milliseconds (to the end of an answer, and to its first bytes), `cpu_ms` per request."""

    requests: int
    failures: int
    seconds: float
    cpu_ms: float
    p50: float
    p99: float
    first_p50: float
    first_p99: float

    @property
    def rps(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds if self.seconds else 0.0


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of processes and of all their living descendants so far."""
    total = 0
    left = list(pids)
    while left:
        place = Path(f"/proc/{left.pop()}")
        try:
            fields = (place / "stat").read_text().rpartition(")")[2].split()
            left += [int(child) for task in (place / "task").iterdir() for child in (task / "children").read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def request_bytes(host: str, port: int, path: str, key: str, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """One HTTP/1.1 request, ready to be written."""
    more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    return (
        f"POST {path} HTTP/1.1\r\nhost: {host}:{port}\r\nauthorization: Bearer {key}\r\n{more}"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body


class Connection(asyncio.Protocol):
    """One keep-alive connection that sends the same request again as soon as the answer is complete."""

    def __init__(
        self, request: bytes, deadline: float, latencies: list[float], firsts: list[float], failures: list[int], pause_s: float = 0.0
    ) -> None:
        self._request = request
        self._deadline = deadline
        self._latencies = latencies
        self._firsts = firsts
        self._failures = failures
        self._pause_s = pause_s
        self._buffer = b""
        self._answered = False
        self._started = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._fire()

    def _fire(self) -> None:
        if time.perf_counter() >= self._deadline:
            self._transport.close()
            return
        self._buffer = b""
        self._answered = False
        self._started = time.perf_counter()
        self._transport.write(self._request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        if rest and not self._answered:
            self._answered = True
            self._firsts.append((time.perf_counter() - self._started) * 1000)
        lowered = head.lower()
        if b"\r\ntransfer-encoding: chunked" in lowered:
            if not rest.endswith(b"0\r\n\r\n"):
                return
        else:
            start = lowered.find(b"\r\ncontent-length:")
            length = int(lowered[start + 17 :].split(b"\r\n", 1)[0]) if start >= 0 else 0
            if len(rest) < length:
                return
        self._latencies.append((time.perf_counter() - self._started) * 1000)
        if b" 200 " not in head[:16]:
            self._failures.append(1)
        if self._pause_s:
            asyncio.get_running_loop().call_later(self._pause_s, self._fire)
        else:
            self._fire()

    def connection_lost(self, _error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def run_window(
    host: str, port: int, request: bytes, *, connections: int, seconds: float, pids: Iterable[int], pause_s: float = 0.0
) -> Window:
    """Keep `connections` busy for `seconds` (or paced by `pause_s` between requests) and report."""
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    firsts: list[float] = []
    failures: list[int] = []
    watched = tuple(pids)
    before, started = cpu_seconds(watched), time.perf_counter()
    protocols = []
    for _ in range(connections):
        _transport, protocol = await loop.create_connection(
            lambda: Connection(request, started + seconds, latencies, firsts, failures, pause_s), host, port
        )
        protocols.append(protocol)
    await asyncio.wait([protocol.done for protocol in protocols], timeout=seconds + 20)
    elapsed = time.perf_counter() - started
    spent = cpu_seconds(watched) - before
    return Window(
        requests=len(latencies),
        failures=len(failures),
        seconds=elapsed,
        cpu_ms=spent * 1000 / max(1, len(latencies)),
        p50=quantile(latencies, 0.5),
        p99=quantile(latencies, 0.99),
        first_p50=quantile(firsts, 0.5),
        first_p99=quantile(firsts, 0.99),
    )


def quantile(values: list[float], share: float) -> float:
    """The value that `share` of the values do not exceed; 0 without any."""
    ordered = sorted(values) or [0.0]
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
