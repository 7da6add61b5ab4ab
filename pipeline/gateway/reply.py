"""The answer on its way back: screened, counted, settled, and only then completed.

Not streamed: the body is sent once it is settled. Streamed: clean events go out as they become safe; the terminator
(`[DONE]`, `message_stop`) waits for the settlement. A caller that leaves in the middle is charged what was streamed so far.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson

from pipeline.errors import LedgerError, PipelineError, PolicyBlocked
from pipeline.gateway.channels import AnswerBlocked
from pipeline.gateway.endings import ending_of, explain, last_words, live_answer, reply_headers, stopping, unscreenable_answer
from pipeline.gateway.error_table import failed, spoken, upstream_error
from pipeline.gateway.gathered import Gathered
from pipeline.gateway.http import JSON_TYPE, RawHeaders, Receive, Send, header_list, send_bytes
from pipeline.gateway.kept import Copy, Told
from pipeline.gateway.leaving import Watch, has_left
from pipeline.gateway.litellm_headers import litellm_headers
from pipeline.gateway.model import House
from pipeline.gateway.settle import Ending, Trail, settle
from pipeline.gateway.streaming import AnswerScreen, LeakFound, Sendable, Wire, encode
from pipeline.gateway.wire import blocking_rules, is_blocked, is_terminal, is_usage_only, screen_answer, stream_screen
from pipeline.gateway.workers import worked
from pipeline.ledger.model import ChargeState
from pipeline.routing.attempts import Answer
from pipeline.routing.model import Delta, UpstreamError
from pipeline.routing.usage import UsageMeter
from redactors.model import Clean, Json, RedactionError

_SSE_HEADERS: RawHeaders = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]
_SSE_NAMED = {name.decode(): value.decode() for name, value in _SSE_HEADERS}


async def deliver(house: House, trail: Trail, answer: Answer, receive: Receive, send: Send) -> None:
    """Send a whole answer: redact, price, settle, send. A caller who left meanwhile is charged all the same: the provider did its work."""
    meter = UsageMeter(trail.call.surface)
    try:
        await _deliver(house, trail, answer, meter, receive, send)
    except PipelineError:
        raise  # settled where it was raised
    except asyncio.CancelledError:
        # The gateway stops and its grace is over.
        ending = ending_of(house, trail, answer, meter, "aborted", 503, "observed", (), error="overloaded")
        await asyncio.shield(settle(house, trail, ending))
        raise
    except Exception:
        # A defect of ours after the provider has answered: it bills us, so the call is charged.
        ending = ending_of(house, trail, answer, meter, "failed", 500, "observed", (), error="internal_error", told=failed())
        await settle(house, trail, ending)
        raise


async def _deliver(house: House, trail: Trail, answer: Answer, meter: UsageMeter, receive: Receive, send: Send) -> None:
    delta = await _only(house, trail, answer, meter)
    try:
        clean = await _screened(house, trail, delta, meter)
    except RedactionError:
        shown = unscreenable_answer()
        ending = ending_of(house, trail, answer, meter, "failed", shown.status, "observed", (), error=shown.code, told=shown)
        await settle(house, trail, ending)
        raise shown from None
    if is_blocked(clean.verdict):
        blocked = PolicyBlocked(blocking_rules(clean.remarks), param="answer")
        ending = ending_of(house, trail, answer, meter, "refused", 400, "observed", clean.remarks, error="content_blocked", told=blocked)
        await settle(house, trail, ending)
        raise blocked
    ending = ending_of(house, trail, answer, meter, "ok", 200, "observed", clean.remarks)
    if house.swapped.capture_content:
        ending = replace(ending, answer=await _recorded(house, trail, delta.data, meter.written))
    body = orjson.dumps(clean.value)
    if house.is_dirty(body):
        leak = live_answer()
        ending = ending_of(house, trail, answer, meter, "refused", 502, "observed", clean.remarks, error="live_secret", told=leak)
        await settle(house, trail, ending)
        raise leak
    if has_left(receive):
        ending = replace(ending, outcome="aborted", status=499, state="aborted_drained", error="client_disconnected")
    headers = reply_headers(trail, answer, ending.cost, len(trail.prompt_remarks) + len(clean.remarks))
    headers |= litellm_headers(house.site.litellm_headers, trail, answer, headers)
    if trail.claim is not None:  # whole, whether or not its caller is still there: a repetition is given it
        ending = replace(ending, told=Told(200, {"content-type": "application/json", **headers}, body))
    await settle(house, trail, ending)
    headers |= spoken(trail.bound.rate_headers, trail.call.dialect)  # what the call used is known only now
    await send_bytes(send, 200, body, [JSON_TYPE, *header_list(headers)])


async def _only(house: House, trail: Trail, answer: Answer, meter: UsageMeter) -> Delta:
    """The one Delta of an answer that does not stream."""
    try:
        async for delta in answer.deltas:
            meter.see(delta)
            return delta
        raise UpstreamError("broken_stream")
    except UpstreamError as error:
        shown = upstream_error(error, explain(house, trail, error))
        await settle(house, trail, Ending("failed", shown.status, None, answer.target, answer.attempts, error=shown.code, told=shown))
        raise shown from None
    finally:
        await answer.aclose()


async def _screened(house: House, trail: Trail, delta: Delta, meter: UsageMeter) -> Any:
    text = trail.policy.answer
    return await worked(house.screening, meter.written, screen_answer, trail.call.surface, delta.data, text)


async def deliver_stream(house: House, trail: Trail, answer: Answer, watch: Watch, send: Send) -> None:
    """Send a streamed answer. Every way it can end is settled before its last byte, and none of them is silent."""
    headers = reply_headers(trail, answer, None, None)
    headers |= litellm_headers(house.site.litellm_headers, trail, answer, headers)
    copy = Copy(send, house.kept.max_answer_bytes, _SSE_NAMED | headers) if trail.claim is not None else None
    flow = _Flow(house, trail, answer, copy or send, watch)
    watch.may_read_on(house.read_on)
    start = [*_SSE_HEADERS, *header_list(headers)]
    await send({"type": "http.response.start", "status": 200, "headers": start})
    try:
        wire = await flow.pump()
        watch.stop()
        if flow.abandoned:
            await _abandoned(house, trail, answer, flow)
            return
        ending = ending_of(house, trail, answer, flow.meter, "ok", 200, "observed", flow.screen.remarks(), first_us=flow.first_us)
        if flow.gathered is not None:
            ending = replace(ending, answer=await _recorded(house, trail, flow.gathered.body(), flow.gathered.size))
        last = wire + b"data: [DONE]\n\n" if trail.call.dialect == "openai" else wire
        if copy is not None:
            ending = replace(ending, told=copy.ending_with(last))
        await settle(house, trail, ending)
        await send({"type": "http.response.body", "body": last, "more_body": False})
    except asyncio.CancelledError:
        await _break_off(house, trail, answer, flow.meter, flow.screen, watch, send, flow.first_us)
        raise
    except Exception as error:
        watch.stop()
        await answer.aclose()
        await _end_in_error(house, trail, answer, flow.meter, flow.screen, send, error, flow.first_us, copy)
        if not isinstance(error, UpstreamError | AnswerBlocked | LeakFound | LedgerError | RedactionError):
            raise  # a defect of ours: the caller has been told, the log is next
    finally:
        watch.stop()
        await answer.aclose()


class _Flow:
    """One streamed answer on its way: what was counted, screened and gathered of it so far."""

    def __init__(self, house: House, trail: Trail, answer: Answer, send: Send, watch: Watch) -> None:
        self._house, self._trail, self._answer, self._send, self._watch = house, trail, answer, send, watch
        self._left_at = -1
        self.screen = stream_screen(trail.call.surface, trail.policy.answer)
        self.meter = UsageMeter(trail.call.surface)
        self.gathered = Gathered(trail.call.surface) if house.swapped.capture_content else None
        self.first_us = 0

    @property
    def abandoned(self) -> bool:
        """Whether it was read on without its caller."""
        return self._left_at >= 0

    async def pump(self) -> Wire:
        """Send clean events as they come, those that came together in one message; gives the last bytes, which wait for the settlement."""
        house, surface = self._house, self._trail.call.surface
        together: list[Delta] = []
        tail: list[Delta] = []
        screened = 0
        async for delta in self._answer.deltas:
            shown = self._note(delta)
            if shown is not None:
                (tail if is_terminal(surface, shown) else together).append(shown)
            if delta.more and not tail:
                continue
            if self._watch.gone:
                await self._read_on()
                together.clear()
                if tail:
                    return b""
                continue
            events, screened = await _fed(house, self.screen, together, self.meter.written - screened), self.meter.written
            together.clear()
            if events:
                await self._send({"type": "http.response.body", "body": encode(events, house.is_dirty), "more_body": True})
            if tail:
                break
        return encode(self.screen.feed_all(tail) or self.screen.close(), house.is_dirty)

    async def _read_on(self) -> None:
        """The caller has left: what comes is counted, and no more than that. Too much of it ends the work."""
        if self._left_at < 0:
            self._left_at = self.meter.written
        if self.meter.written - self._left_at > 4 * self._house.read_on.tokens:
            self._watch.give_up()
            await asyncio.sleep(0)  # where the cancellation is raised

    def _note(self, delta: Delta) -> Delta | None:
        """Count an event; gives what the caller may see of it."""
        self.first_us = self.first_us or self._house.clock.now_us()
        self.meter.see(delta)
        if self.gathered is not None:
            self.gathered.see(delta)
        return _shown(self._trail, delta)


async def _fed(house: House, screen: AnswerScreen, deltas: list[Delta], size: int) -> Sequence[Sendable]:
    """Screen events that came together; a provider may send megabytes in one."""
    return await worked(house.screening, size, screen.feed_all, tuple(deltas))


async def _recorded(house: House, trail: Trail, body: dict[str, Any] | None, size: int) -> Clean[Json] | None:
    """The answer as telemetry may keep it. What cannot be made clean is not kept, and counted; the call itself still counts."""
    if body is None:
        return None
    try:
        if trail.policy.recognizes:
            return await asyncio.get_running_loop().run_in_executor(house.waiting, trail.policy.telemetry.tree, body)
        return await worked(house.screening, size, trail.policy.telemetry.tree, body)
    except RedactionError:
        house.metrics.content_dropped()
        return None


async def _abandoned(house: House, trail: Trail, answer: Answer, flow: _Flow) -> None:
    """Settle a stream that was read to its end after its caller had left: by the provider's numbers, where it gave any."""
    remarks, why = flow.screen.remarks(), "client_disconnected"
    ending = ending_of(house, trail, answer, flow.meter, "aborted", 499, "aborted_drained", remarks, error=why, first_us=flow.first_us)
    await asyncio.shield(_close_and_settle(house, trail, answer, ending))


