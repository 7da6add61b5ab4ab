"""Caveats of keys over HTTP: each is honored at every surface, refused in the shape of its SDK, written down, and changed while it runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pipeline.gateway.table import route_table
from tests.servers.provider import running_provider
from tests.walks.asking import Line, body_for
from tests.walks.rig import MASK_ALL, Answer, Gateway, openai_target, running_gateway

PROXY = "127.0.0.9"
SURFACES: dict[str, tuple[str, Any]] = {
    "chat": ("/v1/chat/completions", body_for("openai", "echo")),
    "completions": ("/v1/completions", {"model": "echo", "prompt": "hello", "max_tokens": 8}),
    "embeddings": ("/v1/embeddings", {"model": "echo", "input": "hello"}),
    "messages": ("/v1/messages", body_for("anthropic", "echo")),
    "count_tokens": ("/v1/messages/count_tokens", body_for("anthropic", "echo")),
    "redact": ("/v1/redact", {"text": "hello"}),
    "telemetry": ("/v1/traces", {"resourceSpans": []}),
    "models": ("/v1/models", None),
    "children": ("/v1/keys/self/children", {}),
    "admin": ("/v1/workspaces", None),
}
CASES: list[tuple[dict[str, Any], str]] = [
    ({"cidrs": ["192.0.2.0/24"]}, "address_not_allowed"),
    ({"environments": ["production"]}, "environment_not_allowed"),
    ({"audiences": ["another-gateway"]}, "audience_not_allowed"),
]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_provider() as provider:
        document = {
            "targets": [openai_target("echo", "echo", provider.url)],
            "models": {"echo": {"targets": ["echo"]}, "other": {"targets": ["echo"]}},
            "prices": {"openai/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2}},
            "policies": {"default": MASK_ALL},
            "server": {"environment": "staging", "audience": ["gate-a"], "trusted_proxies": [f"{PROXY}/32"]},
        }
        with running_gateway(tmp_path_factory.mktemp("caveats"), document, LOCKGATE_LOG_LEVEL="INFO") as running:
            yield running


def ask(gateway: Gateway, name: str, key: str, *, source: str = "127.0.0.1", **headers: str) -> Answer:
    """One request of a surface from an address."""
    path, body = SURFACES[name]
    line = Line(gateway.url, source)
    try:
        return line.send("GET" if body is None else "POST", path, body, {"authorization": f"Bearer {key}", **headers})
    finally:
        line.close()


def refused_as(name: str, answer: Answer) -> str:
    """The code of a refusal, in the shape of the surface's SDK; Anthropic's has none, and telemetry has gRPC's."""
    assert answer.status == 403, answer
    if name in ("messages", "count_tokens"):
        assert answer.json["error"]["type"] == "permission_error"
        return ""
    if name == "telemetry":
        assert answer.json["message"]
        return ""
    assert answer.json["error"]["type"] == "permission_error"
    return str(answer.json["error"]["code"])


def written(gateway: Gateway, answer: Answer) -> list[dict[str, Any]]:
    """The events of a request. A receiver's refusal is answered first, in its own encoding, and written down right after."""
    for _ in range(100):
        if events := gateway.events(request_id=answer.headers["x-request-id"]):
            return events
        time.sleep(0.05)
    return []


def test_every_name_of_a_route_is_walked() -> None:
    """A route of a new name must be put into the table above."""
    assert {route.name for route in route_table().routes} == set(SURFACES)


