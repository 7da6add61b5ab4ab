"""Periods start anew exactly once wherever the clocks change, and no rolling window holds more than what was spent in it."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.clock import parse_rfc3339, rfc3339
from pipeline.periods import CALENDAR, HOUR_US, ROLLING, bucket_of, first_bucket, is_time_zone, period_end, period_start

ZONES = (
    "UTC", "Asia/Tokyo", "America/Los_Angeles", "Europe/Berlin", "America/Sao_Paulo", "Asia/Beirut", "America/Havana", "Atlantic/Azores",
    "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "America/St_Johns",
)  # fmt: skip


@pytest.mark.parametrize(
    ("period", "zone", "moment", "start", "end"),
    [
        ("month", "Asia/Tokyo", "2026-11-30T14:59:59Z", "2026-10-31T15:00", "2026-11-30T15:00"),
        ("month", "Asia/Tokyo", "2026-11-30T15:00:00Z", "2026-11-30T15:00", "2026-12-31T15:00"),
        ("month", "America/Los_Angeles", "2026-12-01T07:59:59Z", "2026-11-01T07:00", "2026-12-01T08:00"),
        ("month", "America/Los_Angeles", "2026-12-01T08:00:00Z", "2026-12-01T08:00", "2027-01-01T08:00"),
        ("day", "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00", "2026-03-29T22:00"),
        ("day", "Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T22:00", "2026-10-25T23:00"),
        ("day", "Asia/Beirut", "2026-03-29T10:00:00Z", "2026-03-28T22:00", "2026-03-29T21:00"),  # midnight does not exist
        ("day", "America/Havana", "2026-11-01T05:30:00Z", "2026-11-01T04:00", "2026-11-02T05:00"),  # midnight comes twice
        ("week", "Asia/Tokyo", "2026-11-22T14:59:59Z", "2026-11-15T15:00", "2026-11-22T15:00"),
        ("quarter", "", "2026-11-22T00:00:00Z", "2026-10-01T00:00", "2027-01-01T00:00"),
        ("quarter", "", "2026-03-31T23:59:59Z", "2026-01-01T00:00", "2026-04-01T00:00"),
    ],
)
def test_a_period_begins_at_local_midnight(period: str, zone: str, moment: str, start: str, end: str) -> None:
    began = period_start(period, parse_rfc3339(moment), zone)
    assert rfc3339(began)[:16] == start
    assert rfc3339(period_end(period, began, zone))[:16] == end


@given(moment=st.datetimes(datetime(1995, 1, 1), datetime(2060, 1, 1)), period=st.sampled_from(CALENDAR), zone=st.sampled_from(ZONES))
def test_every_moment_lies_in_one_period_and_the_next_follows_without_a_gap(moment: datetime, period: str, zone: str) -> None:
    at_us = int(moment.replace(tzinfo=UTC).timestamp()) * 1_000_000
    start = period_start(period, at_us, zone)
    end = period_end(period, start, zone)
    assert start <= at_us < end
    assert period_start(period, start, zone) == start
    assert period_start(period, end - 1, zone) == start
    assert period_start(period, end, zone) == end


@pytest.mark.parametrize("zone", ZONES)
def test_a_day_starts_anew_exactly_once_a_day_through_a_whole_year(zone: str) -> None:
    begin = parse_rfc3339("2026-01-01T00:00:00Z")
    starts = [period_start("day", begin + step * HOUR_US // 4, zone) for step in range(4 * 24 * 365)]
    changes = [later for earlier, later in pairwise(starts) if later != earlier]
    assert all(later >= earlier for earlier, later in pairwise(starts)), "a period never comes back"
    assert len(changes) in (364, 365)
    assert len(set(changes)) == len(changes)


@given(spent=st.integers(0, 10**17), period=st.sampled_from(sorted(ROLLING)), later=st.integers(0, 40 * 24 * HOUR_US))
def test_what_was_spent_counts_for_the_whole_window_and_at_most_a_bucket_longer(spent: int, period: str, later: int) -> None:
    window, bucket = ROLLING[period]
    counts = bucket_of(period, spent) >= first_bucket(period, spent + later)
    if later < window:
        assert counts
    if later >= window + bucket:
        assert not counts


def test_a_zone_that_does_not_exist_is_none_and_counts_as_utc() -> None:
    now_us = parse_rfc3339("2026-11-22T12:00:00Z")
    assert [is_time_zone(name) for name in ("", "Europe/Berlin", "Europe/Nowhere", "../etc/passwd", "/etc/localtime", "a\0b")] == [
        True, True, False, False, False, False,
    ]  # fmt: skip
    assert period_start("day", now_us, "Europe/Nowhere") == period_start("day", now_us)
