"""Secret references: what is known of each, how old its version is, where it is used. Never a value."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any, Final

from sqlalchemy import Connection, select

from pipeline.store.read_model import Row
from pipeline.store.read_scope import DEFAULT_ORG, Scope
from pipeline.store.tables import secret_references, secret_status

DAY_US: Final = 86_400_000_000
DUE_AFTER_US: Final = 30 * DAY_US
OVERDUE_AFTER_US: Final = 90 * DAY_US
UNUSED_AFTER_US: Final = 30 * DAY_US


def references(connection: Connection, scope: Scope, now_us: int) -> list[Row]:
    """All references of the viewer by slug, with health, age of the version and remarks.

    `health` is `healthy`, `stale` (served from the cache while the vault is away), `failing` or `unchecked`. `age_us` counts
    from when the version was first seen, None when it never was. `remarks` name what an auditor should look at: `rotate soon`
    (30 days), `rotate now` (90 days, or the reference's own `max_age_days`, and a third of it for the other), `unused`
    (resolved, and for 30 days no call was made with it: since the last one, or since it was first seen when there was none),
    `shared` (the same value under another slug; `shared_with` names those that the viewer may see).
    """
    mine = _mine(connection, scope)
    rows = []
    for found in connection.execute(select(secret_status)):
        status = found._mapping
        known = mine.pop(status["slug"], None)
        # A status without a reference comes from a reference written in place (`env:NAME`), which belongs to the installation.
        if known is not None or (scope.whole and scope.org_id == DEFAULT_ORG and not _foreign(connection, scope, status["slug"])):
            rows.append(_row(status["slug"], known, status, now_us))
    rows += [_row(slug, known, None, now_us) for slug, known in mine.items()]
    same: defaultdict[str, list[str]] = defaultdict(list)
    for row in rows:
        if row["fingerprint"]:
            same[row["fingerprint"]].append(row["slug"])
    for row in rows:
        row["shared_with"] = sorted(slug for slug in same.get(row["fingerprint"], ()) if slug != row["slug"])
        if row["shared_with"]:
            row["remarks"].append("shared")
    return sorted(rows, key=lambda row: row["slug"])


def _mine(connection: Connection, scope: Scope) -> dict[str, Any]:
    found = connection.execute(select(secret_references).where(secret_references.c.org_id == scope.org_id))
    rows = {row.slug: row._mapping for row in found}
    if scope.ids is None:
        return rows
    names = {*scope.ids, *(scope.slug(key) for key in scope.ids)}
    return {slug: row for slug, row in rows.items() if row["allow_all_workspaces"] or names & set(_workspaces(row))}


def _foreign(connection: Connection, scope: Scope, slug: str) -> bool:
    table = secret_references.c
    query = select(table.id).where(table.slug == slug, table.org_id != scope.org_id).limit(1)
    return connection.execute(query).first() is not None


def _row(slug: str, known: Any, status: Any, now_us: int) -> Row:
    first_seen = status["first_seen_us"] if status else 0
    age = now_us - first_seen if first_seen else None
    row: Row = {
        "slug": slug,
        "name": known["name"] if known else "",
        "manager_type": (status or known)["manager_type"],
        "health": _health(status),
        "required": bool((status or known)["required"]),
        "version": status["version"] if status else "",
        "fingerprint": status["fingerprint"] if status else "",
        "age_us": age,
        "resolved_us": status["resolved_us"] if status else 0,
        "checked_us": status["checked_us"] if status else 0,
        "used_us": status["used_us"] if status else 0,
        "latency_us": status["latency_us"] if status else 0,
        "error": status["error"] if status else "",
        "targets": json.loads(status["targets"] or "[]") if status else [],
        "workspaces": _workspaces(known),
        "origin": (known["origin"] or "api") if known else "in place",
        "remarks": [],
    }
    overdue = known["max_age_days"] * DAY_US if known and known["max_age_days"] else OVERDUE_AFTER_US
    if age is not None and age >= overdue * DUE_AFTER_US // OVERDUE_AFTER_US:
        row["remarks"].append("rotate now" if age >= overdue else "rotate soon")
    since = row["used_us"] or first_seen
    row["idle_us"] = now_us - since if since else None
    if row["resolved_us"] and since and now_us - since >= UNUSED_AFTER_US:
        row["remarks"].append("unused")
    return row


def _workspaces(known: Any) -> list[str]:
    """The workspaces that may use it; empty for all."""
    if known is None or known["allow_all_workspaces"]:
        return []
    return list(json.loads(known["allowed_workspaces"] or "[]"))


def _health(status: Any) -> str:
    if status is None or not status["outcome"]:
        return "unchecked"
    outcome = status["outcome"]
    return outcome if outcome == "stale" else "healthy" if outcome in {"ok", "hit", "fetched", "refreshed"} else "failing"
