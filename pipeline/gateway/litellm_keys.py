"""LiteLLM's `/key/*`: the same keys and the same acts as `/v1/keys`, in the words of LiteLLM's clients. Thin: read, act, show.

A key that a request names by its token is looked up first, so that every act, event and answer names its id.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pipeline.errors import BadRequest
from pipeline.gateway.admin_keys import actor_of, reading, refuse_unknown_policy
from pipeline.gateway.admin_reads import apart
from pipeline.gateway.litellm_money import add_budgets, change_budget, refuse_managers
from pipeline.gateway.model import House
from pipeline.gateway.request import AdminRequest, Reply, Who
from pipeline.keys import service
from pipeline.keys.litellm_fields import in_their_words
from pipeline.keys.litellm_lookup import budgets_of, named_key, records_of, unknown_key
from pipeline.keys.litellm_requests import KeyWish, read_generate, read_grace, read_update
from pipeline.keys.litellm_views import View, key_view, new_key_view
from pipeline.keys.model import Reach, VirtualKey
from pipeline.keys.service import Actor
from pipeline.store.read_model import Filter, Tenant

MOST_DELETED: Final = 100
_LIST_PARAMS: Final = frozenset(
    {
        "page", "size", "user_id", "team_id", "organization_id", "key_hash", "key_alias", "return_full_object", "status", "sort_order",
        "include_team_keys", "include_created_by_keys",
    }
)  # fmt: skip
_STATUSES: Final = ("active", "expired", "revoked", "deleted")


async def generate(house: House, request: AdminRequest, who: Who | None, body: dict[str, Any]) -> Reply:
    """`POST /key/generate`: a new key, as LiteLLM's clients ask for one; its token stands in `key`, this once."""
    return Reply(json=await generated(house, actor_of(request, who), body))


async def generated(house: House, actor: Actor, body: Mapping[str, Any]) -> View:
    """Make a key from LiteLLM's fields. One that is asked for blocked is blocked before anybody gets to know it."""
    wish, office = read_generate(body, house.clock.now_us(), org_id=actor.org_id), house.desk.office
    refuse_managers(actor, bool(wish.money.own or wish.money.models), "budget_limits" if wish.money.own else "model_max_budget")
    with in_their_words(model="model_max_budget"):
        refuse_unknown_policy(house, wish.fields)
        made = await service.create_key(office, actor, wish.fields)
        try:
            await add_budgets(house, actor, made["id"], wish.money)
            if wish.blocked:
                await service.block_key(office, actor, made["id"])
        except BadRequest:
            await service.revoke_key(office, actor, made["id"])  # nobody has its token, and its alias is free again
            raise
    return new_key_view(await shown_key(house, made["id"], actor.reach), made["key"])


