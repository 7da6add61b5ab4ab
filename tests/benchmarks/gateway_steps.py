"""CPU microseconds per request of each step of the walk, over the real parts: a house built as `serve` builds it, without its HTTP server.

    python -m tests.benchmarks.gateway_steps [--calls 2000] [--batch 32]

Batches of calls go through the walk in step: all of them read, then all of them are identified, and so on, so that each step's cost is
the process's own clock before and after it, all threads (the ledger's writer among them), and the ledger commits in groups as under load.
The provider is a process of its own and not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import uvloop
import yaml

from pipeline.bootstrap.build import Running, build
from pipeline.bootstrap.policies import open_redaction
from pipeline.bootstrap.serving import prepare
from pipeline.config.environment import read_process
from pipeline.config.home import prepare_home
from pipeline.config.loader import load_with_warnings
from pipeline.gateway import chat, endings, leaving, reply, settle, wire
from pipeline.gateway.http import read_headers
from pipeline.gateway.model import Call, House
from pipeline.gateway.permission import circumstances, permit
from pipeline.keys.service import Actor, create_key
from pipeline.routing.usage import UsageMeter
from tests.benchmarks.gateway_contenders import bodies, document
from tests.walks.rig import ROOT


class Lap:
    """CPU time by step, one figure a round; what is printed is the median round, which noise moves less than the mean."""

    def __init__(self) -> None:
        self.spent: dict[str, list[float]] = {}

    @contextlib.contextmanager
    def of(self, step: str) -> Iterator[None]:
        """Note what the process spends inside the block."""
        before = time.process_time()
        yield
        self.spent.setdefault(step, []).append(time.process_time() - before)

    def print(self, title: str, batch: int) -> None:
        """The table, in the order of the walk. A step in brackets is part of the one below it, measured once more by itself."""
        print(f"\n{title}, µs CPU per request: median, least round")
        whole = 0.0
        for step, rounds in self.spent.items():
            middle, least = (value / batch * 1e6 for value in (statistics.median(rounds), min(rounds)))
            whole += 0.0 if step.startswith("[") else middle
            print(f"  {step:36}{middle:9.1f}{least:9.1f}")
        print(f"  {'sum':36}{whole:9.1f}")


@contextlib.contextmanager
def provider() -> Iterator[str]:
    """The loopback provider as a process of its own."""
    started = subprocess.Popen([sys.executable, "-m", "tests.servers.provider", "--port", "0"], stdout=subprocess.PIPE, cwd=ROOT)
    assert started.stdout is not None
    try:
        yield started.stdout.readline().decode().split()[-1]
    finally:
        started.terminate()
        started.wait(timeout=10)
        started.stdout.close()


def receiver(body: bytes) -> Callable[[], Awaitable[dict[str, Any]]]:
    """An ASGI `receive` that gives one body; afterwards the client stays."""
    given = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if given:
            return given.pop()
        await asyncio.Event().wait()
        raise AssertionError("nobody leaves")

    return receive


async def nowhere(_message: Any) -> None:
    """An ASGI `send` that drops what it is given."""


def arrival(house: House, headers: list[tuple[bytes, bytes]]) -> Call:
    """A call as the application makes it."""
    return Call(
        request_id=house.new_id(),
        surface="openai.chat",
        dialect="openai",
        headers=read_headers(headers, house.limits),
        at_us=house.clock.now_us(),
        started=house.clock.monotonic(),
        peer="127.0.0.1",
        span=house.tracing.start(None),
        route="chat",
    )


async def walk(house: House, lap: Lap, body: bytes, headers: list[tuple[bytes, bytes]], batch: int) -> None:
    """One batch of calls through the walk, in step."""
    many = range(batch)
    receives = [receiver(body) for _ in many]
    with lap.of("arrive (id, headers, span)"):
        calls = [arrival(house, headers) for _ in many]
    with lap.of("2 who"):
        callers = [await chat.identify(house, call) for call in calls]
        around = [circumstances(house, call.route, call.peer) for call in calls]
        for i in many:
            permit(callers[i], around[i])
    with lap.of("1 read"):
        asked = [await chat.read(house, calls[i], receives[i]) for i in many]
    with lap.of("3 where"):
        plans = [chat.place(house, callers[i], asked[i], around[i]) for i in many]
    policies = [house.swapped.policies.of(caller) for caller in callers]
    with lap.of("4 screen the prompt"):
        screened = [await chat.screen(house, policies[i], asked[i]) for i in many]
    with lap.of("5 price"):
        bounds = [chat.price(house, calls[i], asked[i], screened[i], plans[i], callers[i]) for i in many]
    trails = [settle.Trail(calls[i], callers[i], asked[i], policies[i], screened[i], bounds[i]) for i in many]
    with lap.of("[6 start event]"):
        for trail in trails:
            trail.start_event(house)
    with lap.of("6 write down"):
        await asyncio.gather(*(chat.write_down(house, trail) for trail in trails))
    with lap.of("7, 8 open the key, ask"):
        answers = await asyncio.gather(*(chat.question(house, trails[i], screened[i], plans[i]) for i in many))
    if asked[0].stream:
        await _stream(house, lap, trails, answers, body)
    else:
        await _whole(house, lap, trails, answers)


async def _whole(house: House, lap: Lap, trails: list[settle.Trail], answers: list[Any]) -> None:
    meters = [UsageMeter(trail.call.surface) for trail in trails]
    with lap.of("8 take the answer"):
        deltas = await asyncio.gather(*(reply._only(house, *three) for three in zip(trails, answers, meters, strict=True)))
    with lap.of("8 screen the answer"):
        clean = [
            wire.screen_answer(trail.call.surface, delta.data, trail.policy.answer) for trail, delta in zip(trails, deltas, strict=True)
        ]
    with lap.of("8 price the answer"):
        ended = [
            endings.ending_of(house, trail, answer, meter, "ok", 200, "observed", one.remarks)
            for trail, answer, meter, one in zip(trails, answers, meters, clean, strict=True)
        ]
    with lap.of("[9 span: rebuild and encode]"):
        for trail, ending in zip(trails, ended, strict=True):
            settle._spans(house, trail, ending, 0, house.clock.now_us(), None, None)
            trail.call.span.children.clear()
    with lap.of("9, 10 close the span, settle"):
        await asyncio.gather(*(settle.settle(house, *two) for two in zip(trails, ended, strict=True)))


async def _stream(house: House, lap: Lap, trails: list[settle.Trail], answers: list[Any], body: bytes) -> None:
    async def one(trail: settle.Trail, answer: Any) -> None:
        await reply.deliver_stream(house, trail, answer, leaving.Watch(receiver(body)), nowhere)

    with lap.of("8, 9, 10 the stream, to its end"):
        await asyncio.gather(*(one(trail, answer) for trail, answer in zip(trails, answers, strict=True)))


async def settled() -> None:
    """Wait until what warms up in the background has done so."""
    for _ in range(60):
        before = time.process_time()
        await asyncio.sleep(0.3)
        if time.process_time() - before < 0.02:
            return


async def measure(running: Running, calls: int, batch: int) -> None:
    """Both walks, a warm-up round of each before."""
    house = running.house
    made = await create_key(running.office, Actor("system"), {"alias": "bench"})
    headers = [(b"host", b"127.0.0.1"), (b"authorization", b"Bearer " + made["key"].encode()), (b"content-type", b"application/json")]
    await settled()
    for title, body in zip(("plain", "stream of 20 pieces"), bodies("direct"), strict=True):
        sized = [*headers, (b"content-length", str(len(body)).encode())]
        for _ in range(3):
            await walk(house, Lap(), body, sized, batch)
        lap = Lap()
        rounds = max(1, calls // batch)
        for _ in range(rounds):
            await walk(house, lap, body, sized, batch)
        lap.print(title, batch)


def main() -> None:
    """Build the house and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1600)
    parser.add_argument("--batch", type=int, default=32)
    options = parser.parse_args()
    with provider() as upstream, tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "lockgate.yaml"
        config.write_text(yaml.safe_dump(document(upstream, lanes=("direct",))))
        os.environ.update(
            LOCKGATE_HOME=f"{folder}/home", LOCKGATE_CONFIG=str(config), LOCKGATE_LOG_LEVEL="WARNING", BENCH_KEY="sk-bench-loopback-only"
        )
        process = read_process()
        home = prepare_home(process.home)
        redaction = open_redaction(home.cache)
        read, _warnings = load_with_warnings(process.document_path, find_secrets=redaction.finder())
        plan = prepare(process, read, process.document_path, home, redaction)

        async def run() -> None:
            running = await build(plan, redaction)
            try:
                await measure(running, options.calls, options.batch)
            finally:
                await running.stop()

        uvloop.run(run())


if __name__ == "__main__":
    main()
