"""What the gateway costs: bare pass-through, direct lane, LiteLLM lane, in turns (A B C A B C), one worker on one core.

    LOCKGATE_BENCH_SECONDS=5 LOCKGATE_BENCH_ROUNDS=3 python -m tests.benchmarks.gateway_speed

CPU milliseconds per request of the server's process tree is the figure: it moves less under noise than requests per second. Absolute
times belong to this machine and minute; the ratios carry over. Where LiteLLM's proxy is installed (`make peers`), it is measured in
the same turns, bare: no database, no logging, nothing of what the gateway has switched on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.benchmarks.load import Window, quantile, request_bytes, run_window
from tests.walks.rig import MASK_ALL, ROOT, openai_target, running_gateway

CONNECTIONS = 64
WINDOW_S = float(os.environ.get("LOCKGATE_BENCH_SECONDS", "5"))
ROUNDS = int(os.environ.get("LOCKGATE_BENCH_ROUNDS", "3"))
PACED_CONNECTIONS, PAUSE_S = 5, 0.1  # about 50 requests a second
SCRIPT, PACED = "say:20", "say:20+slow:0.05+pace:0.01"
PROMPT = ("Summarise the following notes for the weekly report, in three sentences, and keep the names of the products. " * 12)[:1000]
FLOOR, DIRECT, LITELLM, PEER = "bare aiohttp pass-through", "direct lane, all on", "LiteLLM lane, all on", "LiteLLM's proxy, bare"


@dataclass(frozen=True, slots=True)
class Contender:
    """One server under load, with its three requests."""

    name: str
    port: int
    pid: int
    plain: bytes
    stream: bytes
    paced: bytes


@contextlib.contextmanager
def process(arguments: list[str], *, core: int, python: str = sys.executable, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A server process pinned to a core."""
    env = {**os.environ, **environment}
    started = subprocess.Popen([python, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT, env=env)
    pin(started.pid, core)
    try:
        yield started
    finally:
        started.terminate()
        try:
            started.wait(timeout=10)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()
        assert started.stdout is not None
        started.stdout.close()


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
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def document(upstream: str, lanes: tuple[str, ...] = ("direct", "litellm"), sink: str = "http://127.0.0.1:9") -> dict[str, Any]:
    """Everything on: policy, redaction in both directions, ledger, spans to a destination. Two models for each lane, by its name."""
    scripts = [(lane, script, f"{lane}{suffix}") for lane in lanes for script, suffix in ((SCRIPT, ""), (PACED, "-paced"))]
    return {
        "targets": [
            openai_target(name, script, upstream, lane=lane, secret_key_ref={"env": "BENCH_KEY"}) for lane, script, name in scripts
        ],
        "models": {name: {"targets": [name]} for _, _, name in scripts},
        "prices": {"openai/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2}},
        "policies": {"default": MASK_ALL},
        "telemetry": {"destinations": [{"id": "sink", "endpoint": sink}]},
    }


def contender(name: str, port: int, pid: int, model: str, paced: str, key: str) -> Contender:
    """A contender with its requests ready to be written."""
    (plain, stream), (_, slowly) = bodies(model), bodies(paced)
    at = ("127.0.0.1", port, "/v1/chat/completions", key)
    return Contender(name, port, pid, *(request_bytes(*at, body) for body in (plain, stream, slowly)))


async def measure(contenders: list[Contender], request: str, *, connections: int, pause_s: float = 0.0) -> dict[str, list[Window]]:
    """Windows of every contender, in turns, after a short warm-up of each. `request` names a field of Contender."""
    windows: dict[str, list[Window]] = {one.name: [] for one in contenders}
    for one in contenders:
        await run_window("127.0.0.1", one.port, getattr(one, request), connections=8, seconds=1.0, pids=(one.pid,))
    for _ in range(ROUNDS):
        for one in contenders:
            window = await run_window(
                "127.0.0.1", one.port, getattr(one, request), connections=connections, seconds=WINDOW_S, pids=(one.pid,), pause_s=pause_s
            )
            assert window.failures == 0, f"{one.name}: {window.failures} failures"
            windows[one.name].append(window)
    return windows


def report_cost(title: str, windows: dict[str, list[Window]]) -> None:
    """One table: CPU and throughput, each as a share of the floor's, and how many times cheaper than the peer where there is one."""
    print(f"\n{title}")
    peer = median(windows[PEER], "cpu_ms") if PEER in windows else 0.0
    print(f"{'':28}{'CPU ms':>8}{'least':>8}{'most':>8}{'of floor':>10}{'rps':>8}{'of floor':>10}" + (f"{'× cheaper':>11}" if peer else ""))
    floor = windows[FLOOR]
    for name, series in windows.items():
        cpu, rps = median(series, "cpu_ms"), median(series, "rps")
        line = f"{name:28}{cpu:8.3f}{min(w.cpu_ms for w in series):8.3f}{max(w.cpu_ms for w in series):8.3f}"
        line += f"{median(floor, 'cpu_ms') / cpu:10.3f}{rps:8.0f}{rps / median(floor, 'rps'):10.3f}"
        print(line + (f"{peer / cpu:11.1f}" if peer else ""))


def report_latency(title: str, windows: dict[str, list[Window]]) -> None:
    """One table: milliseconds to the first bytes of the body and to the end, and what is added to the floor's."""
    print(f"\n{title}")
    fields = ("first_p50", "first_p99", "p50", "p99")
    print(f"{'':28}" + "".join(f"{field:>11}{'added':>8}" for field in fields))
    for name, series in windows.items():
        figures = "".join(f"{median(series, field):11.2f}{median(series, field) - median(windows[FLOOR], field):8.2f}" for field in fields)
        print(f"{name:28}{figures}")


def median(series: list[Window], field: str) -> float:
    """The median of a figure over windows."""
    return float(statistics.median(getattr(window, field) for window in series))


def disk(folder: Path) -> str:
    """How long one `fdatasync` of 2 kB takes here when one comes now and then; a call waits for four (two commits on two devices)."""
    times = []
    with (folder / "disk").open("wb", buffering=0) as file:
        for _ in range(100):
            time.sleep(0.01)
            file.write(bytes(2000))
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - started) * 1000)
    return f"{statistics.median(times):.2f} ms, 99th {quantile(times, 0.99):.2f} ms"


