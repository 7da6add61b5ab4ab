"""What the gateway costs, beside a bare pass-through and the peers that are installed, in turns (A B C A B C), each on the same core.

    LOCKGATE_BENCH_SECONDS=5 LOCKGATE_BENCH_ROUNDS=3 python -m tests.benchmarks.gateway_speed [cost] [translated] [ledger] [latency]

CPU milliseconds per request of the server's process tree is the figure: it moves less under noise than requests per second. Absolute
times belong to this machine and minute; the ratios carry over. `cost` is the direct and the LiteLLM lane, `translated` an Anthropic
model behind OpenAI's surface, `ledger` the direct lane with and without its ledger, `latency` about 50 requests a second, on the disk and
on a memory file system, whose syncs cost nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.gateway_contenders import (
    DIRECT,
    FLOOR,
    IN_MEMORY,
    LITELLM,
    MEMORY,
    PROXY,
    TRANSLATED,
    TRANSLATING,
    Contender,
    floor,
    free_port,
    litellm_proxy,
    lockgate,
    portkey,
    process,
    unwritten,
)
from tests.benchmarks.load import Window, quantile, run_window

CONNECTIONS = 64
WINDOW_S = float(os.environ.get("LOCKGATE_BENCH_SECONDS", "5"))
ROUNDS = int(os.environ.get("LOCKGATE_BENCH_ROUNDS", "3"))
WARM_S = 4.0
"""Load before the first window, which counts for nothing: Node compiles what it has run some thousand times."""

PACED_CONNECTIONS, PAUSE_S = 5, 0.1  # about 50 requests a second
SECTIONS = ("cost", "translated", "ledger", "latency")

Windows = dict[str, list[Window]]


async def measure(contenders: list[Contender], request: str, *, connections: int, pause_s: float = 0.0) -> Windows:
    """Windows of every contender, in turns, after a warm-up of each. `request` names a field of Contender."""
    windows: Windows = {one.name: [] for one in contenders}
    for one in contenders:
        await run_window("127.0.0.1", one.port, getattr(one, request), connections=connections, seconds=WARM_S, pids=(one.pid,))
    for _ in range(ROUNDS):
        for one in contenders:
            window = await run_window(
                "127.0.0.1", one.port, getattr(one, request), connections=connections, seconds=WINDOW_S, pids=(one.pid,), pause_s=pause_s
            )
            assert window.failures == 0, f"{one.name}: {window.failures} failures"
            windows[one.name].append(window)
    return windows


def report_cost(title: str, windows: Windows, base: str) -> None:
    """One table: CPU and throughput, and how many times cheaper than each is the contender named `base`."""
    print(f"\n{title} (load average {os.getloadavg()[0]:.1f})")
    print(f"{'':34}{'CPU ms':>8}{'least':>8}{'most':>8}{'rps':>8}{'CPU of the first':>18}{'× cheaper is ' + base:>36}")
    first = next(iter(windows.values()))
    for name, series in windows.items():
        cpu = median(series, "cpu_ms")
        line = f"{name:34}{cpu:8.3f}{min(w.cpu_ms for w in series):8.3f}{max(w.cpu_ms for w in series):8.3f}{median(series, 'rps'):8.0f}"
        print(f"{line}{median(first, 'cpu_ms') / cpu:18.3f}{cpu / median(windows[base], 'cpu_ms'):36.2f}", flush=True)


def report_latency(title: str, windows: Windows) -> None:
    """One table: milliseconds to the first bytes of the body and to the end, and what is added to the floor's."""
    print(f"\n{title} (load average {os.getloadavg()[0]:.1f})")
    fields = ("first_p50", "first_p99", "p50", "p99")
    print(f"{'':34}" + "".join(f"{field:>11}{'added':>8}" for field in fields))
    for name, series in windows.items():
        figures = "".join(f"{median(series, field):11.2f}{median(series, field) - median(windows[FLOOR], field):8.2f}" for field in fields)
        print(f"{name:34}{figures}", flush=True)


def median(series: list[Window], field: str) -> float:
    """The median of a figure over windows."""
    return float(statistics.median(getattr(window, field) for window in series))


def disk(folder: Path) -> str:
    """How long one `fdatasync` of 2 kB takes here when one comes now and then; a call waits for two commits, each on two devices."""
    times = []
    with (folder / "disk").open("wb", buffering=0) as file:
        for _ in range(100):
            time.sleep(0.01)
            file.write(bytes(2000))
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - started) * 1000)
    return f"one fdatasync of the disk at this time: {statistics.median(times):.2f} ms, 99th {quantile(times, 0.99):.2f} ms"


