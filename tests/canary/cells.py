"""The cells of the matrix: a canary of its own for every surface and kind, and the look for them in the bytes of an exit.

Four kinds: a secret of a fixed format, a live secret in base64, a mail address, a card number. Each is drawn from a seed and looked for
in all its forms (`tests.planted`).
"""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from urllib.parse import quote

from tests import planted
from tests.canary.surfaces import LOGS, METRICS, RESOURCE, TRACES
from tests.walks.rig import ROOT, Sink, running_sink

KINDS = ("secret", "live", "mail", "card")
SURFACES = (*TRACES, *RESOURCE, *LOGS, *METRICS)
SIGNAL_OF = {
    **dict.fromkeys((*TRACES, *RESOURCE), "traces"),
    **dict.fromkeys(LOGS, "logs"),
    **dict.fromkeys(METRICS, "metrics"),
}
WORDLIKE = frozenset({"metric name", "metric unit"})
"""Surfaces whose grammar has neither spaces nor `@`: the SDK records nothing there for another text."""

NARROW = {"metric name": ("card",)}  # instruments' names are made lower case, which only digits survive


@dataclass(frozen=True)
class Cell:
    """One canary on one surface: `value` is what is looked for, `text` what the program writes."""

    surface: str
    kind: str
    value: str
    text: str


def cells(seed: int, *more: str) -> tuple[Cell, ...]:
    """Every surface, and `more` of them, with every kind that its grammar takes."""
    rng = Random(seed)
    drawn = []
    for surface in (*SURFACES, *more):
        for kind in NARROW.get(surface, KINDS):
            value = planted.secret({"secret": "github", "live": "password", "mail": "email", "card": "card"}[kind], rng)
            shown = base64.b64encode(value.encode()).decode().rstrip("=") if kind == "live" else value
            text = shown if surface in WORDLIKE or surface == "tracestate" else f"noted {shown} here"
            drawn.append(Cell(surface, kind, value, text))
    return tuple(drawn)


def live_values(drawn: Iterable[Cell]) -> list[str]:
    """The canaries that a gateway knows as live secrets."""
    return [cell.value for cell in drawn if cell.kind == "live"]


def found(drawn: Iterable[Cell], *places: bytes) -> set[tuple[str, str]]:
    """The cells, by surface and kind, of which any form stands in any of the bytes."""
    values = {f"{cell.surface}|{cell.kind}": cell.value for cell in drawn}
    return {(name.split("|")[0], name.split("|")[1]) for name in planted.leaks(b"\n".join(places), values)}


def surfaces_of(leaking: Iterable[tuple[str, str]]) -> set[str]:
    """The surfaces among cells."""
    return {surface for surface, _ in leaking}


def resource_variable(drawn: Iterable[Cell]) -> str:
    """OTEL_RESOURCE_ATTRIBUTES with the canaries of the resource."""
    pairs = ["service.name=checkout"]
    for number, cell in enumerate(cell for cell in drawn if cell.surface in RESOURCE):
        pairs.append(f"app.note.{number}={quote(cell.text)}" if cell.surface == "resource attribute" else f"{cell.text}=x")
    return ",".join(pairs)


def run_program(python: Path, way: str, drawn: Sequence[Cell], sink: Sink, environment: Mapping[str, str]) -> None:
    """Run `program.py` in one way of masking, with nothing in its environment but what telemetry needs."""
    given = {
        "way": way,
        "endpoint": sink.http_url,
        "words": [text for cell in drawn for text in (cell.value, cell.text.removeprefix("noted ").removesuffix(" here"))],
        "cells": [[cell.surface, cell.text] for cell in drawn],
    }
    done = subprocess.run(
        [str(python), str(ROOT / "tests/canary/program.py")],
        input=json.dumps(given).encode(),
        capture_output=True,
        env={**environment, "OTEL_RESOURCE_ATTRIBUTES": resource_variable(drawn)},
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr.decode()[-3000:]


def sent_by(python: Path, way: str, drawn: Sequence[Cell], environment: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    """What a program sends in one way of masking: signal and decompressed body of each request, in order."""
    with running_sink() as sink:
        run_program(python, way, drawn, sink, environment)
        yield from [(request.signal, request.body) for request in sink.sink.requests if request.protocol == "http"]