@pytest.mark.parametrize("name", SURFACES)
@pytest.mark.parametrize(("caveat", "code"), CASES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_caveat_holds_at_every_surface_and_its_refusal_is_written_down(
    gateway: Gateway, name: str, caveat: dict[str, Any], code: str
) -> None:
    made = gateway.create_key(role="admin", caveats=caveat)
    answer = ask(gateway, name, made["key"])
    assert refused_as(name, answer) in (code, "")
    (event,) = written(gateway, answer)
    assert (event["outcome"], event["error"], event["key_id"]) == ("refused", code, made["id"])


@pytest.mark.parametrize("name", SURFACES)
def test_a_key_of_one_route_uses_that_and_no_other(gateway: Gateway, name: str) -> None:
    key = gateway.create_key(role="admin", caveats={"routes": [name]})["key"]
    for other in SURFACES:
        answer = ask(gateway, other, key)
        if other == name:
            assert answer.status not in (401, 403), answer
        else:
            assert refused_as(other, answer) in ("route_not_allowed", "")


def test_caveats_that_are_met_change_nothing(gateway: Gateway) -> None:
    met = {"cidrs": ["127.0.0.0/8"], "environments": ["staging", "production"], "audiences": ["gate-a"], "tools": ["search"]}
    key = gateway.create_key(models=["echo"], caveats=met)["key"]
    assert ask(gateway, "chat", key).status == ask(gateway, "messages", key).status == ask(gateway, "redact", key).status == 200


@pytest.mark.parametrize(
    ("path", "tools", "allowed"),
    [
        ("chat", {"tools": [{"type": "function", "function": {"name": "search"}}]}, True),
        (
            "chat",
            {"tools": [{"type": "function", "function": {"name": "search"}}, {"type": "function", "function": {"name": "rm"}}]},
            False,
        ),
        ("chat", {"tools": [{"type": "function", "name": "search", "function": {"name": "rm"}}]}, False),
        ("chat", {"tools": [{"type": "custom", "custom": {"name": "rm"}}]}, False),
        ("chat", {"tools": [{"type": "web_search_preview"}]}, False),
        ("chat", {"tools": [{"type": "mcp", "server_label": "search", "name": ["rm"]}]}, False),
        ("chat", {"tools": ["search"]}, False),
        ("chat", {"tools": {"name": "search"}}, False),
        ("chat", {"functions": [{"name": "rm"}]}, False),
        ("chat", {"web_search_options": {}}, False),
        ("messages", {"tools": [{"name": "search", "input_schema": {"type": "object"}}]}, True),
        ("messages", {"tools": [{"name": "rm", "input_schema": {"type": "object"}}]}, False),
        ("messages", {"tools": [{"type": "bash_20250124", "name": "bash"}]}, False),
        ("messages", {"mcp_servers": [{"type": "url", "name": "rm"}]}, False),
    ],
)
def test_only_tools_of_the_caveat_are_offered(gateway: Gateway, path: str, tools: dict[str, Any], allowed: bool) -> None:
    made = gateway.create_key(caveats={"tools": ["search"]})
    url, body = SURFACES[path]
    answer = gateway.call("POST", url, {**body, **tools}, key=made["key"])
    assert (answer.status == 403) != allowed, answer
    if not allowed and path == "chat":
        assert (answer.json["error"]["code"], answer.json["error"]["param"]) == ("tool_not_allowed", "tools")


def test_no_tool_at_all_can_be_asked_for(gateway: Gateway) -> None:
    key = gateway.create_key(caveats={"tools": []})["key"]
    assert ask(gateway, "chat", key).status == 200
    body = body_for("openai", "echo", tools=[{"type": "function", "function": {"name": "search"}}])
    assert gateway.call("POST", "/v1/chat/completions", body, key=key).status == 403


def test_a_number_of_calls_is_exact_and_refused_calls_are_given_back(gateway: Gateway) -> None:
    made = gateway.create_key(caveats={"max_calls": 5}, budget={"limit_usd": 1})
    for _ in range(3):  # refused before anything is sent: the worst case is more than the whole budget
        assert (
            gateway.call("POST", "/v1/chat/completions", body_for("openai", "echo") | {"max_tokens": 10**8}, key=made["key"]).status == 429
        )
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: ask(gateway, "chat", made["key"]), range(12)))
    assert sorted(answer.status for answer in answers) == [200] * 5 + [403] * 7
    assert {refused_as("chat", answer) for answer in answers if answer.status == 403} == {"calls_exhausted"}
    assert refused_as("redact", ask(gateway, "redact", made["key"])) == "calls_exhausted"
    assert ask(gateway, "models", made["key"]).status == 200, "a list is no call"
    shown = gateway.admin("GET", f"/v1/keys/{made['id']}")
    assert (shown["caveats"], shown["calls_used"]) == ({"max_calls": 5}, 5)
    gateway.admin("PATCH", f"/v1/keys/{made['id']}", {"caveats": {"max_calls": 6}})
    assert ask(gateway, "redact", made["key"]).status == 200
    assert ask(gateway, "chat", made["key"]).status == 403


