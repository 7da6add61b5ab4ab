"""The built-in rules as one compiled set for all tests: compiled once for a state of the sources, loaded by every test process.

Compiling takes many seconds, and every worker would do it several times. The product's own caches are keyed by the rules; this one is also
keyed by the code that compiles them, so that a change of it is never tested with what the former code compiled.
"""

from __future__ import annotations

import fcntl
import hashlib
import sys
from pathlib import Path

import redactors.detectors
import redactors.rules
from pipeline.config.literals import FindSecrets, secret_finder
from redactors import build_redactor
from redactors.detectors.pattern import PatternSet, compile_patterns, load_patterns
from redactors.rules.catalog import all_rules

_HOME = Path(sys.prefix) / "share" / "lockgate"


def _sources() -> bytes:
    digest = hashlib.sha256()
    for package in (redactors.detectors, redactors.rules):
        for file in sorted(Path(package.__path__[0]).glob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest().encode() + b"\n"


def compiled_rules() -> bytes:
    """What `PatternSet.dump` gives for all rules; empty where hyperscan has no wheel."""
    kept, mark = _HOME / "tests.db", _sources()
    _HOME.mkdir(parents=True, exist_ok=True)
    with (_HOME / "tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stored = kept.read_bytes() if kept.exists() else b""
        if stored.startswith(mark) and load_patterns(all_rules(), stored[len(mark) :]) is not None:
            return stored[len(mark) :]
        dumped = compile_patterns(all_rules()).dump()
        beside = kept.with_suffix(".new")
        beside.write_bytes(mark + dumped)
        beside.replace(kept)
        return dumped


def compiled_patterns() -> PatternSet:
    """All rules, compiled."""
    return compile_patterns(all_rules(), cache=compiled_rules())


def finder() -> FindSecrets:
    """What looks for literal credentials in a document, over all rules."""
    return secret_finder(build_redactor(direction="telemetry", pattern_set=compiled_patterns()))
