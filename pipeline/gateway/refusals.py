"""What is written down of requests that are turned away. Nothing was done for them, so a refusal stands even when it cannot be written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import BadRequest, KeyRejected, LedgerError, PipelineError, PolicyBlocked
from pipeline.gateway.events import by_rule, event, redaction_counts
from pipeline.gateway.model import Asked, Call, House, PolicySet
from pipeline.keys.model import Caller
from pipeline.ledger.model import Event, RedactionCount
from redactors.detectors.recognizer import RecognitionError
from redactors.model import RedactionError
from redactors.screen import Screened


@dataclass(frozen=True, slots=True)
class Looked:
    """How far the prompt of a call was looked at: under which policy, and with what result, if there is one yet."""

    policy: PolicySet
    screened: Screened | None = None


async def write_refusal(house: House, make: Callable[[], Event], redactions: Sequence[RedactionCount] = ()) -> None:
    """Write a refusal down; one that cannot be made or written is counted. `make` gives the event, whose detail it redacts."""
    try:
        await house.ledger.append(make(), redactions=redactions)
    except (LedgerError, RedactionError):
        house.metrics.count_unwritten_refusal()


async def refused(
    house: House, call: Call, error: PipelineError, caller: Caller | None, asked: Asked | None, looked: Looked | None = None
) -> None:
    """Write down a call that ended before anything was sent, and what was found in its prompt, if that was looked at."""
    blocked = isinstance(error, PolicyBlocked)
    kind = (
        "policy:prompt:block"
        if blocked
        else "auth:key:reject"
        if isinstance(error, KeyRejected) and caller is None
        else "gateway:call:refuse"
    )
    detail: dict[str, Any] = {"surface": call.surface, "code": error.code, "param": error.param or "", "peer": call.peer}
    if isinstance(error, PolicyBlocked):
        detail["rules"] = list(error.rules)
    if looked is not None:
        detail |= looked.policy.facts
    totals = looked.screened.totals if looked is not None and looked.screened is not None else {}
    if totals:
        house.metrics.redacted("prompt", by_rule(totals))
    model = asked.model if asked is not None else ""
    house.metrics.call(call.surface, "refused", error.status, house.clock.monotonic() - call.started)

    def make() -> Event:
        return event(house, call, kind, "refused", detail, caller, model=model, status=error.status, error=error.code)

    await write_refusal(house, make, redaction_counts("prompt", totals))


def unscreenable(error: RedactionError, what: str) -> PipelineError:
    """What a caller is told of `what` that could not be looked at: 400 `content_not_screenable`, or 503 where that may change."""
    message = f"The {what} could not be screened, so it was not sent: {error}."
    if isinstance(error, RecognitionError):
        return PipelineError(message, hint="Send it again later, or with less text.", code="recognition_unavailable", status=503)
    return BadRequest(
        message,
        hint="Send less text, or text that is nested less deeply.",
        code="content_not_screenable",
        headers={"x-should-retry": "false"},
    )
