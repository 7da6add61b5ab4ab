"""What is written down about a call that was let in: its start and its end.

A call that reached step 6 is settled exactly once: with what the provider counted, with our estimate where it did not say or
the stream was cut, or with nothing where no provider got it. An attempt that was sent and never answered is a charge of its own, of what
went in, also when another target answered after it. Events, charges, redaction counts and the encoded spans go into one transaction,
before the client sees the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from collectors.addressing import Addressed
from collectors.content import captured
from collectors.genai import CLIENT, CallFacts, Content, StoredContent, parameters_of
from pipeline.errors import PipelineError
from pipeline.gateway.contents import Owner
from pipeline.gateway.error_table import failed
from pipeline.gateway.events import by_rule, counted, event, redaction_counts
from pipeline.gateway.kept import Told, Untold, told_error
from pipeline.gateway.model import Asked, Bound, Call, House, PolicySet
from pipeline.gateway.workers import worked
from pipeline.keys.model import Caller
from pipeline.ledger.model import Charge, ChargeState, Claim, Event, Kept, Settlement
from pipeline.routing.model import Attempt, Cost, Target, Usage
from redactors.model import Clean, Json, Remark, Totals, tally
from redactors.restore import Restoring
from redactors.screen import Screened

_MANY: Final = 5_000
"""More remarks than this are counted on a worker thread."""


@dataclass(frozen=True, slots=True)
class Trail:
    """What is known of a call once it may go out: enough to settle it, whatever happens."""

    call: Call
    caller: Caller
    asked: Asked
    policy: PolicySet
    screened: Screened
    bound: Bound
    claim: Claim | None = None
    over_soft: tuple[str, ...] = ()  # the kinds of scope whose soft limit the call passes
    key_micros: int | None = None  # what the key had spent of its first budget when the call was written down

    @property
    def prompt_remarks(self) -> tuple[Remark, ...]:
        """What was done to the prompt."""
        return self.screened.remarks

    def start_event(self, house: House) -> Event:
        """`gateway:call:start`: the intent, with what was redacted from the prompt and the worst case in micro-dollars."""
        end_user = house.end_users.named_by(self.asked.body)
        detail = {
            "surface": self.call.surface,
            **({"end_user": end_user} if end_user else {}),
            **({"subject": self.caller.subject} if self.caller.subject else {}),
            "stream": self.asked.stream,
            "bytes": self.asked.size,
            **self.policy.facts,
            "reserved_micros": self.bound.micros,
            "prompt_redactions": counted(self.screened.totals),
            "peer": self.call.peer,
        }
        return event(house, self.call, "gateway:call:start", "ok", detail, self.caller, model=self.asked.model)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a call ended. `state` is None when no provider answered; what was sent in vain is charged all the same, by `attempts`.

    `told` is what its caller is told, where that is a whole answer or an error: what a repetition of the call is given.
    """

    outcome: str
    status: int
    state: ChargeState | None
    target: Target | None = None
    attempts: tuple[Attempt, ...] = ()
    usage: Usage = field(default_factory=Usage)
    cost: Cost | None = None
    error: str = ""
    answer_remarks: tuple[Remark, ...] = ()
    first_token_us: int = 0
    finish_reasons: tuple[str, ...] = ()
    response_model: str = ""
    response_id: str = ""
    answer: Clean[Json] | None = None
    told: Told | Untold | PipelineError | None = None


