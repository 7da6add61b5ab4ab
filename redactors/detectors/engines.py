"""Which engine scans: hyperscan, or where it has no wheel google-re2 behind an Aho–Corasick prefilter, which finds the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from redactors.detectors.aho import AhoScan
from redactors.detectors.hyper import HyperScan, compile_literals, is_importable

Engine = Literal["hyperscan", "fallback"]

SLOWER: Final = "hyperscan cannot be imported here: the fallback engine finds the same, and takes many times longer"


def engine_here() -> Engine:
    """The engine that is taken when none is asked for."""
    return "hyperscan" if is_importable() else "fallback"


def scan_literals(literals: Sequence[bytes], engine: Engine | None = None) -> HyperScan | AhoScan:
    """A scan for literals, byte for byte; `engine` forces one. None of them may be empty or hold a zero byte."""
    return compile_literals(literals) if (engine or engine_here()) == "hyperscan" else AhoScan(literals)
