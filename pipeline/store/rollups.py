"""Sums of charges by quarter of an hour and by day, made behind the calls, and exact all the same.

Every hour before a watermark (`settings`, `spend.rolled_until`) is summed, but for the hours in `spend_gaps`; what is not summed is read
from the charges themselves (`store.spans`), so that an answer is right whether or not anything was summed yet. An hour is summed
once it has rested: a charge is written at its own time, or, when it had to wait for the database, as a *late* one, which makes its
hour a gap in the same transaction. Sums are made an hour at a time, so that no call waits long for the writer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Table, delete, func, insert, literal, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from pipeline.store.tables import charges, settings, spend_days, spend_gaps, spend_quarters, spend_slots
from pipeline.store.tables.rollups import ROLLUP_GROUPS, ROLLUP_SUMS, SLOT_GROUPS

QUARTER_US: Final = 900_000_000
HOUR_US: Final = 4 * QUARTER_US
DAY_US: Final = 24 * HOUR_US
LATE_US: Final = HOUR_US // 2
"""A charge that is written so long after its time is late."""
REST_US: Final = 2 * HOUR_US
"""How long after its end an hour is summed: `LATE_US`, and far more than a transaction hangs or clocks differ."""
MARK: Final = "spend.rolled_until"

_LOCK: Final = 7_304_118_652_201  # one worker sums at a time
_AT: Final = 3  # where a row of charges, in the order of its columns, has its time

_GROUPS: Final = [charges.c[name] for name in ROLLUP_GROUPS]


def late_hours(rows: Iterable[Sequence[Any]], now_us: int) -> list[tuple[int]]:
    """The hours of the late ones among rows of `charges` (in the order of its columns), as rows of `spend_gaps`."""
    limit = now_us - LATE_US
    return sorted({(row[_AT] // HOUR_US * HOUR_US,) for row in rows if row[_AT] < limit})


def reopen(connection: Connection, times_us: Iterable[int]) -> None:
    """Make the hours of these times gaps: their sums are made again. Call it in the transaction that writes charges of the past."""
    hours = sorted({at // HOUR_US * HOUR_US for at in times_us})
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    for hour in hours:
        connection.execute(dialect.insert(spend_gaps).values(hour_us=hour).on_conflict_do_nothing())


def rolled_until(connection: Connection) -> int:
    """The watermark; 0 while nothing is summed."""
    value = connection.execute(select(settings.c.value).where(settings.c.name == MARK)).scalar()
    return int(value) if value else 0


def roll_up(connection: Connection, now_us: int) -> bool:
    """Sum one hour: a gap first, else the next one that has rested. Says whether there was one. Runs in the writer's transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    mark = rolled_until(connection)
    gap = connection.execute(select(func.min(spend_gaps.c.hour_us)).where(spend_gaps.c.hour_us < mark)).scalar()
    if gap is not None:
        _sum_hour(connection, gap)
        if gap // DAY_US * DAY_US + DAY_US <= mark:
            _sum_day(connection, gap)
        return True
    rested = (now_us - REST_US) // HOUR_US * HOUR_US
    first = connection.execute(select(func.min(charges.c.at_us)).where(charges.c.at_us >= mark, charges.c.at_us < rested)).scalar()
    if first is None:
        return False  # what is after the mark is read from the charges: there are none
    hour = first // HOUR_US * HOUR_US
    _sum_hour(connection, hour)
    after = hour + HOUR_US
    if mark and mark // DAY_US != hour // DAY_US and mark % DAY_US:
        _sum_day(connection, mark)  # the mark skips the rest of its day, in which nothing was charged
    if after % DAY_US == 0:
        _sum_day(connection, hour)
    _set_mark(connection, after, new=mark == 0)
    return True


def _sum_hour(connection: Connection, hour: int) -> None:
    """Make the sums of an hour anew. It stops being a gap before it is read, so that a charge that comes meanwhile makes it one again."""
    connection.execute(delete(spend_gaps).where(spend_gaps.c.hour_us == hour))
    start = charges.c.at_us // QUARTER_US * QUARTER_US
    within = (charges.c.at_us >= hour) & (charges.c.at_us < hour + HOUR_US)
    sums = [func.sum(charges.c[name]) for name in ROLLUP_SUMS]
    query = select(start.label("start_us"), *_GROUPS, func.count(), *sums).where(within).group_by(start, *_GROUPS)
    _replace(connection, spend_quarters, ROLLUP_GROUPS, hour, hour + HOUR_US, query)
    slots = _of_quarters(spend_quarters.c.start_us, SLOT_GROUPS, hour, hour + HOUR_US)
    _replace(connection, spend_slots, SLOT_GROUPS, hour, hour + HOUR_US, slots)


def _sum_day(connection: Connection, within_us: int) -> None:
    """Make the sums of the day that a time is in anew, from those of its quarters."""
    day = within_us // DAY_US * DAY_US
    _replace(connection, spend_days, ROLLUP_GROUPS, day, day + DAY_US, _of_quarters(literal(day), ROLLUP_GROUPS, day, day + DAY_US))


def _of_quarters(start: Any, groups: Sequence[str], low: int, high: int) -> Any:
    """The sums of quarters by fewer groups or in longer spans; `start` is the time that they stand at."""
    columns = spend_quarters.c
    names = [columns[name] for name in groups]
    sums = [func.sum(columns[name]) for name in ("charges", *ROLLUP_SUMS)]
    by = names if start is not columns.start_us else [start, *names]
    within = (columns.start_us >= low) & (columns.start_us < high)
    return select(start.label("start_us"), *names, *sums).where(within).group_by(*by)


def _replace(connection: Connection, table: Table, groups: Sequence[str], low: int, high: int, query: Any) -> None:
    connection.execute(delete(table).where(table.c.start_us >= low, table.c.start_us < high))
    connection.execute(insert(table).from_select(["start_us", *groups, "charges", *ROLLUP_SUMS], query))


def _set_mark(connection: Connection, mark: int, *, new: bool) -> None:
    if new:
        connection.execute(insert(settings).values(name=MARK, value=str(mark)))
    else:
        connection.execute(update(settings).where(settings.c.name == MARK).values(value=str(mark)))
