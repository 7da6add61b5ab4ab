"""The canary matrix: every surface of telemetry, planted with secrets and personal data, is looked for at every exit. Nothing is found."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.canary.cells import SURFACES, found
from tests.canary.house import CALLER, EXITS, Walked, walked
from tests.canary.surfaces import MARKER

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CARRIES_CONTENT = ("OTLP over HTTP", "OTLP over gRPC", "rows of the outbox", "dead letters", "dead letters, as kept", "dashboard data")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walked]:
    with walked(tmp_path_factory.mktemp("canary"), 20261121) as done:
        yield done


def test_every_surface_really_carries_its_canaries(house: Walked) -> None:
    of_programs = [cell for cell in house.drawn if cell.surface not in CALLER]
    assert found(of_programs, house.clear) == {(cell.surface, cell.kind) for cell in of_programs}
    assert len(SURFACES) >= 50


def test_everything_was_taken_and_nothing_was_lost_on_the_way(house: Walked) -> None:
    assert set(house.statuses["sent"]) == {200}
    assert {400, 401, 404, 415} <= set(house.statuses["errors"])
    assert 200 in house.statuses["errors"], "no call of a model was answered"
    assert [row for row in house.rejections if row["reason"] == "live_secret"] == [], "a last look had to help"
    for signal in ("traces", "logs", "metrics"):
        assert house.accounts["away", signal]["queued"] > 0
        assert house.accounts["refusing", signal]["dead_letter"] > 0


@pytest.mark.parametrize("exit_", CARRIES_CONTENT)
def test_an_exit_that_carries_content_shows_the_harmless_words_beside_the_canaries(house: Walked, exit_: str) -> None:
    assert house.exits[exit_].count(MARKER.encode()) > 10
    assert b"redaction_failed" not in house.exits[exit_]


@pytest.mark.parametrize("exit_", [*EXITS, "dead letters, as kept"])
def test_no_surface_leaks_at_any_exit(house: Walked, exit_: str) -> None:
    assert house.exits[exit_]
    assert sorted(found(house.drawn, house.exits[exit_])) == []
