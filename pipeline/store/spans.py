"""Where the sums of a period are read: days and quarters that are summed already, charges for the rest. Together they are all of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, select

from pipeline.store.read_model import Filter
from pipeline.store.rollups import DAY_US, HOUR_US, QUARTER_US, rolled_until
from pipeline.store.tables import spend_gaps

Span = tuple[int, int]
"""From (inclusive) and until (exclusive), microseconds since the epoch; until 0 is open."""

MOST_GAPS: Final = 200
"""With more of them, everything is read from the charges until the sums are made again."""


@dataclass(frozen=True, slots=True)
class Spans:
    """Disjoint spans that make up one period, by what they are read from."""

    days: tuple[Span, ...] = ()
    quarters: tuple[Span, ...] = ()
    charges: tuple[Span, ...] = ()


def spans_of(connection: Connection, asked: Filter, *, whole_days: bool) -> Spans:
    """How the period of a filter is read. `whole_days`: whether a day (UTC) may be read as one."""
    if asked.request_id:
        return Spans(charges=((asked.from_us, asked.to_us),))
    mark = rolled_until(connection)
    found = connection.execute(select(spend_gaps.c.hour_us).where(spend_gaps.c.hour_us < mark).limit(MOST_GAPS + 1)).scalars()
    gaps = sorted(found)
    if len(gaps) > MOST_GAPS:
        return Spans(charges=((asked.from_us, asked.to_us),))
    return cut(asked.from_us, asked.to_us, mark, gaps, whole_days=whole_days)


def cut(from_us: int, to_us: int, mark: int, gaps: list[int], *, whole_days: bool) -> Spans:
    """Cut a period (0: open) at the watermark and around the gaps, which are starts of hours in order."""
    low = -(-from_us // QUARTER_US) * QUARTER_US
    high = (min(to_us, mark) if to_us else mark) // QUARTER_US * QUARTER_US
    if low >= high:
        return Spans(charges=((from_us, to_us),))
    raw: list[Span] = [(from_us, low)] if from_us < low else []
    rolled: list[Span] = []
    at = low
    for gap in gaps:
        start, end = max(gap, at), min(gap + HOUR_US, high)
        if start < end:
            rolled.append((at, start))
            raw.append((start, end))
            at = end
    rolled.append((at, high))
    if not to_us or high < to_us:
        raw.append((high, to_us))
    days: list[Span] = []
    quarters: list[Span] = []
    for start, end in rolled:
        first, last = -(-start // DAY_US) * DAY_US, end // DAY_US * DAY_US
        if not whole_days or first >= last:
            quarters.append((start, end))
            continue
        days.append((first, last))
        quarters += [(start, first), (last, end)]
    return Spans(tuple(days), tuple(span for span in quarters if span[0] < span[1]), tuple(raw))
