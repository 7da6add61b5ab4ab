"""Managers and their workspaces: what belongs to another one does not exist for them, on every route that the table gives them.

Two workspaces, a manager of each, by key and by dashboard session; whatever is asked of the other's is answered as for nothing at all.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from pipeline.gateway.routes import Route
from pipeline.gateway.table import route_table
from tests.servers.provider import running_provider
from tests.walks.asking import body_for
from tests.walks.rig import MASK_ALL, Gateway, openai_target, running_gateway

PASSWORD = "four words make one"
OF_MANAGERS = [route for route in route_table().routes if route.roles is not None and "manager" in route.roles]
BY_ID = [route for route in OF_MANAGERS if "{id}" in route.path and route.path.startswith("/v1/keys")]
READING = [route for route in OF_MANAGERS if route.method == "GET" and "{" not in route.path and "/dashboard/" not in route.path]
NOBODY = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
BODIES: dict[str, Any] = {"rotate": {"overlap_s": 0}, "block": {}, "unblock": {}, "revoke": {}, "{id}": {"rpm_limit": 5}}

LITELLM: list[tuple[str, dict[str, Any]]] = [
    ("/key/info", {}),
    ("/key/update", {"key": "", "rpm_limit": 5}),
    ("/key/block", {"key": ""}),
    ("/key/unblock", {"key": ""}),
    ("/key/delete", {"keys": []}),
    ("/key/regenerate", {"key": ""}),
    ("/key/{key}/regenerate", {}),
]
"""LiteLLM's acts on a key; an empty text or list is where it is named."""
OF_EVENTS = ("/v1/audit/events", "/v1/audit/export")