@contextlib.contextmanager
def surroundings() -> Iterator[tuple[str, str, Path]]:
    """The provider and the telemetry sink, each a process on the core of the load: (upstream URL, sink URL, a folder on the disk)."""
    with contextlib.ExitStack() as stack:
        provider = stack.enter_context(process(["-m", "tests.servers.provider", "--port", "0"], core=0))
        assert provider.stdout is not None
        upstream = provider.stdout.readline().decode().split()[-1]
        port = free_port()
        stack.enter_context(process(["-m", "tests.benchmarks.sink", str(port)], core=0))
        yield upstream, f"http://127.0.0.1:{port}", Path(stack.enter_context(tempfile.TemporaryDirectory()))


def cost(upstream: str, sink: str, folder: Path) -> None:
    """The direct and the LiteLLM lane against the floor and both peers."""
    with contextlib.ExitStack() as stack:
        contenders = [
            stack.enter_context(floor(upstream)),
            *stack.enter_context(lockgate(upstream, folder / "cost", sink, {"direct": DIRECT, "litellm": LITELLM})),
            *(one for one in stack.enter_context(litellm_proxy(upstream, folder)) if one.name == PROXY),
            *stack.enter_context(portkey(upstream)),
        ]
        for request in ("plain", "stream"):
            windows = asyncio.run(measure(contenders, request, connections=CONNECTIONS))
            report_cost(f"{request}, {CONNECTIONS} connections", windows, DIRECT)


def translated(upstream: str, sink: str, folder: Path) -> None:
    """OpenAI's surface in front of an Anthropic model: Lockgate against LiteLLM's proxy."""
    with contextlib.ExitStack() as stack:
        contenders = [
            *stack.enter_context(lockgate(upstream, folder / "translated", sink, {"translated": TRANSLATED})),
            *(one for one in stack.enter_context(litellm_proxy(upstream, folder)) if one.name == TRANSLATING),
        ]
        for request in ("plain", "stream"):
            windows = asyncio.run(measure(contenders, request, connections=CONNECTIONS))
            report_cost(f"translated, {request}, {CONNECTIONS} connections", windows, TRANSLATED)


def ledger(upstream: str, sink: str, folder: Path) -> None:
    """The direct lane with its ledger against the same path with calls that are not written down."""
    with contextlib.ExitStack() as stack:
        contenders = [
            *stack.enter_context(unwritten(upstream, folder / "unwritten", sink)),
            *stack.enter_context(lockgate(upstream, folder / "written", sink, {"direct": DIRECT})),
        ]
        for request in ("plain", "stream"):
            windows = asyncio.run(measure(contenders, request, connections=CONNECTIONS))
            report_cost(f"ledger off and on, {request}, {CONNECTIONS} connections", windows, DIRECT)


def latency(upstream: str, sink: str, folder: Path) -> None:
    """What is added at about 50 requests a second: to whole answers, and to the first bytes of paced streams."""
    with contextlib.ExitStack() as stack:
        contenders = [
            stack.enter_context(floor(upstream)),
            *stack.enter_context(lockgate(upstream, folder / "latency", sink, {"direct": DIRECT, "litellm": LITELLM})),
        ]
        if MEMORY.is_dir():
            memory = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=MEMORY)))
            contenders += stack.enter_context(lockgate(upstream, memory / "house", sink, {"direct": IN_MEMORY}))
        contenders += [one for one in stack.enter_context(litellm_proxy(upstream, folder)) if one.name == PROXY]
        contenders += stack.enter_context(portkey(upstream))
        for request, title in (("plain", "plain"), ("paced", "stream that begins after 50 ms, a piece every 10 ms, 5 at once")):
            print("\n" + disk(folder))
            windows = asyncio.run(measure(contenders, request, connections=PACED_CONNECTIONS, pause_s=PAUSE_S))
            print(disk(folder))
            report_latency(f"{title}, about 50 requests a second, ms", windows)


def main() -> None:
    """Run the sections that were asked for, all without any."""
    asked = sys.argv[1:] or SECTIONS
    unknown = set(asked).difference(SECTIONS)
    if unknown:
        raise SystemExit(f"no such section: {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    os.sched_setaffinity(0, {0})
    with surroundings() as (upstream, sink, folder):
        for section in asked:
            {"cost": cost, "translated": translated, "ledger": ledger, "latency": latency}[section](upstream, sink, folder)


if __name__ == "__main__":
    main()
