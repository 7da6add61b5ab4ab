"""`Idempotency-Key`: a request that comes twice happens once, and its caller is given the first answer again.

The claim is written with the intent, the answer with the settlement (the ledger's transactions), so that what a caller has seen to
its end is stored, and a crash between the two can never bill twice. The contract is Stripe's; the statuses for a key that is
used for something else (422) and for one in flight (409) are those of the IETF's draft (draft-ietf-httpapi-idempotency-key-header).
The SDKs send a 409 again by themselves and a 422 never, which is what each of the two needs; `x-should-retry: false` says so where
a 409 will not change.
"""

from __future__ import annotations

import asyncio
from typing import Final

from pipeline.errors import BadRequest, IdempotencyError
from pipeline.gateway.error_table import spoken
from pipeline.gateway.events import event
from pipeline.gateway.http import Headers, Send, header_list, send_bytes
from pipeline.gateway.kept import Told
from pipeline.gateway.model import Asked, Call, House
from pipeline.gateway.refusals import refused
from pipeline.gateway.settle import Trail
from pipeline.gateway.workers import worked
from pipeline.keys.model import Caller
from pipeline.ledger.model import Claim, ClaimTaken
from pipeline.store.claims import SealedAnswer, read_answer

HEADER: Final = b"idempotency-key"
ORIGINAL: Final = "x-lockgate-original-request-id"
_LONGEST: Final = 255

# What is said where the first request has ended and there is no answer to give back: a sentence and what to do.
_WITHOUT_ANSWER: Final[dict[str, tuple[str, str, str]]] = {
    "too_large": (
        "idempotency_answer_too_large",
        "The request with this Idempotency-Key was carried out; its answer was larger than what is kept.",
        "Use a new key to ask again, or ask the operator to raise idempotency.max_answer_bytes.",
    ),
    "incomplete": (
        "idempotency_answer_incomplete",
        "The request with this Idempotency-Key was broken off before its answer was complete; what had come by then was charged.",
        "Use a new key to ask again.",
    ),
    "withheld": (
        "idempotency_answer_withheld",
        "The request with this Idempotency-Key was carried out; its answer held a credential, which is shown once and never kept.",
        "Find what it made by the original request id; rotate or revoke it if its answer was lost.",
    ),
    "unknown": (
        "idempotency_outcome_unknown",
        "It is not known how the request with this Idempotency-Key ended; it may have been carried out, and is charged as if it was.",
        "Look before you repeat it; use a new key to ask again.",
    ),
    "live": (
        "idempotency_answer_withheld",
        "The request with this Idempotency-Key was carried out; its answer holds what has become a live secret since.",
        "Use a new key to ask again.",
    ),
    "unreadable": (
        "idempotency_answer_unreadable",
        "The request with this Idempotency-Key was carried out; its answer can no longer be opened.",
        "Use a new key to ask again.",
    ),
}


def is_claimed(headers: Headers) -> bool:
    """Whether a request comes with the header: all that one without it pays."""
    return HEADER in headers.values


def token_of(headers: Headers) -> str:
    """The header's value: 1 to 255 visible ASCII characters, or BadRequest 400."""
    token = headers.get(HEADER)
    if not 0 < len(token) <= _LONGEST or not all("!" <= character <= "~" for character in token):
        raise BadRequest(
            f"The Idempotency-Key is not 1 to {_LONGEST} visible ASCII characters.",
            hint="Send a random id, such as a UUID, and the same one with each repetition.",
            code="invalid_idempotency_key",
            headers={"x-should-retry": "false"},
        )
    return token


async def claim_of(house: House, call: Call, caller: Caller, asked: Asked) -> Claim:
    """The claim that a call comes with. Both spellings of a surface's path (with `/v1` and without) are the same request."""
    owner, token, surface = caller.key.id, token_of(call.headers), ("POST", call.surface)
    return await worked(house.pool, asked.size, house.kept.claim, owner, token, surface, asked.body, call.at_us)


async def answer_again(house: House, trail: Trail, taken: ClaimTaken, send: Send) -> None:
    """Give the caller the answer of the call that came first, or say why not (IdempotencyError). Asks nobody and costs nothing."""
    call, caller, asked = trail.call, trail.caller, trail.asked
    try:
        told = await kept_answer(house, caller.key.id, taken)
    except IdempotencyError as error:
        await refused(house, call, error, caller, asked)
        raise
    detail = {"surface": call.surface, "stream": asked.stream, "original_request_id": taken.request_id, "peer": call.peer}
    await house.ledger.append(event(house, call, "gateway:call:replay", "ok", detail, caller, model=asked.model, status=told.status))
    house.metrics.call(call.surface, "replayed", told.status, house.clock.monotonic() - call.started)
    await send_again(send, told, taken.request_id, spoken(trail.bound.rate_headers, call.dialect))


async def kept_answer(house: House, owner: str, taken: ClaimTaken) -> Told:
    """The stored answer of a claim that another request holds. Raises IdempotencyError where there is none to give."""
    if not taken.same_params:
        raise IdempotencyError(
            "This Idempotency-Key was used for another request.",
            hint="A key stands for one request: same method, path and body. Use a new one.",
            code="idempotency_mismatch",
            status=422,
            headers={"x-should-retry": "false", ORIGINAL: taken.request_id},
        )
    if taken.state == "open":
        raise _in_progress(taken)
    if taken.state != "done":
        raise _without_answer(taken.state, taken)

    def read() -> SealedAnswer | None:
        with house.desk.reader.connect() as connection:
            return read_answer(connection, taken.claim.digest, taken.request_id)

    def opened(found: SealedAnswer) -> Told:
        told = house.kept.open(taken.claim, owner, taken.request_id, found)
        if told is None:
            raise _without_answer("unreadable", taken)
        if house.is_dirty(told.body):  # the last look, again: what was nobody's secret when it was kept may be one now
            raise _without_answer("live", taken)
        return told

    loop = asyncio.get_running_loop()
    found = await loop.run_in_executor(house.pool, read)
    if found is None:
        raise _in_progress(taken)  # it expired this moment: the next try runs anew
    return await loop.run_in_executor(house.pool, opened, found)


async def send_again(send: Send, told: Told, original: str, more: dict[str, str]) -> None:
    """Send a stored answer: status and body as they were, headers that say what it is. A failure stays one: a client need not try again."""
    headers = {name: value for name, value in told.headers.items() if "ratelimit-" not in name}  # the limits stand otherwise now
    if told.status >= 400:
        for name in ("retry-after", "retry-after-ms"):
            headers.pop(name, None)
        headers["x-should-retry"] = "false"
    if "x-lockgate-cost" in headers:
        headers["x-lockgate-cost"] = "0.000000"
    headers |= {**more, "idempotent-replayed": "true", ORIGINAL: original}
    await send_bytes(send, told.status, told.body, header_list(headers))


def _in_progress(taken: ClaimTaken) -> IdempotencyError:
    return IdempotencyError(
        "The request with this Idempotency-Key is still under way.",
        hint="Try again in a moment: its answer is given to you then.",
        headers={"retry-after": "1", **({ORIGINAL: taken.request_id} if taken.request_id else {})},
    )


def _without_answer(why: str, taken: ClaimTaken) -> IdempotencyError:
    code, message, hint = _WITHOUT_ANSWER[why]
    return IdempotencyError(message, hint=hint, code=code, headers={"x-should-retry": "false", ORIGINAL: taken.request_id})
