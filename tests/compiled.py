"""The built-in rules as one compiled set for all tests: compiled once, loaded by every test process.

Compiling takes many seconds, and every worker would do it several times. What is kept belongs to the rules and to the code that compiles
them (`load_patterns`), so nothing is ever tested with what former code compiled.
"""

from __future__ import annotations

import fcntl
import sys
from pathlib import Path

from pipeline.config.literals import FindSecrets, secret_finder
from redactors import build_redactor
from redactors.detectors.hyper import is_importable
from redactors.detectors.pattern import PatternSet, compile_patterns, load_patterns
from redactors.rules.catalog import all_rules

_HOME = Path(sys.prefix) / "share" / "lockgate"


def compiled_rules() -> bytes:
    """What `PatternSet.dump` gives for all rules; empty where hyperscan cannot be imported, which leaves what is kept as it is."""
    if not is_importable():
        return b""
    kept = _HOME / "tests.db"
    _HOME.mkdir(parents=True, exist_ok=True)
    with (_HOME / "tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stored = kept.read_bytes() if kept.exists() else b""
        if load_patterns(all_rules(), stored) is not None:
            return stored
        dumped = compile_patterns(all_rules()).dump()
        beside = kept.with_suffix(".new")
        beside.write_bytes(dumped)
        beside.replace(kept)
        return dumped


def compiled_patterns() -> PatternSet:
    """All rules, compiled."""
    return compile_patterns(all_rules(), cache=compiled_rules())


def finder() -> FindSecrets:
    """What looks for literal credentials in a document, over all rules."""
    return secret_finder(build_redactor(direction="telemetry", pattern_set=compiled_patterns()))
