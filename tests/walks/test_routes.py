"""Every route × every kind of caller: who may call what, generated from the route table, so that a new route is covered at once."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.gateway.routes import Route
from pipeline.gateway.table import route_table
from tests.servers.provider import running_provider
from tests.walks.asking import Line
from tests.walks.rig import MASK_ALL, Answer, Gateway, openai_target, running_gateway

ROUTES = route_table().routes
PROVEN = ("key", "manager", "auditor", "admin")
UNPROVEN = ("none", "bad", "malformed", "revoked", "blocked", "expired")
CODES = {
    "none": "invalid_api_key",
    "bad": "invalid_api_key",
    "malformed": "invalid_api_key",
    "revoked": "key_revoked",
    "blocked": "key_blocked",
    "expired": "key_expired",
}

# What somebody gets who may call the route and sends an empty object for a thing that does not exist. A route with roles that is not
# listed here fails the test: whoever adds one says what it answers.
ALLOWED: dict[tuple[str, str], int] = {
    ("GET", "/metrics"): 200,
    ("GET", "/openapi.json"): 200,
    ("GET", "/v1/models"): 200,
    ("GET", "/models"): 200,
    ("GET", "/v1/models/{id}"): 404,
    ("POST", "/v1/redact"): 400,
    ("POST", "/v1/redact/stream"): 415,
    ("POST", "/v1/keys"): 201,
    ("GET", "/v1/keys"): 200,
    ("GET", "/v1/keys/{id}"): 404,
    ("PATCH", "/v1/keys/{id}"): 404,
    ("PUT", "/v1/keys/{id}"): 404,
    ("POST", "/v1/keys/{id}/block"): 404,
    ("POST", "/v1/keys/{id}/unblock"): 404,
    ("POST", "/v1/keys/{id}/revoke"): 404,
    ("POST", "/v1/keys/{id}/rotate"): 404,
    ("POST", "/v1/keys/{id}/children"): 404,
    ("GET", "/v1/keys/{id}/children"): 404,
    ("POST", "/v1/keys/{id}/children/{child}/revoke"): 404,
    ("POST", "/v1/oauth/token"): 400,
    ("GET", "/v1/approvals"): 200,
    ("POST", "/v1/approvals/{id}/approve"): 404,
    ("POST", "/v1/approvals/{id}/deny"): 404,
    ("POST", "/v1/workspaces"): 400,
    ("GET", "/v1/workspaces"): 200,
    ("POST", "/v1/budgets"): 400,
    ("GET", "/v1/budgets"): 200,
    ("GET", "/v1/budgets/{id}"): 404,
    ("PUT", "/v1/budgets/{id}"): 400,
    ("DELETE", "/v1/budgets/{id}"): 404,
    ("GET", "/v1/alerts"): 200,
    ("POST", "/v1/users"): 400,
    ("GET", "/v1/users"): 200,
    ("DELETE", "/v1/users/{name}"): 404,
    ("POST", "/v1/secrets/{name}"): 400,
    ("GET", "/v1/secrets"): 200,
    ("GET", "/v1/secret-references/status"): 200,
    ("POST", "/v1/secret-references"): 400,
    ("GET", "/v1/secret-references"): 200,
    ("GET", "/v1/secret-references/usage"): 400,
    ("GET", "/v1/secret-references/{slug}/usage"): 404,
    ("GET", "/v1/secret-references/{slug}/versions"): 404,
    ("GET", "/v1/secret-references/{slug}"): 404,
    ("PUT", "/v1/secret-references/{slug}"): 404,
    ("DELETE", "/v1/secret-references/{slug}"): 404,
    ("POST", "/v1/secret-references/{slug}/disable"): 404,
    ("POST", "/v1/secret-references/{slug}/enable"): 404,
    ("POST", "/v1/secret-references/{slug}/refresh"): 404,
    ("POST", "/v1/secret-references/{slug}/verify"): 404,
    ("POST", "/key/generate"): 200,
    ("GET", "/key/info"): 200,
    ("GET", "/key/list"): 200,
    ("POST", "/key/update"): 400,
    ("POST", "/key/delete"): 400,
    ("POST", "/key/block"): 400,
    ("POST", "/key/unblock"): 400,
    ("POST", "/key/regenerate"): 400,
    ("POST", "/key/{key}/regenerate"): 404,
    ("POST", "/team/new"): 200,
    ("GET", "/team/info"): 400,
    ("GET", "/team/list"): 200,
    ("POST", "/team/update"): 400,
    ("POST", "/team/delete"): 409,
    ("POST", "/budget/new"): 400,
    ("POST", "/budget/info"): 400,
    ("GET", "/budget/list"): 200,
    ("POST", "/budget/update"): 400,
    ("POST", "/budget/delete"): 400,
    ("POST", "/user/new"): 200,
    ("GET", "/user/info"): 400,
    ("GET", "/model/info"): 200,
    ("GET", "/v1/model/info"): 200,
    ("GET", "/health"): 200,
    ("GET", "/v1/audit/events"): 200,
    ("GET", "/v1/audit/events/{id}/proof"): 404,
    ("GET", "/v1/audit/export"): 200,
    ("GET", "/v1/audit/checkpoints"): 200,
    ("POST", "/v1/audit/hash"): 400,
    ("GET", "/v1/spend"): 200,
    ("GET", "/v1/spend/report"): 200,
    ("POST", "/v1/spend/adjust"): 400,
    ("POST", "/v1/spend/reprice"): 400,
    ("GET", "/spend/logs"): 200,
    ("GET", "/spend/keys"): 200,
    ("GET", "/spend/tags"): 200,
    ("GET", "/global/spend"): 200,
    ("GET", "/global/spend/keys"): 200,
    ("GET", "/global/spend/tags"): 200,
    ("GET", "/global/spend/report"): 400,
    ("GET", "/v1/redactions"): 200,
    ("GET", "/v1/outbox"): 200,
    ("GET", "/v1/outbox/dead-letters"): 200,
    ("GET", "/v1/outbox/dead-letters/{id}"): 404,
    ("POST", "/v1/outbox/replay"): 400,
    ("POST", "/v1/outbox/drop"): 400,
    ("GET", "/v1/contents"): 200,
    ("GET", "/v1/contents/{id}"): 404,
    ("POST", "/v1/contents/delete"): 400,
    ("POST", "/v1/config/reload"): 200,
    ("POST", "/v1/dashboard/sessions"): 400,
    ("POST", "/v1/dashboard/views"): 400,
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_provider() as provider:
        document = {
            "targets": [openai_target("echo", "echo", provider.url)],
            "models": {"echo": {"targets": ["echo"]}},
            "prices": {"openai/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2}},
            "policies": {"default": MASK_ALL},
        }
        with running_gateway(tmp_path_factory.mktemp("routes"), document, LOCKGATE_LOG_LEVEL="INFO") as running:
            yield running


@pytest.fixture(scope="module")
def callers(gateway: Gateway) -> dict[str, str | None]:
    made = {role: gateway.create_key(role=role) for role in PROVEN}
    made["revoked"] = gateway.create_key(role="admin")
    made["blocked"] = gateway.create_key(role="admin")
    made["expired"] = gateway.create_key(role="admin", duration="1s")
    gateway.admin("POST", f"/v1/keys/{made['revoked']['id']}/revoke")
    gateway.admin("POST", f"/v1/keys/{made['blocked']['id']}/block")
    time.sleep(1.1)
    return {name: key["key"] for name, key in made.items()} | {"none": None, "bad": "lgk_" + "0" * 43, "malformed": "not-a-key"}


def name_of(route: Route) -> str:
    return f"{route.method} {route.path}"


def test_every_route_with_roles_says_what_it_answers() -> None:
    """`DELETE …/sessions/current` is spelled out in `expected`: what it answers depends on who asks."""
    unlisted = {(route.method, route.path) for route in ROUTES if route.roles is not None} - set(ALLOWED)
    assert unlisted == {("DELETE", "/v1/dashboard/sessions/current")}
    assert set(ALLOWED) <= {(route.method, route.path) for route in ROUTES}


def call(gateway: Gateway, route: Route, key: str | None) -> Answer:
    """Call a route from an address of its own: wrong keys are counted by address."""
    line = Line(gateway.url, f"127.0.1.{1 + ROUTES.index(route)}")
    path = re.sub(r"\{\w+\}", "nothing-of-that-name", route.path)
    headers = {"authorization": f"Bearer {key}"} if key else {}
    try:
        return line.send(route.method, path, {} if route.method in ("POST", "PUT", "PATCH") else None, headers)
    finally:
        line.close()


def expected(route: Route, caller: str) -> tuple[int, str]:
    """Status and code; 0 stands for anything that is neither a refusal of the caller nor a failure."""
    if route.path == "/v1/dashboard/sessions/current":
        if route.method == "GET" or caller in UNPROVEN:  # a session of the dashboard proves itself, a virtual key is none
            return 401, CODES[caller] if route.method == "DELETE" else ""
        return 0, ""
    if route.media:  # answers in the protocol of telemetry, which has codes of its own
        return (401 if caller in UNPROVEN else 403 if caller == "auditor" else 404), ""
    if route.surface is None and route.roles is None:
        return ALLOWED.get((route.method, route.path), 200), ""
    if caller in UNPROVEN:
        return 401, CODES[caller]
    if route.roles is not None and caller not in route.roles:
        return 403, "role_not_allowed"
    if route.surface is not None:
        return (403, "role_not_allowed") if caller == "auditor" else (400, "invalid_request")
    return ALLOWED.get((route.method, route.path), 0), ""


@pytest.mark.parametrize("caller", [*UNPROVEN, *PROVEN])
@pytest.mark.parametrize("route", ROUTES, ids=name_of)
def test_a_route_takes_exactly_those_who_may(gateway: Gateway, callers: dict[str, str | None], route: Route, caller: str) -> None:
    answer = call(gateway, route, callers[caller])
    status, code = expected(route, caller)
    if status:
        assert answer.status == status, answer
    else:
        assert answer.status not in (401, 403), answer
        assert answer.status < 500, answer
    if code and not route.path.endswith(("/messages", "/count_tokens")):
        assert answer.json["error"]["code"] == code
    if status == 401:
        assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["x-request-id"]


def test_every_refusal_of_a_caller_is_in_the_audit(gateway: Gateway, callers: dict[str, str | None]) -> None:
    for route in ROUTES:
        if route.roles is None or "key" in route.roles:
            continue
        for caller, kind in (("none", "auth:key:reject"), ("key", "admin:access:deny")):
            request_id = call(gateway, route, callers[caller]).headers["x-request-id"]
            assert [row["kind"] for row in gateway.events(request_id=request_id)] == [kind], name_of(route)


@pytest.mark.parametrize("twist", ["{}/", "/{}", "{}%2f", "{}/..", "{}/.", "{}%00", "{};x=1", "{}?x=1#y", "/x/..{}", "/./{}", "{}%20"])
def test_no_spelling_of_a_path_is_a_way_around_its_role(gateway: Gateway, callers: dict[str, str | None], twist: str) -> None:
    """Whatever a proxy or a framework makes of a path: nobody gets more than the plain one gives them."""
    for path in ("/v1/keys", "/v1/audit/events", "/v1/secrets", "/v1/users"):
        for spelling in (path, path.upper(), path.replace("/v1", "/v1/")):
            answer = gateway.call("GET", twist.format(spelling), key=callers["key"])
            assert answer.status in (400, 401, 403, 404, 405), (spelling, twist, answer.status)


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "PATCH", "PUT", "X-OWN"])
def test_no_other_method_is_a_way_around_a_role(gateway: Gateway, method: str) -> None:
    for path in ("/v1/keys", "/v1/audit/events", "/v1/chat/completions"):
        assert gateway.call(method, path, key=gateway.admin_key).status in (400, 404, 405)


def test_a_key_sees_no_model_that_it_may_not_use(gateway: Gateway) -> None:
    narrow = gateway.create_key(models=["another"])["key"]
    assert gateway.call("GET", "/v1/models", key=narrow).json["data"] == []
    hidden = gateway.call("GET", "/v1/models/echo", key=narrow)
    unknown = gateway.call("GET", "/v1/models/nothing", key=narrow)
    assert (hidden.status, hidden.body) == (unknown.status, unknown.body), "nothing differs from a model that does not exist"


def test_a_revocation_holds_at_once(gateway: Gateway) -> None:
    key = gateway.create_key(role="admin")
    assert gateway.call("GET", "/v1/keys", key=key["key"]).status == 200
    gateway.admin("POST", f"/v1/keys/{key['id']}/revoke")
    assert gateway.call("GET", "/v1/keys", key=key["key"]).status == 401


def test_openapi_lists_every_route_with_its_roles(gateway: Gateway) -> None:
    described: dict[str, dict[str, Any]] = gateway.call("GET", "/openapi.json").json["paths"]
    assert {(method.upper(), path) for path, methods in described.items() for method in methods} == {(r.method, r.path) for r in ROUTES}
    for route in ROUTES:
        operation = described[route.path][route.method.lower()]
        assert operation["summary"], name_of(route)
        if route.roles is not None:
            assert set(operation["x-roles"]) == route.roles
        if route.surface is not None:
            assert set(operation["x-roles"]) == {"key", "manager", "admin"}
        if route.roles is not None or route.surface is not None:
            assert operation["security"]


def test_every_route_that_changes_something_has_roles() -> None:
    """Nothing is open by omission: without roles are only the data plane, health, the description, and logging in."""
    public = {route.path for route in ROUTES if route.roles is None and route.surface is None}
    plain = {path for path in public if not path.startswith(("/health", "/healthz", "/readyz"))}
    assert {route.path for route in ROUTES if route.media} == {"/v1/traces", "/v1/logs", "/v1/metrics"}  # these prove their key themselves
    assert plain - {"/v1/traces", "/v1/logs", "/v1/metrics"} == {
        "/metrics",
        "/openapi.json",
        "/v1/dashboard/sessions",
        "/v1/dashboard/sessions/current",
        "/v1/oauth/token",  # the token that it is sent is the credential
    }
