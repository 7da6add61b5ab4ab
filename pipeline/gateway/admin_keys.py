"""The admin API's keys, workspaces and users. Thin: each endpoint reads its parameters and calls the office."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection

from pipeline.errors import BadRequest
from pipeline.gateway.model import House
from pipeline.gateway.request import AdminRequest, Reply, Who
from pipeline.keys import people, service
from pipeline.keys.service import Actor

T = TypeVar("T")


def actor_of(request: AdminRequest, who: Who | None) -> Actor:
    """Who acts, for the event of a change."""
    assert who is not None, "administrative routes have roles"
    if who.role != "manager":
        return Actor(who.id, request.request_id, who.org_id, request.peer)
    workspaces = frozenset({who.workspace_id} if who.workspace_id else ())
    limits = who.caller.key.limited_by if who.caller is not None else None
    return Actor(who.id, request.request_id, who.org_id, request.peer, workspaces, who.home, limits)


async def reading(house: House, read: Callable[[Connection], T]) -> T:
    """Run a read on a reading connection, off the event loop."""

    def run() -> T:
        with house.desk.reader.connect() as connection:
            return read(connection)

    return await asyncio.get_running_loop().run_in_executor(house.pool, run)


def refuse_unknown_policy(house: House, body: dict[str, Any]) -> None:
    """Refuse a policy that the document does not have."""
    policy = body.get("policy")
    if isinstance(policy, str) and policy and not house.swapped.policies.has(policy):
        raise BadRequest("There is no such policy.", hint="Name one of the document's policies.", param="policy")


async def create_key(house: House, request: AdminRequest, who: Who | None, body: dict[str, Any]) -> Reply:
    """`POST /v1/keys`: a new key; its token stands in `key`, this once. A policy that does not exist is refused."""
    refuse_unknown_policy(house, body)
    return Reply(201, await service.create_key(house.desk.office, actor_of(request, who), body))


async def list_keys(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /v1/keys?workspace=`: the keys, without tokens."""
    actor = actor_of(request, who)
    workspace = request.query().get("workspace", "")
    now_us = house.clock.now_us()
    return Reply(
        json=await reading(house, lambda connection: service.list_keys(connection, now_us, workspace=workspace, within=actor.reach))
    )


async def show_key(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /v1/keys/{id}`: one key by id or alias."""
    actor, now_us, key_id = actor_of(request, who), house.clock.now_us(), request.params["id"]
    return Reply(json=await reading(house, lambda connection: service.show_key(connection, key_id, now_us, within=actor.reach)))


async def update_key(house: House, request: AdminRequest, who: Who | None, body: dict[str, Any]) -> Reply:
    """`PATCH /v1/keys/{id}` (or PUT): alias, metadata, policy, models, expiry, caveats, limits; what is missing stays, null takes away."""
    refuse_unknown_policy(house, body)
    return Reply(json=await service.update_key(house.desk.office, actor_of(request, who), request.params["id"], body))


async def block_key(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`POST /v1/keys/{id}/block`."""
    return Reply(json=await service.block_key(house.desk.office, actor_of(request, who), request.params["id"]))


async def unblock_key(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`POST /v1/keys/{id}/unblock`."""
    return Reply(json=await service.unblock_key(house.desk.office, actor_of(request, who), request.params["id"]))


async def revoke_key(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`POST /v1/keys/{id}/revoke`."""
    return Reply(json=await service.revoke_key(house.desk.office, actor_of(request, who), request.params["id"]))


async def rotate_key(house: House, request: AdminRequest, who: Who | None, body: dict[str, Any]) -> Reply:
    """`POST /v1/keys/{id}/rotate {overlap_s}`: a new token for the same key, shown this once."""
    return Reply(json=await service.rotate_key(house.desk.office, actor_of(request, who), request.params["id"], body))


async def create_workspace(house: House, request: AdminRequest, who: Who | None, body: dict[str, Any]) -> Reply:
    """`POST /v1/workspaces`: a new workspace. A policy that does not exist is refused."""
    refuse_unknown_policy(house, body)
    return Reply(201, await service.create_workspace(house.desk.office, actor_of(request, who), body))


async def list_workspaces(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /v1/workspaces`: those within reach."""
    actor, now_us = actor_of(request, who), house.clock.now_us()
    return Reply(json=await reading(house, lambda connection: service.list_workspaces(connection, now_us, within=actor.reach)))


async def create_user(house: House, request: AdminRequest, who: Who | None, body: dict[str, Any]) -> Reply:
    """`POST /v1/users {name, role, password}`: somebody who may look at the dashboard."""
    return Reply(201, await people.create_user(house.desk.office, actor_of(request, who), body))


async def list_users(house: House, _request: AdminRequest, _who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /v1/users`."""
    return Reply(json=await reading(house, people.list_users))


async def delete_user(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`DELETE /v1/users/{name}`: ends their sessions too."""
    await people.delete_user(house.desk.office, actor_of(request, who), request.params["name"])
    return Reply(json={"deleted": True})
