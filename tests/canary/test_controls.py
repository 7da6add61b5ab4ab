"""Positive controls of the matrix: a gateway with a defect is caught at every exit, and one that only talks too much leaks nowhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.canary.cells import found, surfaces_of
from tests.canary.house import ALLOW_ALL, EXITS, Walked, walked

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

GUARDED = ("audit events", "/metrics", "log, stdout and stderr")
"""Exits that a talkative gateway tells what callers ask for."""


@pytest.fixture(scope="module")
def open_(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walked]:
    with walked(tmp_path_factory.mktemp("open"), 20261125, ALLOW_ALL, "open") as done:
        yield done


@pytest.fixture(scope="module")
def talkative(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walked]:
    with walked(tmp_path_factory.mktemp("talkative"), 20261126, mutant="talkative") as done:
        yield done


@pytest.mark.parametrize("exit_", [*EXITS, "dead letters, as kept"])
def test_without_redaction_canaries_are_seen_at_every_exit(open_: Walked, exit_: str) -> None:
    assert found(open_.drawn, open_.exits[exit_])


@pytest.mark.parametrize("exit_", GUARDED)
def test_an_exit_without_its_guard_shows_what_callers_ask_for(open_: Walked, exit_: str) -> None:
    assert "model" in surfaces_of(found(open_.drawn, open_.exits[exit_]))


def test_an_answer_that_tells_what_was_sent_is_caught_with_every_surface_that_is_on_the_wire(open_: Walked) -> None:
    of_programs = found(open_.drawn, open_.clear)
    assert found(open_.drawn, open_.exits["answers to senders"]) == of_programs
    assert len(of_programs) > 150


@pytest.mark.parametrize(("exit_", "trace"), zip(GUARDED, (b'"asked"', b'surface="other"', b"a caller asked for"), strict=True))
def test_behind_its_guard_a_talkative_gateway_tells_it_clean(talkative: Walked, exit_: str, trace: bytes) -> None:
    assert trace in talkative.exits[exit_]
    assert found(talkative.drawn, talkative.exits[exit_]) == set()


def test_a_talkative_gateway_leaks_at_no_exit(talkative: Walked) -> None:
    assert {exit_: found(talkative.drawn, data) for exit_, data in talkative.exits.items() if found(talkative.drawn, data)} == {}