async def settle(house: House, trail: Trail, ending: Ending) -> None:
    """Steps 9 and 10: end the span, settle everything in one transaction. Raises LedgerError; then the client must not see success."""
    now_us = house.clock.now_us()
    call = trail.call
    totals = {"prompt": trail.screened.totals, "answer": await _totals(house, ending.answer_remarks)}
    charges = _charges(house, trail, ending, now_us)
    cost_micros = sum(charge.cost_micros for charge in charges)
    trail.bound.admission.used(ending.usage.total_input + ending.usage.total_output + _in_vain(charges, ending))
    said = captured(call.surface, trail.screened.clean, ending.answer) if house.swapped.capture_content else None
    stored = None
    if said is not None and house.swapped.stores_content:
        stored = await _stored(house, trail, said, now_us)
        said = None
    addressed = _spans(house, trail, ending, cost_micros, now_us, said, stored)
    outbox = addressed.rows
    detail: dict[str, Any] = {
        "surface": call.surface,
        "stream": trail.asked.stream,
        "attempts": [_attempt(attempt) for attempt in ending.attempts],
        "prompt_redactions": counted(totals["prompt"]),
        "answer_redactions": counted(totals["answer"]),
        "cost_micros": cost_micros,
        "tokens_in": ending.usage.total_input,
        "tokens_out": ending.usage.total_output,
        "finish_reasons": list(ending.finish_reasons),
        "charge_state": ending.state or (charges[-1].state if charges else "none"),
        **trail.policy.facts,
        "duration_us": now_us - call.at_us,
    }
    if stored is not None:
        detail["content"] = stored.unstored or list(stored.parts)
    if addressed.decisions:
        detail["sampling"] = dict(addressed.decisions)
    target_id = ending.target.id if ending.target else (ending.attempts[-1].target_id if ending.attempts else "")
    finish = event(
        house, call, "gateway:call:finish", ending.outcome, detail, trail.caller, model=trail.asked.model, target_id=target_id,
        status=ending.status, error=ending.error,
    )  # fmt: skip
    redactions = tuple(one for direction, some in totals.items() for one in redaction_counts(direction, some))
    for direction, some in totals.items():
        if some:
            house.metrics.redacted(direction, by_rule(some))
    house.metrics.call(call.surface, ending.outcome, ending.status, house.clock.monotonic() - call.started)
    events, kept = (*_restorations(house, trail), finish), await _kept(house, trail, ending, now_us)
    await house.ledger.close(Settlement(call.request_id, events, charges, outbox, redactions, kept))
    if outbox:
        house.backlog.added(outbox)
        house.wake_outbox()


async def _stored(house: House, trail: Trail, said: Content, now_us: int) -> StoredContent:
    """Put what was said into our own store, before a span refers to it."""
    key = trail.caller.key
    owner = Owner(trail.call.request_id, key.org_id, key.workspace_id, key.id, _label(house, trail.asked.model)[:255])
    return await house.contents.put(owner, said, now_us)


async def _kept(house: House, trail: Trail, ending: Ending, now_us: int) -> Kept | None:
    """How the call's claim ends, if it has one: with its whole answer, or with why there is none."""
    if trail.claim is None:
        return None
    told = ending.told if ending.told is not None else Untold("incomplete", ending.status)
    if isinstance(told, PipelineError):
        told = told_error(told, trail.call.dialect, trail.call.request_id)
    parts = (trail.claim, trail.caller.key.id, trail.call.request_id, told, now_us)
    return await worked(house.pool, len(told.body) if isinstance(told, Told) else 0, house.kept.keep, *parts)


async def settle_failure(house: House, trail: Trail, attempts: tuple[Attempt, ...], error: BaseException | None) -> None:
    """Settle a call that no provider answered: charged is what was sent in vain, the reservation is released, the attempts stay visible."""
    if isinstance(error, PipelineError):
        outcome, status, code = "failed", error.status, error.code
    elif error is None:
        outcome, status, code = "aborted", 499, "client_disconnected"
    else:
        outcome, status, code = "failed", 500, "internal_error"
    told = error if isinstance(error, PipelineError) else failed() if error is not None else None
    await settle(house, trail, Ending(outcome, status, None, attempts=attempts, error=code, told=told))


