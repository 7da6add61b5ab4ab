"""What was redacted: counts by rule, detector, direction, action and day. The matched text was never stored."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from pipeline.store.read_model import Filter, RedactionGroup, Row
from pipeline.store.read_scope import Scope, of_redactions
from pipeline.store.rollups import DAY_US, QUARTER_US
from pipeline.store.tables import redactions

_R = redactions.c
_GROUPS = {
    "rule": (_R.rule, _R.kind, _R.detector, _R.direction, _R.action),
    "detector": (_R.detector,),
    "direction": (_R.direction,),
    "action": (_R.action,),
}


def redactions_total(connection: Connection, scope: Scope, asked: Filter) -> int:
    """How many values were acted upon."""
    return int(connection.execute(select(func.sum(_R.count)).where(of_redactions(scope, asked))).scalar() or 0)


def redacted_requests(connection: Connection, scope: Scope, asked: Filter) -> int:
    """How many requests had at least one."""
    return int(connection.execute(select(func.count(_R.request_id.distinct())).where(of_redactions(scope, asked))).scalar() or 0)


def redactions_by(connection: Connection, scope: Scope, asked: Filter, group: RedactionGroup, zone: ZoneInfo) -> list[Row]:
    """`count` and `requests` per group, most frequent first; a rule comes with kind, detector, direction and action.

    Days (in the calendar of `zone`) come per direction, in time order, and without `requests`.
    """
    if group == "day":
        return _by_day(connection, scope, asked, zone)
    columns = _GROUPS[group]
    sums = (func.sum(_R.count).label("count"), func.count(_R.request_id.distinct()).label("requests"))
    query = select(*columns, *sums).where(of_redactions(scope, asked)).group_by(*columns)
    found = [dict(row._mapping) for row in connection.execute(query)]
    rows = [{**row, "count": int(row["count"]), "requests": int(row["requests"])} for row in found]
    return sorted(rows, key=lambda row: (-row["count"], *(str(value) for value in row.values())))


def redactions_of(connection: Connection, scope: Scope, request_id: str) -> list[Row]:
    """What was redacted in one request."""
    columns = (_R.direction, _R.detector, _R.rule, _R.kind, _R.action, _R.count)
    query = select(*columns).where(of_redactions(scope, Filter(request_id=request_id))).order_by(_R.id)
    return [dict(found._mapping) for found in connection.execute(query)]


def _by_day(connection: Connection, scope: Scope, asked: Filter, zone: ZoneInfo) -> list[Row]:
    step = DAY_US if zone.key == "UTC" else QUARTER_US
    bucket = (_R.at_us // step).label("bucket")
    columns = (bucket, _R.direction, func.sum(_R.count).label("total"))
    query = select(*columns).where(of_redactions(scope, asked)).group_by(bucket, _R.direction)
    days: dict[tuple[str, str], int] = {}
    for found in connection.execute(query):
        day = datetime.fromtimestamp(int(found.bucket) * step // 1_000_000, UTC).astimezone(zone).strftime("%Y-%m-%d")
        days[day, found.direction] = days.get((day, found.direction), 0) + int(found.total)
    return [{"day": day, "direction": direction, "count": count} for (day, direction), count in sorted(days.items())]