def wait_for(url: str, seconds: float = 60.0) -> None:
    """Wait until a server answers anything at all."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=1)
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("a server did not start")


@contextlib.contextmanager
def litellm_proxy(upstream: str, folder: Path) -> Iterator[Contender | None]:
    """LiteLLM's own proxy from its environment, with a master key and nothing else; None where it is not installed."""
    home = ROOT / ".venv-peer-litellm" / "bin"
    if not (home / "litellm").exists():
        yield None
        return
    key, port = f"sk-{secrets.token_hex(16)}", free_port()
    models = [
        {
            "model_name": name,
            "litellm_params": {"model": f"openai/{script}", "api_base": f"{upstream}/v1", "api_key": secrets.token_hex(16)},
        }
        for name, script in (("plain", SCRIPT), ("paced", PACED))
    ]
    config = folder / "litellm.yaml"
    config.write_text(yaml.safe_dump({"model_list": models, "general_settings": {"master_key": key}}))
    arguments = [str(home / "litellm"), "--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"]
    quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
    with process(arguments, core=1, python=str(home / "python"), **quiet) as server:
        wait_for(f"http://127.0.0.1:{port}/health/liveliness", 90)
        pin(server.pid, 1)
        yield contender(PEER, port, server.pid, "plain", "paced", key)


def main() -> None:
    """Run everything."""
    os.sched_setaffinity(0, {0})
    with contextlib.ExitStack() as stack:
        provider = stack.enter_context(process(["-m", "tests.servers.provider", "--port", "0"], core=0))
        assert provider.stdout is not None
        upstream = provider.stdout.readline().decode().split()[-1]
        floor_port, sink_port = free_port(), free_port()
        floor = stack.enter_context(process(["-m", "tests.benchmarks.floor", str(floor_port), upstream], core=1))
        stack.enter_context(process(["-m", "tests.benchmarks.sink", str(sink_port)], core=0))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        settings = {"BENCH_KEY": f"sk-{secrets.token_hex(16)}", "LOCKGATE_LOG_LEVEL": "WARNING"}
        gateway = stack.enter_context(running_gateway(folder, document(upstream, sink=f"http://127.0.0.1:{sink_port}"), **settings))
        pid, port = gateway.process.pid, int(gateway.url.rsplit(":", 1)[1])
        pin(pid, 1)
        key = gateway.create_key(alias="bench")["key"]
        wait_for(f"http://127.0.0.1:{floor_port}/")
        contenders = [
            contender(FLOOR, floor_port, floor.pid, SCRIPT, PACED, key),
            contender(DIRECT, port, pid, "direct", "direct-paced", key),
            contender(LITELLM, port, pid, "litellm", "litellm-paced", key),
        ]
        peer = stack.enter_context(litellm_proxy(upstream, folder))
        contenders += [peer] if peer is not None else []
        report_cost(f"plain, {CONNECTIONS} connections", asyncio.run(measure(contenders, "plain", connections=CONNECTIONS)))
        report_cost(f"stream of 20 pieces, {CONNECTIONS} connections", asyncio.run(measure(contenders, "stream", connections=CONNECTIONS)))
        print(f"\none fdatasync of the disk at this time: {disk(folder)}")
        slowly = asyncio.run(measure(contenders, "plain", connections=PACED_CONNECTIONS, pause_s=PAUSE_S))
        report_latency("plain, about 50 requests a second, ms", slowly)
        slowly = asyncio.run(measure(contenders, "paced", connections=PACED_CONNECTIONS, pause_s=PAUSE_S))
        report_latency("stream that begins after 50 ms, a piece every 10 ms, 5 at once, ms", slowly)
        status = Path(f"/proc/{pid}/status").read_text()
        rss = next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]
        print(f"\nwarm memory of the worker: {int(rss) / 1024:.0f} MB (both lanes used)")


if __name__ == "__main__":
    main()
