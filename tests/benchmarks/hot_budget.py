"""What one busy budget costs where several processes share a PostgreSQL store: calls (open and close) per second, and the wait of each.

    python -m tests.benchmarks.hot_budget [--processes 1 2 4] [--callers 50] [--seconds 4]

`shared`: every process reserves in the same budgets of organization, workspace and key. `own`: each has its own, so that no writer waits
for another's rows; what that is faster is what slices leased to each process could gain at most. Beside the traffic the budgets are
read all the time: a moment at which spent + reserved passes the limit ends the run with an error.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import subprocess
import sys
import time

from sqlalchemy import func, select

from pipeline.clock import SystemClock
from pipeline.errors import BudgetExceeded
from pipeline.ids import ulid
from pipeline.ledger.budgets import set_budget
from pipeline.ledger.ledger import DurableLedger
from pipeline.ledger.model import Charge, Event, Intent, Scope, Settlement
from pipeline.store.engine import open_reader
from pipeline.store.migrate import migrate
from pipeline.store.tables import budgets, charges, reservations
from redactors.model import seal

DETAIL = seal({"surface": "openai.chat"})


def scopes_of(owner: str) -> tuple[Scope, ...]:
    return Scope("org", f"O{owner}"), Scope("workspace", f"W{owner}"), Scope("key", f"K{owner}")


async def one(ledger: DurableLedger, clock: SystemClock, owner: str, rng: random.Random) -> bool:
    """One call that reserves 1,000 and costs up to 1,000; a tenth of them fail and cost nothing."""
    request_id, cost = ulid(clock.now_us()), rng.choice((0, *range(100, 1_000, 100)))
    now_us = clock.now_us()
    start = Event(
        ulid(now_us), now_us, "gateway:call:start", "K", "ok", DETAIL, request_id, f"O{owner}", f"W{owner}", f"K{owner}", "m", "t"
    )
    try:
        await ledger.open(Intent(start, 1_000, scopes_of(owner)))
    except BudgetExceeded:
        return False
    now_us = clock.now_us()
    finish = Event(
        ulid(now_us), now_us, "gateway:call:finish", "K", "ok", DETAIL, request_id, f"O{owner}", f"W{owner}", f"K{owner}", "m", "t"
    )
    charge = Charge(
        ulid(now_us), request_id, now_us, f"O{owner}", f"W{owner}", f"K{owner}", "m", "t", "openai", "m", "observed", cost, "d" * 64
    )
    await ledger.close(Settlement(request_id, (finish,), (charge,)))
    return True


async def work(url: str, owner: str, callers: int, seconds: float, seed: int) -> None:
    clock = SystemClock()
    ledger = DurableLedger(
        url, clock=clock, journal_dir=None, require="all", epoch_id=ulid(clock.now_us()), host="bench", pid=os.getpid(), version="0"
    )
    await ledger.start()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    end, waits, refused = time.monotonic() + seconds, [], 0

    async def caller(number: int) -> None:
        nonlocal refused
        rng = random.Random(f"{seed}:{number}")
        while time.monotonic() < end:
            began = time.monotonic()
            if await one(ledger, clock, owner, rng):
                waits.append(time.monotonic() - began)
            else:
                refused += 1
                await asyncio.sleep(0.01)

    await asyncio.gather(*(caller(number) for number in range(callers)))
    await ledger.stop()
    waits.sort()
    print(len(waits), refused, statistics.median(waits) * 1e3 if waits else 0, waits[len(waits) * 99 // 100] * 1e3 if waits else 0)


def run(url: str, owners: list[str], callers: int, seconds: float, limit: int) -> tuple[int, int, float, float, int]:
    """Run a process for each owner. Gives calls, refusals, the median and the worst 99th percentile (ms), and how often we looked."""
    engine = open_reader(url)
    command = [sys.executable, "-m", "tests.benchmarks.hot_budget", "--work", url, "--callers", str(callers), "--seconds", str(seconds)]
    asyncio.run(_limit(url, sorted(set(owners)), limit))
    running = [
        subprocess.Popen([*command, "--owner", owner, "--seed", str(seed)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for seed, owner in enumerate(owners)
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    looks = 0
    with engine.connect() as connection:
        while any(process.poll() is None for process in running):
            for row in connection.execute(select(budgets)):
                assert row.spent_micros + row.reserved_micros <= row.limit_micros, "a budget was overshot"
            connection.rollback()
            looks += 1
            time.sleep(0.005)
        told = [process.communicate()[0].split() for process in running]
        assert all(process.returncode == 0 for process in running)
        for row in connection.execute(select(budgets)):
            owner = row.scope_id[1:]
            cost = connection.execute(
                select(func.coalesce(func.sum(charges.c.cost_micros), 0)).where(charges.c.key_id == f"K{owner}")
            ).scalar()
            assert (row.reserved_micros, row.spent_micros) == (0, cost), "what was spent is what was charged"
        assert connection.execute(select(func.count()).select_from(reservations).where(reservations.c.state == "open")).scalar() == 0
    engine.dispose()
    calls, refusals = sum(int(each[0]) for each in told), sum(int(each[1]) for each in told)
    return calls, refusals, statistics.median(float(each[2]) for each in told), max(float(each[3]) for each in told), looks


async def _limit(url: str, owners: list[str], limit: int) -> None:
    clock = SystemClock()
    ledger = DurableLedger(
        url, clock=clock, journal_dir=None, require="all", epoch_id=ulid(clock.now_us()), host="setup", pid=os.getpid(), version="0"
    )
    await ledger.start()
    for owner in owners:
        for scope in scopes_of(owner):
            await ledger.run(lambda connection, scope=scope: set_budget(connection, scope, limit, "", clock.now_us()))  # type: ignore[misc]
    await ledger.stop()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--processes", type=int, nargs="*", default=[1, 2, 4])
    parser.add_argument("--callers", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--work")
    parser.add_argument("--owner", default="")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.work:
        asyncio.run(work(options.work, options.owner, options.callers, options.seconds, options.seed))
        return
    from tests.servers.postgres import running_postgres

    with running_postgres() as server:
        for count in options.processes:
            for name, owners in (("shared", ["0"] * count), ("own", [str(number) for number in range(count)])):
                url = server.fresh_database()
                migrate(url)
                calls, _, median, worst, looks = run(url, owners, options.callers, options.seconds, 10**15)
                print(
                    f"{count} processes, {name:6}: {calls / options.seconds:6.0f} calls/s, {median:5.1f} ms median, {worst:6.1f} ms 99th, "
                    f"0 overshot in {looks} looks",
                    flush=True,
                )


if __name__ == "__main__":
    main()
