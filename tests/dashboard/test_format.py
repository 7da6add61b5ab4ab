"""Figures are written the same way everywhere."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from dashboard import format as formats

SECOND = 1_000_000


@pytest.mark.parametrize(
    ("micros", "text"),
    [(0, "$0.000000"), (1_234, "$0.001234"), (1_234_567_890_123, "$1,234,567.890123"), (-1, "-$0.000001"), (-2_500_000, "-$2.500000")],
)
def test_money_keeps_every_micro_dollar(micros: int, text: str) -> None:
    assert formats.money(micros) == text


@pytest.mark.parametrize(
    ("us", "text"), [(0, "–"), (18, "18 µs"), (1_500, "2 ms"), (766_000, "766 ms"), (2_140_000, "2.1 s"), (600 * SECOND, "10 minutes")]
)
def test_durations_have_the_unit_that_reads_best(us: int, text: str) -> None:
    assert formats.duration(us) == text


@pytest.mark.parametrize(
    ("at", "text"), [(0, "never"), (1_000 * SECOND, "under a minute ago"), (940 * SECOND, "1 minute ago"), (173_800 * SECOND, "in 2 days")]
)  # fmt: skip
def test_times_are_told_from_now(at: int, text: str) -> None:
    assert formats.ago(at, 1_000 * SECOND) == text


def test_moments_are_in_the_zone_of_the_viewer() -> None:
    assert formats.moment(1_795_251_600_000_000, ZoneInfo("Europe/Paris")) == "2026-11-21 10:00:00"
    assert formats.moment(0, ZoneInfo("UTC")) == ""


def test_a_share_of_nothing_is_a_dash() -> None:
    assert (formats.share(1, 8), formats.share(0, 0)) == ("12.5%", "–")