@dataclass
class Company:
    gateway: Gateway
    managers: dict[str, str]
    keys: dict[str, dict[str, Any]]
    boss: dict[str, Any]


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    with running_provider() as provider:
        document = {
            "targets": [openai_target("echo", "echo", provider.url)],
            "models": {"echo": {"targets": ["echo"]}},
            "prices": {"openai/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2}},
            "policies": {"default": MASK_ALL},
            "workspaces": {"alpha": {"budget": {"limit_usd": 5}}, "beta": {}},
        }
        with running_gateway(tmp_path_factory.mktemp("isolation"), document, LOCKGATE_LOG_LEVEL="INFO") as gateway:
            managers = {slug: gateway.create_key(role="manager", workspace=slug)["key"] for slug in ("alpha", "beta")}
            for slug in ("alpha", "beta"):
                gateway.admin("POST", "/v1/users", {"name": f"ana-{slug}", "role": "manager", "workspace": slug, "password": PASSWORD})
                session = gateway.call("POST", "/v1/dashboard/sessions", {"name": f"ana-{slug}", "password": PASSWORD}).json
                assert (session["role"], session["workspace"]) == ("manager", slug)
                managers[f"session of {slug}"] = session["session"]
            keys = {slug: gateway.create_key(workspace=slug, alias=f"app-of-{slug}") for slug in ("alpha", "beta")}
            for key in keys.values():
                assert gateway.call("POST", "/v1/chat/completions", body_for("openai", "echo"), key=key["key"]).status == 200
            yield Company(gateway, managers, keys, gateway.create_key(role="admin", workspace="alpha", alias="boss"))


def told(company: Company, route: Route, manager: str, ident: str, child: str = "nobody") -> tuple[int, Any]:
    """What a manager is told of a key, without what differs from request to request."""
    path = route.path.replace("{id}", ident).replace("{child}", child)
    body = BODIES[path.rsplit("/", 1)[1]] if path.rsplit("/", 1)[1] in BODIES else BODIES["{id}"]
    answer = company.gateway.call(route.method, path, None if route.method == "GET" else body, key=company.managers[manager])
    return answer.status, answer.json


@pytest.mark.parametrize("manager", ["alpha", "session of alpha"])
@pytest.mark.parametrize("route", BY_ID, ids=lambda route: f"{route.method} {route.path}")
def test_a_key_of_another_workspace_does_not_differ_from_none(company: Company, route: Route, manager: str) -> None:
    nothing = told(company, route, manager, NOBODY)
    assert nothing[0] == 404
    for foreign in (company.keys["beta"]["id"], company.keys["beta"]["alias"], company.boss["id"], company.boss["alias"]):
        assert told(company, route, manager, foreign) == nothing
    assert company.gateway.call("GET", "/v1/models", key=company.keys["beta"]["key"]).status == 200, "and nothing was done to it"
    assert company.gateway.call("GET", "/v1/keys", key=company.boss["key"]).status == 200


@pytest.mark.parametrize("manager", ["alpha", "session of alpha"])
@pytest.mark.parametrize(("path", "body"), LITELLM, ids=[path for path, _ in LITELLM])
def test_litellms_words_reach_no_further(company: Company, path: str, body: dict[str, Any], manager: str) -> None:
    """By id, by alias and by the token itself: a key of another workspace is none."""

    def asked(named: str) -> tuple[int, Any]:
        sent = {name: [named] if value == [] else named if value == "" else value for name, value in body.items()}
        method, target = ("POST", path.replace("{key}", named)) if sent or "{" in path else ("GET", f"{path}?key={named}")
        answer = company.gateway.call(method, target, sent if method == "POST" else None, key=company.managers[manager])
        return answer.status, answer.json

    nothing = asked(NOBODY)
    assert nothing[0] == 404
    for foreign in (company.keys["beta"], company.boss):
        assert [asked(foreign[name]) for name in ("id", "alias", "key")] == [nothing] * 3
    assert company.gateway.call("GET", "/v1/models", key=company.keys["beta"]["key"]).status == 200, "and nothing was done to it"


@pytest.mark.parametrize("manager", ["beta", "session of beta"])
@pytest.mark.parametrize("route", BY_ID, ids=lambda route: f"{route.method} {route.path}")
def test_a_key_of_their_own_workspace_is_theirs(company: Company, route: Route, manager: str) -> None:
    made = company.gateway.create_key(workspace="beta")
    child = company.gateway.admin("POST", f"/v1/keys/{made['id']}/children", {})["id"] if "{child}" in route.path else "nobody"
    assert told(company, route, manager, made["id"], child)[0] in (200, 201)


@pytest.mark.parametrize("manager", ["alpha", "session of alpha"])
@pytest.mark.parametrize("route", READING, ids=lambda route: f"{route.method} {route.path}")
def test_no_list_shows_anything_of_another_workspace(company: Company, route: Route, manager: str) -> None:
    """Whole, and filtered by what belongs to the other one."""
    beta = company.keys["beta"]
    ids = {row["id"]: row["slug"] for row in company.gateway.admin("GET", "/v1/workspaces")["data"]}
    other = next(ident for ident, slug in ids.items() if slug == "beta")
    secrets = (beta["id"], beta["alias"], beta["hint"], other, '"beta"')
    for asked in (
        "",
        "?workspace=beta",
        f"?workspace={other}",
        f"?key={beta['id']}",
        "?group_by=workspace",
        "?format=csv",
        "?format=csv&workspace=beta",
    ):
        plain = route.path == "/v1/audit/export" and "format" not in asked
        query = f"{asked or '?'}{'&' if asked else ''}format=json" if plain else asked
        answer = company.gateway.call("GET", route.path + query, key=company.managers[manager])
        assert answer.status in (200, 400) or (route.path, answer.status) == ("/key/info", 404), answer  # the one that names one key
        for secret in secrets:
            # What a manager asked for themselves is in the events of their asking.
            text = (
                answer.body.decode()
                if not query and route.path not in OF_EVENTS
                else re.sub(r'"detail":\{[^}]*\}+', "", answer.body.decode())
            )
            if route.path in OF_EVENTS and "csv" in query:
                continue
            assert secret not in text, (query, secret)


def test_what_an_administrator_is_refused_is_no_business_of_a_manager(company: Company) -> None:
    """The path names what they look after elsewhere, wherever their key happens to stand."""
    path = f"/v1/keys/{company.keys['beta']['alias']}-former/children"
    asked = "/v1/audit/events?kind=gateway:request:refuse&limit=500"
    for _ in range(20):  # of many refusals in one second only the first have an event of their own
        assert company.gateway.call("GET", path, key=company.boss["key"]).status == 404
        if path in company.gateway.call("GET", asked, key=company.gateway.admin_key).body.decode():
            break
        time.sleep(0.3)
    readers = (company.gateway.admin_key, company.managers["alpha"])
    read = [company.gateway.call("GET", asked, key=key).body.decode() for key in readers]
    assert [path in text for text in read] == [True, False]


def test_what_a_manager_sees_of_their_own_is_there(company: Company) -> None:
    gateway, manager = company.gateway, company.managers["alpha"]
    assert [row["slug"] for row in gateway.call("GET", "/v1/workspaces", key=manager).json["data"]] == ["alpha"]
    aliases = {row["alias"] for row in gateway.call("GET", "/v1/keys", key=manager).json["data"]}
    assert aliases >= {"app-of-alpha"}
    assert not aliases & {"boss", "app-of-beta"}
    rows = gateway.call("GET", "/v1/spend?group_by=workspace", key=manager).json["data"]
    assert len(rows) == 1
    kinds = {row["kind"] for row in gateway.call("GET", "/v1/audit/events?limit=500", key=manager).json["data"]}
    assert "gateway:call:finish" in kinds


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 201, ""),
        ({"workspace": "alpha"}, 201, ""),
        ({"workspace": "beta"}, 404, "workspace_not_found"),
        ({"workspace": "nothing"}, 404, "workspace_not_found"),
        ({"role": "manager"}, 403, "role_not_allowed"),
        ({"role": "admin"}, 403, "role_not_allowed"),
        ({"role": "auditor"}, 403, "role_not_allowed"),
        ({"policy": "default"}, 403, "policy_not_allowed"),
        ({"organization": "default"}, 400, "invalid_request"),
        ({"created_by": "somebody"}, 400, "invalid_request"),
    ],
)
@pytest.mark.parametrize("manager", ["alpha", "session of alpha"])
def test_a_manager_makes_keys_at_home_and_promotes_nobody(
    company: Company, manager: str, body: dict[str, Any], status: int, code: str
) -> None:
    answer = company.gateway.call("POST", "/v1/keys", body, key=company.managers[manager])
    assert answer.status == status, answer
    if status == 201:
        assert (answer.json["workspace"], answer.json["role"]) == ("alpha", "key")
        return
    assert answer.json["error"]["code"] == code
    if status == 403:
        (event,) = company.gateway.events(request_id=answer.headers["x-request-id"])
        assert (event["kind"], event["outcome"], event["error"]) == ("admin:access:deny", "refused", code)


