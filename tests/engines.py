"""Which scan engine the tests run on: with `LOCKGATE_TEST_ENGINE=fallback` hyperscan cannot be imported, here and in every child.

That is what a machine without a wheel looks like, so the product's own choice is tested and needs no switch. `make fallback` sets it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from redactors.detectors.engines import Engine

ROOT = Path(__file__).resolve().parents[1]
BLOCK = ROOT / "tests" / "without_hyperscan"
FORCED = os.environ.get("LOCKGATE_TEST_ENGINE", "")
ENGINES: tuple[Engine, ...] = ("fallback",) if FORCED == "fallback" else ("hyperscan", "fallback")
"""The engines that can be compared in this run."""


def python_path(*, fallback: bool = FORCED == "fallback") -> str:
    """`PYTHONPATH` for an interpreter that runs the checkout; `fallback` keeps hyperscan away from it."""
    return os.pathsep.join([str(BLOCK), str(ROOT)] if fallback else [str(ROOT)])


def force() -> None:
    """Make this process, and those that inherit its environment, what the run asks for. Raises ValueError for another engine's name."""
    if FORCED not in ("", "fallback"):
        raise ValueError("LOCKGATE_TEST_ENGINE is fallback or not set")
    if FORCED == "fallback" and str(BLOCK) not in sys.path:
        sys.path.insert(0, str(BLOCK))
        os.environ["PYTHONPATH"] = python_path()
