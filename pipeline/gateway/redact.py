"""`POST /v1/redact`: the engine over HTTP, for programs that want clean text and no model, under the policy of the caller's own key.

What it shares with `redact_stream` is here too: who calls, under which policy, within which limits, and what is written down.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any, Final, cast

import orjson

from pipeline.errors import BadRequest, KeyOutOfScope, KeyRejected, PipelineError
from pipeline.gateway.auth import bearer
from pipeline.gateway.error_table import spoken
from pipeline.gateway.events import by_rule, counted, redaction_counts
from pipeline.gateway.model import House, PolicySet
from pipeline.gateway.permission import counted as counted_call
from pipeline.gateway.proving import proven_caller
from pipeline.gateway.refusals import unscreenable
from pipeline.gateway.request import AdminRequest, Reply, Who, admin_event
from pipeline.gateway.workers import INLINE_BYTES, worked
from pipeline.keys.limits import Admission, Need
from pipeline.keys.lineage import facts
from pipeline.keys.lineage_limits import admitted_all
from pipeline.keys.model import Caller
from pipeline.keys.scope import allow_model
from pipeline.ledger.model import Event, RedactionCount
from redactors.findings import findings
from redactors.model import AnswerRedactor, Direction, Json, RedactionError, Totals, tally
from redactors.policy import DIRECTIONS

FINISH: Final = "gateway:redaction:finish"


async def redact(house: House, request: AdminRequest, who: Who | None, body: dict[str, Any]) -> Reply:
    """`POST /v1/redact {"text" | "json", "direction"?, "model"?}`: the same without what policy takes out, and what was found.

    `findings` are `{"start", "end", "rule", "kind", "action"}`, in `json` also `path`. `direction` is prompt, answer or telemetry (the
    default); with `model` the policy is that of calls for this model. A text that policy blocks comes back masked; its findings say so.
    """
    caller = await caller_of(house, request)
    with admitted(house, caller, house.load.place()) as admission:
        async with counted_call(house, caller):
            content, detail, counts = await _redacted(house, caller, body, _size(request))
        await house.ledger.append(noted(house, request, who, caller, FINISH, "ok", detail), redactions=counts)
        return Reply(content=content, headers=spoken(admission.headers(), "openai"))


async def _redacted(
    house: House, caller: Caller, body: dict[str, Any], size: int
) -> tuple[bytes, dict[str, Any], tuple[RedactionCount, ...]]:
    unknown = sorted(set(body) - {"text", "json", "direction", "model"})
    if unknown or ("text" in body) == ("json" in body):
        raise BadRequest('The body has either "text" or "json", and may have "direction" and "model".', hint='Send {"text": "…"}.')
    if "text" in body and not isinstance(body["text"], str):
        raise BadRequest("The field text is not a string.", hint='Send a tree as "json".', param="text")
    direction = direction_of(body.get("direction", "telemetry"))
    policy = policy_of(house, caller, body.get("model", ""))
    work = (policy, direction, body)
    if policy.recognizes:  # a model reads it, on a thread that may wait
        content, totals = await asyncio.get_running_loop().run_in_executor(house.waiting, _work, *work)
    else:
        content, totals = await worked(house.screening, size, _work, *work)
    refuse_live(house, content)
    house.metrics.redacted(direction, by_rule(totals))
    detail = {**about(policy, direction), "bytes": len(content), "redactions": counted(totals)}
    return content, detail, redaction_counts(direction, totals)


def _size(request: AdminRequest) -> int:
    """The bytes of the body; more than any that is small when it does not say, or is compressed."""
    declared = request.headers.get(b"content-length")
    return int(declared) if declared.isdigit() and not request.headers.get(b"content-encoding") else INLINE_BYTES + 1


def _work(policy: PolicySet, direction: Direction, body: Mapping[str, Any]) -> tuple[bytes, Totals]:
    """Everything that grows with the text, for whichever thread."""
    redactor = redactor_of(policy, direction)
    try:
        if "text" in body:
            text = redactor.text(body["text"])
            return orjson.dumps({"text": text.value, "findings": findings(text.remarks, paths=False)}), tally(text.remarks)
        tree = redactor.tree(cast(Json, body["json"]))
        return orjson.dumps({"json": tree.value, "findings": findings(tree.remarks, paths=True)}), tally(tree.remarks)
    except RedactionError as error:
        raise unscreenable(error, "text") from None


async def caller_of(house: House, request: AdminRequest) -> Caller:
    """The caller's key, which says which policy applies. A dashboard session has none."""
    token = bearer(request.headers)
    if token is None:
        raise KeyRejected("No API key was sent.", hint="Send a virtual key as `Authorization: Bearer lgk_…`.")
    if token.startswith("lgs_"):
        raise KeyOutOfScope("A dashboard session has no policy to redact under.", hint="Send a virtual key.", code="role_not_allowed")
    return await proven_caller(house, token, request.peer)


@contextmanager
def admitted(house: House, caller: Caller, place: AbstractContextManager[None]) -> Iterator[Admission]:
    """A place among the running calls, and within the limits of the caller's key (no tokens): redacting costs as much as a call does."""
    with place:
        admission = admitted_all(house.rates, caller, Need())
        try:
            yield admission
        finally:
            admission.release()


def policy_of(house: House, caller: Caller, model: Any) -> PolicySet:
    """The policy that applies to a caller, in calls for a model that it names; 403 and 404 as in those calls."""
    if not model:
        return house.swapped.policies.asked(caller)
    if not isinstance(model, str):
        raise BadRequest("The field model is not a string.", hint="Name one of GET /v1/models, or leave it out.", param="model")
    allow_model(caller, model)
    return house.swapped.policies.asked(caller, house.swapped.router.route(model).policy)


def redactor_of(policy: PolicySet, direction: Direction) -> AnswerRedactor:
    """The redactor of a direction."""
    found: dict[Direction, AnswerRedactor] = {"prompt": policy.prompt.redactor, "answer": policy.answer, "telemetry": policy.telemetry}
    return found[direction]


def direction_of(given: Any) -> Direction:
    """The direction that a caller named, or BadRequest."""
    if given not in DIRECTIONS:
        raise BadRequest(f"direction is {', '.join(DIRECTIONS)}.", hint="Leave it out for telemetry.", param="direction")
    return cast(Direction, given)


def refuse_live(house: House, content: bytes) -> None:
    """The last look: a live secret does not leave, even where the caller's policy lets it pass."""
    if house.is_dirty(content):
        raise PipelineError(
            "The text holds a live secret that its policy does not take out, so it is not sent back.",
            hint="Put known into the policy's rules for this direction.",
            code="live_secret",
            status=502,
            headers={"x-should-retry": "false"},
        )


def about(policy: PolicySet, direction: Direction) -> dict[str, Any]:
    """What every event of a redaction says: under which policy."""
    return {"direction": direction, **policy.facts}


def noted(
    house: House,
    request: AdminRequest,
    who: Who | None,
    caller: Caller,
    kind: str,
    outcome: str,
    detail: dict[str, Any],
    *,
    status: int = 200,
    error: str = "",
) -> Event:
    """An event of a redaction, in the workspace of the caller's key."""
    made = admin_event(house, request, who, kind, outcome, {**detail, **facts(caller)}, status=status, error=error)
    return replace(made, workspace_id=caller.key.workspace_id)
