"""What other ways of masking let through: `program.py` in the peers' environment, over the same surfaces, into a loopback sink."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.canary.cells import SIGNAL_OF, SURFACES, Cell, found, sent_by, surfaces_of
from tests.canary.surfaces import MARKER
from tests.walks.rig import ROOT

PYTHON = ROOT / ".venv-peer-telemetry" / "bin" / "python"
SIGNALS = ("traces", "logs", "metrics")


@dataclass(frozen=True)
class Way:
    """One way of masking: its name in `program.py`, what it is called in a table, and the signals that it has to do with."""

    name: str
    title: str
    signals: tuple[str, ...] = ("traces",)


WAYS = (
    Way("plain", "OpenTelemetry SDK, nothing", SIGNALS),
    Way("on_ending", "SDK processor with `_on_ending`"),
    Way("wrapper", "Exporter wrapper over attributes"),
    Way("langfuse_mask", "Langfuse `mask=`"),
    Way("langfuse_mask_otel_spans", "Langfuse `mask_otel_spans=`"),
    Way("logfire_patterns", "Logfire scrubbing, patterns", SIGNALS),
    Way("logfire_callback", "Logfire scrubbing, patterns and callback", SIGNALS),
)


def is_installed() -> bool:
    """Whether the peers' environment is there (`make canary` makes it)."""
    return PYTHON.exists()


def surfaces_for(signals: Sequence[str]) -> list[str]:
    """The surfaces of some signals, in the table's order."""
    return [surface for surface in SURFACES if SIGNAL_OF[surface] in signals]


def leaking(way: Way, drawn: Sequence[Cell], python: Path = PYTHON) -> set[str]:
    """The surfaces of which any canary arrives. Raises AssertionError when nothing arrives at all: that would be no measurement."""
    passed = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    bodies = [body for _, body in sent_by(python, way.name, drawn, passed)]
    assert any(MARKER.encode() in body for body in bodies), f"{way.name} sent no span"
    return surfaces_of(found(drawn, *bodies))
