"""An address says which question is meant; what cannot be understood is said, never guessed."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from dashboard.query import RANGES, midnight, read_query
from pipeline.store.reads import Filter
from tests.dashboard.seed import DAY_US, NOW_US

PARIS = ZoneInfo("Europe/Paris")


def _at(zone: ZoneInfo, *parts: int) -> int:
    return int(datetime(*parts, tzinfo=zone).timestamp()) * 1_000_000  # type: ignore[misc]


def test_without_parameters_it_is_the_last_seven_days_in_the_zone_of_the_browser() -> None:
    query = read_query({}, NOW_US, "Europe/Paris")
    assert query.filter == Filter(from_us=NOW_US - 7 * DAY_US, to_us=NOW_US)
    assert (query.zone.key, query.label, query.problems) == ("Europe/Paris", "Last 7 days", ())


@pytest.mark.parametrize("name", [name for name in RANGES if name != "custom"])
def test_every_period_ends_now(name: str) -> None:
    query = read_query({"range": name}, NOW_US)
    assert query.filter.to_us == NOW_US
    assert query.filter.from_us < NOW_US


def test_today_and_this_month_begin_at_the_viewers_midnight() -> None:
    assert read_query({"range": "today", "tz": "Europe/Paris"}, NOW_US).filter.from_us == _at(PARIS, 2026, 11, 21)
    assert read_query({"range": "month", "tz": "Europe/Paris"}, NOW_US).filter.from_us == _at(PARIS, 2026, 11, 1)
    assert midnight(NOW_US, ZoneInfo("Pacific/Kiritimati")) == _at(ZoneInfo("Pacific/Kiritimati"), 2026, 11, 21)


def test_custom_days_are_whole_days_of_the_zone() -> None:
    query = read_query({"from": "2026-10-24", "to": "2026-10-25", "tz": "Europe/Paris"}, NOW_US)
    assert query.range == "custom"
    assert query.filter.from_us == _at(PARIS, 2026, 10, 24)
    assert query.filter.to_us == _at(PARIS, 2026, 10, 26)  # the 25th has 25 hours there
    assert query.days == (date(2026, 10, 24), date(2026, 10, 25))


def test_exact_times_are_taken_as_they_are() -> None:
    query = read_query({"from": "2026-11-20T10:00:00Z", "to": "2026-11-20T11:00:00.5+00:00"}, NOW_US)
    assert query.filter.to_us - query.filter.from_us == 3_600_500_000


def test_filters_are_taken_by_the_names_of_the_read_model() -> None:
    query = read_query({"range": "all", "kind": "policy:*", "request_id": " 01M ", "unknown": "x"}, NOW_US)
    assert (query.filter.kind, query.filter.request_id, query.filter.from_us) == ("policy:*", "01M", 0)


@pytest.mark.parametrize(
    "params",
    [
        {"range": "fortnight"},
        {"tz": "Mars/Olympus"},
        {"tz": "../../etc/passwd"},
        {"from": "soon"},
        {"from": "2026-11-20", "to": "2026-11-10"},
        {"from": "9999-12-31"},
        {"model": "m" * 300},
    ],
)
def test_what_cannot_be_understood_is_said(params: dict[str, str]) -> None:
    query = read_query(params, NOW_US)
    assert query.problems
    assert query.filter.from_us < query.filter.to_us
