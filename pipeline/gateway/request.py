"""Requests that administer or read: what one is, who makes it, what is answered and what is written down of it.

An endpoint is `async (house, request, who, body) -> Reply`. `who` is a key of a role or a dashboard session of a role.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from pipeline.errors import BadRequest, KeyRejected
from pipeline.gateway.auth import bearer
from pipeline.gateway.http import Headers
from pipeline.gateway.model import House
from pipeline.gateway.permission import circumstances, permit
from pipeline.gateway.proving import proven_identity, service_of
from pipeline.keys.caveats import RouteName
from pipeline.keys.model import Caller, Role
from pipeline.keys.tokens import is_token
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
    route: RouteName = "admin"

    def key_segment(self) -> tuple[str, ...]:
        """The segment of the path that names a key by what may be its token, which `path` does not show."""
        return (self.params["key"],) if "key" in self.params else ()

    def query(self) -> dict[str, str]:
        """The query parameters; a repeated one is refused, because it is never meant."""
        pairs = parse_qsl(self.query_string.decode("latin-1"), keep_blank_values=True, max_num_fields=64)
        values = dict(pairs)
        if len(values) != len(pairs):
            raise BadRequest("A query parameter stands twice.", hint="Send each once.")
        return values


@dataclass(frozen=True, slots=True)
class Who:
    """A proven identity of the admin API. `workspace_id` and `home` (its slug) limit a manager, to nothing where they are empty."""

    id: str
    role: Role
    org_id: str
    workspace_id: str = ""
    kind: str = "key"
    models: tuple[str, ...] = ()
    caller: Caller | None = field(default=None, repr=False)
    home: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What an endpoint answers: JSON, or bytes that come piece by piece."""

    status: int = 200
    json: Any = None
    content: AsyncIterator[bytes] | bytes | None = None
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


async def prove(house: House, request: AdminRequest) -> Who:
    """The identity behind a virtual key, a dashboard session or a token of an identity provider, or KeyRejected."""
    token = bearer(request.headers)
    if token is None:
        raise KeyRejected("No credential was sent.", hint="Send `Authorization: Bearer …` with an admin or auditor key.")
    if token.startswith("lgs_"):
        session = house.desk.sessions.current(token, request.peer)
        return Who(f"user:{session.user}", session.role, "default", session.workspace_id, kind="user", home=session.workspace)
    if is_token(token):
        return await _who_of_token(house, request, token)
    return _who_of_key(house.authenticator.authenticate(token, request.peer))


async def _who_of_token(house: House, request: AdminRequest, token: str) -> Who:
    identity = await proven_identity(house, token, request.peer)
    role, slug = identity.grant.role, identity.grant.workspace
    if role is None:
        return _who_of_key(service_of(house, identity))
    workspace_id = house.authenticator.workspace_id(slug) if role == "manager" else ""
    return Who(f"oidc:{identity.subject}", role, "default", workspace_id, kind="user", home=slug)


def _who_of_key(caller: Caller) -> Who:
    key = caller.key
    return Who(
        key.id,
        key.role,
        key.org_id,
        key.workspace_id if key.role == "manager" else "",
        models=key.models,
        caller=caller,
        home=key.workspace,
    )


def permitted(house: House, request: AdminRequest, who: Who) -> None:
    """Hold the caveats of a key; KeyOutOfScope for one that does not permit this."""
    if who.caller is not None:
        permit(who.caller, circumstances(house, request.route, request.peer))


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