def _restorations(house: House, trail: Trail) -> tuple[Event, ...]:
    """`policy:answer:restore`: how many values of which kinds the caller got back for pseudonyms; none when it got none."""
    answer = trail.policy.answer
    if not isinstance(answer, Restoring) or not answer.restored:
        return ()
    detail = {"restored": dict(answer.restored), **trail.policy.facts}
    return (event(house, trail.call, "policy:answer:restore", "ok", detail, trail.caller, model=trail.asked.model),)


async def _totals(house: House, remarks: Sequence[Remark]) -> Totals:
    """Count what was done to an answer; a great many remarks on a worker thread."""
    if len(remarks) <= _MANY:
        return tally(remarks)
    return await asyncio.get_running_loop().run_in_executor(house.pool, tally, remarks)


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "target": attempt.target_id,
        "provider": attempt.provider,
        "model": attempt.model,
        "lane": attempt.lane,
        "outcome": attempt.outcome,
        "status": attempt.status,
        "duration_us": attempt.ended_us - attempt.started_us,
        "upstream_id": attempt.upstream_id,
        "reference": attempt.secret_reference,
        "version": attempt.secret_version,
        "fingerprint": attempt.secret_fingerprint,
        "unanswered": attempt.unanswered,
    }


def _charges(house: House, trail: Trail, ending: Ending, now_us: int) -> tuple[Charge, ...]:
    """A charge for each attempt that a provider may bill, in order: those that were never answered, then the one that was."""
    charges = []
    bound, answered = trail.bound, ending.state is not None
    for number, attempt in enumerate(ending.attempts, 1):
        # One that was answered, of which a defect of ours left nothing to settle by, is charged like one that was not.
        if not (attempt.unanswered or (attempt.outcome == "ok" and not answered)):
            continue
        target = next((target for target in bound.plan.targets if target.id == attempt.target_id), None)
        if target is not None:
            state: ChargeState = "aborted_estimated" if attempt.outcome == "cancelled" else "estimated"
            cost, took = bound.pricer.cost(target, bound.unanswered), (attempt.ended_us - attempt.started_us, 0)
            charges.append(_charge(house, trail, target, state, bound.unanswered, cost, number, attempt, now_us, took))
    if ending.state is not None and ending.target is not None and ending.cost is not None:
        last = ending.attempts[-1] if ending.attempts else None
        number, took = max(1, len(ending.attempts)), (now_us - trail.call.at_us, ending.first_token_us)
        charges.append(_charge(house, trail, ending.target, ending.state, ending.usage, ending.cost, number, last, now_us, took))
    return tuple(charges)


def in_vain_micros(trail: Trail, attempts: Sequence[Attempt]) -> int:
    """What the attempts are charged that were sent and never answered, in micro-dollars."""
    bound = trail.bound
    targets = {target.id: target for target in bound.plan.targets}
    return sum(bound.pricer.cost(targets[attempt.target_id], bound.unanswered).micros for attempt in attempts if attempt.unanswered)


def _in_vain(charges: tuple[Charge, ...], ending: Ending) -> int:
    """The tokens of the attempts that were never answered."""
    return sum(charge.tokens_input for charge in (charges if ending.state is None else charges[:-1]))


def _charge(
    house: House,
    trail: Trail,
    target: Target,
    state: ChargeState,
    usage: Usage,
    cost: Cost,
    number: int,
    attempt: Attempt | None,
    now_us: int,
    took: tuple[int, int],
) -> Charge:
    """The charge of one attempt. `took` is how long it was under way and how long until its first token, in microseconds."""
    key = trail.caller.key
    duration_us, first_token_us = took
    return Charge(
        id=house.new_id(),
        request_id=trail.call.request_id,
        at_us=now_us,
        org_id=key.org_id,
        workspace_id=key.workspace_id,
        key_id=key.id,
        model=trail.asked.model,
        target_id=target.id,
        provider=target.provider,
        provider_model=target.model,
        state=state,
        cost_micros=cost.micros,
        price_digest=cost.price_digest,
        tokens_input=usage.input,
        tokens_cache_read=usage.cache_read,
        tokens_cache_write_5m=usage.cache_write_5m,
        tokens_cache_write_1h=usage.cache_write_1h,
        tokens_input_audio=usage.input_audio,
        tokens_output=usage.output,
        tokens_reasoning=usage.reasoning,
        tokens_output_audio=usage.output_audio,
        tokens_input_image=usage.input_image,
        tokens_output_image=usage.output_image,
        service_tier=_label(house, usage.service_tier),
        attempt=number,
        streamed=trail.asked.stream,
        upstream_id=_label(house, attempt.upstream_id)[:255] if attempt else "",
        secret_reference=attempt.secret_reference if attempt else "",
        secret_version=attempt.secret_version if attempt else "",
        secret_fingerprint=attempt.secret_fingerprint if attempt else "",
        duration_us=duration_us,
        first_token_us=first_token_us,
    )


