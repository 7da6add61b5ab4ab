"""A change of a key touches what the closed list names and nothing else; calls are counted exactly, whoever counts at the same time."""

from __future__ import annotations

import asyncio
import json
from dataclasses import fields
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import BadRequest, KeyOutOfScope, PipelineError
from pipeline.keys import service
from pipeline.keys.authenticator import Authenticator
from pipeline.keys.calls import give_back_call, take_call
from pipeline.keys.key_changes import CHANGE_FIELDS, changed_key
from pipeline.keys.model import VirtualKey
from pipeline.keys.service import Actor
from tests.pipeline.keys.clocks import START_US, MovableClock

KEY = VirtualKey("K1", "default", "W", "default", "ci", "key", "active", "lgk_…abcd", models=("m",), rpm_limit=3)
FIXED = {"id", "org_id", "workspace_id", "workspace", "role", "status", "hint", "created_us", "revoked_us", "calls_used", "descent"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["admin", "manager", "other", "chat", "", "10.0.0.0/8", "1h"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["role", "routes", "max_calls", "a"]), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(
    sorted({*CHANGE_FIELDS, *FIXED, "digest", "pepper_id", "replaced_by", "org", "organization", "budget", "__class__"})
)


@settings(max_examples=500, deadline=None)
@given(body=st.dictionaries(NAMES, JSON, max_size=4))
def test_no_body_changes_what_is_not_on_the_list(body: dict[str, Any]) -> None:
    """Mass assignment: whatever is sent, role, workspace, organization, status and identity stay, or it is refused as a whole."""
    try:
        changed = changed_key(KEY, body, START_US)
    except BadRequest:
        return
    assert set(body) <= CHANGE_FIELDS
    assert all(getattr(changed, name) == getattr(KEY, name) for name in FIXED)


def test_every_field_of_a_key_is_either_fixed_or_on_the_list() -> None:
    """A new field of a key must be put on one side."""
    changeable = {"alias", "models", "policy", "metadata", "rpm_limit", "tpm_limit", "max_parallel_requests", "expires_us", "caveats"}
    assert {field.name for field in fields(VirtualKey)} == FIXED | changeable


async def test_a_change_is_written_down_shown_and_holds(stood: Any, peppers: Any, clock: MovableClock) -> None:
    made = await service.create_key(stood.office, stood.actor, {"alias": "ci", "models": ["m"], "caveats": {"routes": ["chat"]}})
    body = {"alias": "cd", "models": None, "caveats": {"max_calls": 2, "cidrs": ["10.0.0.0/8"]}, "rpm_limit": 9, "duration": "1h"}
    changed = await service.update_key(stood.office, stood.actor, "ci", body)
    assert (changed["alias"], changed["models"], changed["rpm_limit"]) == ("cd", [], 9)
    assert changed["caveats"] == {"routes": ["chat"], "cidrs": ["10.0.0.0/8"], "max_calls": 2}
    assert changed["calls_used"] == 0
    authenticator = Authenticator(stood.reader, peppers, clock)
    authenticator.refresh()
    key = authenticator.authenticate(made["key"]).key
    assert (key.alias, key.expires_us) == ("cd", clock.us + 3_600_000_000)
    assert key.limited_by.cidrs is not None


@pytest.mark.parametrize("body", [{}, {"role": "admin"}, {"workspace": "other"}, {"status": "active"}, {"alias": "x", "org_id": "acme"}])
async def test_a_body_with_anything_else_changes_nothing(stood: Any, body: dict[str, Any]) -> None:
    made = await service.create_key(stood.office, stood.actor, {"alias": "ci"})
    with pytest.raises(BadRequest) as caught:
        await service.update_key(stood.office, stood.actor, made["id"], body)
    assert caught.value.status == 400
    with stood.reader.connect() as connection:
        assert service.show_key(connection, made["id"], 0)["alias"] == "ci"


async def test_an_alias_of_another_key_and_a_revoked_key_are_refused(stood: Any) -> None:
    one = await service.create_key(stood.office, stood.actor, {"alias": "one"})
    two = await service.create_key(stood.office, stood.actor, {"alias": "two"})
    await service.update_key(stood.office, stood.actor, one["id"], {"alias": "one"})
    with pytest.raises(BadRequest) as taken:
        await service.update_key(stood.office, stood.actor, one["id"], {"alias": "two"})
    await service.revoke_key(stood.office, stood.actor, two["id"])
    with pytest.raises(BadRequest) as revoked:
        await service.update_key(stood.office, stood.actor, two["id"], {"rpm_limit": 1})
    assert (taken.value.code, revoked.value.code) == ("alias_taken", "key_revoked")


async def test_no_call_too_many_is_counted_by_those_who_count_at_once(stood: Any) -> None:
    made = await service.create_key(stood.office, stood.actor, {"caveats": {"max_calls": 7}})
    took = await asyncio.gather(*(stood.ledger.run(partial(take_call, key_id=made["id"], most=7)) for _ in range(30)))
    assert took.count(True) == 7
    await stood.ledger.run(partial(give_back_call, key_id=made["id"]))
    assert await stood.ledger.run(partial(take_call, key_id=made["id"], most=7))
    assert not await stood.ledger.run(partial(take_call, key_id=made["id"], most=7))


async def managed(stood: Any, **limits: Any) -> tuple[Actor, dict[str, Any]]:
    """A manager of the workspace `lab`, and a key of another workspace."""
    lab = await service.create_workspace(stood.office, stood.actor, {"slug": "lab"})
    other = await service.create_key(stood.office, stood.actor, {"alias": "theirs"})
    return Actor("manager", workspaces=frozenset({lab["id"]}), home="lab", **limits), other


async def test_a_manager_makes_keys_of_their_workspace_and_only_those(stood: Any) -> None:
    manager, _ = await managed(stood)
    made = await service.create_key(stood.office, manager, {"alias": "mine"})
    assert (made["workspace"], made["role"]) == ("lab", "key")
    refusals: list[tuple[dict[str, Any], int, str]] = [
        ({"role": "admin"}, 403, "role_not_allowed"),
        ({"role": "manager"}, 403, "role_not_allowed"),
        ({"policy": "default"}, 403, "policy_not_allowed"),
        ({"workspace": "default"}, 404, "workspace_not_found"),
        ({"workspace": "no-such"}, 404, "workspace_not_found"),
    ]
    said = set()
    for body, status, code in refusals:
        with pytest.raises(PipelineError) as caught:
            await service.create_key(stood.office, manager, body)
        assert (caught.value.status, caught.value.code) == (status, code)
        said.add((caught.value.code, caught.value.message, caught.value.hint)) if status == 404 else None
    assert len(said) == 1, "a workspace of others is refused as one that does not exist"


@pytest.mark.parametrize("act", ["block", "unblock", "revoke", "rotate", "update", "show"])
async def test_a_manager_cannot_tell_a_key_of_others_from_none(stood: Any, act: str) -> None:
    manager, other = await managed(stood)
    boss = await service.create_key(stood.office, stood.actor, {"workspace": "lab", "role": "admin", "alias": "boss"})
    told = set()
    for ident in (other["id"], "theirs", boss["id"], "boss", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "nobody"):
        with pytest.raises(PipelineError) as caught:
            await acted(stood, manager, act, ident)
        told.add((caught.value.status, caught.value.code, caught.value.message, caught.value.hint, json.dumps(caught.value.headers)))
    assert len(told) == 1
    assert next(iter(told))[0] == 404


async def acted(stood: Any, actor: Actor, act: str, ident: str) -> None:
    if act == "show":
        with stood.reader.connect() as connection:
            service.show_key(connection, ident, 0, within=actor.reach)
    elif act in ("rotate", "update"):
        body: dict[str, Any] = {"overlap_s": 0} if act == "rotate" else {"rpm_limit": 1}
        await getattr(service, f"{act}_key")(stood.office, actor, ident, body)
    else:
        await getattr(service, f"{act}_key")(stood.office, actor, ident)


async def test_a_manager_widens_no_key_beyond_their_own(stood: Any) -> None:
    limits = VirtualKey("M", "default", "L", "lab", "", "manager", "active", "", models=("small",)).limited_by
    manager, _ = await managed(stood, limits=limits)
    with pytest.raises(KeyOutOfScope) as caught:
        await service.create_key(stood.office, manager, {"models": ["small", "large"]})
    assert (caught.value.code, caught.value.param) == ("caveat_too_wide", "models")
    made = await service.create_key(stood.office, manager, {"models": ["small"]})
    for body in ({"models": ["large"]}, {"models": None}):
        with pytest.raises(KeyOutOfScope):
            await service.update_key(stood.office, manager, made["id"], body)
    assert (await service.update_key(stood.office, manager, made["id"], {"rpm_limit": 4}))["rpm_limit"] == 4


async def test_a_manager_takes_no_policy_away(stood: Any) -> None:
    manager, _ = await managed(stood)
    strict = await service.create_key(stood.office, stood.actor, {"workspace": "lab", "policy": "strict"})
    for nothing in (None, ""):
        with pytest.raises(KeyOutOfScope) as caught:
            await service.update_key(stood.office, manager, strict["id"], {"policy": nothing})
        assert caught.value.code == "policy_not_allowed"
    plain = await service.create_key(stood.office, manager, {})
    assert (await service.update_key(stood.office, manager, plain["id"], {"policy": None, "rpm_limit": 3}))["rpm_limit"] == 3
    assert (await service.update_key(stood.office, stood.actor, strict["id"], {"policy": None}))["policy"] is None


async def test_a_manager_gets_no_token_of_a_key_that_is_wider_than_their_own(stood: Any) -> None:
    limits = VirtualKey("M", "default", "L", "lab", "", "manager", "active", "", models=("small",)).limited_by
    manager, _ = await managed(stood, limits=limits)
    wide = await service.create_key(stood.office, stood.actor, {"workspace": "lab", "models": ["small", "large"]})
    with pytest.raises(KeyOutOfScope) as caught:
        await service.rotate_key(stood.office, manager, wide["id"], {})
    assert (caught.value.code, caught.value.param) == ("caveat_too_wide", "models")
    narrow = await service.create_key(stood.office, stood.actor, {"workspace": "lab", "models": ["small"]})
    assert (await service.rotate_key(stood.office, manager, narrow["id"], {}))["key"].startswith("lgk_")
