"""One administrative request from its first header to its answer: who, may they, what, and once if they ask for that.

With an `Idempotency-Key` a write is claimed before it runs and its answer stored after (two transactions of their own around the
change's). A refusal (4xx) changed nothing and gives the claim back; anything worse leaves it `unknown`, because the change may stand.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import orjson

from pipeline.errors import IdempotencyError, KeyOutOfScope, LedgerError, PipelineError
from pipeline.gateway.http import Receive, Send, header_list, read_json, send_bytes, send_json
from pipeline.gateway.idempotency import is_claimed, kept_answer, send_again, token_of
from pipeline.gateway.kept import Told, Untold
from pipeline.gateway.model import House
from pipeline.gateway.refusals import write_refusal
from pipeline.gateway.request import AdminRequest, Reply, Who, admin_event, permitted, prove
from pipeline.gateway.routes import Route
from pipeline.gateway.workers import worked
from pipeline.ledger.model import Claim, ClaimTaken, Kept


async def answer_admin(house: House, route: Route, request: AdminRequest, receive: Receive, send: Send) -> None:
    """Prove the caller, check the role, run the endpoint, send its reply."""
    who: Who | None = None
    if route.roles is not None:
        try:
            who = await prove(house, request)
            if who.role not in route.roles:
                raise KeyOutOfScope(
                    "This key's role may not do that.",
                    hint=f"It needs the role {' or '.join(sorted(route.roles))}.",
                    code="role_not_allowed",
                )
            permitted(house, request, who)
        except PipelineError as error:
            await _note_refusal(house, request, who, error, "admin:access:deny" if who else "auth:key:reject")
            raise
    if who is None:
        await _run(house, route, request, who, receive, send)
        return
    try:
        await _run(house, route, request, who, receive, send)
    except KeyOutOfScope as error:
        await _note_refusal(house, request, who, error, "admin:access:deny")
        raise


async def _run(house: House, route: Route, request: AdminRequest, who: Who | None, receive: Receive, send: Send) -> None:
    if route.raw:
        await route.endpoint(house, request, who, receive, send)
        return
    body: dict[str, Any] = {}
    size = 0
    if request.method in ("POST", "PUT", "PATCH") and _has_body(request):
        body, size = await read_json(receive, request.headers, house.limits)
    if who is not None and request.method != "GET" and not route.repeatable and is_claimed(request.headers):
        await _once(house, route, request, who, body, size, send)
    else:
        await _send(send, await route.endpoint(house, request, who, body))


async def _once(house: House, route: Route, request: AdminRequest, who: Who, body: dict[str, Any], size: int, send: Send) -> None:
    """Run a write unless one with its key has run: then its answer is given again."""
    try:
        asked = (request.method, request.path, request.query_string.decode("latin-1"), *request.key_segment())
        parts = (who.id, token_of(request.headers), asked, body, house.clock.now_us())
        claim = await worked(house.pool, size, house.kept.claim, *parts)
        start = admin_event(house, request, who, "admin:request:start", "ok", {"method": request.method, "path": request.path}, status=0)
        try:
            await house.ledger.take(start, claim)
        except ClaimTaken as taken:
            told = await kept_answer(house, who.id, taken)
            detail = {"method": request.method, "path": request.path, "original_request_id": taken.request_id}
            await house.ledger.append(admin_event(house, request, who, "admin:request:replay", "ok", detail, status=told.status))
            await send_again(send, told, taken.request_id, {})
            return
    except IdempotencyError as error:
        await _note_refusal(house, request, who, error, "admin:request:refuse")
        raise
    reply = await _claimed(house, route, request, who, body, claim)
    answer = Untold("withheld", reply.status) if route.shown_once else _told(reply)
    length = len(answer.body) if isinstance(answer, Told) else 0
    kept = await worked(house.pool, length, house.kept.keep, claim, who.id, request.request_id, answer, house.clock.now_us())
    await _end(house, request, who, kept)
    await _send(send, reply)


async def _claimed(house: House, route: Route, request: AdminRequest, who: Who, body: dict[str, Any], claim: Claim) -> Reply:
    """Run the endpoint; when it fails the claim ends before the error goes on."""
    try:
        reply: Reply = await route.endpoint(house, request, who, body)
    except BaseException as error:
        status = error.status if isinstance(error, PipelineError) else 500
        kept = Kept("released")
        if status >= 500:
            kept = house.kept.keep(claim, who.id, request.request_id, Untold("unknown", status), house.clock.now_us())
        with suppress(LedgerError):  # owed: it is written when the store is back
            await asyncio.shield(_end(house, request, who, kept, status))
        raise
    return reply


async def _end(house: House, request: AdminRequest, who: Who, kept: Kept, status: int = 0) -> None:
    outcome = {"released": "refused", "unknown": "failed"}.get(kept.state, "ok")
    detail = {"method": request.method, "path": request.path, "kept": kept.state}
    await house.ledger.keep(admin_event(house, request, who, "admin:request:finish", outcome, detail, status=kept.status or status), kept)


def _told(reply: Reply) -> Told | Untold:
    """A reply as bytes; what comes piece by piece is not kept."""
    if reply.content is None:
        return Told(reply.status, {"content-type": "application/json", **reply.headers}, _json(reply))
    if isinstance(reply.content, bytes):
        return Told(reply.status, {"content-type": reply.content_type, **reply.headers}, reply.content)
    return Untold("incomplete", reply.status)


def _json(reply: Reply) -> bytes:
    # SQL rows have keys of a str subclass, which the strict encoder refuses.
    return orjson.dumps(reply.json, option=orjson.OPT_NON_STR_KEYS)


async def _send(send: Send, reply: Reply) -> None:
    headers = header_list(reply.headers)
    if reply.content is None:
        await send_json(send, reply.status, reply.json, headers)
    elif isinstance(reply.content, bytes):
        await send_bytes(send, reply.status, reply.content, [(b"content-type", reply.content_type.encode("ascii")), *headers])
    else:
        await send(
            {
                "type": "http.response.start",
                "status": reply.status,
                "headers": [(b"content-type", reply.content_type.encode("ascii")), *headers],
            }
        )
        async for piece in reply.content:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _note_refusal(house: House, request: AdminRequest, who: Who | None, error: PipelineError, kind: str) -> None:
    detail = {"path": request.path, "code": error.code}
    await write_refusal(house, lambda: admin_event(house, request, who, kind, "refused", detail, status=error.status, error=error.code))


def _has_body(request: AdminRequest) -> bool:
    return request.headers.get(b"content-length", "0") != "0" or b"transfer-encoding" in request.headers.values
