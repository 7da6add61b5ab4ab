"""When budgets start anew: calendar periods in a time zone, and rolling windows in buckets. Pure arithmetic over epoch microseconds.

A calendar period begins at local midnight (the first, where the clocks go back over it; the end of the gap, where they go forward over
it), so that it starts anew exactly once. A rolling window counts whole buckets (48 of 30 minutes, 42 of 4 hours, 60 of 12 hours): what
was spent leaves it once its whole bucket lies outside, so that no window of that length ever holds more than the limit.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Final, Literal, cast
from zoneinfo import ZoneInfo

Period = Literal["", "day", "week", "month", "quarter", "24h", "7d", "30d"]

HOUR_US: Final = 3_600_000_000
CALENDAR: Final[tuple[Period, ...]] = ("day", "week", "month", "quarter")
ROLLING: Final = {"24h": (24 * HOUR_US, HOUR_US // 2), "7d": (7 * 24 * HOUR_US, 4 * HOUR_US), "30d": (30 * 24 * HOUR_US, 12 * HOUR_US)}
"""Rolling windows: how long each is, and its buckets."""
PERIODS: Final[tuple[Period, ...]] = ("", *CALENDAR, *cast(tuple[Period, ...], tuple(ROLLING)))
_DAY_US: Final = 24 * HOUR_US
_MINUTE_US: Final = 60_000_000


def is_time_zone(name: str) -> bool:
    """Whether a name is one of the IANA time zone database ("" is UTC)."""
    return not name or _zone(name) is not None


def period_start(period: str, now_us: int, timezone: str = "") -> int:
    """When the period of a moment began (epoch microseconds); 0 for no period.

    Of a rolling window, which never starts anew, this is when the stretch began for which an alert is told once: a multiple of its length.
    """
    if not period:
        return 0
    if period in ROLLING:
        return now_us - now_us % ROLLING[period][0]
    if not timezone:
        return _start_in_utc(period, now_us // _DAY_US)
    return _start_in_zone(period, now_us // _MINUTE_US, timezone)


def period_end(period: str, start_us: int, timezone: str = "") -> int:
    """When the period that began at `start_us` ends (epoch microseconds); 0 for no period."""
    if not period:
        return 0
    if period in ROLLING:
        return start_us + ROLLING[period][0]
    zone = _zone_or_utc(timezone)
    first = datetime.fromtimestamp(start_us // 1_000_000, zone).date()
    return _midnight(_next(period, first), zone)


def bucket_of(period: str, at_us: int) -> int:
    """The number of the bucket of a rolling window that a moment lies in."""
    return at_us // ROLLING[period][1]


def first_bucket(period: str, now_us: int) -> int:
    """The number of the oldest bucket that still counts at a moment."""
    window, size = ROLLING[period]
    return (now_us - window) // size


@lru_cache(maxsize=64)
def _start_in_utc(period: str, day_number: int) -> int:
    """By day: every call of a day asks for it."""
    return _midnight(_first(period, datetime.fromtimestamp(day_number * 86_400, UTC).date()), UTC)


@lru_cache(maxsize=256)
def _start_in_zone(period: str, minute: int, timezone: str) -> int:
    """By minute: clocks change at whole minutes."""
    zone = _zone_or_utc(timezone)
    return _midnight(_first(period, datetime.fromtimestamp(minute * 60, zone).date()), zone)


def _first(period: str, day: date) -> date:
    if period == "week":
        return day - timedelta(days=day.weekday())
    if period == "month":
        return day.replace(day=1)
    if period == "quarter":
        return day.replace(month=day.month - (day.month - 1) % 3, day=1)
    return day


def _next(period: str, first: date) -> date:
    if period in ("month", "quarter"):
        months = first.year * 12 + first.month - 1 + (1 if period == "month" else 3)
        return date(months // 12, months % 12 + 1, 1)
    return first + timedelta(days=7 if period == "week" else 1)


def _midnight(day: date, zone: tzinfo) -> int:
    """The first instant of a local day. A midnight that does not exist is read with the offset before the gap: the gap's end (PEP 495)."""
    return int(datetime.combine(day, time(), zone).timestamp()) * 1_000_000


def _zone_or_utc(timezone: str) -> tzinfo:
    """A zone that is gone from this machine's database counts as UTC: a budget then starts anew hours off, and still holds."""
    return (_zone(timezone) or UTC) if timezone else UTC


@lru_cache(maxsize=64)
def _zone(name: str) -> tzinfo | None:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # not a name, not readable, not there (ZoneInfoNotFoundError is a KeyError)
        return None