def test_a_repetition_of_a_call_is_not_a_call(gateway: Gateway) -> None:
    key = gateway.create_key(caveats={"max_calls": 1})["key"]
    again = {"idempotency-key": "the-same"}
    first, second = ask(gateway, "chat", key, **again), ask(gateway, "chat", key, **again)
    assert (first.status, first.body) == (second.status, second.body)
    assert refused_as("chat", ask(gateway, "chat", key)) == "calls_exhausted"


@pytest.mark.parametrize(
    ("source", "forwarded", "allowed"),
    [
        (PROXY, "192.0.2.7", True),
        (PROXY, "::ffff:192.0.2.7", True),
        (PROXY, "198.51.100.1, 192.0.2.7", True),
        (PROXY, "192.0.2.7, 198.51.100.1", False),
        (PROXY, f"192.0.2.7, {PROXY}", True),
        (PROXY, "192.0.2.7, nonsense", False),
        (PROXY, "", False),
        ("127.0.0.1", "192.0.2.7", False),
    ],
)
def test_an_address_is_taken_from_a_trusted_proxy_and_from_nobody_else(
    gateway: Gateway, source: str, forwarded: str, allowed: bool
) -> None:
    key = gateway.create_key(caveats={"cidrs": ["192.0.2.0/24"]})["key"]
    answer = ask(gateway, "models", key, source=source, **({"x-forwarded-for": forwarded} if forwarded else {}))
    assert answer.status == (200 if allowed else 403)


def test_an_update_holds_from_its_answer_on_and_null_lifts_a_limit(gateway: Gateway) -> None:
    made = gateway.create_key(alias="changing")
    assert ask(gateway, "chat", made["key"]).status == 200
    changed = gateway.admin("PATCH", f"/v1/keys/{made['id']}", {"models": ["other"], "metadata": {"team": "blue"}, "rpm_limit": 100})
    assert (changed["models"], changed["metadata"], changed["rpm_limit"], changed["alias"]) == (
        ["other"],
        {"team": "blue"},
        100,
        "changing",
    )
    assert refused_as("chat", ask(gateway, "chat", made["key"])) == "model_not_allowed"
    gateway.admin("PUT", f"/v1/keys/{made['id']}", {"models": None, "caveats": {"routes": ["chat"]}})
    assert ask(gateway, "chat", made["key"]).status == 200
    assert ask(gateway, "embeddings", made["key"]).status == 403
    (newest, _) = gateway.events(kind="admin:key:update", key=made["id"])
    assert newest["detail"]["changed"] == {"models": None, "caveats": {"routes": ["chat"]}}


def test_the_command_line_sets_lifts_and_shows_caveats(gateway: Gateway) -> None:
    made = gateway.cli("keys", "create", "--alias", "narrow", "--route", "chat", "--cidr", "127.0.0.0/8", "--max-calls", "3", "--json")
    assert b'"max_calls": 3' in made.stdout
    gateway.cli("keys", "update", "narrow", "--tool", "search", "--lift", "cidrs", "--rpm", "60")
    shown = gateway.cli("keys", "show", "narrow").stdout.decode()
    assert "max-calls 3 (0 used), route chat, tool search" in shown
    assert gateway.cli("keys", "update", "narrow", "--lift", "gravity", check=False).returncode != 0
