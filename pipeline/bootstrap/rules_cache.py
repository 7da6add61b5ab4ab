"""The compiled detection rules on disk: compiling takes seconds, loading milliseconds. They hold rules only, never a secret.

Two places: the data folder's `cache/`, and one beside the installed packages, which `make` fills so that even the first start is
fast (`python -m pipeline.bootstrap.rules_cache`). Both are keyed by the rules' hash and the library's version; a stale one is ignored.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from redactors.detectors.engines import engine_here
from redactors.detectors.pattern import PatternSet, compile_patterns, load_patterns
from redactors.rules.catalog import all_rules

log = logging.getLogger("lockgate.redaction")

NAME = "rules.db"


def installed_cache() -> Path:
    """The place beside the installed packages."""
    return Path(sys.prefix) / "share" / "lockgate" / NAME


def open_rules(*places: Path) -> PatternSet:
    """Load the compiled rules from the first place that has them as they are now, or compile them and keep them in the first.

    Where hyperscan cannot be imported they are compiled at every start, for the other engine; whoever calls says so.
    """
    rules = all_rules()
    for place in places:
        try:
            found = load_patterns(rules, place.read_bytes())
        except OSError:
            continue
        if found is not None:
            return found
    patterns = compile_patterns(rules, engine=engine_here())
    if places:
        _keep(places[0], patterns.dump())
    return patterns


def _keep(file: Path, dumped: bytes) -> None:
    """Write beside and rename; a cache that cannot be written costs time, nothing else."""
    if not dumped:
        return
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(dumped)
        beside.chmod(0o600)
        beside.replace(file)
    except OSError:
        log.warning("the compiled rules could not be cached; the next start takes longer")


if __name__ == "__main__":
    open_rules(installed_cache())
