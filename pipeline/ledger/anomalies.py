"""Whether a key spends as it used to: its last hour against the hours of its last week.

The statistic is the modified z-score of Iglewicz and Hoaglin, How to Detect and Handle Outliers (ASQC 1993): 0.6745 · (x - median) / MAD,
where a score above 3.5 is an outlier. Half of a key's hours may be outliers themselves before median and MAD (the median absolute
deviation) move. Where more than half of the hours cost the same (often nothing), MAD is zero, and the mean absolute deviation takes its
place: (x - median) / (1.253314 · MeanAD), as IBM's SPSS does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Final

from sqlalchemy import Connection, func, select

from pipeline.periods import HOUR_US
from pipeline.store.tables import charges

WEEK_H: Final = 7 * 24
LEAST_H: Final = 24
"""Hours of history without which nothing is usual yet."""
_C = charges.c


@dataclass(frozen=True, slots=True)
class Spike:
    """A key whose last hour is out of its usual range: what it cost, and what is usual (the median), in micro-dollars."""

    org_id: str
    key_id: str
    spent_micros: int
    usual_micros: int
    score: float


def score(past: Sequence[int], now: int) -> float:
    """How far `now` lies above the past, in robust standard deviations; infinite when the past never varied."""
    middle = median(past)
    away = [abs(each - middle) for each in past]
    spread = median(away) / 0.6745 or 1.253314 * fmean(away)
    if spread:
        return (now - middle) / spread
    return float("inf") if now > middle else 0.0


def spikes(connection: Connection, now_us: int, *, least_micros: int, threshold: float) -> tuple[Spike, ...]:
    """The keys that spent at least so much in the last hour and much more than they used to. Over a reading connection.

    A key is judged once it has a day of history; hours without a call count as hours that cost nothing.
    """
    spent = func.sum(_C.cost_micros)
    last_hour = select(_C.org_id, _C.key_id, spent.label("spent")).where(_C.at_us > now_us - HOUR_US, _C.at_us <= now_us, _C.key_id != "")
    found = []
    for row in connection.execute(last_hour.group_by(_C.org_id, _C.key_id).having(spent >= least_micros)).all():
        past = _past(connection, row.key_id, now_us)
        if len(past) < LEAST_H:
            continue
        reached = score(past, int(row.spent))
        if reached > threshold:
            found.append(Spike(row.org_id, row.key_id, int(row.spent), int(median(past)), reached))
    return tuple(found)


def _past(connection: Connection, key_id: str, now_us: int) -> list[int]:
    """What each hour of a key's last week cost, the last hour left out; as many hours as it has been in use."""
    first = connection.execute(select(func.min(_C.at_us)).where(_C.key_id == key_id)).scalar()
    hours = min(WEEK_H, (now_us - int(first or now_us)) // HOUR_US)
    if hours < LEAST_H:
        return []
    back = (now_us - _C.at_us) // HOUR_US
    query = select(back.label("back"), func.sum(_C.cost_micros).label("spent")).where(
        _C.key_id == key_id, _C.at_us > now_us - (hours + 1) * HOUR_US, _C.at_us <= now_us - HOUR_US
    )
    sums = {int(row.back): int(row.spent) for row in connection.execute(query.group_by("back"))}
    return [sums.get(hour, 0) for hour in range(1, hours + 1)]
