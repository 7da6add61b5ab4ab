"""Telemetry of other programs on its way in: cleaned on a worker thread, in the outbox durably, then acknowledged.

One transaction writes the event, what was redacted, and the rows of every destination, so that what is acknowledged is in the outbox and
in the audit, and what policy took out is counted there. How a request came (HTTP, gRPC) is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from collectors.model import CollectorError, OutboxRow, Signal
from collectors.otlp.bodies import BodyLimits, TooLarge, UnknownCoding, decoded
from collectors.otlp.cleanse import Cleansed, Cleanser
from collectors.otlp.from_json import protobuf_of
from collectors.otlp.gathering import Seen
from pipeline.errors import BadRequest, KeyOutOfScope, KeyRejected
from pipeline.gateway.events import by_rule, counted, redaction_counts
from pipeline.gateway.intake import RETRY_S, Sent
from pipeline.gateway.model import House, PolicySet
from pipeline.gateway.permission import circumstances, permit
from pipeline.gateway.proving import proven_caller
from pipeline.gateway.room import TelemetryFull
from pipeline.gateway.routes import CALLERS
from pipeline.keys.lineage import facts
from pipeline.keys.model import Caller
from pipeline.ledger.model import Event

ACCEPT: Final = "gateway:telemetry:accept"


async def caller_of(house: House, token: str | None, peer: str) -> Caller:
    """The caller behind a credential; telemetry may be sent with every key that may call models, as far as its caveats permit."""
    if token is None:
        raise KeyRejected("No API key was sent.", hint="Send a virtual key as `Authorization: Bearer lgk_…` or `x-api-key: lgk_…`.")
    caller = await proven_caller(house, token, peer)
    if caller.key.role not in CALLERS:
        raise KeyOutOfScope("An auditor's key sends no telemetry.", hint="Send an application's key.", code="role_not_allowed")
    permit(caller, circumstances(house, "telemetry", peer))
    return caller


def destinations_for(house: House, caller: Caller, signal: Signal) -> tuple[str, ...]:
    """Where a caller's telemetry goes. Raises BadRequest (404) when that is nowhere, TelemetryFull (503) when one of them takes no more.

    A destination that says `block` lets no sender wait here: it keeps what it was refused and sends it again.
    """
    named = house.swapped.destinations_of(caller.workspace)
    destinations = tuple(name for name in house.intake.destinations[signal] if named is None or name in named)
    if not destinations:
        raise BadRequest(
            f"No destination takes {signal} of this workspace.",
            hint=f"The operator adds {signal} to the signals of one of telemetry.destinations.",
            code="no_destination",
            status=404,
        )
    answer = house.backlog.answer(destinations)
    if answer in ("block", "refuse"):
        house.metrics.outbox_full(answer)
        raise TelemetryFull(
            "A destination does not take its telemetry, and no more of it is kept.",
            hint="Send it again later.",
            headers={"retry-after": str(RETRY_S)},
        )
    return destinations


async def take_in(house: House, caller: Caller, sent: Sent, destinations: Sequence[str]) -> Cleansed:
    """Clean a request and put it into the outbox; returns once that is durable. Raises PipelineError: nothing was taken then.

    400 for what is no OTLP request, 413 and 415 by its body, 503 when it should come again later.
    """
    intake = house.intake
    policy = house.swapped.policies.of(caller)
    cleanser = Cleanser(policy.telemetry, resource=_stamp(caller), fault_s=intake.fault_s)
    work = (cleanser, intake.memory(policy.telemetry), sent, intake.limits, house.is_dirty)
    done, dirty = await intake.work(_work, *work)
    if done.items:
        house.metrics.telemetry_redacted(dict(by_rule(done.totals)))
        if done.tombstones:
            house.metrics.telemetry_tombstone(sent.signal, done.tombstones)
        rows = _rows(destinations, sent.signal, done, dirty=dirty)
        event = _event(house, caller, policy, sent, done, dirty=dirty, destinations=destinations)
        await house.ledger.append(event, redactions=redaction_counts("telemetry", done.totals), outbox=rows)
        house.backlog.added(rows)
        house.wake_outbox()
    return done


def _work(cleanser: Cleanser, seen: Seen, sent: Sent, limits: BodyLimits, is_dirty: Callable[[bytes], bool]) -> tuple[Cleansed, bool]:
    """Everything that grows with the request. The second value: a live secret stands where no text is (in an id, say)."""
    try:
        body = decoded(sent.body, sent.coding, limits)
        if sent.encoding == "json":
            body = protobuf_of(sent.signal, body)
        done = cleanser.cleanse(sent.signal, body, seen)
    except TooLarge as error:
        raise _bad(error, 413, "request_too_large", "Send smaller batches.") from None
    except UnknownCoding as error:
        raise _bad(error, 415, "unsupported_media_type", "Send gzip, deflate or no content-encoding.") from None
    except CollectorError as error:
        raise _bad(error, 400, "invalid_request", "Send an OTLP export request of this signal.") from None
    return done, any(is_dirty(payload.value) for payload, _ in done.parts)


def _rows(destinations: Sequence[str], signal: Signal, done: Cleansed, *, dirty: bool) -> list[OutboxRow]:
    """A row for each destination, and one that only counts what does not go there."""
    rows = []
    for destination in destinations:
        if not dirty:
            rows += [OutboxRow(destination, signal, payload.value, items) for payload, items in done.parts]
        if done.rejected:
            rows.append(OutboxRow(destination, signal, b"", done.rejected, withheld="policy"))
        if dirty and done.parts:
            rows.append(OutboxRow(destination, signal, b"", done.items - done.rejected, withheld="live_secret"))
    return rows


def _stamp(caller: Caller) -> tuple[tuple[str, str], ...]:
    """What every resource says of its sender; the key tells it, never the payload."""
    return (("lockgate.workspace", caller.workspace), ("lockgate.key.id", caller.key.id))


def _event(
    house: House, caller: Caller, policy: PolicySet, sent: Sent, done: Cleansed, *, dirty: bool, destinations: Sequence[str]
) -> Event:
    key = caller.key
    detail: dict[str, Any] = {
        "signal": sent.signal,
        "items": done.items,
        "bytes": len(sent.body),
        "destinations": list(destinations),
        **policy.facts,
        **facts(caller),
        "redactions": counted(done.totals),
        "peer": sent.peer,
    }
    if done.rejected:
        detail["rejected"] = done.rejected
    if done.tombstones:
        detail["tombstones"] = done.tombstones
    if dirty:
        detail["live_secret"] = True
    return Event(
        id=house.new_id(),
        at_us=house.clock.now_us(),
        kind=ACCEPT,
        actor=key.id,
        outcome="ok",
        detail=house.recorder.tree(detail),
        request_id=sent.request_id,
        org_id=key.org_id,
        workspace_id=key.workspace_id,
        key_id=key.id,
        status=200,
    )


def _bad(error: CollectorError, status: int, code: str, hint: str) -> BadRequest:
    message = str(error)
    return BadRequest(f"{message[0].upper()}{message[1:]}.", hint=hint, code=code, status=status)
