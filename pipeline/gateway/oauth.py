"""`POST /v1/oauth/token`: OAuth 2.0 token exchange (RFC 8693). A virtual key or a service's token goes in, a child key comes out.

`scope` holds caveats, separated by spaces: `model:NAME`, `route:NAME`, `tool:NAME`, `cidr:NETWORK`, `environment:NAME`, `max_calls:N`.
`audience` and `resource` name this gateway (`server.audience`). Beyond the standard: `ttl`, `max_budget_usd`, `alias`, `purpose`,
`agent_id`, `session_id`, as in `POST /v1/keys/{id}/children`. Errors are those of RFC 6749, 5.2, and RFC 8693, 2.2.2.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qsl

from pipeline.clock import parse_rfc3339
from pipeline.errors import BadRequest, KeyOutOfScope, KeyRejected, PipelineError, RateLimited
from pipeline.gateway.http import Receive, Send, header_list, read_raw, send_json
from pipeline.gateway.model import House
from pipeline.gateway.permission import circumstances, permit
from pipeline.gateway.proving import proven_caller
from pipeline.gateway.refusals import write_refusal
from pipeline.gateway.request import AdminRequest, Who, admin_event
from pipeline.gateway.routes import CALLERS
from pipeline.keys.children import create_child
from pipeline.keys.lineage import facts
from pipeline.keys.model import Caller, Reach
from pipeline.keys.service import Actor
from pipeline.keys.tokens import is_token
from pipeline.ledger.model import Event

GRANT: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - the name of a kind of token
_OF_PROVIDERS: Final = ("urn:ietf:params:oauth:token-type:jwt", "urn:ietf:params:oauth:token-type:id_token")
_MOST_BYTES: Final = 65_536
_EXTRA: Final = ("ttl", "max_budget_usd", "alias", "purpose", "agent_id", "session_id")
_KNOWN: Final = frozenset(
    {"grant_type", "subject_token", "subject_token_type", "actor_token", "actor_token_type", "requested_token_type", "scope", *_EXTRA}
)
_LISTS: Final = {"route": "routes", "tool": "tools", "cidr": "cidrs", "environment": "environments"}
_TARGETS: Final = ("audience", "resource")
_SENT: Final = header_list({"cache-control": "no-store", "pragma": "no-cache"})
_UNSAID: Final = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")


class OAuthError(BadRequest):
    """A refusal with one of OAuth's own error codes."""


@dataclass(frozen=True, slots=True)
class Form:
    """The parameters of a request: each once, but for the targets, of which there may be several."""

    values: Mapping[str, str]
    targets: tuple[str, ...]


async def exchange(house: House, request: AdminRequest, _who: Who | None, receive: Receive, send: Send) -> None:
    """`POST /v1/oauth/token`: a child key for a key (RFC 8693), form-encoded. The subject token is the credential."""
    subject: Caller | None = None
    try:
        form = await _form(house, request, receive)
        subject = await _subject(house, request, form.values)
        answer = await _exchanged(house, request, form, subject)
    except PipelineError as error:
        if subject is not None:
            await write_refusal(house, partial(_refusal, house, request, subject, error))
        status, body, headers = oauth_error(error)
        await send_json(send, status, body, [*_SENT, *header_list(headers)])
        if subject is None:
            raise  # a stranger's is counted where every stranger's request is
        return
    await send_json(send, 200, answer, _SENT)


def _refusal(house: House, request: AdminRequest, subject: Caller, error: PipelineError) -> Event:
    """The event of an exchange that a proven key was refused."""
    key, detail = subject.key, {"code": error.code, "param": error.param or "", **facts(subject)}
    who = Who(key.id, key.role, key.org_id, key.workspace_id)
    return admin_event(house, request, who, "key:child:refuse", "refused", detail, status=oauth_error(error)[0], error=error.code)


async def _subject(house: House, request: AdminRequest, values: Mapping[str, str]) -> Caller:
    """Whose child is asked for."""
    if values.get("grant_type") != GRANT:
        raise OAuthError(f"grant_type is {GRANT}.", code="unsupported_grant_type")
    if values.get("requested_token_type", ACCESS_TOKEN) != ACCESS_TOKEN:
        raise OAuthError("Only access tokens are made here.")
    return await _proven(house, request, values, "subject_token")


async def _exchanged(house: House, request: AdminRequest, form: Form, subject: Caller) -> dict[str, Any]:
    values = form.values
    permit(subject, circumstances(house, request.route, request.peer))
    if subject.key.role not in CALLERS:
        raise OAuthError("An auditor's key has no children.", code="unauthorized_client")
    actor_id = await _actor(house, request, values, subject)
    body = {name: values[name] for name in _EXTRA if name in values} | _limits(values.get("scope", ""))
    if subject.subject:
        body.setdefault("agent_id", subject.subject)  # who the provider says it is
    if form.targets:
        body["caveats"] = {**body.get("caveats", {}), "audiences": _targets(house, form.targets)}
    key = subject.key
    made = await create_child(
        house.desk.office,
        Actor(key.id, request.request_id, key.org_id, request.peer),
        key.id,
        body,
        house.swapped.child_rules,
        within=Reach(key.org_id),
        actor_id=actor_id,
        how="token_exchange",
    )
    expires_in = (parse_rfc3339(made["expires_at"]) - house.clock.now_us()) // 1_000_000
    return {
        "access_token": made["key"],
        "issued_token_type": ACCESS_TOKEN,
        "token_type": "Bearer",
        "expires_in": max(0, expires_in),
        "scope": scope_of(made),
    }