async def _break_off(
    house: House, trail: Trail, answer: Answer, meter: UsageMeter, screen: AnswerScreen, watch: Watch, send: Send, first_us: int
) -> None:
    """Settle a stream that was cancelled: its caller left, or the gateway stops and its grace is over, which the caller is told."""
    status, why = (499, "client_disconnected") if watch.gone else (503, "overloaded")
    remarks = screen.remarks()
    ending = ending_of(house, trail, answer, meter, "aborted", status, "aborted_estimated", remarks, first_us=first_us, error=why)
    await asyncio.shield(_close_and_settle(house, trail, answer, ending))
    if not watch.gone:
        await send({"type": "http.response.body", "body": last_words(trail, stopping()), "more_body": False})


async def _close_and_settle(house: House, trail: Trail, answer: Answer, ending: Ending) -> None:
    try:
        await answer.aclose()
    finally:
        await settle(house, trail, ending)


def _shown(trail: Trail, delta: Delta) -> Delta | None:
    """Strip the usage that we asked for on our own account when the client did not."""
    if trail.call.dialect != "openai" or trail.asked.wants_usage:
        return delta
    if is_usage_only(delta):
        return None
    if "usage" in delta.data:
        data = {name: value for name, value in delta.data.items() if name != "usage"}
        return Delta(data, delta.event, delta.upstream_id, pieces=delta.pieces)
    return delta


