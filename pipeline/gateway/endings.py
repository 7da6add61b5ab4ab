"""How an answer ends: what it is charged, what its headers say, and what is told of one that does not get through."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pipeline.errors import AllTargetsFailed, PipelineError
from pipeline.gateway.error_table import render, spoken
from pipeline.gateway.model import House
from pipeline.gateway.settle import Ending, Trail, in_vain_micros
from pipeline.gateway.streaming import error_event
from pipeline.gateway.wire import is_blocked
from pipeline.ledger.model import ChargeState
from pipeline.routing.attempts import Answer
from pipeline.routing.model import Cost, UpstreamError, Usage
from pipeline.routing.tokens import estimate
from pipeline.routing.usage import UsageMeter
from redactors.model import Remark

_ESTIMATED: Final[Mapping[ChargeState, ChargeState]] = {"observed": "estimated", "aborted_drained": "aborted_estimated"}


def last_words(trail: Trail, error: PipelineError) -> bytes:
    """The event that ends a stream in an error."""
    return error_event(trail.call.dialect, render(error, trail.call.dialect, trail.call.request_id).body)


def explain(house: House, trail: Trail, error: UpstreamError) -> str:
    """The provider's own message after redaction (at most 1,000 characters), or empty when it gave none.

    Empty too when it repeats a live secret that the policy does not mask: many providers quote the key that they refuse.
    """
    body = error.body
    text = ""
    if isinstance(body, dict):
        inner = body.get("error", body)
        text = inner.get("message", "") if isinstance(inner, dict) else inner
    elif isinstance(body, str):
        text = body
    if not isinstance(text, str) or not text:
        return ""
    # Redacted whole before it is cut: half a secret would not be recognized. It is at most as long as an error body that is kept.
    clean = trail.policy.answer.text(text)
    return "" if is_blocked(clean.verdict) or house.is_dirty(clean.value.encode("utf-8", "replace")) else clean.value[:1000]


def ending_of(
    house: House,
    trail: Trail,
    answer: Answer,
    meter: UsageMeter,
    outcome: str,
    status: int,
    state: ChargeState,
    remarks: tuple[Remark, ...],
    *,
    error: str = "",
    first_us: int = 0,
    told: PipelineError | None = None,
) -> Ending:
    """The ending of a call that a provider answered. Usage that it did not report is our own count, and flagged."""
    usage: Usage | None = meter.usage()
    if trail.call.surface == "anthropic.count_tokens":
        usage = Usage()  # counting is free
    elif usage is None or (state == "aborted_estimated" and not usage.total_output):
        usage = estimate(meter, trail.call.surface, trail.asked.body)
        state = _ESTIMATED.get(state, state)
    cost: Cost = trail.bound.pricer.cost(answer.target, usage)
    return Ending(
        outcome,
        status,
        state,
        answer.target,
        answer.attempts,
        usage,
        cost,
        error,
        remarks,
        first_us - trail.call.at_us if first_us else 0,
        tuple(meter.finish_reasons),
        meter.model,
        meter.response_id,
        told=told,
    )


def reply_headers(trail: Trail, answer: Answer, cost: Cost | None, redactions: int | None) -> dict[str, str]:
    """What every answer says of itself. A stream's cost and redactions are not known yet when its headers leave."""
    headers = {
        "x-lockgate-model": _token(trail.asked.model),
        "x-lockgate-deployment": _token(answer.target.id),
        "x-lockgate-attempts": str(max(1, len(answer.attempts))),
        **spoken(trail.bound.rate_headers, trail.call.dialect),
    }
    if trail.over_soft:
        headers["x-lockgate-budget-soft-limit"] = ",".join(trail.over_soft)
    if cost is not None:
        headers["x-lockgate-cost"] = f"{(cost.micros + in_vain_micros(trail, answer.attempts[:-1])) / 1_000_000:.6f}"
    if redactions is not None:
        headers["x-lockgate-redactions"] = str(redactions)
    return headers


def _token(text: str) -> str:
    """A header value: visible ASCII only."""
    if text.isascii() and text.isprintable() and " " not in text:
        return text[:256]
    return "".join(character if "!" <= character <= "~" else "?" for character in text)[:256]


def unscreenable_answer() -> PipelineError:
    """What a caller is told of an answer that could not be looked at."""
    return AllTargetsFailed(
        "The answer could not be screened, so it was not sent.", code="redaction_failed", status=502, headers={"x-should-retry": "false"}
    )


def stopping() -> PipelineError:
    """What a caller is told whose stream outlives the grace of a stop."""
    return PipelineError("The gateway is shutting down.", hint="Try again.", code="overloaded", status=503)


def live_answer() -> PipelineError:
    """What a caller is told of an answer that the last look stopped."""
    return AllTargetsFailed(
        "The answer held a live secret in a form that could not be masked, so it was not sent.",
        hint="The operator finds the event by this request id.",
        code="live_secret",
        headers={"x-should-retry": "false"},
    )
