"""The dashboard's side door: logging in and out, and who looked at what."""

from __future__ import annotations

from typing import Any

from pipeline.errors import BadRequest, KeyRejected
from pipeline.gateway.auth import bearer
from pipeline.gateway.model import House
from pipeline.gateway.request import AdminRequest, Reply, Who, admin_event
from pipeline.keys import people
from pipeline.keys.service import Actor


async def log_in(house: House, request: AdminRequest, _who: Who | None, body: dict[str, Any]) -> Reply:
    """`POST /v1/dashboard/sessions`: `{"name", "password"}` or `{"token"}` of a one-time link, for a session."""
    actor = Actor("anonymous", request.request_id, peer=request.peer)
    if set(body) == {"token"} and isinstance(body["token"], str):
        return Reply(201, await people.log_in_by_link(house.desk.front, actor, body["token"]))
    if set(body) == {"name", "password"} and all(isinstance(value, str) for value in body.values()):
        return Reply(201, await people.log_in(house.desk.front, actor, body["name"], body["password"]))
    raise BadRequest("Send name and password, or the token of a login link.")


async def current(house: House, request: AdminRequest, _who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /v1/dashboard/sessions/current`: whose session this is, or 401."""
    token = bearer(request.headers)
    if token is None:
        raise KeyRejected("No session was sent.")
    return Reply(json=people.session_view(house.desk.sessions.current(token, request.peer)))


async def log_out(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`DELETE /v1/dashboard/sessions/current`: the session ends now."""
    token = bearer(request.headers)
    assert token is not None
    assert who is not None
    await people.log_out(house.desk.office, Actor(who.id, request.request_id, peer=request.peer), token)
    return Reply(json={"ended": True})


async def looked(house: House, request: AdminRequest, who: Who | None, body: dict[str, Any]) -> Reply:
    """`POST /v1/dashboard/views {page, filters}`: who looked at what is an event like any other."""
    page, filters = body.get("page"), body.get("filters", {})
    if not isinstance(page, str) or not isinstance(filters, dict):
        raise BadRequest("Send page and filters.", param="page")
    detail = {"page": page[:64], "filters": {str(name)[:64]: str(value)[:255] for name, value in list(filters.items())[:32]}}
    await house.ledger.append(admin_event(house, request, who, "dashboard:page:view", "ok", detail))
    return Reply(201, {"recorded": True})
