"""Runs the evaluation and prints its table: `python -m tests.evaluation [--seed N] [--size X] [--no-peers] [--details]`.

Each run draws a new seed and prints it. Peers are asked when their environments are installed (`make evaluation` installs them).
The exit code is 1 when a bound of the column "must" does not hold for Lockgate.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time

from tests.evaluation.contenders import peers
from tests.evaluation.rows import Row, table


def _written(row: Row, figure: float | None) -> str:
    if figure is None:
        return "–"
    if row.is_count:
        return f"{figure:.0f}"
    if row.name == "span F1":
        return f"{figure:.3f}"
    return f"{figure * 100:.2f} %"


def _bound(row: Row, bound: float) -> str:
    if row.is_count:
        return f"{bound:.0f}"
    sign = "≥" if row.more_is_better else "≤"
    return f"{sign} {bound:.2f}" if row.name == "span F1" else f"{sign} {bound * 100:g} %"


def main() -> int:
    """Print one line for each row, and with `--details` what Lockgate got wrong, by label."""
    parser = argparse.ArgumentParser(prog="python -m tests.evaluation")
    parser.add_argument("--seed", type=int, default=None, help="draw the same cases again")
    parser.add_argument("--size", type=float, default=1.0, help="share of the full number of cases")
    parser.add_argument("--no-peers", action="store_true", help="measure Lockgate alone")
    parser.add_argument("--details", type=int, default=0, metavar="N", help="print the N most frequent failures of each row")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else secrets.randbelow(10**9)
    others = {} if options.no_peers else peers()
    names = ["Lockgate", *others]
    began = time.monotonic()
    print(f"seed {seed}, size {options.size:g}\n")
    print("| suite | must | very ambitious | " + " | ".join(names) + " |")
    print("|---|" + "---|" * (len(names) + 2))
    failed = missed = 0
    for row in table(seed, options.size, others):
        holds, aimed = row.holds(row.must), row.holds(row.aim)
        failed, missed = failed + (not holds), missed + (not aimed)
        figures = " | ".join(_written(row, row.figures.get(name)) for name in names)
        mark = "" if aimed else " (not very ambitious)" if holds else " **(fails)**"
        print(f"| {row.name} | {_bound(row, row.must)} | {_bound(row, row.aim)} | {figures} |{mark}", flush=True)
        for label, times in row.failures.most_common(options.details):
            print(f"    {times} x {label!r}", file=sys.stderr)
    print(f"\n{failed} rows fail, {missed} are not very ambitious; {time.monotonic() - began:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
