"""How long the dashboard's spend queries take over millions of charges, with and without the sums that are made ahead.

    python -m tests.benchmarks.spend_reads [--charges 5000000] [--days 90] [--keys 40] [--postgres] [--compare]

Charges are made in SQL (by INSERT … SELECT), evenly over the days, in the order of their times as a gateway writes them; then they are
summed hour by hour as upkeep does, and each query is asked three times. Printed are medians of seconds and of this process's CPU (with
SQLite that is all there is), and the slowest step of the summing. `--compare` asks each query before the summing, too, row by row, which
takes minutes, and holds the answers against each other.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from pipeline.store.engine import open_writer
from pipeline.store.migrate import migrate
from pipeline.store.reads import Filter, Reads, open_reads
from pipeline.store.rollups import DAY_US, HOUR_US, roll_up

END = 1_795_219_200_000_000  # 2026-11-21T00:00:00Z
CHUNK = 500_000

_ROWS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :last) SELECT {columns} FROM n",
    "postgresql": "SELECT {columns} FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint) - 1) AS n(i)",
}
# Multiplying by a prime spreads the numbers; nothing here is random, so every run has the same rows.
_COLUMNS = (
    "{text26}, {text26}, 1, CAST(:start AS bigint) + i * :step, 'default', 'W' || (i * 31 % :keys % 5), 'K' || "
    "(i * 31 % :keys), 'model-' || (i * 17 % 3), 'target-' || (i * 17 % 3), 'provider-' || (i * 17 % 3), "
    "CASE WHEN i % 50 = 0 THEN 'estimated' ELSE 'observed' END, i * 13 % 20000, i * 3 % 4000, i * 5 % 900, 'openai-prod', 'v1', "
    "i * 11 % 3000000"
)
_NAMES = (
    "id, request_id, attempt, at_us, org_id, workspace_id, key_id, model, target_id, provider, state, cost_micros, tokens_input, "
    "tokens_output, secret_reference, secret_version, duration_us"
)


def fill(engine: Engine, count: int, days: int, keys: int) -> None:
    """Write the charges."""
    kind = engine.dialect.name
    text26 = "printf('%026d', i)" if kind == "sqlite" else "lpad(i::text, 26, '0')"
    query = f"INSERT INTO charges ({_NAMES}) " + _ROWS[kind].format(columns=_COLUMNS.format(text26=text26))
    if kind == "sqlite":
        query = query.replace("CAST(:start AS bigint)", ":start")
    values = {"start": END - days * DAY_US, "step": days * DAY_US // count, "keys": keys}
    for first in range(0, count, CHUNK):
        with engine.begin() as connection:
            connection.execute(text(query), {**values, "first": first, "last": min(first + CHUNK, count)})
    if kind == "postgresql":
        with engine.begin() as connection:
            connection.execute(text("ANALYZE charges"))


def summed(engine: Engine) -> tuple[int, float, float]:
    """Sum all hours; gives how many steps, seconds over all, and the slowest step in seconds."""
    steps, slowest, began = 0, 0.0, time.perf_counter()
    while True:
        start = time.perf_counter()
        with engine.begin() as connection:
            more = roll_up(connection, END + 5 * HOUR_US)
        slowest = max(slowest, time.perf_counter() - start)
        if not more:
            return steps, time.perf_counter() - began, slowest
        steps += 1


def questions(reads: Reads, days: int) -> dict[str, Callable[[], Any]]:
    """What the spend page and the overview ask, over everything and over periods whose edges are no full hours."""
    everything = Filter()
    month = Filter(from_us=END - min(30, days) * DAY_US + 123_456_789, to_us=END - 987_654_321)
    return {
        "total": lambda: reads.spend_total(everything),
        "by key": lambda: reads.spend(everything, "key"),
        "by model": lambda: reads.spend(everything, "model"),
        "by reference": lambda: reads.spend(everything, "reference"),
        "by day, UTC": lambda: reads.spend(everything, "day"),
        "by day, Kolkata": lambda: reads.spend(everything, "day", "Asia/Kolkata"),
        "timeline": lambda: reads.spend_timeline(everything),
        "30 days, by key": lambda: reads.spend(month, "key"),
        "30 days, one key, by day": lambda: reads.spend(Filter(month.from_us, month.to_us, key="K3"), "day", "Europe/Paris"),
        "latency": lambda: reads.latency(everything),
    }


def asked(reads: Reads, days: int, times: int) -> dict[str, tuple[float, float, Any]]:
    """Seconds, CPU seconds (medians) and the answer of each question."""
    found = {}
    for name, ask in questions(reads, days).items():
        took, burned, answer = [], [], None
        for _ in range(times):
            start, cpu = time.perf_counter(), time.process_time()
            answer = ask()
            took.append(time.perf_counter() - start)
            burned.append(time.process_time() - cpu)
        found[name] = (statistics.median(took), statistics.median(burned), answer)
    return found


def main() -> int:
    """Run it; exit code 1 when an answer changed by summing, or a query took a second."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--charges", type=int, default=5_000_000)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--keys", type=int, default=40)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--compare", action="store_true")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        url = f"sqlite:///{Path(folder) / 'lockgate.db'}"
        if options.postgres:
            from tests.servers.postgres import running_postgres

            url = stack.enter_context(running_postgres()).fresh_database()
        migrate(url)
        engine, reads = open_writer(url), open_reads(url)
        stack.callback(engine.dispose)
        stack.callback(reads.close)
        began = time.perf_counter()
        fill(engine, options.charges, options.days, options.keys)
        print(f"{options.charges:,} charges over {options.days} days and {options.keys} keys in {time.perf_counter() - began:.0f} s")
        before = asked(reads, options.days, 1) if options.compare else {}
        steps, seconds, slowest = summed(engine)
        print(f"summed in {steps} steps, {seconds:.1f} s, the slowest {slowest * 1000:.0f} ms")
        after = asked(reads, options.days, 3)
    same = {name: not before or answer == before[name][2] for name, (_, _, answer) in after.items()}
    print(f"{'query':28}{'summed':>10}{'CPU':>10}" + (f"{'row by row':>14}" if before else ""))
    for name, (took, cpu, _) in after.items():
        row_by_row = f"{before[name][0]:>12.2f} s" if before else ""
        print(f"{name:28}{took:>8.3f} s{cpu:>8.3f} s{row_by_row}{'' if same[name] else '  ANOTHER ANSWER'}")
    return 0 if all(same.values()) and all(took < 1 for took, _, _ in after.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