def _label(house: House, text: str) -> str:
    """A provider's own word or id, redacted as one that the event may just have shown: then it costs nothing."""
    clean = house.recorder.tree(text).value if text else ""
    return clean if isinstance(clean, str) else ""


_OPERATIONS = {
    "openai.chat": "chat",
    "openai.completions": "text_completion",
    "openai.embeddings": "embeddings",
    "anthropic.messages": "chat",
    "anthropic.count_tokens": "count_tokens",
}


def _spans(
    house: House, trail: Trail, ending: Ending, cost_micros: int, now_us: int, said: Content | None, stored: StoredContent | None
) -> Addressed:
    """The call's span with one child an attempt, rebuilt clean and encoded for every destination that gets it."""
    span = trail.call.span
    for number, attempt in enumerate(ending.attempts, 1):
        attributes = {
            "lockgate.attempt": number,
            "lockgate.target.id": attempt.target_id,
            "lockgate.lane": attempt.lane,
            "gen_ai.provider.name": attempt.provider,
            "http.response.status_code": attempt.status,
        }
        error = "" if attempt.outcome == "ok" else attempt.outcome
        span.child("lockgate.attempt", attempt.started_us * 1000, attempt.ended_us * 1000, attributes, kind=CLIENT, error_type=error)
    facts = _facts(trail, ending, cost_micros, said, stored)
    records = house.tracing.finish(span, facts, ended_ns=now_us * 1000)
    named = house.swapped.destinations_of(trail.caller.key.workspace)
    return house.addressing.address(records, facts, span.trace_id, named, span.parent_sampled)


def _facts(trail: Trail, ending: Ending, cost_micros: int, said: Content | None, stored: StoredContent | None) -> CallFacts:
    usage, key, asked = ending.usage, trail.caller.key, trail.asked
    counted = ending.state is not None
    return CallFacts(
        operation=_OPERATIONS[trail.call.surface],
        provider=ending.target.provider if ending.target else (ending.attempts[-1].provider if ending.attempts else ""),
        request_model=asked.model,
        response_model=ending.response_model,
        response_id=ending.response_id,
        finish_reasons=ending.finish_reasons,
        stream=asked.stream,
        first_token_s=ending.first_token_us / 1_000_000 if ending.first_token_us else None,
        error_type=ending.error,
        input_tokens=usage.total_input if counted else None,
        output_tokens=usage.total_output if counted else None,
        cache_read_tokens=usage.cache_read,
        cache_write_tokens=usage.cache_write_5m + usage.cache_write_1h,
        reasoning_tokens=usage.reasoning,
        parameters=parameters_of(asked.body),
        request_id=trail.call.request_id,
        workspace=key.workspace,
        key_id=key.id,
        target_id=ending.target.id if ending.target else "",
        attempts=len(ending.attempts),
        cost_micros=cost_micros if cost_micros or ending.cost else None,
        charge_state=ending.state or "",
        redactions=len(trail.prompt_remarks) + len(ending.answer_remarks),
        content=said,
        stored=stored,
    )
