"""`make fuzz`: atheris drives each property of `tests.fuzz.properties` for its share of the time; 1 when one does not hold.

What breaks a property is kept as a file of bytes, whose name is printed; `--show FILE` tells its text (made-up secrets only).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["redactors", "pipeline.cli.redacting"]):
    from tests.fuzz import properties, reading

LONGEST = 1024
"""Bytes of an input; they spell up to twenty thousand characters."""
SLOWEST_S = 60
"""An input that takes longer is a finding: the engine is linear."""
MEMORY_MB = 3072


def main() -> int:
    """Run every target in a process of its own, one after the other."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=600, help="for all targets together")
    parser.add_argument("--target", choices=properties.TARGETS, action="append", help="only this one (may be repeated)")
    parser.add_argument("--findings", type=Path, default=Path(tempfile.gettempdir()) / "lockgate-fuzz", help="where inputs are kept")
    parser.add_argument("--run", choices=properties.TARGETS, help=argparse.SUPPRESS)
    parser.add_argument("--show", type=Path, help="an input whose text is written to standard output")
    options = parser.parse_args()
    if options.show:
        print(ascii(reading.Reader(options.show.read_bytes()).text()))
        return 0
    if options.run:
        return _fuzz(options.run, options.seconds, options.findings)
    targets = options.target or list(properties.TARGETS)
    share = max(1, options.seconds // len(targets))
    failed = []
    for target in targets:
        command = [sys.executable, "-m", "tests.fuzz", "--run", target, "--seconds", str(share), "--findings", str(options.findings)]
        if subprocess.run(command, check=False).returncode:
            failed.append(target)
    print(f"fuzzed {', '.join(targets)} for {share} s each: {'nothing found' if not failed else 'found by ' + ', '.join(failed)}")
    return 1 if failed else 0


def _fuzz(target: str, seconds: int, findings: Path) -> int:
    """Fuzz one target; ends the process itself."""
    findings.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(reading.seeds(400)):
            (Path(folder) / str(number)).write_bytes(seed)
        limits = [
            f"-max_total_time={seconds}",
            f"-max_len={LONGEST}",
            f"-timeout={SLOWEST_S}",
            f"-rss_limit_mb={MEMORY_MB}",
            f"-report_slow_units={SLOWEST_S}",
        ]
        quiet = ["-print_final_stats=1", "-verbosity=0", f"-artifact_prefix={findings}/{target}-"]
        properties.redactor().text("a.b@example.org, +1 202 555 0143")  # what the first finding loads is not what an input takes
        atheris.Setup([sys.argv[0], *limits, *quiet, folder], properties.TARGETS[target])
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
