"""What a page was asked, in its address: period, time zone and filters. Pure; a link shows everyone the same question.

Parameters: `range` (one of RANGES), or `from` and `to` (days in the zone, or RFC 3339 times; `to` exclusive as a time and
inclusive as a day), `tz`, and the names of the read model's filter: `workspace`, `key`, `model`, `kind`, `outcome`, ….
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from pipeline.clock import parse_rfc3339
from pipeline.errors import BadRequest
from pipeline.store.reads import Filter, parse_filter, zone_of

_HOUR_US: Final = 3_600_000_000
RANGES: Final[dict[str, str]] = {
    "today": "Today",
    "24h": "Last 24 hours",
    "7d": "Last 7 days",
    "30d": "Last 30 days",
    "month": "This month",
    "90d": "Last 90 days",
    "all": "All time",
    "custom": "Custom",
}
_HOURS: Final = {"24h": 24, "7d": 24 * 7, "30d": 24 * 30, "90d": 24 * 90}
DEFAULT_RANGE: Final = "7d"
COMMON: Final = ("range", "from", "to", "tz", "workspace")


@dataclass(frozen=True, slots=True)
class Query:
    """One question: the filter with an absolute period, whose calendar is meant, and the parameters it came from."""

    range: str
    zone: ZoneInfo
    filter: Filter
    problems: tuple[str, ...] = ()
    params: Mapping[str, str] = field(default_factory=dict)

    @property
    def days(self) -> tuple[date, date]:
        """First and last day of the period in the zone."""
        first = datetime.fromtimestamp(self.filter.from_us // 1_000_000, self.zone).date()
        return first, datetime.fromtimestamp(max(self.filter.to_us - 1, 0) // 1_000_000, self.zone).date()

    @property
    def label(self) -> str:
        """The period in words."""
        if self.range == "custom":
            first, last = self.days
            return f"{first.isoformat()} to {last.isoformat()}"
        return RANGES[self.range]


def read_query(params: Mapping[str, str], now_us: int, browser_zone: str = "") -> Query:
    """Understand the parameters of an address. What cannot be read is left out and named in `problems`; nothing raises."""
    problems: list[str] = []
    zone = _zone(params.get("tz", "") or browser_zone, problems)
    wanted = params.get("range", "custom" if params.get("from") or params.get("to") else DEFAULT_RANGE)
    if wanted not in RANGES:
        problems.append("There is no such period; showing the last 7 days.")
        wanted = DEFAULT_RANGE
    from_us, to_us = _custom(params, zone, now_us, problems) if wanted == "custom" else _period(wanted, zone, now_us)
    texts = {name: value for name, value in params.items() if name not in {"from", "to"}}
    try:
        asked = parse_filter(texts)
    except BadRequest as error:
        problems.append(error.message)
        asked = Filter()
    return Query(wanted, zone, asked.between(from_us, to_us), tuple(problems), dict(params))


def midnight(now_us: int, zone: ZoneInfo, *, first_of_month: bool = False) -> int:
    """When today (or this month) began in the zone, epoch microseconds."""
    day = datetime.fromtimestamp(now_us // 1_000_000, zone).date()
    return _start(day.replace(day=1) if first_of_month else day, zone)


def _period(name: str, zone: ZoneInfo, now_us: int) -> tuple[int, int]:
    if name == "all":
        return 0, now_us
    if name in {"today", "month"}:
        return midnight(now_us, zone, first_of_month=name == "month"), now_us
    return now_us - _HOURS[name] * _HOUR_US, now_us


def _custom(params: Mapping[str, str], zone: ZoneInfo, now_us: int, problems: list[str]) -> tuple[int, int]:
    from_us = _edge(params.get("from", ""), zone, problems, days_later=0)
    to_us = _edge(params.get("to", ""), zone, problems, days_later=1) or now_us
    if from_us >= to_us:
        problems.append("The period is empty: its end is not after its start.")
        return _period(DEFAULT_RANGE, zone, now_us)
    return from_us, to_us


def _edge(text: str, zone: ZoneInfo, problems: list[str], *, days_later: int) -> int:
    if not text:
        return 0
    try:
        if len(text) == len("2026-11-21"):
            return _start(date.fromisoformat(text) + timedelta(days=days_later), zone)
        return parse_rfc3339(text)
    except (ValueError, OverflowError):
        problems.append("A date in the address cannot be read and was left out.")
        return 0


def _start(day: date, zone: ZoneInfo) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()) * 1_000_000


def _zone(name: str, problems: list[str]) -> ZoneInfo:
    try:
        return zone_of(name)
    except BadRequest:
        problems.append("There is no such time zone; showing UTC.")
        return zone_of("")
