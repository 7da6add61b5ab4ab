"""Child keys: short-lived, never wider than the key they are made of, paid out of its budget, ended with it. Each act is one transaction.

`POST /v1/keys/{parent}/children` and RFC 8693's token exchange make them; what comes back is the admin API's JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, select, update

from pipeline.errors import BadRequest, KeyOutOfScope
from pipeline.keys import store
from pipeline.keys.attenuation import ChildRules, read_child
from pipeline.keys.caveats import every, plain
from pipeline.keys.descendants import living_children
from pipeline.keys.key_changes import refuse_wider
from pipeline.keys.lineage import ancestors_in, earliest, purse, worst_status
from pipeline.keys.model import Descent, Reach, VirtualKey
from pipeline.keys.requests import NewKey
from pipeline.keys.service import Actor, Office, event, refuse_secrets, revoke_key
from pipeline.keys.views import child_view
from pipeline.ledger.budgets import get_budget, set_budget
from pipeline.ledger.carves import Carve, carve
from pipeline.ledger.model import Scope
from pipeline.store.tables import budgets, virtual_keys

_K = virtual_keys.c


async def create_child(
    office: Office,
    actor: Actor,
    parent_id: str,
    body: Mapping[str, Any],
    rules: ChildRules,
    *,
    within: Reach | None = None,
    actor_id: str = "",
    how: str = "children",
) -> dict[str, Any]:
    """Make a child of a key within reach (`within`: another reach than the actor's own). The answer's `key` is the token, shown this once.

    KeyOutOfScope (403) names what would be wider than the parent, BudgetExceeded says that its budget has not so much left.
    """
    said = {name: body[name] for name in ("alias", "metadata", "models", "caveats", "purpose", "agent_id", "session_id") if body.get(name)}
    refuse_secrets(office, **said)
    token, child_id, now_us = office.new_token("lgc"), office.new_id(), office.clock.now_us()
    reach = within or actor.reach

    def look(connection: Connection) -> tuple[VirtualKey, ...]:
        return lineage_of(connection, store.get_key(connection, parent_id, reach))

    # What is written down is what was read here; the transaction reads it again, and refuses what does not fit any more.
    lineage = await office.ledger.run(look)
    _refuse_ended(lineage, now_us)
    new, descent = read_child(body, lineage, rules, now_us, actor_id=actor_id)

    def apply(connection: Connection) -> dict[str, Any]:
        lineage = look(connection)
        _refuse_ended(lineage, now_us)
        if living_children(connection, lineage[0].id, now_us) >= rules.max_children:
            raise KeyOutOfScope("This key has as many children as it may have.", hint="Revoke one, or wait.", code="too_many_children")
        new, descent = read_child(body, lineage, rules, now_us, actor_id=actor_id)
        if actor.limits is not None:
            refuse_wider(every(new.caveats, new.models, new.expires_us), actor.limits)
        org = Reach(lineage[0].org_id)
        store.create_key(connection, office.peppers, token, new, key_id=child_id, now_us=now_us, created_by=actor.id, within=org)
        _descend(connection, child_id, descent, lineage, now_us)
        return show_child(connection, child_id, now_us, within=org)

    detail = {**_detail(new, descent), "by": how, "act": {"sub": actor_id or descent.agent_id or actor.id}}
    view = await office.ledger.change(event(office, actor, "key:child:create", detail, key_id=child_id), apply)
    await office.changed()
    return {**view, "key": token}


async def revoke_child(office: Office, actor: Actor, parent_id: str, child_id: str, within: Reach) -> dict[str, Any]:
    """End a child of a key within reach, with all that descends from it. NoSuchKey (404) for what is no child of it."""

    def look(connection: Connection) -> VirtualKey:
        parent = store.get_key(connection, parent_id, within)
        child = store.get_key(connection, child_id, Reach(parent.org_id))
        if child.descent.parent != parent.id:
            raise store.NoSuchKey("This key has no such child.", hint="GET /v1/keys/{id}/children lists them.")
        return child

    child = await office.ledger.run(look)
    return await revoke_key(office, replace(actor, workspaces=None), child.id)


def list_children(connection: Connection, parent_id: str, now_us: int, *, within: Reach) -> dict[str, Any]:
    """The children of a key, newest first (`GET /v1/keys/{parent}/children`). Over a reading connection."""
    parent = store.get_key(connection, parent_id, within)
    query = select(_K.id).where(_K.parent_id == parent.id, _K.replaced_by == "").order_by(_K.created_us.desc(), _K.id.desc())
    found = connection.execute(query).scalars().all()
    return {"object": "list", "data": [show_child(connection, each, now_us, within=Reach(parent.org_id)) for each in found]}


def show_child(connection: Connection, child_id: str, now_us: int, *, within: Reach) -> dict[str, Any]:
    """One child key with its lineage: its status is the worst of that, its end the first."""
    key = store.get_key(connection, child_id, within)
    lineage = lineage_of(connection, key)
    status = worst_status(each.status for each in lineage)
    end_us = earliest(*(each.expires_us for each in lineage))
    return child_view(key, lineage, get_budget(connection, Scope("child", key.id)), now_us, status=status, expires_us=end_us)


def lineage_of(connection: Connection, key: VirtualKey) -> tuple[VirtualKey, ...]:
    """A key and those that it descends from, the nearest first. BadRequest (409) when one of them is gone."""
    keys: dict[str, VirtualKey] = {}
    parent = key.descent.parent
    while parent and parent not in keys:
        keys[parent] = above = store.get_key(connection, parent, Reach(key.org_id))
        parent = above.descent.parent
    ancestors, whole = ancestors_in(key, keys)
    if not whole:
        raise BadRequest("The lineage of this key is broken.", code="lineage_broken", status=409)
    return (key, *ancestors)


def _refuse_ended(lineage: tuple[VirtualKey, ...], now_us: int) -> None:
    parent = lineage[0]
    end_us = earliest(*(key.expires_us for key in lineage))
    if worst_status(key.status for key in lineage) != "active" or 0 < end_us <= now_us:
        raise BadRequest("The parent is blocked, revoked or expired.", hint="Use another key.", code="parent_not_active", status=409)
    if parent.role == "auditor":
        raise KeyOutOfScope("An auditor's key has no children.", hint="Use a key that calls models.", code="role_not_allowed")


def _descend(connection: Connection, child_id: str, descent: Descent, lineage: tuple[VirtualKey, ...], now_us: int) -> None:
    """Write whose child a key is, with its money: carved out of the budgets in which its parent's calls are reserved."""
    parent, amount = lineage[0], descent.budget_micros
    carved = False
    if amount:
        carved = carve(connection, Carve(child_id, amount, parent.org_id, parent.workspace_id), purse(lineage), now_us)
        made = set_budget(connection, Scope("child", child_id), amount, "", now_us, parent.org_id)
        connection.execute(update(budgets).where(budgets.c.id == made.id).values(alert_at=""))  # its parent's tells
    values = {"parent_id": parent.id, "depth": descent.depth, "purpose": descent.purpose, "agent_id": descent.agent_id,
              "session_id": descent.session_id, "actor_id": descent.actor_id, "child_budget_micros": amount, "carved": carved}  # fmt: skip
    connection.execute(update(virtual_keys).where(_K.id == child_id).values(**values))


def _detail(new: NewKey, descent: Descent) -> dict[str, Any]:
    return {"parent": descent.parent, "depth": descent.depth, "alias": new.alias, "purpose": descent.purpose, "agent_id": descent.agent_id,
            "session_id": descent.session_id, "models": list(new.models), "caveats": plain(new.caveats), "expires_us": new.expires_us,
            "rpm_limit": new.rpm_limit, "tpm_limit": new.tpm_limit, "max_parallel_requests": new.max_parallel_requests,
            "budget_micros": descent.budget_micros or None}  # fmt: skip
