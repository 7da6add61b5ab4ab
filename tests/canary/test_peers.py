"""The measurement of other ways measures something: in their environment, too, every surface carries its canary, and every way sends."""

from __future__ import annotations

import pytest

from tests.canary.cells import SURFACES, cells
from tests.canary.peers import WAYS, Way, is_installed, leaking, surfaces_for

pytestmark = [pytest.mark.skipif(not is_installed(), reason="the environment of the peers is not installed (make canary)")]
DRAWN = cells(20261121)


def test_with_the_plain_sdk_every_surface_leaks() -> None:
    assert leaking(WAYS[0], DRAWN) == set(SURFACES)


@pytest.mark.parametrize("way", WAYS[1:], ids=lambda way: way.name)
def test_every_way_sends_and_is_counted_over_its_own_signals_only(way: Way) -> None:
    assert leaking(way, DRAWN) <= set(surfaces_for(way.signals))
