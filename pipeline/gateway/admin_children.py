"""The admin API's child keys. A key may make, list and end children of itself; who administers keys, of every key within reach."""

from __future__ import annotations

from typing import Any

from pipeline.gateway.admin_keys import actor_of, reading
from pipeline.gateway.model import House
from pipeline.gateway.request import AdminRequest, Reply, Who
from pipeline.keys import children
from pipeline.keys.model import Reach
from pipeline.keys.store import NoSuchKey

ITSELF = "self"


def parent_of(request: AdminRequest, who: Who | None, *, reads: bool = False) -> tuple[str, Reach]:
    """The parent that a request names (id, alias, or `self`), and the reach in which it is looked for. NoSuchKey for another's key."""
    assert who is not None, "these routes have roles"
    named, own = request.params["id"], who.caller.key if who.caller is not None else None
    if own is not None and named in (ITSELF, own.id):
        return own.id, Reach(who.org_id)
    if who.role in ("admin", "manager") or (reads and who.role == "auditor"):
        return named, actor_of(request, who).reach
    raise NoSuchKey("A key has children of itself only.", hint="Name the key itself, or `self`.")


async def create_child(house: House, request: AdminRequest, who: Who | None, body: dict[str, Any]) -> Reply:
    """`POST /v1/keys/{id}/children`: a child key, never wider than its parent; its token stands in `key`, this once."""
    parent, within = parent_of(request, who)
    made = children.create_child(house.desk.office, actor_of(request, who), parent, body, house.swapped.child_rules, within=within)
    return Reply(201, await made)


async def list_children(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /v1/keys/{id}/children`: the children of a key with their lineage, without tokens."""
    parent, within = parent_of(request, who, reads=True)
    now_us = house.clock.now_us()
    return Reply(json=await reading(house, lambda connection: children.list_children(connection, parent, now_us, within=within)))


async def revoke_child(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`POST /v1/keys/{id}/children/{child}/revoke`: ends a child and all that descends from it."""
    parent, within = parent_of(request, who)
    return Reply(json=await children.revoke_child(house.desk.office, actor_of(request, who), parent, request.params["child"], within))
