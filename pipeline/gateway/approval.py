"""A call that needs an approval: stopped without one, let through once with the one that was given for exactly this call.

What a caller is told is 403 `approval_required`, with `approval_id` and `expires_at` in the error object: an SDK raises it at once and does
not send the call again by itself, which it would do for a 202 that it cannot read, or a 409. The call that was approved comes again with
the header `x-lockgate-approval`. An approval is used up when the call is let through, whatever comes of it after that.
"""

from __future__ import annotations

from typing import Any, Final

from pipeline.gateway.admin_keys import actor_of, reading
from pipeline.gateway.model import Asked, Bound, Call, House
from pipeline.gateway.permission import tools_of
from pipeline.gateway.request import AdminRequest, Reply, Who
from pipeline.gateway.wire import passed_headers
from pipeline.gateway.workers import worked
from pipeline.keys import approvals
from pipeline.keys.approval_rules import Sought
from pipeline.keys.approvals import Stopped, ask_approval, use_approval
from pipeline.keys.model import Caller

HEADER: Final = b"x-lockgate-approval"
_MOST_NAMED: Final = 20


async def approved(house: House, call: Call, caller: Caller, asked: Asked, bound: Bound) -> None:
    """Let a call pass that needs no approval or comes with its own; ApprovalRequired (403) otherwise."""
    rules = house.swapped.approval_rules
    if not rules.rules:
        return
    key, tools = caller.key, tools_of(asked.body)
    rule = rules.needed(Sought(key, call.route, asked.model, tools, bound.micros, caller.ancestors))
    if rule is None:
        return
    # What passes to the provider beside the body (`anthropic-beta`) is of the call: it may turn on what nobody has looked at.
    beside = (f"{name}:{value}" for name, value in sorted(passed_headers(call.headers, lambda _: False).items()))
    parts = ("approval", key.id, "POST", call.surface, *beside)
    claim = await worked(house.pool, asked.size, house.kept.claim, key.id, "approval", parts, asked.body, call.at_us)
    facts: dict[str, Any] = {"route": call.route, "model": asked.model, "tools": sorted(tools)[:_MOST_NAMED], "worst_micros": bound.micros}
    stopped = Stopped(key.org_id, key.workspace_id, key.id, claim.params, rule.name, facts, rules.timeout_s)
    office, given = house.desk.office, call.headers.get(HEADER)
    if not given:
        raise await ask_approval(office, stopped, call.request_id, call.peer)
    await use_approval(office, stopped, given[:64], call.request_id, call.peer)


async def list_approvals(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /v1/approvals?state=`: the newest approvals, what they are for and who decided; never what a call says."""
    actor, now_us, state = actor_of(request, who), house.clock.now_us(), request.query().get("state", "")
    return Reply(
        json=await reading(house, lambda connection: approvals.list_approvals(connection, now_us, within=actor.reach, state=state))
    )


async def approve(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`POST /v1/approvals/{id}/approve`: let a call pass, once. Not by who asked for it."""
    return Reply(json=await approvals.decide(house.desk.office, actor_of(request, who), request.params["id"], "approved"))


async def deny(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`POST /v1/approvals/{id}/deny`: refuse a call that waits."""
    return Reply(json=await approvals.decide(house.desk.office, actor_of(request, who), request.params["id"], "denied"))