async def _end_in_error(
    house: House,
    trail: Trail,
    answer: Answer,
    meter: UsageMeter,
    screen: AnswerScreen,
    send: Send,
    error: Exception,
    first_us: int,
    copy: Copy | None,
) -> None:
    """End a started stream with an explicit error event. What held back is not sent: it was never judged whole."""
    shown: PipelineError
    if isinstance(error, UpstreamError):
        shown = upstream_error(error, explain(house, trail, error))
    elif isinstance(error, AnswerBlocked):
        shown = PolicyBlocked(error.rules, param="answer")
    elif isinstance(error, LeakFound):
        shown = live_answer()
    elif isinstance(error, RedactionError):
        shown = unscreenable_answer()
    elif isinstance(error, LedgerError):
        shown = error
    else:
        shown = failed()
    if not isinstance(error, LedgerError):
        state: ChargeState = "aborted_estimated"
        remarks = screen.remarks()
        ending = ending_of(house, trail, answer, meter, "failed", shown.status, state, remarks, first_us=first_us, error=shown.code)
        if copy is not None:
            ending = replace(ending, told=copy.ending_with(last_words(trail, shown)))
        try:
            await settle(house, trail, ending)
        except LedgerError as unwritten:
            shown = unwritten
    await send({"type": "http.response.body", "body": last_words(trail, shown), "more_body": False})
