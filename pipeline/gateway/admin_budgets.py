"""The admin API's budgets and alerts. Thin: each endpoint reads its parameters and calls the office."""

from __future__ import annotations

from typing import Any

from pipeline.gateway.admin_keys import actor_of, reading
from pipeline.gateway.model import House
from pipeline.gateway.request import AdminRequest, Reply, Who
from pipeline.keys import budgets


async def create(house: House, request: AdminRequest, who: Who | None, body: dict[str, Any]) -> Reply:
    """`POST /v1/budgets {scope, workspace | key (and model), limit_usd, period | rolling, …}`: make a budget."""
    return Reply(201, await budgets.create_budget(house.desk.office, actor_of(request, who), body))


async def find(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /v1/budgets?scope=&workspace=&key=`: the budgets as they stand now."""
    assert who is not None
    asked, now_us = request.query(), house.clock.now_us()
    return Reply(json=await reading(house, lambda connection: budgets.show_budgets(connection, now_us, asked, org_id=who.org_id)))


async def show(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /v1/budgets/{id}`: one budget as it stands now."""
    assert who is not None
    budget_id, now_us = request.params["id"], house.clock.now_us()
    return Reply(json=await reading(house, lambda connection: budgets.show_budget(connection, budget_id, now_us, org_id=who.org_id)))


async def change(house: House, request: AdminRequest, who: Who | None, body: dict[str, Any]) -> Reply:
    """`PUT /v1/budgets/{id}`: change what it says; `temp_budget_increase` and `temp_budget_expiry` raise it for a while."""
    return Reply(json=await budgets.update_budget(house.desk.office, actor_of(request, who), request.params["id"], body))


async def remove(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`DELETE /v1/budgets/{id}`: take it away."""
    return Reply(json=await budgets.delete_budget(house.desk.office, actor_of(request, who), request.params["id"]))


async def alerts(house: House, _request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /v1/alerts`: what was noticed about money, newest first."""
    assert who is not None
    return Reply(json=await reading(house, lambda connection: budgets.show_alerts(connection, org_id=who.org_id)))
