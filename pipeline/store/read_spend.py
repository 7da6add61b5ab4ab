"""What was spent: sums of charges by key, model, day, workspace and the like.

A charge is one row and its cost is rounded once, so every sum here is the SQL sum of `charges.cost_micros`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, case, func, select

from pipeline.store.read_model import Filter, Latency, Row, SpendGroup
from pipeline.store.read_scope import Scope, of_charges
from pipeline.store.tables import charges, virtual_keys

# Every time zone is a multiple of a quarter of an hour away from UTC, so quarters can be folded into anyone's days.
QUARTER_US: Final = 900_000_000
DAY_US: Final = 86_400_000_000
LATENCY_SAMPLE: Final = 20_000

_C = charges.c
_SUMS: Final[dict[str, ColumnElement[Any]]] = {
    "charges": func.count(),
    "cost_micros": func.sum(_C.cost_micros),
    "tokens_input": func.sum(_C.tokens_input + _C.tokens_input_audio),
    "tokens_cache_read": func.sum(_C.tokens_cache_read),
    "tokens_cache_write": func.sum(_C.tokens_cache_write_5m + _C.tokens_cache_write_1h),
    "tokens_output": func.sum(_C.tokens_output + _C.tokens_output_audio),
    "tokens_reasoning": func.sum(_C.tokens_reasoning),
    "not_observed": func.sum(case((_C.state == "observed", 0), else_=1)),
}
SUM_COLUMNS: Final = tuple(_SUMS)
_GROUPS: Final[dict[str, tuple[ColumnElement[Any], ...]]] = {
    "key": (_C.key_id, _C.workspace_id),
    "model": (_C.model,),
    "workspace": (_C.workspace_id,),
    "target": (_C.target_id, _C.provider),
    "provider": (_C.provider,),
    "reference": (_C.secret_reference, _C.secret_version, _C.secret_fingerprint),
    "state": (_C.state,),
}


def spend_total(connection: Connection, scope: Scope, asked: Filter) -> Row:
    """The sums over all matching charges: the columns of SUM_COLUMNS, zero where there is nothing."""
    found = connection.execute(select(*_labeled()).where(of_charges(scope, asked))).one()
    return {name: int(value or 0) for name, value in zip(SUM_COLUMNS, found, strict=True)}


def spend_by(connection: Connection, scope: Scope, asked: Filter, group: SpendGroup, zone: ZoneInfo) -> list[Row]:
    """The sums per group, dearest first; days in the order of the calendar of `zone`.

    Keys come as `key`, `alias`, `hint`, `workspace`; days as `day` (`2026-11-21`); references with version and fingerprint.
    """
    if group == "day":
        return _by_day(connection, scope, asked, zone)
    columns = _GROUPS[group]
    query = select(*columns, *_labeled()).where(of_charges(scope, asked)).group_by(*columns)
    rows = [dict(found._mapping) for found in connection.execute(query)]
    names = _key_names(connection, scope) if group == "key" else {}
    named = [_name(row, group, scope, names) for row in rows]
    return sorted(named, key=lambda row: (-row["cost_micros"], *(str(value) for value in row.values())))


def spend_timeline(connection: Connection, scope: Scope, asked: Filter) -> list[tuple[int, int, int]]:
    """Cost (micro-dollars) and number of charges per quarter of an hour: `(start_us, cost_micros, charges)`, in time order."""
    quarter = (_C.at_us // QUARTER_US).label("quarter")
    query = select(quarter, func.sum(_C.cost_micros), func.count()).where(of_charges(scope, asked)).group_by(quarter).order_by(quarter)
    return [(int(at) * QUARTER_US, int(cost), int(count)) for at, cost, count in connection.execute(query)]


def charges_of(connection: Connection, scope: Scope, request_id: str) -> list[Row]:
    """The charges of one request, by attempt, with every column of the table."""
    query = select(charges).where(of_charges(scope, Filter(request_id=request_id))).order_by(_C.attempt)
    return [dict(found._mapping) for found in connection.execute(query)]


def latency(connection: Connection, scope: Scope, asked: Filter) -> Latency:
    """Median and 95th percentile by nearest rank over the newest charges, at most LATENCY_SAMPLE, so that it stays cheap."""
    newest = select(_C.duration_us).where(of_charges(scope, asked), _C.duration_us > 0).order_by(_C.at_us.desc()).limit(LATENCY_SAMPLE)
    durations = sorted(connection.execute(newest).scalars())
    count = len(durations)
    if not count:
        return Latency(0, 0, 0)
    return Latency(durations[_rank(count, 50)], durations[_rank(count, 95)], count)


def models(connection: Connection, scope: Scope, asked: Filter) -> tuple[str, ...]:
    """The models that were charged."""
    query = select(_C.model).where(of_charges(scope, asked)).distinct().order_by(_C.model)
    return tuple(name for name in connection.execute(query).scalars() if name)


def _by_day(connection: Connection, scope: Scope, asked: Filter, zone: ZoneInfo) -> list[Row]:
    step = DAY_US if zone.key == "UTC" else QUARTER_US
    bucket = (_C.at_us // step).label("bucket")
    query = select(bucket, *_labeled()).where(of_charges(scope, asked)).group_by(bucket)
    days: dict[str, Row] = {}
    for found in connection.execute(query):
        day = datetime.fromtimestamp(int(found.bucket) * step // 1_000_000, UTC).astimezone(zone).strftime("%Y-%m-%d")
        row = days.setdefault(day, {"day": day, **dict.fromkeys(SUM_COLUMNS, 0)})
        for name in SUM_COLUMNS:
            row[name] += int(found._mapping[name] or 0)
    return [days[day] for day in sorted(days)]


def _labeled() -> list[ColumnElement[Any]]:
    return [column.label(name) for name, column in _SUMS.items()]


def _key_names(connection: Connection, scope: Scope) -> dict[str, tuple[str, str]]:
    query = select(virtual_keys.c.id, virtual_keys.c.alias, virtual_keys.c.hint).where(virtual_keys.c.org_id == scope.org_id)
    return {row.id: (row.alias, row.hint) for row in connection.execute(query)}


def _name(row: Row, group: str, scope: Scope, names: dict[str, tuple[str, str]]) -> Row:
    sums = {name: int(row[name] or 0) for name in SUM_COLUMNS}
    if group == "key":
        alias, hint = names.get(row["key_id"], ("", ""))
        return {"key": row["key_id"], "alias": alias, "hint": hint, "workspace": scope.slug(row["workspace_id"]), **sums}
    if group == "workspace":
        return {"workspace": scope.slug(row["workspace_id"]), **sums}
    if group == "reference":
        labels = ("secret_reference", "secret_version", "secret_fingerprint")
        return {"reference": row[labels[0]], "version": row[labels[1]], "fingerprint": row[labels[2]], **sums}
    if group == "target":
        return {"target": row["target_id"], "provider": row["provider"], **sums}
    return {group: row[group], **sums}


def _rank(count: int, percent: int) -> int:
    return max(0, -(-count * percent // 100) - 1)
