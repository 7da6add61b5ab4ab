"""From nothing to the first answer: how long a start takes, what it imports, and how much memory a worker has then and later.

    python -m tests.benchmarks.start_speed [--times 5]

The first start of a data folder makes its keys and its database and compiles the rules where no installed cache has them; the others are
warm. The first answer is a call over the direct lane, so LiteLLM is never loaded; Presidio loads in the background afterwards.
"""

from __future__ import annotations

import argparse
import contextlib
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.gateway_contenders import bodies, document, process
from tests.walks.rig import ROOT, Gateway, running_gateway

SETTLED_S = 12.0


def memory_mb(pid: int) -> float:
    """Resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def first_answer(gateway: Gateway, key: str) -> None:
    """One call that must succeed."""
    answer = gateway.call("POST", "/v1/chat/completions", bodies("direct")[0], key=key)
    assert answer.status == 200, answer.body[:300]


def starts(upstream: str, folder: Path, times: int) -> tuple[list[float], list[float]]:
    """Seconds from the spawn of `lockgate serve` to its first answer, and the memory at that moment; the first one is the cold folder."""
    seconds, memory = [], []
    key = ""
    for _ in range(times + 1):
        started = time.perf_counter()
        with running_gateway(
            folder, document(upstream, ("direct",)), BENCH_KEY=f"sk-{secrets.token_hex(16)}", LOCKGATE_LOG_LEVEL="WARNING"
        ) as gateway:
            key = key or gateway.create_key(alias="bench")["key"]
            first_answer(gateway, key)
            seconds.append(time.perf_counter() - started)
            memory.append(memory_mb(gateway.process.pid))
    return seconds, memory


def later(upstream: str, folder: Path, lanes: tuple[str, ...]) -> float:
    """The memory of a worker that has warmed up and answered."""
    with running_gateway(
        folder, document(upstream, lanes), BENCH_KEY=f"sk-{secrets.token_hex(16)}", LOCKGATE_LOG_LEVEL="WARNING"
    ) as gateway:
        first_answer(gateway, gateway.create_key(alias="bench")["key"])
        time.sleep(SETTLED_S)
        return memory_mb(gateway.process.pid)


def imports(most: int) -> list[tuple[int, str]]:
    """The slowest imports of the serving command: cumulative microseconds and module, packages only once."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import pipeline.bootstrap.serve"], capture_output=True, cwd=ROOT, check=True, timeout=60
    )
    found: dict[str, int] = {}
    for line in done.stderr.decode().splitlines():
        _, cumulative, name = line.removeprefix("import time:").split("|")
        if cumulative.strip().isdigit():
            package = name.strip().split(".")[0]
            found[package] = max(found.get(package, 0), int(cumulative))
    return sorted(((micros, name) for name, micros in found.items()), reverse=True)[:most]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        provider = stack.enter_context(process(["-m", "tests.servers.provider", "--port", "0"], core=0))
        assert provider.stdout is not None
        upstream = provider.stdout.readline().decode().split()[-1]
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        seconds, memory = starts(upstream, folder / "starts", options.times)
        warm = seconds[1:]
        print(f"to the first answer: new data folder {seconds[0]:.2f} s, then {statistics.median(warm):.2f} s (least {min(warm):.2f})")
        print(f"memory at the first answer: {statistics.median(memory):.0f} MB")
        print(f"warm, direct lane only: {later(upstream, folder / 'direct', ('direct',)):.0f} MB")
        print(f"warm, LiteLLM lane loaded: {later(upstream, folder / 'both', ('direct', 'litellm')):.0f} MB")
    print("slowest imports of `serve`, ms with what they import:")
    for micros, name in imports(14):
        print(f"  {micros / 1000:8.1f}  {name}")


if __name__ == "__main__":
    main()
