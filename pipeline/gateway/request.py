"""Requests that administer or read: proven identity first, then the route's role, then the endpoint.

An endpoint is `async (house, request, who, body) -> Reply`. `who` is a key of a role or a dashboard session of a role.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from pipeline.errors import BadRequest, KeyOutOfScope, KeyRejected, PipelineError
from pipeline.gateway.auth import bearer
from pipeline.gateway.http import Headers, Receive, Send, header_list, read_json, send_bytes, send_json
from pipeline.gateway.model import House
from pipeline.gateway.routes import Route
from pipeline.keys.model import Role
from pipeline.ledger.model import Event


@dataclass(frozen=True, slots=True)
class AdminRequest:
    """One request outside the data plane."""

    request_id: str
    method: str
    path: str
    params: Mapping[str, str]
    query_string: bytes
    headers: Headers
    peer: str

    def query(self) -> dict[str, str]:
        """The query parameters; a repeated one is refused, because it is never meant."""
        pairs = parse_qsl(self.query_string.decode("latin-1"), keep_blank_values=True, max_num_fields=64)
        values = dict(pairs)
        if len(values) != len(pairs):
            raise BadRequest("A query parameter stands twice.", hint="Send each once.")
        return values


@dataclass(frozen=True, slots=True)
class Who:
    """A proven identity of the admin API. `workspace_id` limits what a manager sees; empty means the whole organization."""

    id: str
    role: Role
    org_id: str
    workspace_id: str = ""
    kind: str = "key"
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """What an endpoint answers: JSON, or bytes that come piece by piece."""

    status: int = 200
    json: Any = None
    content: AsyncIterator[bytes] | bytes | None = None
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


async def answer_admin(house: House, route: Route, request: AdminRequest, receive: Receive, send: Send) -> None:
    """Prove the caller, check the role, run the endpoint, send its reply."""
    who: Who | None = None
    if route.roles is not None:
        try:
            who = prove(house, request)
            if who.role not in route.roles:
                raise KeyOutOfScope(
                    "This key's role may not do that.",
                    hint=f"It needs the role {' or '.join(sorted(route.roles))}.",
                    code="role_not_allowed",
                )
        except PipelineError as error:
            await _note_refusal(house, request, who, error)
            raise
    body: dict[str, Any] = {}
    if request.method in ("POST", "PUT") and _has_body(request):
        body, _size = await read_json(receive, request.headers, house.limits)
    reply: Reply = await route.endpoint(house, request, who, body)
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


def prove(house: House, request: AdminRequest) -> Who:
    """The identity behind a virtual key or a dashboard session, or KeyRejected."""
    token = bearer(request.headers)
    if token is None:
        raise KeyRejected("No credential was sent.", hint="Send `Authorization: Bearer …` with an admin or auditor key.")
    if token.startswith("lgs_"):
        session = house.desk.sessions.current(token, request.peer)
        return Who(f"user:{session.user}", session.role, "default", kind="user")
    key = house.authenticator.authenticate(token, request.peer).key
    return Who(key.id, key.role, key.org_id, key.workspace_id if key.role == "manager" else "", models=key.models)


def admin_event(
    house: House,
    request: AdminRequest,
    who: Who | None,
    kind: str,
    outcome: str,
    detail: dict[str, Any],
    *,
    status: int = 200,
    error: str = "",
) -> Event:
    """An event of the admin API; its detail is redacted here."""
    return Event(
        id=house.new_id(),
        at_us=house.clock.now_us(),
        kind=kind,
        actor=who.id if who else "anonymous",
        outcome=outcome,
        detail=house.recorder.tree({**detail, "peer": request.peer}),
        request_id=request.request_id,
        org_id=who.org_id if who else "default",
        workspace_id=who.workspace_id if who else "",
        key_id=who.id if who and who.kind == "key" else "",
        status=status,
        error=error,
    )


async def _note_refusal(house: House, request: AdminRequest, who: Who | None, error: PipelineError) -> None:
    kind = "admin:access:deny" if who else "auth:key:reject"
    entry = admin_event(
        house, request, who, kind, "refused", {"path": request.path, "code": error.code}, status=error.status, error=error.code
    )
    try:
        await house.ledger.append(entry)
    except PipelineError:
        house.metrics.count_unwritten_refusal()


def _has_body(request: AdminRequest) -> bool:
    return request.headers.get(b"content-length", "0") != "0" or b"transfer-encoding" in request.headers.values
