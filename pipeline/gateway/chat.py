"""One request through the house, in ten steps, top to bottom.

 1 read   2 who   3 where   4 what may pass   5 what may it cost   6 write down   7 open   8 ask   9 close the span   10 settle

Each step takes what the step before returned. Errors leave as PipelineError and are rendered by the error table. The key is
checked before the body is read (who, then read), so that a stranger cannot make us parse megabytes.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from pipeline.errors import BadRequest, KeyOutOfScope, KeyRejected, PipelineError, PolicyBlocked
from pipeline.gateway.approval import approved
from pipeline.gateway.auth import bearer
from pipeline.gateway.endings import explain
from pipeline.gateway.error_table import upstream_error
from pipeline.gateway.http import Receive, Send, read_json
from pipeline.gateway.idempotency import answer_again, claim_of, is_claimed
from pipeline.gateway.leaving import Watch
from pipeline.gateway.model import Asked, Bound, Call, House, PolicySet
from pipeline.gateway.permission import circumstances, counted, permit, permit_request
from pipeline.gateway.proving import proven_caller
from pipeline.gateway.refusals import Looked, refused, unscreenable
from pipeline.gateway.reply import deliver, deliver_stream
from pipeline.gateway.room import await_room
from pipeline.gateway.routes import CALLERS
from pipeline.gateway.settle import Trail, settle_failure
from pipeline.gateway.wire import blocking_rules, first_blocked_path, is_blocked, passed_headers, understand
from pipeline.gateway.workers import INLINE_BYTES, worked
from pipeline.keys.caveats import Circumstances
from pipeline.keys.limits import Need
from pipeline.keys.lineage import call_scopes
from pipeline.keys.lineage_limits import admitted_all
from pipeline.keys.model import Caller
from pipeline.ledger.model import ClaimTaken, Intent, Receipt
from pipeline.routing.attempts import Answer, TargetsFailed, ask
from pipeline.routing.model import Attempt, Outbound, Plan, Target
from pipeline.routing.pricing import least_tokens
from pipeline.routing.tokens import estimate_unanswered
from pipeline.vaults.model import Asker
from redactors.model import RedactionError
from redactors.screen import Screened


async def converse(house: House, call: Call, receive: Receive, send: Send) -> None:
    """Answer one call of any surface, or raise the PipelineError that refuses it (already written down)."""
    caller: Caller | None = None
    asked: Asked | None = None
    bound: Bound | None = None
    looked: Looked | None = None
    try:
        try:
            caller = await identify(house, call)  # 2 (before 1: see above)
            around = circumstances(house, call.route, call.peer)
            permit(caller, around)
            asked = await read(house, call, receive)  # 1
            plan = place(house, caller, asked, around)  # 3
            policy = house.swapped.policies.of(caller, plan.policy)
            looked = Looked(policy)
            screened = await screen(house, policy, asked)  # 4
            looked = Looked(policy, screened)
            refuse_blocked(screened)
            await await_room(house, caller.key.workspace)  # for what will be told of it
            bound = price(house, call, asked, screened, plan, caller)  # 5
            await approved(house, call, caller, asked, bound)
            claim = await claim_of(house, call, caller, asked) if is_claimed(call.headers) else None
            answered = await answering(house, policy, screened, asked.size)
        except PipelineError as error:
            await refused(house, call, error, caller, asked, looked)
            raise
        trail = Trail(call, caller, asked, answered, screened, bound, claim)
        await carry_out(house, trail, receive, send)  # 6 to 10
    except PipelineError as error:
        if bound is not None:
            bound.admission.release()
        if caller is not None:
            error.headers = {**house.rates.headers(caller.key), **error.headers}
        raise
    finally:
        if bound is not None:
            bound.admission.release()


async def carry_out(house: House, trail: Trail, receive: Receive, send: Send) -> None:
    """Steps 6 to 10: write down, ask, answer, settle; or give the answer of the call that came first with the same idempotency key."""
    try:
        written = await write_down(house, trail)  # 6
        trail = replace(trail, over_soft=written.soft, key_micros=written.key_micros)
    except ClaimTaken as taken:
        await answer_again(house, trail, taken, send)
        return
    watch = Watch(receive) if trail.asked.stream else None
    try:
        answer = await question(house, trail, trail.screened, trail.bound.plan)  # 7, 8
        await _hand_over(house, trail, answer, watch, receive, send)  # 8, 9, 10
    except asyncio.CancelledError:
        if not (watch is not None and (watch.forgiven() or house.load.draining)):
            raise
    finally:
        if watch is not None:
            watch.stop()


async def _hand_over(house: House, trail: Trail, answer: Answer, watch: Watch | None, receive: Receive, send: Send) -> None:
    """Deliver the answer; a defect of ours must not leave the reservation open (settling twice changes nothing)."""
    try:
        if watch is not None:
            await deliver_stream(house, trail, answer, watch, send)
        else:
            await deliver(house, trail, answer, receive, send)
    except PipelineError:
        raise  # settled where it was raised
    except Exception as error:
        await settle_failure(house, trail, answer.attempts, error)
        raise


async def read(house: House, call: Call, receive: Receive) -> Asked:
    """Step 1: the body as the surface understands it, or 400, 408, 413, 415."""
    body, size = await read_json(receive, call.headers, house.limits)
    return understand(call.surface, body, size)


async def identify(house: House, call: Call) -> Caller:
    """Step 2: the proven identity, or 401; 403 for a role that calls no models."""
    token = bearer(call.headers)
    if token is None:
        raise KeyRejected("No API key was sent.", hint="Send a virtual key as `Authorization: Bearer lgk_…` or `x-api-key: lgk_…`.")
    caller = await proven_caller(house, token, call.peer)
    if caller.key.role not in CALLERS:
        raise KeyOutOfScope("An auditor's key reads; it does not call models.", hint="Use a key of the role key.", code="role_not_allowed")
    return caller


def place(house: House, caller: Caller, asked: Asked, around: Circumstances) -> Plan:
    """Step 3: the targets in order, or 403 and 404. The key's caveats look again, now at the model and the tools, at this time."""
    permit_request(caller, replace(around, at_us=house.clock.now_us()), asked.model, asked.body)
    return house.swapped.router.plan(asked.model)


