"""How figures are written, everywhere the same: money with all six digits of a micro-dollar, times in the viewer's zone."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

_SECOND: Final = 1_000_000
_UNITS: Final = ((86_400, "day"), (3_600, "hour"), (60, "minute"))


def money(micros: int) -> str:
    """Micro-dollars as dollars: 1234 → `$0.001234`, with thousands separated."""
    dollars, rest = divmod(abs(micros), _SECOND)
    return f"{'-' if micros < 0 else ''}${dollars:,}.{rest:06d}"


def count(number: int) -> str:
    """A whole number with thousands separated."""
    return f"{number:,}"


def share(part: int, whole: int) -> str:
    """A part of a whole in percent with one digit; a dash when there is no whole."""
    return f"{100 * part / whole:.1f}%" if whole else "–"


def duration(us: int) -> str:
    """How long something took: `18 µs`, `766 ms`, `2.1 s`; a dash for nothing measured."""
    if us <= 0:
        return "–"
    if us < 1_000:
        return f"{us} µs"
    if us < _SECOND:
        return f"{us / 1_000:.0f} ms"
    return f"{us / _SECOND:.1f} s" if us < 120 * _SECOND else age(us)


def age(us: int) -> str:
    """A long time in its largest whole unit: `12 days`, `4 hours`, `1 minute`, `under a minute`."""
    seconds = us // _SECOND
    for size, name in _UNITS:
        if seconds >= size:
            number = seconds // size
            return f"{number} {name}{'' if number == 1 else 's'}"
    return "under a minute"


def moment(at_us: int, zone: ZoneInfo) -> str:
    """A point in time in the viewer's zone, sortable as text: `2026-11-21 10:00:00`; empty for never (0)."""
    return datetime.fromtimestamp(at_us // _SECOND, zone).strftime("%Y-%m-%d %H:%M:%S") if at_us else ""


def ago(at_us: int, now_us: int) -> str:
    """How long ago, or how soon: `4 minutes ago`, `in 12 days`, `never` for 0."""
    if not at_us:
        return "never"
    return f"in {age(at_us - now_us)}" if at_us > now_us else f"{age(now_us - at_us)} ago"
