"""The worst texts of every rule and of none: how long they take, and whether twice the text takes twice the time.

Run as `python -m tests.benchmarks.redactor_hostile`; `--full` measures every text at its full size, not only those dear when short.

Every text is first redacted short; the dearest are then redacted at the full size and at half of it. Times are CPU times, given beside the
memory floor of the same run, because only that ratio carries over to other machines. Work is counted too (`tests.work`), which is the same
on every machine: the exit code is 1 when a text makes more CALLS for a character or has more EXAMINED than allowed, or more than RATIO
times as much of either for twice the text.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from random import Random

from pipeline.bootstrap.upkeep import keep_what_is_loaded
from redactors import KnownSecrets, build_redactor, compile_patterns
from redactors.rules.catalog import all_rules
from tests import planted
from tests.hostile import FAMILIES, Text, worst_texts
from tests.work import counted

SIZE = 100_000
SHORT = 4000
KEPT = 40
SHOWN = 25
RATIO = 2.6
CALLS = 25.0
EXAMINED = 48.0
AT_LEAST = 4.0 * SIZE
"""Less work than this is not compared: it is what any text costs."""


def cpu(work: Callable[[], object]) -> float:
    """Seconds of CPU, the better of two."""
    times = []
    for _ in range(2):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def floor() -> float:
    """Seconds of one pass over SIZE bytes of memory that looks for four of them."""
    data = b"x" * SIZE
    return min(cpu(lambda: [data.find(b"\xff\xfe\xfd\xfc") for _ in range(100)]) / 100 for _ in range(5))


def candidates() -> Iterator[tuple[str, Text]]:
    """Every text with its name."""
    for rule in all_rules():
        for name, text in worst_texts(rule):
            yield f"{rule.id}: {name}", text


def main() -> None:
    """Print the table of the worst texts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true")
    full = parser.parse_args().full
    rng = Random(1)
    patterns = compile_patterns(all_rules())
    known = KnownSecrets(planted.secret("virtual_key", rng) for _ in range(1000))
    redactor = build_redactor(known, [{"term": "project zeppelin", "max_distance": 1}], pattern_set=patterns)
    redactor.tree(["".join(text(400) for _, text in worst_texts(rule)) for rule in all_rules()])  # every expression is compiled
    keep_what_is_loaded()  # the garbage collector does not go over it, as in a running gateway
    short = []
    for name, text in candidates():
        start = time.process_time()
        redactor.text(text(SHORT))
        short.append((time.process_time() - start, name, text))
    short.sort(key=lambda one: -one[0])
    kept = len(short) if full else KEPT
    print(f"{len(short)} texts of {len(all_rules())} rules, {len(FAMILIES)} of none; of the first the {kept} dearest at {SHORT} characters")
    texts = {**FAMILIES, **{name: text for _, name, text in short[:kept]}}
    pass_over = floor()
    rows = []
    for name, text in texts.items():
        half, whole = text(SIZE // 2), text(SIZE)
        took = cpu(lambda whole=whole: redactor.text(whole))  # type: ignore[misc]
        ratio = took / cpu(lambda half=half: redactor.text(half))  # type: ignore[misc]
        with counted(patterns) as less:
            redactor.text(half)
        with counted(patterns) as more:
            redactor.text(whole)
        work = max(more.calls / max(AT_LEAST / RATIO, less.calls), more.examined / max(AT_LEAST / RATIO, less.examined))
        rows.append((took, ratio, more.calls / SIZE, more.examined / SIZE, work, name))
    rows.sort(reverse=True)
    print(f"one pass over the memory takes {pass_over * 1e6:.0f} us")
    print("  ms/100 KB   of the pass   t(2n)/t(n)   calls   examined   work(2n)/work(n)")
    broken = [row for row in rows if row[2] > CALLS or row[3] > EXAMINED or row[4] > RATIO]
    for took, ratio, calls, examined, work, name in [*rows[:SHOWN], *(row for row in broken if row not in rows[:SHOWN])]:
        print(f"  {took * 1e3:9.1f} {took / pass_over:13.0f} {ratio:12.2f} {calls:7.2f} {examined:10.1f} {work:18.2f}   {name}")
    print(
        f"{len(broken)} texts make more than {CALLS:g} calls or examine more than {EXAMINED:g} bytes a character, or {RATIO} times as much"
    )
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