def scope_of(view: Mapping[str, Any]) -> str:
    """The limits of a key as a scope: what `_limits` reads. Empty for a key without any."""
    caveats = view["caveats"]
    said = [f"model:{name}" for name in view["models"]]
    for word, name in _LISTS.items():
        said += [f"{word}:{each}" for each in caveats.get(name, ())]
    if "max_calls" in caveats:
        said.append(f"max_calls:{caveats['max_calls']}")
    return " ".join(said)


def oauth_error(error: PipelineError) -> tuple[int, dict[str, str], dict[str, str]]:
    """Status, body and headers of an error. A token that is not good is an `invalid_request` (RFC 8693, 2.2.2)."""
    if isinstance(error, RateLimited) or error.status >= 500:
        code, status = "temporarily_unavailable", error.status
    else:
        code, status = _code(error), 400
    said = f"{error.message} {error.hint}" if error.hint else error.message
    return status, {"error": code, "error_description": _UNSAID.sub("'", said)}, dict(error.headers)


def _code(error: PipelineError) -> str:
    if isinstance(error, OAuthError):
        return error.code
    if error.param == "caveats.audiences":
        return "invalid_target"
    if error.param == "models" or (error.param or "").startswith("caveats."):
        return "invalid_scope"
    if isinstance(error, KeyOutOfScope) and error.code != "wider_than_parent":
        return "unauthorized_client"
    return "invalid_request"


async def _form(house: House, request: AdminRequest, receive: Receive) -> Form:
    if request.headers.get(b"content-type").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise OAuthError("The content type is not application/x-www-form-urlencoded.")
    raw = await read_raw(receive, request.headers, house.limits, most=_MOST_BYTES)
    try:
        pairs = parse_qsl(raw.decode("utf-8"), keep_blank_values=False, strict_parsing=False, max_num_fields=64, errors="strict")
    except (ValueError, UnicodeDecodeError):
        raise OAuthError("The form cannot be read.") from None
    values: dict[str, str] = {}
    for name, value in pairs:
        if name not in _KNOWN:  # others are ignored, as RFC 6749 has it
            continue
        if name in values:
            raise OAuthError(f"The parameter {name} stands twice.")
        values[name] = value
    return Form(values, tuple(value for name, value in pairs if name in _TARGETS))


async def _proven(house: House, request: AdminRequest, values: Mapping[str, str], name: str) -> Caller:
    """The caller behind a token of the form: a virtual key, or a service's token of an identity provider."""
    token, kind = values.get(name, ""), values.get(f"{name}_type", "")
    if not token or kind not in (ACCESS_TOKEN, *_OF_PROVIDERS) or (kind in _OF_PROVIDERS and not is_token(token)):
        raise OAuthError(f"{name} is a virtual key or a service's token, and {name}_type says which.")
    try:
        return await proven_caller(house, token, request.peer)
    except KeyOutOfScope:
        raise
    except KeyRejected:
        raise OAuthError(f"{name} is not good, or not any more.") from None


async def _actor(house: House, request: AdminRequest, values: Mapping[str, str], subject: Caller) -> str:
    """The id of the key that acts for the subject; "" when none is named. It is of the same workspace."""
    if "actor_token" not in values:
        if "actor_token_type" in values:
            raise OAuthError("actor_token_type comes with an actor_token.")
        return ""
    actor = (await _proven(house, request, values, "actor_token")).key
    if (actor.org_id, actor.workspace_id) != (subject.key.org_id, subject.key.workspace_id):
        raise OAuthError("The actor is of another workspace.", code="unauthorized_client")
    return actor.id


def _limits(scope: str) -> dict[str, Any]:
    """What a scope asks for, as the fields of a child key; what it does not name is inherited."""
    models: list[str] = []
    caveats: dict[str, Any] = {}
    for said in scope.split():
        word, _, value = said.partition(":")
        if word == "model" and value:
            models.append(value)
        elif word in _LISTS and value:
            caveats.setdefault(_LISTS[word], []).append(value)
        elif word == "max_calls" and value.isascii() and value.isdigit() and len(value) < 14 and word not in caveats:
            caveats[word] = int(value)
        else:
            known = ", ".join(f"{name}:..." for name in ("model", *_LISTS, "max_calls"))
            raise OAuthError("The scope asks for something that is not known here.", hint=f"Known: {known}.", code="invalid_scope")
    return ({"models": models} if models else {}) | ({"caveats": caveats} if caveats else {})


def _targets(house: House, targets: tuple[str, ...]) -> list[str]:
    """The names of this gateway that a token is asked for. One for another service would be good for nothing here."""
    if not house.site.audience.issuperset(targets):
        raise OAuthError("No token for that audience or resource is made here.", code="invalid_target")
    return sorted(set(targets))
