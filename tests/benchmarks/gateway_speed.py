"""What the gateway costs: bare pass-through, direct lane, LiteLLM lane, in turns (A B C A B C), one worker on one core.

Prints requests per second, CPU milliseconds per request of the server process, the share of the floor's throughput, and the
latency added at a paced load. Absolute times belong to this machine and minute; the ratios carry over.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.load import Window, request_bytes, run_window
from tests.walks.rig import MASK_ALL, ROOT, openai_target, running_gateway

CONNECTIONS = 64
WINDOW_S = float(os.environ.get("LOCKGATE_BENCH_SECONDS", "5"))
ROUNDS = int(os.environ.get("LOCKGATE_BENCH_ROUNDS", "3"))
PACED_CONNECTIONS, PAUSE_S = 5, 0.1  # about 50 requests a second
PROMPT = ("Summarise the following notes for the weekly report, in three sentences, and keep the names of the products. " * 12)[:1000]


@dataclass(frozen=True, slots=True)
class Contender:
    """One server under load."""

    name: str
    port: int
    pid: int
    request: bytes
    stream: bytes


@contextlib.contextmanager
def process(arguments: list[str], *, core: int) -> Iterator[subprocess.Popen[bytes]]:
    """A server process pinned to a core."""
    started = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT)
    pin(started.pid, core)
    try:
        yield started
    finally:
        started.terminate()
        started.wait(timeout=10)


def pin(pid: int, core: int) -> None:
    """Keep a process (and every thread that it starts later) on one core, where the machine has more than one."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        for task in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), {core % (os.cpu_count() or 1)})


def bodies(model: str) -> tuple[bytes, bytes]:
    """A request of about 1.2 kB, plain and streamed."""
    plain: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "system", "content": "You are helpful."}, {"role": "user", "content": PROMPT}],
    }
    return json.dumps(plain).encode(), json.dumps({**plain, "stream": True}).encode()


def free_port() -> int:
    """A port that is free now."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def document(upstream: str, lanes: tuple[str, ...] = ("direct", "litellm")) -> dict[str, Any]:
    """Everything on: policy, redaction in both directions, ledger, spans into the outbox. A model for each lane, by its name."""
    return {
        "targets": [openai_target(lane, "say:20", upstream, lane=lane, secret_key_ref={"env": "BENCH_KEY"}) for lane in lanes],
        "models": {lane: {"targets": [lane]} for lane in lanes},
        "prices": {"openai/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2}},
        "policies": {"default": MASK_ALL},
        "telemetry": {"destinations": [{"id": "nowhere", "endpoint": "http://127.0.0.1:9"}]},
    }


async def measure(
    contenders: list[Contender], *, stream: bool, connections: int, pause_s: float = 0.0, seconds: float = WINDOW_S
) -> dict[str, list[Window]]:
    """Windows of every contender, in turns."""
    windows: dict[str, list[Window]] = {contender.name: [] for contender in contenders}
    for contender in contenders:  # warm up
        await run_window(
            "127.0.0.1",
            contender.port,
            contender.stream if stream else contender.request,
            connections=8,
            seconds=1.0,
            pids=(contender.pid,),
        )
    for _ in range(ROUNDS):
        for contender in contenders:
            request = contender.stream if stream else contender.request
            window = await run_window(
                "127.0.0.1", contender.port, request, connections=connections, seconds=seconds, pids=(contender.pid,), pause_s=pause_s
            )
            assert window.failures == 0, f"{contender.name}: {window.failures} failures"
            windows[contender.name].append(window)
    return windows


def report(title: str, windows: dict[str, list[Window]]) -> None:
    """One table: medians, the best window, and the ratios to the floor."""
    print(f"\n{title}")
    print(f"{'':28}{'rps median':>12}{'rps best':>10}{'CPU ms':>9}{'best':>8}{'p50 ms':>9}{'p99 ms':>9}{'of floor':>10}")
    floor = statistics.median(window.rps for window in next(iter(windows.values())))
    for name, series in windows.items():
        rps = statistics.median(window.rps for window in series)
        print(
            f"{name:28}{rps:12.0f}{max(window.rps for window in series):10.0f}{statistics.median(window.cpu_ms for window in series):9.3f}"
            f"{min(window.cpu_ms for window in series):8.3f}{statistics.median(window.p50 for window in series):9.2f}"
            f"{statistics.median(window.p99 for window in series):9.2f}{rps / floor:10.3f}"
        )


def wait_for(url: str) -> None:
    """Wait until a server answers at all."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(url, timeout=1)
            return
        time.sleep(0.05)
    raise RuntimeError("a server did not start")


def main() -> None:
    """Run everything."""
    os.sched_setaffinity(0, {0})
    with contextlib.ExitStack() as stack:
        provider = stack.enter_context(process(["-m", "tests.servers.provider", "--port", "0"], core=0))
        assert provider.stdout is not None
        upstream = provider.stdout.readline().decode().split()[-1]
        floor_port = free_port()
        floor = stack.enter_context(process(["-m", "tests.benchmarks.floor", str(floor_port), upstream], core=1))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        gateway = stack.enter_context(
            running_gateway(folder, document(upstream), BENCH_KEY="sk-bench-loopback-only", LOCKGATE_LOG_LEVEL="WARNING")
        )
        pin(gateway.process.pid, 1)
        key = gateway.create_key(alias="bench")["key"]
        port = int(gateway.url.rsplit(":", 1)[1])
        for _ in range(100):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{floor_port}/", timeout=1)
            except urllib.error.HTTPError:
                break
            except OSError:
                time.sleep(0.05)
        contenders = []
        for name, model, at, pid in (
            ("bare aiohttp pass-through", "say:20", floor_port, floor.pid),
            ("direct lane, all on", "direct", port, gateway.process.pid),
            ("LiteLLM lane, all on", "litellm", port, gateway.process.pid),
        ):
            plain, streamed = bodies(model)
            path = "/v1/chat/completions"
            contenders.append(
                Contender(
                    name, at, pid, request_bytes("127.0.0.1", at, path, key, plain), request_bytes("127.0.0.1", at, path, key, streamed)
                )
            )
        report(f"plain, {CONNECTIONS} connections", asyncio.run(measure(contenders, stream=False, connections=CONNECTIONS)))
        report(f"stream of 20 pieces, {CONNECTIONS} connections", asyncio.run(measure(contenders, stream=True, connections=CONNECTIONS)))
        report(
            "plain, about 50 requests a second (latency)",
            asyncio.run(measure(contenders, stream=False, connections=PACED_CONNECTIONS, pause_s=PAUSE_S)),
        )
        status = Path(f"/proc/{gateway.process.pid}/status").read_text()
        rss = next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]
        print(f"\nwarm memory of the worker: {int(rss) / 1024:.0f} MB (both lanes used)")


if __name__ == "__main__":
    main()
