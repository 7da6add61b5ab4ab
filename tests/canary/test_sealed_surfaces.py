"""The matrix inside our own process, and what is left of it when redaction breaks: tombstones, counted, and not one canary."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

from redactors import build_redactor
from redactors.model import seal
from tests.canary.cells import SURFACES, cells, found, live_values
from tests.canary.faults import FAULTS
from tests.canary.sealed import Sealed, lines_of, spans_of
from tests.canary.surfaces import MARKER, METRICS
from tests.collectors.plain_redactor import FailingRedactor, HangingRedactor
from tests.compiled import compiled_patterns
from tests.walks.rig import MASK_ALL

DRAWN = cells(20261121)


def leaking(exits: Mapping[str, bytes]) -> dict[str, list[tuple[str, str]]]:
    """The cells that each exit shows, for those that show any."""
    shown = {name: sorted(found(DRAWN, data)) for name, data in exits.items()}
    return {name: one for name, one in shown.items() if one}


def test_no_surface_leaks_from_our_own_process(capfd: pytest.CaptureFixture[str]) -> None:
    redactor = build_redactor(policy=MASK_ALL, direction="telemetry", known=live_values(DRAWN), pattern_set=compiled_patterns())
    sealed = Sealed(redactor, DRAWN)

    sealed.plant()

    told = capfd.readouterr()
    exits = {**sealed.exits(), "stdout and stderr": (told.out + told.err).encode()}
    assert leaking(exits) == {}
    assert len(sealed.kept) == spans_of(DRAWN)
    assert len(sealed.taken) == lines_of(DRAWN)
    assert sealed.strays == []
    assert sealed.tombstones() == 0
    assert exits["OTLP traces"].count(MARKER.encode()) > 100


def test_an_engine_that_finds_nothing_would_show_every_surface_but_those_that_are_closed() -> None:
    sealed = Sealed(FailingRedactor(seal), DRAWN)

    sealed.plant()

    shown = {surface for surface, _ in found(DRAWN, *sealed.exits().values())}
    assert set(SURFACES) - shown == {"tracestate", "baggage", *METRICS}  # dropped; refused with its processor; closed label sets


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_the_redactor_does_tombstones_are_left_and_counted(fault: str, capfd: pytest.CaptureFixture[str]) -> None:
    sealed = Sealed(FailingRedactor(FAULTS[fault]), DRAWN)

    sealed.plant()

    _is_buried(sealed, capfd)


def test_a_redactor_that_hangs_leaves_tombstones_that_are_counted(capfd: pytest.CaptureFixture[str]) -> None:
    hanging = HangingRedactor()
    sealed = Sealed(hanging, DRAWN, deadline_s=0.05, inline_chars=1)
    before = threading.active_count()
    try:
        sealed.plant()
        assert threading.active_count() <= before + 1, "every hanging text took a thread"
        _is_buried(sealed, capfd)
    finally:
        hanging.released.set()


def _is_buried(sealed: Sealed, capfd: pytest.CaptureFixture[str]) -> None:
    told = capfd.readouterr()
    exits = {**sealed.exits(), "stdout and stderr": (told.out + told.err).encode()}
    assert leaking(exits) == {}
    assert {record.value.tree["name"] for record in sealed.kept} == {"redaction_failed"}
    assert len(sealed.kept) == sealed.tombstones() == spans_of(DRAWN)
    assert (len(sealed.taken), sealed.handler.failures) == (0, lines_of(DRAWN))
    assert len(sealed.stream.getvalue().splitlines()) == lines_of(DRAWN)
    assert sealed.strays == []


def test_a_stray_span_would_have_been_seen() -> None:
    """The look at strays can fail: a span that a processor was given shows its text."""
    from opentelemetry.sdk.trace import TracerProvider

    from tests.canary.surfaces import TRACES, Stage

    for surface in ("span kept from on_start", "processor added late"):
        strays: list[Any] = []
        (cell, *_) = [cell for cell in DRAWN if cell.surface == surface]
        TRACES[surface](Stage(TracerProvider(shutdown_on_exit=False), strays.append), cell.text)
        assert found([cell], encode_spans(strays).SerializeToString()) == {(surface, cell.kind)}
