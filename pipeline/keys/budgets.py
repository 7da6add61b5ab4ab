"""What an administrator does to budgets: each act is one transaction with its audit event. For admin API and CLI."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, select

from pipeline.errors import BadRequest
from pipeline.keys import store, workspaces
from pipeline.keys.budget_requests import INCREASE, TERMS, NewBudget, read_changes, read_new_budget
from pipeline.keys.budget_views import alert_view, budget_view
from pipeline.keys.model import Reach
from pipeline.keys.service import Actor, Office, event
from pipeline.ledger.budget_rows import DOCUMENT, add_budget, change_budget, find_budget, remove_budget, terms_of
from pipeline.ledger.budgets import Budget, list_budgets
from pipeline.ledger.model import Scope, model_scope
from pipeline.store.tables import alerts, virtual_keys
from pipeline.store.tables import workspaces as workspace_rows

MOST_ALERTS = 1_000


async def create_budget(office: Office, actor: Actor, body: Mapping[str, Any]) -> dict[str, Any]:
    """Make a budget (`POST /v1/budgets`). BadRequest 404 for a workspace or key that is not there, 409 for a second one of a period."""
    now_us = office.clock.now_us()
    new = read_new_budget(body, now_us)

    def apply(connection: Connection) -> dict[str, Any]:
        scope, names = _named(connection, new, actor.reach)
        return budget_view(add_budget(connection, scope, new.terms, now_us=now_us, org_id=actor.org_id), now_us, names)

    detail = {"scope": new.level, "workspace": new.workspace, "key": new.key, "model": new.model, **_told(new.terms.values())}
    return await office.ledger.change(event(office, actor, "admin:budget:create", detail), apply)


async def update_budget(office: Office, actor: Actor, budget_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Change what a budget says (`PUT /v1/budgets/{id}`); what is absent stays. Of one of the document only its temporary increase."""
    now_us = office.clock.now_us()
    unknown = body.keys() - TERMS - INCREASE
    if unknown or not body:
        raise BadRequest(
            f"{len(unknown)} field(s) of the request are not known here.", hint=f"Known: {', '.join(sorted(TERMS | INCREASE))}."
        )

    def apply(connection: Connection) -> dict[str, Any]:
        found = find_budget(connection, budget_id, actor.org_id, lock=True)
        _refuse_childs(found)
        if found.origin == DOCUMENT and body.keys() & TERMS:
            raise _in_document()
        changed = change_budget(connection, found, read_changes(body, terms_of(found), now_us), now_us=now_us)
        return budget_view(changed, now_us, _names(connection)(changed))

    detail = {"budget": budget_id, "fields": sorted(body)}
    return await office.ledger.change(event(office, actor, "admin:budget:update", detail), apply)


async def delete_budget(office: Office, actor: Actor, budget_id: str) -> dict[str, Any]:
    """Take a budget away (`DELETE /v1/budgets/{id}`); one of the document is taken away there."""

    def apply(connection: Connection) -> None:
        found = find_budget(connection, budget_id, actor.org_id, lock=True)
        _refuse_childs(found)
        if found.origin == DOCUMENT:
            raise _in_document()
        remove_budget(connection, budget_id)

    await office.ledger.change(event(office, actor, "admin:budget:delete", {"budget": budget_id}), apply)
    return {"object": "budget", "id": budget_id, "deleted": True}


def show_budgets(connection: Connection, now_us: int, asked: Mapping[str, str], *, org_id: str = "default") -> dict[str, Any]:
    """The budgets of an organization (`GET /v1/budgets?scope=&workspace=&key=`). Over a reading connection."""
    names = _names(connection)
    shown = [budget_view(each, now_us, names(each)) for each in list_budgets(connection) if each.org_id == org_id]
    for name in ("scope", "workspace", "key"):
        if asked.get(name):
            shown = [each for each in shown if each[name] == asked[name]]
    return {"object": "list", "data": shown}


def show_budget(connection: Connection, budget_id: str, now_us: int, *, org_id: str = "default") -> dict[str, Any]:
    """One budget (`GET /v1/budgets/{id}`)."""
    found = find_budget(connection, budget_id, org_id)
    return budget_view(found, now_us, _names(connection)(found))


def show_alerts(connection: Connection, *, org_id: str = "default") -> dict[str, Any]:
    """The newest alerts (`GET /v1/alerts`)."""
    query = select(alerts).where(alerts.c.org_id == org_id).order_by(alerts.c.id.desc()).limit(MOST_ALERTS)
    return {"object": "list", "data": [alert_view(row) for row in connection.execute(query)]}


def _named(connection: Connection, new: NewBudget, within: Reach) -> tuple[Scope, dict[str, str]]:
    """The scope that a request names, and its names."""
    if new.level == "org":
        return Scope("org", within.org_id), {}
    if new.level == "workspace":
        found = workspaces.workspace_by_slug(connection, new.workspace, within)
        return Scope("workspace", found.id), {"workspace": found.slug}
    key = store.get_key(connection, new.key, within)
    names = {"workspace": key.workspace, "key": key.id}
    if new.level == "key":
        return Scope("key", key.id), names
    return model_scope(key.id, new.model), {**names, "model": new.model}


def _names(connection: Connection) -> Callable[[Budget], dict[str, str]]:
    """A function that says whose a budget is."""
    slugs = {row.id: row.slug for row in connection.execute(select(workspace_rows.c.id, workspace_rows.c.slug))}
    homes = {row.id: row.workspace_id for row in connection.execute(select(virtual_keys.c.id, virtual_keys.c.workspace_id))}

    def names(budget: Budget) -> dict[str, str]:
        kind, ident = budget.scope.kind, budget.scope.id
        if kind == "org":
            return {}
        if kind == "workspace":
            return {"workspace": slugs.get(ident, ident)}
        key, _, model = ident.partition("/")
        found = {"workspace": slugs.get(homes.get(key, ""), ""), "key": key}
        return {**found, "model": model} if kind == "model" else found

    return names


def _refuse_childs(budget: Budget) -> None:
    """What a child key was given is held in its parent's budget: more of it would be money from nowhere."""
    if budget.scope.kind == "child":
        raise BadRequest("This is a child key's share of its parent's budget.", hint="Revoke it.", code="budget_of_child", status=409)


def _told(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}


def _in_document() -> BadRequest:
    return BadRequest(
        "This budget stands in the document.",
        hint="Change it there; here it can be given a temporary increase (temp_budget_increase, temp_budget_expiry).",
        code="budget_in_document",
        status=409,
    )
