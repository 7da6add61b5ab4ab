"""Child keys over HTTP: made by the key itself, held to its limits, ended with it; money returns once, through kill -9."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.servers.provider import running_provider
from tests.walks.rig import MASK_ALL, Answer, Gateway, openai_target, running_gateway

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS = "urn:ietf:params:oauth:token-type:access_token"
HERE = "https://gateway.test"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_provider() as provider:
        document = {
            "targets": [openai_target("echo", "echo", provider.url), openai_target("other", "echo", provider.url)],
            "models": {"echo": {"targets": ["echo"]}, "other": {"targets": ["other"]}},
            "prices": {"openai/*": {"input_per_mtok_usd": 100, "output_per_mtok_usd": 200}},
            "policies": {"default": MASK_ALL},
            "child_keys": {"max_ttl_s": 7_200, "max_depth": 2},
            "server": {"audience": [HERE]},
        }
        with running_gateway(tmp_path_factory.mktemp("children"), document, LOCKGATE_LOG_LEVEL="INFO") as running:
            yield running


def chat(gateway: Gateway, key: str, model: str = "echo", **more: Any) -> Answer:
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 5, **more}
    return gateway.call("POST", "/v1/chat/completions", body, key=key)


def child_of(gateway: Gateway, key: str, **body: Any) -> Any:
    answer = gateway.call("POST", "/v1/keys/self/children", body, key=key)
    assert answer.status == 201, answer.body
    return answer.json


def exchange(gateway: Gateway, **given: Any) -> Answer:
    form = {"grant_type": GRANT, "subject_token_type": ACCESS, **given}
    return gateway.call("POST", "/v1/oauth/token", urlencode(form).encode(), headers={"content-type": "application/x-www-form-urlencoded"})


def budget(gateway: Gateway, key_id: str) -> dict[str, str]:
    found: dict[str, str] = gateway.admin("GET", f"/v1/keys/{key_id}")["budget"]
    return found


def settled(gateway: Gateway, key_id: str) -> dict[str, str]:
    """The budget of a key once nothing is reserved in it."""
    deadline = time.monotonic() + 30
    while (found := budget(gateway, key_id))["reserved_usd"] != "0.000000":
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found


def test_a_key_makes_a_child_of_itself_that_calls_and_is_named_in_the_audit(gateway: Gateway) -> None:
    parent = gateway.create_key(models=["echo"])
    made = child_of(gateway, parent["key"], agent_id="agent-7", purpose="triage", session_id="s-1")
    answer = chat(gateway, made["key"])
    assert answer.status == 200
    assert (refused := chat(gateway, made["key"], "other")).status == 403, refused.body
    start = next(row for row in gateway.events(request_id=answer.headers["x-request-id"]) if row["kind"] == "gateway:call:start")
    assert (start["key_id"], start["detail"]["lineage"], start["detail"]["act"]) == (made["id"], [parent["id"]], {"sub": "agent-7"})
    created = gateway.events(key=made["id"], kind="key:child:create")
    assert [(row["actor"], row["detail"]["parent"], row["detail"]["purpose"]) for row in created] == [
        (parent["id"], parent["id"], "triage")
    ]
    listed = gateway.call("GET", "/v1/keys/self/children", key=parent["key"]).json["data"]
    assert [(each["id"], each["lineage"]) for each in listed] == [(made["id"], [parent["id"]])]
    assert made["key"].encode() not in b"".join(gateway.written().values())


def test_a_key_has_no_children_of_another_and_ends_only_its_own(gateway: Gateway) -> None:
    one, two = gateway.create_key(), gateway.create_key()
    made = child_of(gateway, one["key"])
    for method, path in (("POST", "children"), ("GET", "children"), ("POST", f"children/{made['id']}/revoke")):
        assert gateway.call(method, f"/v1/keys/{one['id']}/{path}", key=two["key"]).status == 404
    assert gateway.call("POST", f"/v1/keys/self/children/{made['id']}/revoke", key=two["key"]).status == 404
    assert gateway.call("POST", f"/v1/keys/{made['id']}/revoke", key=one["key"]).status == 403
    assert chat(gateway, made["key"]).status == 200
    assert gateway.call("POST", f"/v1/keys/self/children/{made['id']}/revoke", key=one["key"]).status == 200
    assert chat(gateway, made["key"]).json["error"]["code"] == "key_revoked"


def test_the_command_line_makes_and_lists_children(gateway: Gateway) -> None:
    parent = gateway.create_key(alias="cli-parent", models=["echo"])
    done = gateway.cli("keys", "child", "cli-parent", "--ttl", "60s", "--agent-id", "a-1", "--tool", "search", "--json")
    made = json.loads(done.stdout)
    assert made["token"].startswith("lgc_")
    assert chat(gateway, made["token"]).status == 200
    listed = json.loads(gateway.cli("keys", "children", parent["id"], "--json").stdout)["keys"]
    assert [(each["id"], each["agent_id"], each["caveats"]) for each in listed] == [(made["key"]["id"], "a-1", {"tools": ["search"]})]
    assert b"a-1" in gateway.cli("keys", "children", "cli-parent").stdout
    assert gateway.cli("keys", "child", "cli-parent", "--model", "other", "--json", check=False).returncode != 0


def test_who_administers_makes_children_of_any_key_and_a_revoked_parent_ends_them(gateway: Gateway) -> None:
    parent = gateway.create_key()
    made = gateway.admin("POST", f"/v1/keys/{parent['id']}/children", {"ttl": 60})
    assert chat(gateway, made["key"]).status == 200
    gateway.admin("POST", f"/v1/keys/{parent['id']}/block")
    assert chat(gateway, made["key"]).json["error"]["code"] == "key_blocked"
    gateway.admin("POST", f"/v1/keys/{parent['id']}/unblock")
    assert chat(gateway, made["key"]).status == 200
    gateway.admin("POST", f"/v1/keys/{parent['id']}/revoke")
    assert chat(gateway, made["key"]).json["error"]["code"] == "key_revoked"


def test_children_do_not_multiply_what_their_parent_may(gateway: Gateway) -> None:
    counted = gateway.create_key(caveats={"max_calls": 3})
    tokens = [child_of(gateway, counted["key"])["key"] for _ in range(2)]
    assert [chat(gateway, tokens[number % 2]).status for number in range(4)] == [200, 200, 200, 403]
    slow = gateway.create_key(rpm_limit=2)
    tokens = [child_of(gateway, slow["key"])["key"] for _ in range(3)]
    assert [chat(gateway, token).status for token in tokens] == [200, 200, 429]


def test_a_field_that_would_be_wider_is_named_and_the_refusal_is_written_down(gateway: Gateway) -> None:
    parent = gateway.create_key(models=["echo"], caveats={"routes": ["chat", "children"]})
    for body, field in (({"models": ["echo", "other"]}, "models"), ({"caveats": {"routes": ["embeddings"]}}, "caveats.routes")):
        answer = gateway.call("POST", "/v1/keys/self/children", body, key=parent["key"])
        assert (answer.status, answer.json["error"]["code"], answer.json["error"]["param"]) == (403, "wider_than_parent", field)
        assert [row["kind"] for row in gateway.events(request_id=answer.headers["x-request-id"])] == ["admin:access:deny"]
    late = gateway.call("POST", "/v1/keys/self/children", {"ttl": "3h"}, key=parent["key"])
    assert (late.status, late.json["error"]["param"]) == (400, "ttl")
    chatty = gateway.create_key(caveats={"routes": ["chat"]})
    assert gateway.call("POST", "/v1/keys/self/children", {}, key=chatty["key"]).json["error"]["code"] == "route_not_allowed"


def test_money_is_carved_out_spent_by_the_child_and_given_back_when_it_ends(gateway: Gateway) -> None:
    parent = gateway.create_key(budget={"limit_usd": 1})
    made = child_of(gateway, parent["key"], max_budget_usd="0.4")
    assert budget(gateway, parent["id"])["reserved_usd"] == "0.400000"
    assert chat(gateway, made["key"]).status == 200
    assert chat(gateway, made["key"], max_tokens=5_000).json["error"]["code"] == "budget_exceeded"
    over = gateway.call("POST", "/v1/keys/self/children", {"max_budget_usd": "0.7"}, key=parent["key"])
    assert (over.status, over.json["error"]["param"]) == (429, "max_budget_usd")
    spent = gateway.call("GET", "/v1/keys/self/children", key=parent["key"]).json["data"][0]["budget"]["spent_usd"]
    assert spent != "0.000000"
    gateway.call("POST", f"/v1/keys/self/children/{made['id']}/revoke", key=parent["key"])
    assert settled(gateway, parent["id"])["spent_usd"] == spent
    returned = gateway.events(key=made["id"], kind="key:child:return")
    assert [row["detail"]["carved_micros"] for row in returned] == [400_000]


def test_a_token_is_exchanged_for_a_narrower_one(gateway: Gateway) -> None:
    parent, actor = gateway.create_key(), gateway.create_key(alias="worker")
    answer = exchange(gateway, subject_token=parent["key"], actor_token=actor["key"], actor_token_type=ACCESS, audience=HERE,
                      scope="model:echo route:chat tool:search max_calls:5", ttl="60")  # fmt: skip
    told = answer.json
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
    assert {**told, "access_token": told["access_token"][:4]} == {
        "access_token": "lgc_",
        "issued_token_type": ACCESS,
        "token_type": "Bearer",
        "expires_in": told["expires_in"],
        "scope": "model:echo route:chat tool:search max_calls:5",
    }
    assert 50 < told["expires_in"] <= 60
    called = chat(gateway, told["access_token"])
    assert called.status == 200
    start = next(row for row in gateway.events(request_id=called.headers["x-request-id"]) if row["kind"] == "gateway:call:start")
    assert start["detail"]["act"] == {"sub": actor["id"]}
    again = exchange(gateway, subject_token=told["access_token"]).json
    assert again["error"] == "unauthorized_client", "its scope has no route children"


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
        ({"subject_token": "lgk_" + "0" * 43}, "invalid_request"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"}, "invalid_request"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:jwt"}, "invalid_request"),
        ({"actor_token_type": ACCESS}, "invalid_request"),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:id_token"}, "invalid_request"),
        ({"scope": "model:other"}, "invalid_scope"),
        ({"scope": "everything"}, "invalid_scope"),
        ({"scope": "route:embeddings"}, "invalid_scope"),
        ({"audience": "https://another.test"}, "invalid_target"),
        ({"resource": "https://another.test"}, "invalid_target"),
        ({"ttl": "999999"}, "invalid_request"),
        ({"max_budget_usd": "5"}, "invalid_request"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_a_token_exchange_that_is_refused_says_so_in_oauths_words(gateway: Gateway, given: dict[str, str], error: str) -> None:
    parent = gateway.create_key(models=["echo"], caveats={"routes": ["chat", "children"]}, budget={"limit_usd": 1})
    answer = exchange(gateway, **{"subject_token": parent["key"], **given})
    assert (answer.status, answer.json["error"], answer.headers["cache-control"]) == (400, error, "no-store")
    assert set(answer.json) == {"error", "error_description"}
    if not set(given) & {"grant_type", "subject_token", "subject_token_type", "requested_token_type"}:
        noted = gateway.events(request_id=answer.headers["x-request-id"])
        assert [(row["kind"], row["key_id"], row["status"]) for row in noted] == [("key:child:refuse", parent["id"], 400)]


def test_a_parameter_that_stands_twice_or_is_json_is_refused(gateway: Gateway) -> None:
    parent = gateway.create_key()
    form = urlencode([("grant_type", GRANT), ("grant_type", GRANT), ("subject_token", parent["key"]), ("subject_token_type", ACCESS)])
    for body, kind in ((form.encode(), "application/x-www-form-urlencoded"), (b"{}", "application/json")):
        answer = gateway.call("POST", "/v1/oauth/token", body, headers={"content-type": kind})
        assert (answer.status, answer.json["error"]) == (400, "invalid_request")


def left_alone(gateway: Gateway, key: str) -> None:
    """A call whose gateway is killed under it."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        chat(gateway, key, "slow")


