"""The redaction engine for commands: rules compiled once and kept in the data folder's cache, as the gateway keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.config.environment import Process
    from pipeline.config.literals import FindSecrets
    from redactors.detectors.pattern import PatternSet
    from redactors.engine import Redactor


def patterns_of(process: Process) -> PatternSet:
    """The built-in rules, compiled: from a cache that fits, otherwise compiled (seconds) and kept when that is possible.

    There is a cache in the data folder, or one that came with the installation. Says on stderr when the slower engine is all there is.
    """
    from pipeline.bootstrap.rules_cache import installed_cache
    from pipeline.cli.output import note
    from pipeline.config.home import FOLDER_MODE, write_private_bytes
    from redactors.detectors.engines import SLOWER, engine_here
    from redactors.detectors.pattern import compile_patterns
    from redactors.rules.catalog import all_rules

    folder = process.layout.cache
    file = folder / "rules.db"
    stored = _bytes_of(file) or _bytes_of(installed_cache())
    engine = engine_here()
    if engine == "fallback":
        note(f"warning: {SLOWER}.")
    patterns = compile_patterns(all_rules(), cache=stored, engine=engine)
    dumped = patterns.dump()
    if dumped and dumped != stored:
        try:
            folder.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
            write_private_bytes(file, dumped)
        except OSError:
            return patterns  # without a cache it takes longer, and nothing else
    return patterns


def _bytes_of(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except OSError:
        return None


def redactor_of(process: Process, **given: Any) -> Redactor:
    """A redactor over the cached rules; arguments are those of `redactors.build_redactor`."""
    from redactors import build_redactor

    return build_redactor(pattern_set=patterns_of(process), **given)


def finder_of(process: Process) -> FindSecrets:
    """What looks for literal credentials in a document, over the cached rules."""
    from pipeline.config.literals import secret_finder

    return secret_finder(redactor_of(process))