async def info(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /key/info?key=`: one key by token, token_id or alias; without `key` the caller's own. One of the role `key` sees itself."""
    assert who is not None
    named = request.query().get("key", "")
    own = who.id if who.kind == "key" else ""
    if not named and not own:
        raise BadRequest("key names a key.", hint="Send its token, its token_id or its alias.", param="key")
    reach = Reach(who.org_id) if not named or who.role == "key" else actor_of(request, who).reach
    key = await reading(house, lambda connection: named_key(connection, house.desk.office.peppers, named or own, reach))
    if who.role == "key" and key.id != own:
        raise unknown_key()
    return Reply(json={"key": key.id, "info": await shown_key(house, key.id, Reach(who.org_id))})


async def list_keys(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /key/list?page=&size=&team_id=&key_alias=&user_id=&status=&return_full_object=`: token_ids, or whole keys, a page at a time."""
    actor, params = actor_of(request, who), request.query()
    page, size = _whole(params, "page", 1, 1_000_000), _whole(params, "size", 10, 100)
    _check_list(params, actor.org_id)
    now_us = house.clock.now_us()
    team = params.get("team_id", "")
    listed = await reading(house, lambda connection: service.list_keys(connection, now_us, workspace=team, within=actor.reach))
    found = [key for key in listed["data"] if _matches(key, params)]
    if params.get("sort_order") == "asc":
        found.reverse()
    some = found[(page - 1) * size : page * size]
    whole = params.get("return_full_object", "").lower() == "true"
    keys = await shown_keys(house, some, actor.org_id) if whole else [key["id"] for key in some]
    return Reply(json={"keys": keys, "total_count": len(found), "current_page": page, "total_pages": -(-len(found) // size)})


async def update(house: House, request: AdminRequest, who: Who | None, body: dict[str, Any]) -> Reply:
    """`POST /key/update {key, …}`: change what is sent; null takes a limit away."""
    actor = actor_of(request, who)
    key = await _named(house, actor, body.get("key"))
    wish = _changes(house, actor, key, {name: value for name, value in body.items() if name != "key"})
    if not wish.fields and wish.blocked is None and wish.changes == {}:
        raise BadRequest("The request changes nothing.", hint="Send the fields that shall change beside key.")
    await _apply(house, actor, key.id, wish)
    shown = await shown_key(house, key.id, actor.reach)
    return Reply(json={**shown, "key": key.id})


async def delete(house: House, request: AdminRequest, who: Who | None, body: dict[str, Any]) -> Reply:
    """`POST /key/delete {keys | key_aliases}`: revoke keys, for good. All of them are looked up before the first one ends."""
    actor = actor_of(request, who)
    if set(body) - {"keys", "key_aliases"}:
        raise BadRequest("The body is {keys} or {key_aliases}.", code="unknown_field")
    named = [("keys", each) for each in _listed(body, "keys")] + [("key_aliases", each) for each in _listed(body, "key_aliases")]
    if not named:
        raise BadRequest("keys names the keys that shall end.", hint="Send token_ids, tokens or aliases.", param="keys")
    keys = [await _named(house, actor, each, param=param) for param, each in named]
    for key_id in dict.fromkeys(key.id for key in keys):
        await service.revoke_key(house.desk.office, actor, key_id)
    return Reply(json={"deleted_keys": [key.id for key in keys]})


async def block(house: House, request: AdminRequest, who: Who | None, body: dict[str, Any]) -> Reply:
    """`POST /key/block {key}`: stop a key until it is unblocked."""
    actor = actor_of(request, who)
    key = await _named(house, actor, _only_key(body))
    await service.block_key(house.desk.office, actor, key.id)
    return Reply(json=await shown_key(house, key.id, actor.reach))


async def unblock(house: House, request: AdminRequest, who: Who | None, body: dict[str, Any]) -> Reply:
    """`POST /key/unblock {key}`: let a blocked key work again."""
    actor = actor_of(request, who)
    key = await _named(house, actor, _only_key(body))
    await service.unblock_key(house.desk.office, actor, key.id)
    return Reply(json=await shown_key(house, key.id, actor.reach))


async def regenerate(house: House, request: AdminRequest, who: Who | None, body: dict[str, Any]) -> Reply:
    """`POST /key/regenerate {key, grace_period, …}` or `/key/{key}/regenerate`: a new token; the former one lives for the grace period."""
    actor, named = actor_of(request, who), request.params.get("key")
    if named is not None and body.get("key") not in (None, named):
        raise BadRequest("The path and the body name two keys.", hint="Name the key once.", param="key")
    key = await _named(house, actor, body.get("key") if named is None else named)
    overlap_s = read_grace(body.get("grace_period"))
    changes = {name: value for name, value in body.items() if name not in ("key", "grace_period", "key_type")}
    wish = _changes(house, actor, key, changes)
    await _apply(house, actor, key.id, wish)
    with in_their_words():
        made = await service.rotate_key(house.desk.office, actor, key.id, {"overlap_s": overlap_s})
    return Reply(json=new_key_view(await shown_key(house, key.id, actor.reach), made["key"]))


async def shown_key(house: House, key_id: str, reach: Reach) -> View:
    """One key with what it spent."""
    now_us = house.clock.now_us()
    key = await reading(house, lambda connection: service.show_key(connection, key_id, now_us, within=reach))
    return (await shown_keys(house, [key], reach.org_id))[0]


async def shown_keys(house: House, keys: list[dict[str, Any]], org_id: str) -> list[View]:
    """Our own views of keys in LiteLLM's fields."""
    ids, now_us = [key["id"] for key in keys], house.clock.now_us()
    records = await reading(house, lambda connection: records_of(connection, ids))
    budgets = await reading(house, lambda connection: budgets_of(connection, "key", ids, now_us))
    totals = await _totals(house, ids, org_id)
    return [key_view(key, records[key["id"]], totals[key["id"]], budgets[key["id"]], org_id=org_id) for key in keys]


async def _totals(house: House, key_ids: list[str], org_id: str) -> dict[str, int]:
    """What each key spent in all, in micro-dollars."""
    reads = house.desk.reads.seen_by(Tenant(org_id, ""))
    return await apart(house, lambda: {key_id: int(reads.spend_total(Filter(key=key_id))["cost_micros"]) for key_id in key_ids})


async def _named(house: House, actor: Actor, named: Any, *, param: str = "key") -> VirtualKey:
    return await reading(house, lambda connection: named_key(connection, house.desk.office.peppers, named, actor.reach, param=param))


def _changes(house: House, actor: Actor, key: VirtualKey, body: dict[str, Any]) -> KeyWish:
    """The changes of an update, checked as far as they can be before the first of them is made."""
    if body.get("team_id") in (key.workspace, key.workspace_id):
        body = {name: value for name, value in body.items() if name != "team_id"}
    wish = read_update(body, house.clock.now_us(), key.metadata, org_id=actor.org_id)
    refuse_managers(actor, wish.changes != {}, "max_budget")
    with in_their_words():
        refuse_unknown_policy(house, wish.fields)
    return wish


async def _apply(house: House, actor: Actor, key_id: str, wish: KeyWish) -> None:
    """Make the changes: each is an act of its own with its event."""
    with in_their_words():
        if wish.fields:
            await service.update_key(house.desk.office, actor, key_id, wish.fields)
        if wish.changes != {}:
            await change_budget(house, actor, "key", key_id, wish.changes, {"key": key_id})
        if wish.blocked is not None:
            act = service.block_key if wish.blocked else service.unblock_key
            await act(house.desk.office, actor, key_id)


def _only_key(body: dict[str, Any]) -> Any:
    if set(body) - {"key"}:
        raise BadRequest("The body is {key}.", code="unknown_field")
    return body.get("key")


def _listed(body: dict[str, Any], name: str) -> list[Any]:
    value = body.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > MOST_DELETED:
        raise BadRequest(f"{name} is a list of at most {MOST_DELETED} keys.", param=name)
    return value


def _check_list(params: Mapping[str, str], org_id: str) -> None:
    unknown = len(set(params) - _LIST_PARAMS)
    if unknown:
        known = ", ".join(sorted(_LIST_PARAMS))
        raise BadRequest(f"{unknown} parameter(s) are not known here.", hint=f"Known: {known}.", code="unknown_field")
    if params.get("status") and params["status"] not in _STATUSES:
        raise BadRequest("There is no such status.", hint=f"Use one of {', '.join(_STATUSES)}.", param="status")
    if params.get("sort_order", "desc") not in ("asc", "desc"):
        raise BadRequest("sort_order is asc or desc.", param="sort_order")
    if params.get("organization_id", org_id) != org_id:
        raise BadRequest("There is no such organization.", hint="Leave it out.", param="organization_id")


def _matches(key: Mapping[str, Any], params: Mapping[str, str]) -> bool:
    """Whether a key is asked for; revoked ones are, as LiteLLM's deleted ones, only by their status."""
    status = {"blocked": "revoked", "revoked": "deleted"}.get(key["status"], key["status"])
    if params.get("status", status) != status or (status == "deleted" and "status" not in params):
        return False
    told = {"key_alias": key["alias"], "key_hash": key["id"], "user_id": key["metadata"].get("user_id", "")}
    return all(params[name] == value for name, value in told.items() if params.get(name))


def _whole(params: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = params.get(name, "") or str(default)
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most):
        raise BadRequest(f"{name} is a whole number from 1 to {most}.", param=name)
    return int(text)