async def screen(house: House, policy: PolicySet, asked: Asked) -> Screened:
    """Step 4: what the provider may see. Raises BadRequest for what cannot be looked at, 503 where that may change."""
    try:
        capture = house.swapped.capture_content
        if policy.recognizes:
            return await asyncio.get_running_loop().run_in_executor(house.waiting, _inspected, policy, asked, capture)
        if asked.size > INLINE_BYTES:
            return await asyncio.get_running_loop().run_in_executor(house.screening, _inspected, policy, asked, capture)
        return policy.prompt.inspect(asked.body)
    except RedactionError as error:
        raise unscreenable(error, "request") from None


def refuse_blocked(screened: Screened) -> None:
    """Step 4, its verdict: PolicyBlocked with rule ids and the place, never the text."""
    if is_blocked(screened.verdict):
        raise PolicyBlocked(blocking_rules(screened.remarks), param=first_blocked_path(screened.remarks))


async def answering(house: House, policy: PolicySet, screened: Screened, size: int) -> PolicySet:
    """The policy for the answer to this prompt, in which its pseudonyms are put back where that is allowed.

    Each value is looked at, and a long prompt may hold a hundred thousand.
    """
    if not policy.restores:
        return policy
    answer = await worked(house.screening, size, screened.answering, policy.answer, policy.restores, house.is_dirty)
    return replace(policy, answer=answer)


def _inspected(policy: PolicySet, asked: Asked, capture: bool) -> Screened:
    """Screen on another thread; what telemetry captures and the counts are made there too, so that the event loop finds them ready."""
    screened = policy.prompt.inspect(asked.body)
    _ = screened.totals
    if capture:
        _ = screened.clean
    return screened


def price(house: House, call: Call, asked: Asked, screened: Screened, plan: Plan, caller: Caller) -> Bound:
    """Step 5: what the call costs at worst; rate limits, or 429.

    One attempt is answered, or none: at most the dearest target's worst case, and the input of every other attempt that may have been
    sent and never answered, each of which the provider may bill.
    """
    body = _object(screened)
    pricer = house.swapped.pricer
    unanswered = estimate_unanswered(call.surface, body)
    inward = [pricer.cost(target, unanswered).micros for target in plan.targets]
    worst = max(max(pricer.worst_case(target, call.surface, body), least) for target, least in zip(plan.targets, inward, strict=True))
    need = Need()
    if any(key.tpm_limit for key in caller.lineage):
        most = max(pricer.most_tokens(target, call.surface, body) for target in plan.targets)
        need = Need(least_tokens(call.surface, body, unanswered.input), most)
    admission = admitted_all(house.rates, caller, need)  # last: from here on it must be given back
    return Bound(worst + max(plan.max_attempts - 1, 0) * max(inward), plan, pricer, unanswered, admission)


async def write_down(house: House, trail: Trail) -> Receipt:
    """Step 6: the intent and the reservations, durably, before anything leaves. Raises BudgetExceeded, LedgerError or ClaimTaken."""
    scopes = call_scopes(trail.caller, trail.asked.model)
    try:
        async with counted(house, trail.caller, trail.claim):
            return await house.ledger.open(Intent(trail.start_event(house), trail.bound.micros, scopes, trail.claim))
    except PipelineError as error:
        await refused(house, trail.call, error, trail.caller, trail.asked, Looked(trail.policy, trail.screened))
        raise


async def question(house: House, trail: Trail, screened: Screened, plan: Plan) -> Answer:
    """Steps 7 and 8: resolve the target's secret and ask; before the first piece a failure moves on to the next target.

    Whatever ends the asking without an answer is settled here: charged is what a provider may bill of it, and the rest released.
    """
    call, key = trail.call, trail.caller.key
    body = _object(screened)
    headers = passed_headers(call.headers, lambda text: any(remark.detector != "pii" for remark in house.recorder.text(text).remarks))
    tried: list[Attempt] = []

    def outbound(target: Target) -> Outbound:
        return Outbound(call.surface, body, trail.asked.stream, target, call.request_id, headers)

    environments = trail.caller.environments(house.site.environment)
    open_key = house.open_key(Asker(key.workspace, key.id, call.request_id, environments))
    try:
        return await ask(plan, outbound, open_key, house.providers, house.swapped.router, house.clock, tried=tried)
    except TargetsFailed as failed:
        error = upstream_error(failed.last, explain(house, trail, failed.last))
        await settle_failure(house, trail, tuple(tried), error)
        raise error from None
    except asyncio.CancelledError:
        # A request that was under way is billed by most providers, so that leaving early is no way around a budget.
        await asyncio.shield(settle_failure(house, trail, tuple(tried), None))
        raise
    except Exception as error:
        await settle_failure(house, trail, tuple(tried), error)
        raise


def _object(screened: Screened) -> dict[str, Any]:
    body = screened.outbound
    if not isinstance(body, dict):
        raise BadRequest("The body is not a JSON object.")
    return body
