"""What the ledger costs: CPU per call (open + close), durable calls per second, and how fast a chain is verified.

    python -m tests.benchmarks.ledger_speed [--calls 20000] [--parallel 32] [--postgres] [--no-journal] [--busy-us 0]

CPU is the whole process's, both threads; a bare loop of the same awaits is subtracted from nothing, so it is an upper bound.
`--busy-us` burns that much CPU on the event loop per call, as a gateway does, to show how the writer's thread fares beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from collectors.model import OutboxRow
from pipeline.clock import SystemClock
from pipeline.ids import ulid
from pipeline.ledger.budgets import set_budget
from pipeline.ledger.ledger import DurableLedger
from pipeline.ledger.model import Charge, Event, Intent, RedactionCount, Scope, Settlement
from pipeline.ledger.verify import verify_store
from pipeline.store.engine import open_reader
from pipeline.store.migrate import migrate
from redactors.model import seal

DETAIL = seal({"surface": "openai.chat", "stream": False, "bytes": 1172, "policy": "default", "policy_digest": "0" * 16, "attempts": []})
SCOPES = (Scope("org", "default"), Scope("workspace", "W"), Scope("key", "K"))
PAYLOAD = bytes(range(256)) * 5


def event(clock: SystemClock, kind: str, request_id: str) -> Event:
    now_us = clock.now_us()
    return Event(ulid(now_us), now_us, kind, "K", "ok", DETAIL, request_id, "default", "W", "K", "gpt-5-mini", "openai", 200)


async def one(ledger: DurableLedger, clock: SystemClock, busy_s: float) -> None:
    request_id = ulid(clock.now_us())
    await ledger.open(Intent(event(clock, "gateway:call:start", request_id), 1500, SCOPES))
    end = time.thread_time() + busy_s
    while time.thread_time() < end:
        pass
    now_us = clock.now_us()
    charge = Charge(
        ulid(now_us), request_id, now_us, "default", "W", "K", "gpt-5-mini", "openai", "openai", "gpt-5-mini", "observed", 700, "d" * 64
    )
    row = OutboxRow("sre", "traces", PAYLOAD, 3)
    count = RedactionCount("prompt", "pii", "email", "email", "mask", 2)
    await ledger.close(Settlement(request_id, (event(clock, "gateway:call:finish", request_id),), (charge,), (row,), (count,)))


def set_budgets(connection: Any, now_us: int) -> None:
    for scope in SCOPES:
        set_budget(connection, scope, 10**15, "month", now_us)


async def traffic(ledger: DurableLedger, calls: int, parallel: int, busy_s: float) -> tuple[float, float, float]:
    clock = SystemClock()
    limits = partial(set_budgets, now_us=clock.now_us())
    await ledger.change(event(clock, "admin:budget:set", ""), limits)
    left = iter(range(calls))

    async def worker() -> None:
        for _ in left:
            await one(ledger, clock, busy_s)

    await one(ledger, clock, 0)
    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(worker() for _ in range(parallel)))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    started = time.perf_counter()
    for _ in range(100):
        await one(ledger, clock, 0)
    return cpu / calls * 1e6 - busy_s * 1e6, calls / wall, (time.perf_counter() - started) / 200 * 1e3


async def measure(url: str, folder: Path | None, options: argparse.Namespace) -> None:
    clock = SystemClock()
    ledger = DurableLedger(
        url, clock=clock, journal_dir=folder, require="all", epoch_id=ulid(clock.now_us()), host="bench", pid=os.getpid(), version="0"
    )
    await ledger.start()
    cpu_us, rate, alone_ms = await traffic(ledger, options.calls, options.parallel, options.busy_us / 1e6)
    await ledger.stop()
    print(f"{options.parallel} in parallel: {cpu_us:.0f} µs CPU per call, {rate:.0f} calls/s; alone: {alone_ms:.2f} ms per write")
    started = time.perf_counter()
    report = verify_store(open_reader(url), folder)
    print(f"verified {report.events} events, {report.events / (time.perf_counter() - started):.0f}/s, faults: {len(report.faults)}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--parallel", type=int, default=32)
    parser.add_argument("--busy-us", type=float, default=0)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--no-journal", action="store_true")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=options.folder)))
        if options.postgres:
            from tests.servers.postgres import running_postgres

            url = stack.enter_context(running_postgres()).fresh_database()
        else:
            url = f"sqlite:///{folder}/lockgate.db"
        migrate(url)
        asyncio.run(measure(url, None if options.no_journal else folder / "journal", options))


if __name__ == "__main__":
    sys.exit(main())
