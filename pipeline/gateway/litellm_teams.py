"""LiteLLM's `/team/*` and `/user/*`: a team is a workspace; a user is a person of the dashboard, or a name that stands on keys.

Thin, like `litellm_keys`. A team is never deleted: its keys, budgets and charges are part of the record.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from pipeline.errors import BadRequest
from pipeline.gateway.admin_keys import actor_of, reading, refuse_unknown_policy
from pipeline.gateway.admin_reads import apart
from pipeline.gateway.litellm_keys import generated, shown_keys
from pipeline.gateway.litellm_money import change_budget
from pipeline.gateway.model import House
from pipeline.gateway.request import AdminRequest, Reply, Who
from pipeline.keys import people, service
from pipeline.keys.litellm_fields import in_their_words
from pipeline.keys.litellm_lookup import budgets_of
from pipeline.keys.litellm_teams import read_new_team, read_new_user, read_team_changes, role_of
from pipeline.keys.litellm_views import View, team_view, user_view
from pipeline.keys.workspaces import workspace_by_slug
from pipeline.store.read_model import Filter, Tenant


async def new_team(house: House, request: AdminRequest, who: Who | None, body: dict[str, Any]) -> Reply:
    """`POST /team/new {team_id | team_alias, max_budget, budget_duration, policies}`: a new workspace."""
    actor = actor_of(request, who)
    wanted = read_new_team(body, house.new_id(), org_id=actor.org_id)
    with in_their_words():
        refuse_unknown_policy(house, wanted)
        made = await service.create_workspace(house.desk.office, actor, wanted)
    team = (await _teams(house, request, who, made["slug"]))[0]
    return Reply(json={name: value for name, value in team.items() if name != "keys"})


async def team_info(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /team/info?team_id=`: one workspace and its keys."""
    team_id = request.query().get("team_id", "")
    if not team_id:
        raise BadRequest("team_id names a team.", param="team_id")
    with in_their_words():
        shown = await _teams(house, request, who, team_id)
    keys = [key for key in shown[0].pop("keys") if key["status"] != "deleted"]
    return Reply(json={"team_id": shown[0]["team_id"], "team_info": shown[0], "keys": keys, "team_memberships": []})


async def list_teams(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /team/list`: the workspaces within reach, each with its keys."""
    return Reply(json=[{**team, "team_memberships": []} for team in await _teams(house, request, who, "")])


async def update_team(house: House, request: AdminRequest, who: Who | None, body: dict[str, Any]) -> Reply:
    """`POST /team/update {team_id, max_budget, budget_duration, soft_budget}`: change the team's budget; null takes it away."""
    actor = actor_of(request, who)
    team_id, changes = read_team_changes(body)
    workspace = await reading(house, lambda connection: workspace_by_slug(connection, team_id, actor.reach))
    with in_their_words():
        await change_budget(house, actor, "workspace", workspace.id, changes, {"workspace": workspace.slug})
    team = (await _teams(house, request, who, workspace.slug))[0]
    shown = {name: value for name, value in team.items() if name != "keys"}
    return Reply(json={"team_id": team_id, "data": shown})


async def delete_team(house: House, _request: AdminRequest, _who: Who | None, _body: dict[str, Any]) -> Reply:
    """`POST /team/delete`: refused (409). A workspace is part of the record; what can end are its keys."""
    _ = house
    raise BadRequest(
        "A team is a workspace, and a workspace is not deleted: its charges and events name it.",
        hint="End its keys with POST /key/delete; GET /team/info lists them.",
        code="team_not_deletable",
        status=409,
        param="team_ids",
    )


async def new_user(house: House, request: AdminRequest, who: Who | None, body: dict[str, Any]) -> Reply:
    """`POST /user/new`: `internal_user` is a key that bears `user_id`, `proxy_admin` and `proxy_admin_viewer` people of the dashboard."""
    actor = actor_of(request, who)
    user = read_new_user(body, house.new_id())
    if user.person is not None:
        with in_their_words(name="user_id", role="user_role"):
            made = await people.create_user(house.desk.office, actor, user.person)
        return Reply(json={**user_view(made["name"], user.role, [], created_at=made["created_at"]), "key": "", "expires": None})
    key = await generated(house, actor, user.key)
    return Reply(json={**key, "user_role": user.role, "user_email": user.email, "teams": [key["team_id"]]})


async def user_info(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /user/info?user_id=`: a person or a name on keys, with the keys that bear it."""
    actor, now_us = actor_of(request, who), house.clock.now_us()
    user_id = request.query().get("user_id", "")
    if not user_id:
        raise BadRequest("user_id names a user.", param="user_id")
    listed = await reading(house, lambda connection: service.list_keys(connection, now_us, within=actor.reach))
    named = [key for key in listed["data"] if key["metadata"].get("user_id") == user_id and key["status"] != "revoked"]
    persons = await reading(house, people.list_users)
    person = next((each for each in persons["data"] if each["name"] == user_id), None)
    if person is None and not named:
        raise BadRequest("There is no such user.", code="user_not_found", status=404, param="user_id")
    keys = await shown_keys(house, named, actor.org_id)
    role, created_at = (role_of(person["role"]), person["created_at"]) if person else ("internal_user", None)
    shown = user_view(user_id, role, keys, created_at=created_at)
    return Reply(json={"user_id": user_id, "user_info": shown, "keys": keys, "teams": shown["teams"]})


async def _teams(house: House, request: AdminRequest, who: Who | None, team_id: str) -> list[View]:
    """Teams with their keys: those within reach, or the one that is named (404 when there is none)."""
    actor, now_us = actor_of(request, who), house.clock.now_us()

    def read(connection: Connection) -> tuple[dict[str, Any], dict[str, Any]]:
        if team_id:
            workspace_by_slug(connection, team_id, actor.reach)
        found = service.list_workspaces(connection, now_us, within=actor.reach)
        return found, service.list_keys(connection, now_us, workspace=team_id, within=actor.reach)

    workspaces, keys = await reading(house, read)
    some = [each for each in workspaces["data"] if not team_id or each["slug"] == team_id]
    reads = house.desk.reads.seen_by(Tenant(actor.org_id, ""))
    ids = [each["id"] for each in some]
    totals = await apart(house, lambda: {each: int(reads.spend_total(Filter(workspace=each))["cost_micros"]) for each in ids})
    budgets = await reading(house, lambda connection: budgets_of(connection, "workspace", ids, now_us))
    shown = await shown_keys(house, keys["data"], actor.org_id)
    return [
        {
            **team_view(each, totals[each["id"]], budgets[each["id"]], org_id=actor.org_id),
            "keys": [key for key in shown if key["team_id"] == each["slug"]],
        }
        for each in some
    ]
