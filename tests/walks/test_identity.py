"""Tokens of an identity provider over HTTP: people administer by role, services call models as their key may, others get 401."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.gateway.table import route_table
from tests.identity_provider import AUDIENCE, ISSUER, IdentityProvider
from tests.pipeline.keys.test_tokens import attacks
from tests.servers.provider import running_provider
from tests.walks.asking import Line, body_for
from tests.walks.rig import MASK_ALL, Answer, Gateway, openai_target, refused_start, running_gateway

PEOPLE = {"admin": "platform", "auditor": "audit", "manager": "blue"}
GRANTS = [
    {"claim": "groups", "values": ["platform"], "role": "admin"},
    {"claim": "groups", "values": ["audit"], "role": "auditor"},
    {"claim": "groups", "values": ["blue"], "role": "manager", "workspace": "blue"},
    {"claim": "sub", "values": ["batch"], "service": "batch"},
    {"claim": "sub", "values": ["orphan"], "service": "nobody"},
]
READS = [route for route in route_table().routes if route.roles is not None and route.method == "GET" and "{" not in route.path]


@dataclass
class Company:
    gateway: Gateway
    idp: IdentityProvider
    service: dict[str, Any]

    def token(self, **claims: Any) -> str:
        return self.idp.token(**claims)


def document(provider_url: str) -> dict[str, Any]:
    return {
        "targets": [openai_target("echo", "echo", provider_url)],
        "models": {"echo": {"targets": ["echo"]}, "other": {"targets": ["echo"]}},
        "prices": {"openai/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2}},
        "policies": {"default": MASK_ALL},
        "workspaces": {"default": {}, "blue": {}},
        "identity": {
            "providers": [
                {
                    "issuer": ISSUER,
                    "audience": [AUDIENCE],
                    "jwks_file": "jwks.json",
                    "algorithms": ["RS256", "ES256", "EdDSA"],
                    "roles": GRANTS,
                }
            ]
        },
    }


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    idp, folder = IdentityProvider(int(time.time())), tmp_path_factory.mktemp("identity")
    (folder / "jwks.json").write_bytes(idp.jwks())
    with running_provider() as provider, running_gateway(folder, document(provider.url), LOCKGATE_LOG_LEVEL="INFO") as gateway:
        service = gateway.create_key(alias="batch", workspace="blue", models=["echo"], budget={"limit_usd": 1})
        yield Company(gateway, idp, service)


@pytest.mark.parametrize("role", PEOPLE)
@pytest.mark.parametrize("route", READS, ids=lambda route: route.path)
def test_a_person_reads_what_their_role_reads_and_nothing_else(company: Company, route: Any, role: str) -> None:
    if "/dashboard/" in route.path:
        return
    answer = company.gateway.call("GET", route.path, key=company.token(groups=[PEOPLE[role]]))
    assert (answer.status == 403) == (role not in route.roles), answer
    assert answer.status != 401


def test_what_a_person_does_is_written_down_under_their_subject(company: Company) -> None:
    made = company.gateway.call("POST", "/v1/keys", {"alias": "by-ana"}, key=company.token(sub="ana@example.com", groups=["platform"]))
    assert made.status == 201
    (event,) = company.gateway.events(request_id=made.headers["x-request-id"])
    assert (event["kind"], event["actor"]) == ("admin:key:create", "oidc:ana@example.com")


def test_a_manager_by_token_has_their_workspace_and_no_other(company: Company) -> None:
    token = company.token(groups=["blue"])
    made = company.gateway.call("POST", "/v1/keys", {}, key=token)
    assert (made.status, made.json["workspace"]) == (201, "blue")
    foreign = company.gateway.create_key(workspace="default")
    assert company.gateway.call("GET", f"/v1/keys/{foreign['id']}", key=token).status == 404
    assert [row["slug"] for row in company.gateway.call("GET", "/v1/workspaces", key=token).json["data"]] == ["blue"]


def test_a_manager_cannot_take_the_alias_of_a_service_and_with_it_its_calls(company: Company) -> None:
    token, gateway = company.token(groups=["blue"]), company.gateway
    made = gateway.call("POST", "/v1/keys", {"alias": "nobody"}, key=token)
    assert (made.status, made.json["error"]["code"]) == (403, "alias_not_allowed")
    own = gateway.call("POST", "/v1/keys", {"alias": "plain"}, key=token).json
    for method, path, body in (("PATCH", f"/v1/keys/{own['id']}", {"alias": "nobody"}), ("POST", "/key/generate", {"key_alias": "nobody"})):
        assert gateway.call(method, path, body, key=token).status == 403
    assert gateway.call("POST", "/v1/chat/completions", body_for("openai", "echo"), key=company.token(sub="orphan")).status == 403
    assert gateway.call("PATCH", f"/v1/keys/{own['id']}", {"metadata": {"team": "blue"}}, key=token).status == 200


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_a_service_calls_models_as_its_key_may(company: Company, path: str) -> None:
    gateway, token = company.gateway, company.token(sub="batch")
    before = gateway.admin("GET", f"/v1/keys/{company.service['id']}")["budget"]["spent_usd"]
    answer = gateway.call("POST", path, body_for("openai", "echo"), key=token)
    assert answer.status == 200, answer
    start = next(row for row in gateway.events(request_id=answer.headers["x-request-id"]) if row["kind"] == "gateway:call:start")
    assert (start["key_id"], start["detail"]["subject"]) == (company.service["id"], "batch")
    assert gateway.admin("GET", f"/v1/keys/{company.service['id']}")["budget"]["spent_usd"] > before
    refused = gateway.call("POST", path, body_for("openai", "other"), key=token)
    assert refused.status == 403


def test_a_service_redacts_sends_telemetry_and_administers_nothing(company: Company) -> None:
    gateway, token = company.gateway, company.token(sub="batch")
    assert gateway.call("POST", "/v1/redact", {"text": "hello"}, key=token).status == 200
    assert gateway.call("POST", "/v1/traces", {"resourceSpans": []}, key=token).status == 404, "proven; nobody takes traces here"
    assert [row["id"] for row in gateway.call("GET", "/v1/models", key=token).json["data"]] == ["echo"]
    assert gateway.call("GET", "/v1/keys", key=token).status == 403


def test_a_service_stops_with_its_key(company: Company) -> None:
    gateway, token = company.gateway, company.token(sub="batch")
    gateway.admin("POST", f"/v1/keys/{company.service['id']}/block")
    blocked = gateway.call("POST", "/v1/chat/completions", body_for("openai", "echo"), key=token)
    gateway.admin("POST", f"/v1/keys/{company.service['id']}/unblock")
    assert (blocked.status, blocked.json["error"]["code"]) == (401, "key_blocked")
    assert gateway.call("POST", "/v1/chat/completions", body_for("openai", "echo"), key=token).status == 200


@pytest.mark.parametrize(
    "claims", [{"groups": ["platform"]}, {"sub": "orphan"}, {"groups": ["nothing"]}], ids=["a person", "no key", "no grant"]
)
def test_who_is_granted_no_service_calls_no_model(company: Company, claims: dict[str, Any]) -> None:
    answer = company.gateway.call("POST", "/v1/chat/completions", body_for("openai", "echo"), key=company.token(**claims))
    assert (answer.status, answer.json["error"]["code"]) == (403, "role_not_allowed")


def told(gateway: Gateway, method: str, path: str, body: Any, token: str, source: str) -> Answer:
    line = Line(gateway.url, source)
    try:
        return line.send(method, path, body, {"authorization": f"Bearer {token}"})
    finally:
        line.close()


def test_every_attack_is_one_and_the_same_401_at_every_door(company: Company) -> None:
    gateway = company.gateway
    doors: list[tuple[str, str, Any]] = [
        ("GET", "/v1/keys", None),
        ("POST", "/v1/chat/completions", body_for("openai", "echo")),
        ("POST", "/v1/messages", body_for("anthropic", "echo")),
        ("POST", "/v1/redact", {"text": "hello"}),
        ("POST", "/v1/traces", {"resourceSpans": []}),
    ]
    good = gateway.call("GET", "/v1/keys", key=company.token(groups=["platform"]))
    assert good.status == 200
    said: dict[str, set[bytes]] = {path: set() for _, path, _ in doors}
    for number, token in enumerate(attacks(company.idp).values()):
        for door, (method, path, body) in enumerate(doors):
            answer = told(gateway, method, path, body, token, f"127.0.{door + 2}.{number + 1}")
            assert answer.status == 401, (number, path, answer)
            said[path].add(answer.body if path != "/v1/messages" else str(answer.json["error"]).encode())
    assert {path: len(bodies) for path, bodies in said.items()} == dict.fromkeys(said, 1), "nothing tells what was wrong"


def test_no_token_is_written_anywhere(company: Company) -> None:
    token = company.token(groups=["platform"], jti="to-be-looked-for")
    assert company.gateway.call("GET", "/v1/keys", key=token).status == 200
    signature = token.rsplit(".", 1)[1].encode()
    for name, content in company.gateway.written().items():
        assert signature not in content, name


@pytest.mark.parametrize(
    "change",
    [
        {"algorithms": ["HS256"]},
        {"algorithms": ["none"]},
        {"algorithms": []},
        {"audience": []},
        {"jwks_uri": "https://idp.example/jwks"},
        {"jwks_file": None, "jwks_uri": "http://idp.example/jwks"},
        {"jwks_file": None, "jwks_uri": "https://user:word@idp.example/jwks"},
        {"roles": [{"claim": "sub", "values": ["a"], "role": "key"}]},
        {"roles": [{"claim": "sub", "values": ["a"], "role": "manager"}]},
        {"roles": [{"claim": "sub", "values": ["a"], "role": "manager", "workspace": "no-such"}]},
        {"roles": [{"claim": "sub", "values": ["a"], "role": "admin", "service": "batch"}]},
        {"roles": [{"claim": "sub", "values": ["a"]}]},
    ],
    ids=str,
)
def test_a_provider_that_would_be_a_hole_stops_the_start(tmp_path: Path, change: dict[str, Any]) -> None:
    written = document("http://127.0.0.1:9")
    provider = {name: value for name, value in {**written["identity"]["providers"][0], **change}.items() if value is not None}
    code, printed = refused_start(tmp_path, {**written, "identity": {"providers": [provider]}})
    assert code != 0
    assert any(name in printed for name in ("identity", "jwks_uri", "no workspace"))