@pytest.mark.parametrize("field", ["role", "status", "workspace", "org_id", "id", "created_by", "calls_used", "digest"])
def test_no_update_promotes_a_key(company: Company, field: str) -> None:
    made = company.gateway.create_key(workspace="alpha")
    for key in (company.managers["alpha"], company.gateway.admin_key):
        assert company.gateway.call("PATCH", f"/v1/keys/{made['id']}", {field: "admin"}, key=key).status == 400
    assert company.gateway.admin("GET", f"/v1/keys/{made['id']}")["role"] == "key"


def test_an_idempotency_key_of_another_is_none_of_ours(company: Company) -> None:
    headers = {"idempotency-key": "shared-by-chance"}
    first = company.gateway.call("POST", "/v1/keys", {"alias": "mine-a"}, key=company.managers["alpha"], headers=headers)
    second = company.gateway.call("POST", "/v1/keys", {"alias": "mine-b"}, key=company.managers["beta"], headers=headers)
    assert (first.status, second.status) == (201, 201)
    assert second.json["workspace"] == "beta"


def test_a_manager_needs_a_workspace_that_exists(company: Company) -> None:
    for body, status in (
        ({"role": "manager"}, 400),
        ({"role": "manager", "workspace": "nothing"}, 404),
        ({"role": "auditor", "workspace": "beta"}, 400),
    ):
        assert (
            company.gateway.call("POST", "/v1/users", {"name": "bob", "password": PASSWORD, **body}, key=company.gateway.admin_key).status
            == status
        )
