"""What was spent: sums of charges by key, model, day, workspace and the like.

A charge is one row and its cost is rounded once, so every sum here is the SQL sum of `charges.cost_micros`; what has been summed before
(`store.rollups`) is read from there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import reduce
from operator import add
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, Table, and_, case, func, or_, select

from pipeline.store.read_model import Filter, Latency, Row, SpendGroup
from pipeline.store.read_scope import Scope, of_charges
from pipeline.store.rollups import DAY_US, QUARTER_US
from pipeline.store.spans import Span, spans_of
from pipeline.store.tables import charges, spend_days, spend_quarters, spend_slots, virtual_keys
from pipeline.store.tables.rollups import SLOT_GROUPS

# Every time zone is a multiple of a quarter of an hour away from UTC, so quarters can be folded into anyone's days.
LATENCY_SAMPLE: Final = 20_000
NO_TAG: Final = "none"

_C = charges.c
_TOLD: Final = ("observed", "adjusted")  # an adjustment has no usage of its own
_SUMMED: Final = {
    "cost_micros": ("cost_micros",),
    "tokens_input": ("tokens_input", "tokens_input_audio", "tokens_input_image"),
    "tokens_cache_read": ("tokens_cache_read",),
    "tokens_cache_write": ("tokens_cache_write_5m", "tokens_cache_write_1h"),
    "tokens_output": ("tokens_output", "tokens_output_audio", "tokens_output_image"),
    "tokens_reasoning": ("tokens_reasoning",),
}
SUM_COLUMNS: Final = ("charges", *_SUMMED, "not_observed")
_GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "key": ("key_id", "workspace_id"),
    "tag": ("key_id",),
    "model": ("model",),
    "workspace": ("workspace_id",),
    "target": ("target_id", "provider"),
    "provider": ("provider",),
    "reference": ("secret_reference", "secret_version", "secret_fingerprint"),
    "state": ("state",),
}


def spend_total(connection: Connection, scope: Scope, asked: Filter) -> Row:
    """The sums over all matching charges: the columns of SUM_COLUMNS, zero where there is nothing."""
    return _summed(connection, scope, asked, ()).get((), dict.fromkeys(SUM_COLUMNS, 0))


def spend_by(connection: Connection, scope: Scope, asked: Filter, group: SpendGroup, zone: ZoneInfo) -> list[Row]:
    """The sums per group, dearest first; days in the order of the calendar of `zone`.

    Keys come as `key`, `alias`, `hint`, `workspace`; days as `day` (`2026-11-21`); references with version and fingerprint; tags as
    `name:value` of the key's metadata: a key with several stands in several rows, one without any under `none`.
    """
    if group == "day":
        return _by_day(connection, scope, asked, zone)
    found = _summed(connection, scope, asked, _GROUPS[group])
    if group == "tag":
        return _dearest(_by_tag(connection, scope, found))
    names = _key_names(connection, scope) if group == "key" else {}
    return _dearest([_name(dict(zip(_GROUPS[group], key, strict=True)), sums, group, scope, names) for key, sums in found.items()])


def spend_cells(connection: Connection, scope: Scope, asked: Filter) -> list[Row]:
    """The sums by day (UTC), workspace, key and model together, in that order: what reports are put together from."""
    found = _summed(connection, scope, asked, ("workspace_id", "key_id", "model"), step=DAY_US)
    rows: list[Row] = []
    for (bucket, workspace, key, model), sums in found.items():
        day = datetime.fromtimestamp(int(bucket) * DAY_US // 1_000_000, UTC).strftime("%Y-%m-%d")
        rows.append({"day": day, "workspace": scope.slug(workspace), "key": key, "model": model, **sums})
    return sorted(rows, key=lambda row: (row["day"], row["workspace"], row["key"], row["model"]))


def spend_timeline(connection: Connection, scope: Scope, asked: Filter) -> list[tuple[int, int, int]]:
    """Cost (micro-dollars) and number of charges per quarter of an hour: `(start_us, cost_micros, charges)`, in time order."""
    found = _summed(connection, scope, asked, (), step=QUARTER_US)
    return sorted((int(start) * QUARTER_US, sums["cost_micros"], sums["charges"]) for (start,), sums in found.items())


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
    names: set[str] = set()
    for table, where in _sources(connection, scope, asked, whole_days=True):
        names.update(connection.execute(select(table.c.model).where(where).distinct()).scalars())
    return tuple(sorted(names - {""}))


def _summed(
    connection: Connection, scope: Scope, asked: Filter, groups: Sequence[str], *, step: int = 0
) -> dict[tuple[Any, ...], dict[str, int]]:
    """The sums by group, over whatever the period is read from. With a `step` (microseconds) the first of a group is which step it is."""
    found: dict[tuple[Any, ...], dict[str, int]] = {}
    slots = set(groups) <= set(SLOT_GROUPS) and not (asked.key or asked.model or asked.target)
    for table, where in _sources(connection, scope, asked, whole_days=step in (0, DAY_US), slots=slots):
        # SQLite would walk all of an index in the order of the groups, rather than the part of another that is in the period.
        names: list[ColumnElement[Any]] = [table.c[name].op("||")("") if table is charges else table.c[name] for name in groups]
        if step:  # what is summed already comes in the order of its index, and is folded here
            names.insert(0, (table.c.at_us // step * step).label("start_us") if table is charges else table.c.start_us)
        for row in connection.execute(select(*names, *_sums(table)).where(where).group_by(*names)):
            counted = row[len(names) :]
            if counted[0] == 0:  # without groups there is always a row
                continue
            key = (row[0] // step, *row[1 : len(names)]) if step else tuple(row[: len(names)])
            sums = found.setdefault(key, dict.fromkeys(SUM_COLUMNS, 0))
            for name, value in zip(SUM_COLUMNS, counted, strict=True):
                sums[name] += int(value or 0)
    return found


def _sources(
    connection: Connection, scope: Scope, asked: Filter, *, whole_days: bool, slots: bool = False
) -> Iterator[tuple[Table, ColumnElement[bool]]]:
    """The tables that a period is read from, each with the condition of what matches in it. `slots`: whether few groups are enough."""
    spans = spans_of(connection, asked, whole_days=whole_days)
    quarters = spend_slots if slots else spend_quarters
    for table, parts in ((spend_days, spans.days), (quarters, spans.quarters), (charges, spans.charges)):
        if parts:
            yield table, and_(of_charges(scope, asked.between(0, 0), table), or_(*(_within(table, span) for span in parts)))


def _moment(table: Table) -> ColumnElement[int]:
    return table.c.at_us if table is charges else table.c.start_us


def _within(table: Table, span: Span) -> ColumnElement[bool]:
    moment, (start, end) = _moment(table), span
    return and_(moment >= start, moment < end) if end else moment >= start


def _sums(table: Table) -> list[ColumnElement[Any]]:
    """The expressions of SUM_COLUMNS over a table."""
    rows: ColumnElement[Any] = func.count() if table is charges else func.coalesce(func.sum(table.c.charges), 0)
    each: Any = 1 if table is charges else table.c.charges
    sums: list[ColumnElement[Any]] = []
    for names in _SUMMED.values():
        sums.append(func.sum(reduce(add, [table.c[name] for name in names])))
    return [rows, *sums, func.sum(case((table.c.state.in_(_TOLD), 0), else_=each))]


def _by_day(connection: Connection, scope: Scope, asked: Filter, zone: ZoneInfo) -> list[Row]:
    step = DAY_US if zone.key == "UTC" else QUARTER_US
    days: dict[str, Row] = {}
    for (bucket,), sums in _summed(connection, scope, asked, (), step=step).items():
        day = datetime.fromtimestamp(int(bucket) * step // 1_000_000, UTC).astimezone(zone).strftime("%Y-%m-%d")
        row = days.setdefault(day, {"day": day, **dict.fromkeys(SUM_COLUMNS, 0)})
        for name in SUM_COLUMNS:
            row[name] += sums[name]
    return [days[day] for day in sorted(days)]


def _by_tag(connection: Connection, scope: Scope, found: dict[tuple[Any, ...], dict[str, int]]) -> list[Row]:
    query = select(virtual_keys.c.id, virtual_keys.c.metadata_json).where(virtual_keys.c.org_id == scope.org_id)
    tags = {key: sorted(f"{name}:{value}" for name, value in json.loads(text).items()) for key, text in connection.execute(query)}
    rows: dict[str, Row] = {}
    for (key,), sums in found.items():
        for tag in tags.get(key) or [NO_TAG]:
            row = rows.setdefault(tag, {"tag": tag, **dict.fromkeys(SUM_COLUMNS, 0)})
            for name in SUM_COLUMNS:
                row[name] += sums[name]
    return list(rows.values())


def _dearest(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (-row["cost_micros"], *(str(value) for value in row.values())))


def _key_names(connection: Connection, scope: Scope) -> dict[str, tuple[str, str]]:
    query = select(virtual_keys.c.id, virtual_keys.c.alias, virtual_keys.c.hint).where(virtual_keys.c.org_id == scope.org_id)
    return {row.id: (row.alias, row.hint) for row in connection.execute(query)}


def _name(row: Row, sums: dict[str, int], group: str, scope: Scope, names: dict[str, tuple[str, str]]) -> Row:
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
