"""Virtual keys, workspaces and budgets as people see them. Never a key's text or digest."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, func, or_, select

from pipeline import periods
from pipeline.store.read_model import Filter, Row
from pipeline.store.read_scope import Scope
from pipeline.store.tables import budgets, events, virtual_keys, workspaces

_K = virtual_keys.c


def keys(connection: Connection, scope: Scope, asked: Filter, now_us: int) -> list[Row]:
    """All keys of the viewer, by workspace and alias: state, scope, budget of the current period, last use, expiry.

    `state` is the stored status, or `expired` once an active key is past its expiry. `budget_limit_micros` is None where
    there is no budget; of several the fullest is shown, and `budgets` has all, those for one model (`budget_model`) too. `caveats` are
    as they are stored, `parent` is the alias or hint of the key that a child was made of. `used_us` is the newest event that names
    the key. 0 stands for never.
    """
    parents = virtual_keys.alias("parents")
    last = select(func.max(events.c.at_us)).where(events.c.key_id == _K.id).correlate(virtual_keys).scalar_subquery()
    columns = (_K.id, _K.alias, _K.hint, _K.workspace_id, _K.role, _K.status, _K.models, _K.expires_us, _K.rpm_limit, _K.policy)
    named = (workspaces.c.policy.label("workspace_policy"),)
    limits = (_K.tpm_limit, _K.max_parallel_requests)
    times = (_K.created_us, _K.created_by, _K.revoked_us, _K.replaced_by, _K.last_used_us, last.label("last_event_us"))
    bounds = (_K.caveats_json, _K.calls_used, _K.agent_id, parents.c.alias.label("parent_alias"), parents.c.hint.label("parent_hint"))
    joined = virtual_keys.outerjoin(workspaces, workspaces.c.id == _K.workspace_id).outerjoin(parents, parents.c.id == _K.parent_id)
    # A former token of a rotated key has a row of its own, which names the key; it is not a key.
    query = select(*columns, *named, *limits, *times, *bounds).select_from(joined).where(_K.org_id == scope.org_id, _K.replaced_by == "")
    if scope.ids is not None:
        query = query.where(_K.workspace_id.in_(scope.ids))
    if asked.key:
        query = query.where(_K.id == asked.key)
    held = _budgets_of_keys(connection, now_us, asked.key)
    rows = [_key(found._mapping, held.get(found.id, []), scope, now_us) for found in connection.execute(query)]
    return sorted(rows, key=lambda row: (row["workspace"], row["alias"], row["id"]))


def key_labels(connection: Connection, scope: Scope) -> dict[str, str]:
    """Key id → `alias · hint`, for choosing one."""
    query = select(_K.id, _K.alias, _K.hint).where(_K.org_id == scope.org_id, _K.replaced_by == "")
    if scope.ids is not None:
        query = query.where(_K.workspace_id.in_(scope.ids))
    found = connection.execute(query.order_by(_K.alias, _K.id)).all()
    return {row.id: f"{row.alias or 'unnamed'} · {row.hint}" for row in found}


def budget_rows(connection: Connection, scope: Scope, now_us: int) -> list[Row]:
    """The budgets of organization and workspaces in their current period; those of keys stand beside the keys."""
    query = select(budgets).where(budgets.c.scope_kind.in_(("org", "workspace")))
    rows = []
    for found in connection.execute(query):
        budget = found._mapping
        if budget["scope_kind"] == "org":
            visible, name = scope.whole and budget["scope_id"] == scope.org_id, budget["scope_id"]
        else:
            visible = budget["scope_id"] in (scope.slugs if scope.ids is None else scope.ids)
            name = scope.slug(budget["scope_id"])
        if visible:
            rows.append({"scope": budget["scope_kind"], "name": name, **_budget(budget, now_us)})
    return sorted(rows, key=lambda row: (row["scope"], row["name"]))


def workspace_slugs(connection: Connection, scope: Scope) -> tuple[str, ...]:
    """The workspaces that the viewer may choose from."""
    query = select(workspaces.c.slug).where(workspaces.c.org_id == scope.org_id)
    if scope.ids is not None:
        query = query.where(workspaces.c.id.in_(scope.ids))
    return tuple(connection.execute(query.order_by(workspaces.c.slug)).scalars())


def period_start(now_us: int, period: str, timezone: str = "") -> int:
    """When the current budget period began (epoch microseconds); 0 for a budget without periods."""
    return periods.period_start(period, now_us, timezone)


def _budgets_of_keys(connection: Connection, now_us: int, key: str) -> dict[str, list[Row]]:
    """Key id → the state of its budgets, also of what a child was given and of those for one model (`budget_model`), oldest first."""
    query = select(budgets).where(budgets.c.scope_kind.in_(("key", "child", "model"))).order_by(budgets.c.id)
    if key:
        query = query.where(or_(budgets.c.scope_id == key, budgets.c.scope_id.startswith(f"{key}/", autoescape=True)))
    found: dict[str, list[Row]] = {}
    for row in connection.execute(query):
        owner, _, model = row.scope_id.partition("/")
        found.setdefault(owner, []).append({**_budget(row._mapping, now_us), "budget_model": model})
    return found


def _used(state: Row) -> float:
    taken: int = state["budget_spent_micros"] + state["budget_reserved_micros"]
    limit: int = state["budget_limit_micros"]
    return taken / max(1, limit)


def _budget(budget: Any, now_us: int) -> Row:
    """The current state of a budget row; what was spent in a period that is over no longer counts."""
    period = budget["period"]
    spent, limit = budget["spent_micros"], budget["limit_micros"]
    if period in periods.ROLLING:
        first = periods.first_bucket(period, now_us)
        spent = sum(micros for number, micros in json.loads(budget["buckets"]).items() if int(number) >= first)
    elif budget["period_start_us"] < period_start(now_us, period, budget["timezone"]):
        spent = 0
    if now_us < budget["increase_until_us"]:
        limit += budget["increase_micros"]
    return {
        "budget_limit_micros": limit,
        "budget_period": period,
        "budget_spent_micros": spent,
        "budget_reserved_micros": budget["reserved_micros"],
        "budget_soft_micros": budget["soft_micros"],
    }


def _key(key: Any, held: list[Row], scope: Scope, now_us: int) -> Row:
    expired = key["status"] == "active" and 0 < key["expires_us"] <= now_us
    nothing = {"budget_limit_micros": None, "budget_period": "", "budget_spent_micros": 0, "budget_reserved_micros": 0}
    # What is spent on one model says nothing about the others: such a budget is in the list only.
    budget = max((each for each in held if not each["budget_model"]), key=_used, default=nothing)
    return {
        "id": key["id"],
        "alias": key["alias"],
        "hint": key["hint"],
        "workspace": scope.slug(key["workspace_id"]),
        "role": key["role"],
        "state": "expired" if expired else key["status"],
        "models": json.loads(key["models"] or "[]"),
        "policy": key["policy"],
        "workspace_policy": key["workspace_policy"] or "default",
        "rpm_limit": key["rpm_limit"],
        "tpm_limit": key["tpm_limit"],
        "max_parallel_requests": key["max_parallel_requests"],
        "caveats": json.loads(key["caveats_json"] or "{}"),
        "calls_used": key["calls_used"],
        "parent": key["parent_alias"] or key["parent_hint"] or "",
        "agent_id": key["agent_id"],
        **{name: budget[name] for name in nothing},
        "budgets": held,
        "created_us": key["created_us"],
        "created_by": key["created_by"],
        "expires_us": key["expires_us"],
        "revoked_us": key["revoked_us"],
        "replaced_by": key["replaced_by"],
        "used_us": max(key["last_used_us"] or 0, key["last_event_us"] or 0),
    }
