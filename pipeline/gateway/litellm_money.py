"""The budgets of LiteLLM's requests, as acts on ours: those of a key or team that is made or changed, and `/budget/*`.

Who may do it is who may do it under `/v1/budgets`: a manager gives a new key its one budget, and changes none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.errors import BadRequest, KeyOutOfScope
from pipeline.gateway.admin_keys import actor_of, reading
from pipeline.gateway.model import House
from pipeline.gateway.request import AdminRequest, Reply, Who
from pipeline.keys import budgets
from pipeline.keys.litellm_fields import BUDGET_UNSUPPORTED, in_their_words, refuse_unsupported
from pipeline.keys.litellm_lookup import budgets_of, named_key
from pipeline.keys.litellm_money import INCREASE, Money, Terms, read_money, read_money_changes
from pipeline.keys.litellm_views import View, budget_view
from pipeline.keys.service import Actor

_TERMS = frozenset({"max_budget", "soft_budget", "budget_duration"})


def refuse_managers(actor: Actor, asked: bool, param: str) -> None:
    """A manager changes no budget, whatever route it is asked by."""
    if asked and actor.workspaces is not None:
        hint = "Ask an administrator. A new key of yours may have max_budget."
        raise KeyOutOfScope("A manager does not change budgets.", hint=hint, code="role_not_allowed", param=param)


async def add_budgets(house: House, actor: Actor, key_id: str, money: Money) -> None:
    """Make the budgets of a new key beside its first: further periods, and single models."""
    for terms in money.own:
        await budgets.create_budget(house.desk.office, actor, {"scope": "key", "key": key_id, **terms})
    for model, terms in money.models.items():
        await budgets.create_budget(house.desk.office, actor, {"scope": "model", "key": key_id, "model": model, **terms})


async def change_budget(house: House, actor: Actor, kind: str, subject: str, changes: Terms | None, names: Mapping[str, str]) -> None:
    """Change the first budget of a key or workspace (by id), make it when there is none, or take it away (None)."""
    office, now_us = house.desk.office, house.clock.now_us()
    found = await reading(house, lambda connection: budgets_of(connection, kind, [subject], now_us))
    if any(each["scope"] == "child" for each in found[subject]):
        hint = "Make another child with the budget that it needs."
        raise BadRequest(
            "A child key's budget was set aside when it was made.", hint=hint, code="budget_of_child", status=409, param="max_budget"
        )
    first = next((each for each in found[subject] if each["scope"] == kind), None)
    if changes is None:
        if first is not None:
            await budgets.delete_budget(office, actor, first["id"])
    elif first is not None:
        await budgets.update_budget(office, actor, first["id"], changes)
    elif "limit_usd" in changes:
        await budgets.create_budget(office, actor, {"scope": kind, **names, **changes})
    else:
        raise BadRequest("There is no budget that could be changed.", hint="Send max_budget too.", param="max_budget")


async def new(house: House, request: AdminRequest, who: Who | None, body: dict[str, Any]) -> Reply:
    """`POST /budget/new {team_id | key, model, max_budget, soft_budget, budget_duration}`: a budget of one team, key or model of a key."""
    actor = actor_of(request, who)
    advice = {**BUDGET_UNSUPPORTED, "budget_id": "Ids are made here.", "model_max_budget": "Send key, model and max_budget."}
    refuse_unsupported(body, _TERMS | {"team_id", "key", "model"}, advice)
    team, named = body.get("team_id"), body.get("key")
    if (team is None) == (named is None):
        hint = "Send team_id or key, or max_budget in POST /key/generate and /team/new."
        raise BadRequest("A budget belongs to one team or one key.", hint=hint, param="team_id")
    scope: Terms = {"scope": "workspace", "workspace": team}
    if named is not None:
        key = await reading(house, lambda connection: named_key(connection, house.desk.office.peppers, named, actor.reach))
        model = body.get("model")
        scope = {"scope": "key" if model is None else "model", "key": key.id, **({} if model is None else {"model": model})}
    money = read_money({name: body[name] for name in _TERMS if name in body})
    if not money.own:
        raise BadRequest("max_budget is a number of dollars above zero.", param="max_budget")
    with in_their_words():
        made = await budgets.create_budget(house.desk.office, actor, {**scope, **money.own[0]})
    return Reply(json=budget_view(made))


async def info(house: House, request: AdminRequest, who: Who | None, body: dict[str, Any]) -> Reply:
    """`POST /budget/info {budgets: [budget_id]}`: those budgets as they stand now."""
    wanted = body.get("budgets")
    if not isinstance(wanted, list) or not wanted or len(wanted) > 100 or not all(isinstance(each, str) for each in wanted):
        raise BadRequest("budgets is a list of 1 to 100 ids.", param="budgets")
    found = {each["budget_id"]: each for each in await _all(house, request, who)}
    if not set(wanted) <= found.keys():
        raise BadRequest("There is no such budget.", code="budget_not_found", status=404, param="budgets")
    return Reply(json=[found[each] for each in wanted])


async def list_budgets(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /budget/list`: every budget as it stands now."""
    return Reply(json=await _all(house, request, who))


async def update(house: House, request: AdminRequest, who: Who | None, body: dict[str, Any]) -> Reply:
    """`POST /budget/update {budget_id, …}`: change what a budget says; `temp_budget_increase` raises it for a while."""
    advice = {**BUDGET_UNSUPPORTED, "model_max_budget": "Change the budget of that model."}
    refuse_unsupported(body, _TERMS | INCREASE | {"budget_id"}, advice)
    changes = read_money_changes(body)
    if not changes:
        raise BadRequest("The request changes nothing.", hint="To take a budget away: POST /budget/delete.", param="max_budget")
    with in_their_words():
        changed = await budgets.update_budget(house.desk.office, actor_of(request, who), _id(body, "budget_id"), changes)
    return Reply(json=budget_view(changed))


async def delete(house: House, request: AdminRequest, who: Who | None, body: dict[str, Any]) -> Reply:
    """`POST /budget/delete {id}`: take a budget away."""
    removed = await budgets.delete_budget(house.desk.office, actor_of(request, who), _id(body, "id"))
    return Reply(json={"budget_id": removed["id"], "deleted": True})


async def _all(house: House, request: AdminRequest, who: Who | None) -> list[View]:
    actor, now_us = actor_of(request, who), house.clock.now_us()
    shown = await reading(house, lambda connection: budgets.show_budgets(connection, now_us, {}, org_id=actor.org_id))
    return [budget_view(each) for each in shown["data"]]


def _id(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= 64:
        raise BadRequest(f"{name} names a budget.", hint="GET /budget/list shows them.", param=name)
    return value
