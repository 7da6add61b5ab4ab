"""Child keys: never wider than their parent, paid out of its budget to the micro-dollar, ended with it; on SQLite and on PostgreSQL."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.errors import BadRequest, BudgetExceeded, KeyExpired, KeyOutOfScope, KeyRejected, PipelineError
from pipeline.keys import children, service
from pipeline.keys.attenuation import ChildRules
from pipeline.keys.authenticator import Authenticator
from pipeline.keys.lineage import call_scopes, facts
from pipeline.keys.model import Caller, Reach
from pipeline.keys.returning import Steward, return_ended
from pipeline.ledger.budgets import get_budget
from pipeline.ledger.model import Charge, Intent, Scope, Settlement
from tests.pipeline.keys.clocks import MovableClock

RULES = ChildRules()
USD = 1_000_000


@pytest.fixture
def proving(stood: Any, peppers: Any, clock: MovableClock) -> Any:
    """Proves a token as a worker does that has just read the store."""

    def prove(token: str) -> Caller:
        authenticator = Authenticator(stood.reader, peppers, clock)
        authenticator.refresh()
        return authenticator.authenticate(token)

    return prove


async def child(stood: Any, parent: str, rules: ChildRules = RULES, **body: Any) -> dict[str, Any]:
    return await children.create_child(stood.office, stood.actor, parent, body, rules)


async def parent(stood: Any, **body: Any) -> dict[str, Any]:
    return await service.create_key(stood.office, stood.actor, {"alias": "agent", **body})


def standing(stood: Any, kind: Any, key_id: str) -> tuple[int, int, int]:
    """Limit, spent and reserved of a budget, in micro-dollars."""
    with stood.reader.connect() as connection:
        budget = get_budget(connection, Scope(kind, key_id))
    assert budget is not None
    return budget.limit_micros, budget.spent_micros, budget.reserved_micros


def begun(stood: Any, caller: Caller, request_id: str, micros: int) -> Intent:
    event = service.event(stood.office, stood.actor, "gateway:call:start", {**facts(caller)}, key_id=caller.key.id)
    return Intent(type(event)(**{**_fields(event), "request_id": request_id}), micros, call_scopes(caller, "m"))


def ended(stood: Any, caller: Caller, request_id: str, micros: int) -> Settlement:
    event = service.event(stood.office, stood.actor, "gateway:call:finish", {}, key_id=caller.key.id)
    charge = Charge(stood.office.new_id(), request_id, event.at_us, "default", caller.key.workspace_id, caller.key.id, "m", "t", "p", "m",
                    "observed", micros, "")  # fmt: skip
    return Settlement(request_id, (type(event)(**{**_fields(event), "request_id": request_id}),), (charge,))


def _fields(event: Any) -> dict[str, Any]:
    return {name: getattr(event, name) for name in event.__dataclass_fields__}


async def test_a_child_inherits_what_it_does_not_name_and_lives_a_quarter_of_an_hour(stood: Any, proving: Any, clock: MovableClock) -> None:
    limits = {"models": ["m", "n"], "caveats": {"routes": ["chat", "children"], "max_calls": 9}, "rpm_limit": 5, "metadata": {"team": "x"}}
    above = await parent(stood, **limits)
    made = await child(stood, "agent", models=["m"], purpose="triage", agent_id="a-1", session_id="s-1", metadata={"run": "7"})
    assert made["key"].startswith("lgc_")
    assert len(made["key"]) == 47
    assert (made["models"], made["caveats"], made["rpm_limit"]) == (["m"], limits["caveats"], 5)
    assert made["metadata"] == {"team": "x", "run": "7"}
    assert (made["parent"], made["lineage"], made["depth"]) == (above["id"], [above["id"]], 1)
    assert (made["purpose"], made["agent_id"], made["session_id"], made["role"]) == ("triage", "a-1", "s-1", "key")
    caller = proving(made["key"])
    assert caller.key.expires_us == clock.us + 900 * 1_000_000
    assert facts(caller) == {"lineage": [above["id"]], "act": {"sub": "a-1"}}


WIDER: tuple[tuple[dict[str, Any], str], ...] = (
    ({"models": ["m", "other"]}, "models"),
    ({"caveats": {"routes": ["chat", "embeddings"]}}, "caveats.routes"),
    ({"caveats": {"routes": None}}, "caveats.routes"),
    ({"caveats": {"tools": ["search", "shell"]}}, "caveats.tools"),
    ({"caveats": {"cidrs": ["10.0.0.0/7"]}}, "caveats.cidrs"),
    ({"caveats": {"environments": ["production"]}}, "caveats.environments"),
    ({"caveats": {"audiences": ["https://other"]}}, "caveats.audiences"),
    ({"caveats": {"max_calls": 11}}, "caveats.max_calls"),
    ({"rpm_limit": 6}, "rpm_limit"),
    ({"rpm_limit": 0}, "rpm_limit"),
    ({"tpm_limit": 1001}, "tpm_limit"),
    ({"max_parallel_requests": 3}, "max_parallel_requests"),
    ({"ttl": "2h"}, "ttl"),
    ({"metadata": {"team": "other"}}, "metadata"),
)


@pytest.mark.parametrize(("body", "field"), WIDER, ids=[f"{field}-{number}" for number, (_, field) in enumerate(WIDER)])
async def test_a_child_that_would_be_wider_is_refused_with_the_field_named(stood: Any, body: dict[str, Any], field: str) -> None:
    caveats = {"routes": ["chat"], "tools": ["search"], "cidrs": ["10.0.0.0/8"], "environments": ["test"], "audiences": ["https://gateway"]}
    await parent(stood, models=["m"], caveats={**caveats, "max_calls": 10}, rpm_limit=5, tpm_limit=1000, max_parallel_requests=2,
                 duration="1h", metadata={"team": "x"})  # fmt: skip
    with pytest.raises(KeyOutOfScope) as caught:
        await child(stood, "agent", **body)
    assert (caught.value.status, caught.value.code, caught.value.param) == (403, "wider_than_parent", field)
    with stood.reader.connect() as connection:
        assert children.list_children(connection, "agent", 0, within=Reach())["data"] == []


@pytest.mark.parametrize(
    "body", [{"ttl": "1y"}, {"ttl": 0}, {"ttl": True}, {"ttl": "25h"}, {"role": "admin"}, {"workspace": "x"}, {"policy": "p"},
             {"max_budget_usd": 0}, {"max_budget_usd": "much"}, {"purpose": "two\nlines"}, {"agent_id": "a" * 256},
             {"expires_at": "2099-01-01"}]
)  # fmt: skip
async def test_a_field_that_is_wrong_or_not_a_childs_is_a_bad_request(stood: Any, body: dict[str, Any]) -> None:
    await parent(stood)
    with pytest.raises(BadRequest) as caught:
        await child(stood, "agent", **body)
    assert caught.value.status == 400


async def test_depth_and_number_of_children_are_bounded(stood: Any) -> None:
    above = await parent(stood)
    rules = ChildRules(max_depth=2, max_children=2)
    one = await child(stood, above["id"], rules)
    two = await child(stood, one["id"], rules)
    assert (two["depth"], two["lineage"]) == (2, [one["id"], above["id"]])
    with pytest.raises(KeyOutOfScope) as deep:
        await child(stood, two["id"], rules)
    assert deep.value.code == "too_deep"
    await child(stood, above["id"], rules)
    with pytest.raises(KeyOutOfScope) as many:
        await child(stood, above["id"], rules)
    assert many.value.code == "too_many_children"


@pytest.mark.parametrize(
    ("act", "code"), [("block", "key_blocked"), ("revoke", "key_revoked"), ("expire", "key_expired"), ("rotate", "key_revoked")]
)
async def test_a_child_ends_with_its_parent_and_its_grandparent(stood: Any, proving: Any, clock: MovableClock, act: str, code: str) -> None:
    above = await parent(stood, duration="1h")
    one = await child(stood, above["id"], ttl="1h")
    two = await child(stood, one["id"], ttl="1h")
    assert proving(two["key"]).key.id == two["id"]
    if act == "block":
        await service.block_key(stood.office, stood.actor, above["id"])
    elif act == "revoke":
        await service.revoke_key(stood.office, stood.actor, above["id"])
    elif act == "rotate":
        await service.rotate_key(stood.office, stood.actor, above["id"], {})
    else:
        clock.move(3_601)
    for token in (one["key"], two["key"]):
        with pytest.raises(KeyExpired) as caught:
            proving(token)
        assert caught.value.code == code
    with pytest.raises(PipelineError) as refused:
        await child(stood, one["id"])
    assert refused.value.code == "parent_not_active"
    if act == "block":
        await service.unblock_key(stood.office, stood.actor, above["id"])
        assert proving(two["key"]).key.id == two["id"]


async def test_a_parent_that_is_narrowed_later_narrows_its_children_at_once(stood: Any, proving: Any, clock: MovableClock) -> None:
    above = await parent(stood, models=["m", "n"])
    made = await child(stood, above["id"], caveats={"routes": ["chat"]})
    await service.update_key(stood.office, stood.actor, above["id"], {"models": ["n"], "caveats": {"tools": []}, "duration": "5m"})
    caller = proving(made["key"])
    assert (caller.key.models, caller.key.expires_us) == (("n",), clock.us + 300 * 1_000_000)
    assert [type(caveat).__name__ for caveat in caller.caveats].count("ToolCaveat") == 1


async def test_a_change_makes_no_child_wider_and_wakes_none_that_has_ended(stood: Any, clock: MovableClock) -> None:
    above = await parent(stood, models=["m"], rpm_limit=3, duration="1h", metadata={"team": "x"})
    made = await child(stood, above["id"])
    for body, field in (({"models": None}, "models"), ({"rpm_limit": 4}, "rpm_limit"), ({"duration": "2h"}, "ttl"),
                        ({"metadata": {}}, "metadata"), ({"expires_at": None}, "expires_at")):  # fmt: skip
        with pytest.raises(KeyOutOfScope) as caught:
            await service.update_key(stood.office, stood.actor, made["id"], body)
        assert caught.value.param == field
    with pytest.raises(BadRequest) as rotated:
        await service.rotate_key(stood.office, stood.actor, made["id"], {})
    assert rotated.value.code == "child_key"
    clock.move(901)
    with pytest.raises(BadRequest) as late:
        await service.update_key(stood.office, stood.actor, made["id"], {"duration": "10m"})
    assert late.value.code == "key_expired"


async def test_a_carve_is_held_in_the_parents_budget_and_what_is_left_returns_once(stood: Any, proving: Any, clock: MovableClock) -> None:
    above = await parent(stood, budget={"limit_usd": 10})
    made = await child(stood, above["id"], max_budget_usd="4", ttl="10m")
    assert standing(stood, "key", above["id"]) == (10 * USD, 0, 4 * USD)
    assert (made["max_budget_usd"], made["carved"], made["budget"]["remaining_usd"]) == ("4.000000", True, "4.000000")
    with pytest.raises(BudgetExceeded) as more:
        await child(stood, above["id"], max_budget_usd="6.000001")
    assert more.value.param == "max_budget_usd"

    caller = proving(made["key"])
    await stood.ledger.open(begun(stood, caller, "R1", 3 * USD))
    with pytest.raises(BudgetExceeded):
        await stood.ledger.open(begun(stood, caller, "R2", 2 * USD))
    assert standing(stood, "key", above["id"]) == (10 * USD, 0, 4 * USD), "the parent's budget holds it already"
    steward = Steward(stood.office, stood.ledger, stood.reader)
    assert await return_ended(steward) == 0, "it has not ended"
    clock.move(601)
    assert await return_ended(steward) == 0, "a call of it is under way"
    await stood.ledger.close(ended(stood, caller, "R1", 2 * USD + 1))
    assert await return_ended(steward) == 1
    assert await return_ended(steward) == 0
    assert standing(stood, "key", above["id"]) == (10 * USD, 2 * USD + 1, 0)
    with pytest.raises(BudgetExceeded):  # a worker that has not heard of the end
        await stood.ledger.open(begun(stood, caller, "R3", 1))
    event = service.event(stood.office, stood.actor, "key:child:return", {})
    await stood.ledger.end_carve(event, made["id"], 2 * USD + 1)
    assert standing(stood, "key", above["id"]) == (10 * USD, 2 * USD + 1, 0)


async def test_grandchildren_are_carved_out_of_the_childs_budget_and_return_first(stood: Any, clock: MovableClock) -> None:
    above = await parent(stood, budget={"limit_usd": 10})
    one = await child(stood, above["id"], max_budget_usd=5)
    two = await child(stood, one["id"], max_budget_usd=2)
    with pytest.raises(BudgetExceeded):
        await child(stood, one["id"], max_budget_usd=4)
    assert standing(stood, "key", above["id"])[2] == 5 * USD
    assert standing(stood, "child", one["id"])[2] == 2 * USD
    assert standing(stood, "child", two["id"]) == (2 * USD, 0, 0)
    await children.revoke_child(stood.office, stood.actor, above["id"], one["id"], Reach())
    assert await return_ended(Steward(stood.office, stood.ledger, stood.reader)) == 2
    assert standing(stood, "key", above["id"]) == (10 * USD, 0, 0)


async def test_a_child_without_money_of_its_own_spends_its_parents(stood: Any, proving: Any) -> None:
    above = await parent(stood, budget={"limit_usd": 1})
    made = await child(stood, (await child(stood, above["id"]))["id"])
    caller = proving(made["key"])
    await stood.ledger.open(begun(stood, caller, "R1", USD))
    assert standing(stood, "key", above["id"]) == (USD, 0, USD)
    with pytest.raises(BudgetExceeded):
        await child(stood, made["id"], max_budget_usd="0.01")
    await stood.ledger.close(ended(stood, caller, "R1", USD // 4))
    assert standing(stood, "key", above["id"]) == (USD, USD // 4, 0)


async def test_a_limit_of_a_child_whose_parent_has_no_budget_is_its_own(stood: Any, proving: Any) -> None:
    above = await parent(stood)
    made = await child(stood, above["id"], max_budget_usd=1)
    assert (made["carved"], standing(stood, "child", made["id"])) == (False, (USD, 0, 0))
    caller = proving(made["key"])
    assert {("child", made["id"]), ("key", above["id"])} <= {(scope.kind, scope.id) for scope in call_scopes(caller, "m")}
    with pytest.raises(BudgetExceeded):
        await stood.ledger.open(begun(stood, caller, "R1", USD + 1))


async def test_a_key_of_another_workspace_has_no_children_for_a_manager(stood: Any) -> None:
    above = await parent(stood)
    stranger = service.Actor("m", workspaces=frozenset({"01ELSEWHERE"}), home="elsewhere")
    with pytest.raises(BadRequest) as caught:
        await children.create_child(stood.office, stranger, above["id"], {}, RULES)
    assert caught.value.status == 404
    other = await service.create_key(stood.office, stood.actor, {"alias": "other"})
    made = await child(stood, above["id"])
    with pytest.raises(BadRequest) as not_its:
        await children.revoke_child(stood.office, stood.actor, other["id"], made["id"], Reach())
    assert not_its.value.status == 404


async def test_an_auditors_key_has_no_children(stood: Any) -> None:
    above = await parent(stood, role="auditor")
    with pytest.raises(KeyRejected) as caught:
        await child(stood, above["id"])
    assert caught.value.code == "role_not_allowed"


async def test_a_child_that_ended_long_ago_is_forgotten(stood: Any, proving: Any, clock: MovableClock) -> None:
    above = await parent(stood)
    made = await child(stood, above["id"], ttl=1)
    clock.move(2)
    with pytest.raises(KeyExpired):
        proving(made["key"])
    clock.move(4_000)
    with pytest.raises(KeyRejected) as caught:
        proving(made["key"])
    assert caught.value.code == "invalid_api_key"


async def test_a_stricter_policy_of_a_key_holds_for_the_children_it_has(stood: Any, proving: Any) -> None:
    above = await parent(stood)
    one = await child(stood, above["id"])
    two = await child(stood, one["id"])
    await service.update_key(stood.office, stood.actor, above["id"], {"policy": "strict"})
    assert [proving(made["key"]).key.policy for made in (above, one, two)] == ["strict"] * 3
    await service.update_key(stood.office, stood.actor, one["id"], {"policy": "stricter"})
    await service.update_key(stood.office, stood.actor, above["id"], {"policy": "strict-2", "rpm_limit": 5})
    found = [proving(made["key"]).key.policy for made in (above, one, two)]
    assert found == ["strict-2", "stricter", "stricter"], "one that was given a policy of its own keeps it"
