"""An approval is for exactly one call, given by somebody else, in time, used once; on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from pipeline.errors import BadRequest, KeyOutOfScope, PipelineError
from pipeline.keys import children, service
from pipeline.keys.approval_rules import ApprovalRule, ApprovalRules, Sought
from pipeline.keys.approvals import (
    ApprovalRequired,
    Stopped,
    ask_approval,
    decide,
    expire_approvals,
    list_approvals,
    use_approval,
)
from pipeline.keys.attenuation import ChildRules
from pipeline.keys.model import Reach, VirtualKey
from pipeline.keys.service import Actor
from pipeline.keys.store import get_key
from tests.pipeline.keys.clocks import MovableClock

KEY = VirtualKey("K1", "default", "W", "default", "", "key", "active", "", metadata={"team": "x"})
CALL = Sought(KEY, "chat", "m", frozenset({"search"}), 100)


@pytest.mark.parametrize(
    ("rule", "call", "fits"),
    [
        (ApprovalRule("r", tools=frozenset({"search"})), CALL, True),
        (ApprovalRule("r", tools=frozenset({"shell"})), CALL, False),
        (ApprovalRule("r", tools=frozenset({"shell"})), replace(CALL, tools=frozenset({""})), True),
        (ApprovalRule("r", models=frozenset({"m"})), CALL, True),
        (ApprovalRule("r", models=frozenset({"n"})), CALL, False),
        (ApprovalRule("r", routes=frozenset({"embeddings"})), CALL, False),
        (ApprovalRule("r", above_micros=99), CALL, True),
        (ApprovalRule("r", above_micros=100), CALL, False),
        (ApprovalRule("r", roles=frozenset({"admin"})), CALL, False),
        (ApprovalRule("r", metadata={"team": "x"}), CALL, True),
        (ApprovalRule("r", metadata={"team": "x", "env": "live"}), CALL, False),
        (ApprovalRule("r", models=frozenset({"m"}), above_micros=500), CALL, False),
    ],
)
def test_a_rule_fits_a_call_that_fits_every_condition_it_names(rule: ApprovalRule, call: Sought, fits: bool) -> None:
    assert ApprovalRules((rule,)).needed(call) == (rule if fits else None)


@pytest.mark.parametrize("rule", [ApprovalRule("r", roles=frozenset({"manager"})), ApprovalRule("r", metadata={"team": "y"})])
def test_a_child_key_is_no_way_around_a_rule_for_its_parent(rule: ApprovalRule) -> None:
    above = VirtualKey("K0", "default", "W", "default", "", "manager", "active", "", metadata={"team": "y"})
    assert ApprovalRules((rule,)).needed(CALL) is None
    assert ApprovalRules((rule,)).needed(replace(CALL, ancestors=(above,))) == rule


async def stopped(stood: Any, **given: Any) -> Stopped:
    made = await service.create_key(stood.office, stood.actor, {})
    with stood.reader.connect() as connection:
        workspace = get_key(connection, made["id"]).workspace_id
    facts = {"route": "chat", "model": "m", "tools": ["shell"], "worst_micros": 5}
    return replace(Stopped("default", workspace, made["id"], "d" * 64, "shell", facts, 600), **given)


async def asked(stood: Any, call: Stopped) -> str:
    refusal = await ask_approval(stood.office, call, "R1", "")
    assert (refusal.status, refusal.code) == (403, "approval_required")
    return refusal.extra["approval_id"]


async def why_not(stood: Any, call: Stopped, approval_id: str) -> str:
    with pytest.raises(ApprovalRequired) as caught:
        await use_approval(stood.office, call, approval_id, "R2", "")
    return caught.value.code


async def test_a_call_waits_is_approved_by_somebody_else_and_passes_once(stood: Any) -> None:
    call = await stopped(stood)
    approval_id = await asked(stood, call)
    assert await asked(stood, call) == approval_id, "one call asks once"
    assert await why_not(stood, call, approval_id) == "approval_pending"
    view = await decide(stood.office, stood.actor, approval_id, "approved")
    assert (view["state"], view["decided_by"], view["call"]["tools"]) == ("approved", "tester", ["shell"])
    for other in (replace(call, digest="e" * 64), replace(call, key_id="K2")):
        assert await why_not(stood, other, approval_id) == "approval_mismatch"
    results = await asyncio.gather(
        *(use_approval(stood.office, call, approval_id, f"R{number}", "") for number in range(8)), return_exceptions=True
    )
    assert sum(result is None for result in results) == 1
    assert {result.code for result in results if isinstance(result, PipelineError)} == {"approval_used"}
    assert await asked(stood, call) != approval_id


async def test_nobody_decides_about_their_own_call_or_their_childs(stood: Any) -> None:
    call = await stopped(stood)
    made = await children.create_child(stood.office, stood.actor, call.key_id, {}, ChildRules())
    for caller in (call, replace(call, key_id=made["id"])):
        approval_id = await asked(stood, caller)
        with pytest.raises(KeyOutOfScope) as caught:
            await decide(stood.office, Actor(call.key_id), approval_id, "approved")
        assert caught.value.code == "own_call"


async def test_a_manager_of_another_workspace_neither_sees_nor_decides(stood: Any) -> None:
    approval_id = await asked(stood, await stopped(stood))
    stranger = Actor("m", workspaces=frozenset({"01ELSEWHERE"}))
    with pytest.raises(BadRequest) as caught:
        await decide(stood.office, stranger, approval_id, "approved")
    assert caught.value.status == 404
    with stood.reader.connect() as connection:
        assert list_approvals(connection, 0, within=stranger.reach)["data"] == []
        assert [view["id"] for view in list_approvals(connection, 0, within=Reach(), state="pending")["data"]] == [approval_id]


async def test_a_denial_stands(stood: Any) -> None:
    call = await stopped(stood)
    approval_id = await asked(stood, call)
    await decide(stood.office, stood.actor, approval_id, "denied")
    assert await why_not(stood, call, approval_id) == "approval_denied"
    with pytest.raises(BadRequest) as caught:
        await decide(stood.office, stood.actor, approval_id, "approved")
    assert caught.value.code == "approval_closed"


@pytest.mark.parametrize("given", [False, True])
async def test_what_is_not_decided_or_not_used_in_time_is_over(stood: Any, clock: MovableClock, given: bool) -> None:
    call = await stopped(stood)
    approval_id = await asked(stood, call)
    if given:
        await decide(stood.office, stood.actor, approval_id, "approved")
    clock.move(600)
    assert await why_not(stood, call, approval_id) == "approval_expired"
    with pytest.raises(BadRequest):
        await decide(stood.office, stood.actor, approval_id, "approved")
    assert await expire_approvals(stood.office, stood.reader) == 1
    assert await expire_approvals(stood.office, stood.reader) == 0
