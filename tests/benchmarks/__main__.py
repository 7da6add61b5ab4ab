"""`make bench`: every benchmark, one after the other."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

BENCHMARKS = (
    "tests.benchmarks.redactor_speed",
    "tests.benchmarks.redactor_peers",
    "tests.benchmarks.redactor_hostile",
    "tests.benchmarks.receiver_speed",
    "tests.benchmarks.ledger_speed",
    "tests.benchmarks.gateway_steps",
    "tests.benchmarks.start_speed",
    "tests.benchmarks.key_timing",
    "tests.benchmarks.idle_streams",
    "tests.benchmarks.gateway_speed",
)


def main() -> None:
    """Run each in a process of its own, so that none inherits the other's memory; the exit code says whether one broke a bound."""
    failed = False
    for name in BENCHMARKS:
        if importlib.util.find_spec(name) is None:
            continue
        print(f"\n=== {name.rsplit('.', 1)[1]} ===", flush=True)
        failed |= subprocess.run([sys.executable, "-m", name], check=False).returncode != 0
    sys.exit(failed)


if __name__ == "__main__":
    main()
