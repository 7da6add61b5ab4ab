"""Where a secret was used: which keys, workspaces and models called with it, when, and for how much. By reference, version or fingerprint.

Every charge names the reference, version and fingerprint of the secret that its call was made with, so this is one look at `charges`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, func, select

from pipeline.store.read_model import Row
from pipeline.store.tables import charges, secret_status, virtual_keys, workspaces

MOST_USES: Final = 1_000
"""Rows that are listed; totals count all."""

_C = charges.c


@dataclass(frozen=True, slots=True)
class UsageFilter:
    """What is looked for: at least one of reference (slug), version and fingerprint. Times are epoch microseconds, 0 for open."""

    reference: str = ""
    version: str = ""
    fingerprint: str = ""
    since_us: int = 0
    until_us: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """What was found. Money is micro-dollars, times are epoch microseconds.

    `uses` are rows by workspace, key, model, target, reference, version and fingerprint, the latest first; `shared_with` are the other
    references that hold, or were used with, one of the same values.
    """

    calls: int
    cost_micros: int
    first_us: int
    last_us: int
    uses: tuple[Row, ...]
    shared_with: tuple[str, ...]


def usage(connection: Connection, asked: UsageFilter, *, org_id: str) -> Usage:
    """Where a secret was used."""
    where = _where(asked, org_id)
    names = (_C.workspace_id, _C.key_id, _C.model, _C.target_id, _C.secret_reference, _C.secret_version, _C.secret_fingerprint)
    found = connection.execute(
        select(*names, *_sums()).where(where).group_by(*names).order_by(func.max(_C.at_us).desc(), *names).limit(MOST_USES)
    ).mappings()
    rows = [dict(row) for row in found]
    total = connection.execute(select(*_sums()).where(where)).mappings().one()
    slugs = dict(_pairs(connection, select(workspaces.c.id, workspaces.c.slug).where(workspaces.c.org_id == org_id)))
    keys = {row["key_id"] for row in rows}
    aliases = dict(_pairs(connection, select(virtual_keys.c.id, virtual_keys.c.alias).where(virtual_keys.c.id.in_(keys)))) if keys else {}
    return Usage(
        calls=int(total["calls"]),
        cost_micros=int(total["cost_micros"] or 0),
        first_us=int(total["first_us"] or 0),
        last_us=int(total["last_us"] or 0),
        uses=tuple(
            {**row, "workspace": slugs.get(row["workspace_id"], row["workspace_id"]), "key_alias": aliases.get(row["key_id"], "")}
            for row in rows
        ),
        shared_with=_shared(connection, asked, org_id),
    )


def versions(connection: Connection, reference: str, *, org_id: str) -> list[Row]:
    """The versions of a reference that calls were made with or that were read last, the latest use first."""
    names = (_C.secret_version, _C.secret_fingerprint)
    where = and_(_C.org_id == org_id, _C.secret_reference == reference)
    found = connection.execute(select(*names, *_sums()).where(where).group_by(*names).order_by(func.max(_C.at_us).desc())).mappings()
    rows: list[Row] = [
        {
            "version": row["secret_version"],
            "fingerprint": row["secret_fingerprint"],
            "calls": int(row["calls"]),
            "cost_micros": int(row["cost_micros"] or 0),
            "first_used_us": int(row["first_us"]),
            "last_used_us": int(row["last_us"]),
            "first_seen_us": 0,
            "current": False,
        }
        for row in found
    ]
    status = connection.execute(select(secret_status).where(secret_status.c.slug == reference)).mappings().first()
    if status is not None and status["fingerprint"]:
        now = next((row for row in rows if (row["version"], row["fingerprint"]) == (status["version"], status["fingerprint"])), None)
        if now is None:
            now = {"version": status["version"], "fingerprint": status["fingerprint"], "calls": 0, "cost_micros": 0,
                   "first_used_us": 0, "last_used_us": 0}  # fmt: skip
            rows.insert(0, now)
        now["first_seen_us"], now["current"] = status["first_seen_us"], True
    return rows


def _sums() -> tuple[Any, ...]:
    return (
        func.count(_C.request_id.distinct()).label("calls"),
        func.sum(_C.cost_micros).label("cost_micros"),
        func.min(_C.at_us).label("first_us"),
        func.max(_C.at_us).label("last_us"),
    )


def _where(asked: UsageFilter, org_id: str) -> ColumnElement[bool]:
    parts = [_C.org_id == org_id]
    pairs = ((_C.secret_reference, asked.reference), (_C.secret_version, asked.version), (_C.secret_fingerprint, asked.fingerprint))
    parts += [column == value for column, value in pairs if value]
    if asked.since_us:
        parts.append(_C.at_us >= asked.since_us)
    if asked.until_us:
        parts.append(_C.at_us < asked.until_us)
    return and_(*parts)


def _shared(connection: Connection, asked: UsageFilter, org_id: str) -> tuple[str, ...]:
    """References that one of the values stands behind as well: now (their last read), or in a call."""
    status = secret_status.c
    prints = {row[0] for row in connection.execute(select(_C.secret_fingerprint).where(_where(asked, org_id)).distinct())}
    if asked.reference and not asked.fingerprint:
        prints |= {row[0] for row in connection.execute(select(status.fingerprint).where(status.slug == asked.reference))}
    if asked.fingerprint:
        prints.add(asked.fingerprint)
    prints.discard("")
    if not prints:
        return ()
    slugs: set[str] = set()
    for chunk in _chunks(sorted(prints)):
        slugs |= {row[0] for row in connection.execute(select(status.slug).where(status.fingerprint.in_(chunk)))}
        query = select(_C.secret_reference).where(_C.org_id == org_id, _C.secret_fingerprint.in_(chunk)).distinct()
        slugs |= {row[0] for row in connection.execute(query)}
    return tuple(sorted(slugs - {"", asked.reference}))


def _chunks(names: list[str], size: int = 500) -> Iterable[list[str]]:
    return (names[start : start + size] for start in range(0, len(names), size))


def _pairs(connection: Connection, query: Any) -> Iterable[tuple[str, str]]:
    return ((row[0], row[1]) for row in connection.execute(query))