def begun(gateway: Gateway, child_id: str) -> None:
    """Wait until a call of a child is under way."""
    deadline = time.monotonic() + 20
    while not [row for row in gateway.events(key=child_id) if row["kind"] == "gateway:call:start"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_a_killed_gateway_held_for_children_returns_once_when_it_is_back(tmp_path: Path) -> None:
    """Killed with calls under way, and again and again while carves are being given back: the parent's spending is the bill, once."""
    with running_provider() as provider:
        document = {
            "targets": [openai_target("echo", "echo", provider.url), openai_target("slow", "slow:30", provider.url)],
            "models": {"echo": {"targets": ["echo"]}, "slow": {"targets": ["slow"]}},
            "prices": {"openai/*": {"input_per_mtok_usd": 100, "output_per_mtok_usd": 200}},
            "policies": {"default": MASK_ALL},
        }
        with running_gateway(tmp_path / "house", document, LOCKGATE_LOG_LEVEL="INFO") as gateway:
            parent = gateway.create_key(budget={"limit_usd": 10})
            tokens = [child_of(gateway, parent["key"], max_budget_usd="0.5", ttl=20) for _ in range(6)]
            assert all(chat(gateway, made["key"]).status == 200 for made in tokens[:5])
            assert budget(gateway, parent["id"])["reserved_usd"] == "3.000000"
            asking = threading.Thread(target=left_alone, args=(gateway, tokens[5]["key"]), daemon=True)
            asking.start()
            begun(gateway, tokens[5]["id"])
            for _ in range(3):
                gateway.stop(signal.SIGKILL)
                gateway.start_again()
            deadline = time.monotonic() + 60
            while not gateway.events(kind="key:child:return"):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            gateway.stop(signal.SIGKILL)
            gateway.start_again()
            left = settled(gateway, parent["id"])
            # An event that was journaled with a transaction which then did not commit is given back too, and does not stand: so by id.
            returned = {row["key_id"]: row["detail"]["spent_micros"] for row in gateway.events(kind="key:child:return")}
            assert set(returned) == {made["id"] for made in tokens}
            spent = sum(returned.values())
            ended = [*gateway.events(kind="gateway:call:finish"), *gateway.events(kind="gateway:call:unknown")]
            costs = {row["request_id"]: row["detail"]["cost_micros"] for row in ended}
            assert tokens[5]["id"] in {row["key_id"] for row in ended}, "the call that nobody lived to settle"
            assert spent == sum(costs.values()) > 0
            assert left["spent_usd"] == f"{spent / 1_000_000:.6f}"
