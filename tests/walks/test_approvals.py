"""Approvals over HTTP: a call that a rule stops waits for somebody else, and passes once, as it was asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.servers.provider import running_provider
from tests.walks.rig import MASK_ALL, Answer, Gateway, openai_target, running_gateway

TOOL = {"type": "function", "function": {"name": "shell", "parameters": {"type": "object"}}}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_provider() as provider:
        document = {
            "targets": [openai_target("echo", "echo", provider.url)],
            "models": {"echo": {"targets": ["echo"]}},
            "prices": {"openai/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2}},
            "policies": {"default": MASK_ALL},
            "approvals": {"rules": [{"name": "shells", "tools": ["shell"]}, {"name": "dear", "above_usd": "0.5"}]},
        }
        with running_gateway(tmp_path_factory.mktemp("approvals"), document, LOCKGATE_LOG_LEVEL="INFO") as running:
            yield running


def chat(gateway: Gateway, key: str, approval: str = "", path: str = "/v1/chat/completions", **more: Any) -> Answer:
    body = {"model": "echo", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 5, **more}
    return gateway.call("POST", path, body, key=key, headers={"x-lockgate-approval": approval} if approval else {})


def test_a_stopped_call_passes_once_when_somebody_else_has_approved_exactly_it(gateway: Gateway) -> None:
    caller = gateway.create_key()
    assert chat(gateway, caller["key"]).status == 200
    refused = chat(gateway, caller["key"], tools=[TOOL])
    error = refused.json["error"]
    assert (refused.status, error["code"], refused.headers["x-should-retry"]) == (403, "approval_required", "false")
    approval = error["approval_id"]
    assert chat(gateway, caller["key"], approval, tools=[TOOL]).json["error"]["code"] == "approval_pending"
    assert gateway.call("POST", f"/v1/approvals/{approval}/approve", {}, key=caller["key"]).status == 403

    waiting = json.loads(gateway.cli("approvals", "list", "--state", "pending", "--json").stdout)["approvals"]
    assert [(each["id"], each["rule"], each["call"]["tools"]) for each in waiting] == [(approval, "shells", ["shell"])]
    assert b"shell" in gateway.cli("approvals", "list").stdout
    gateway.cli("approvals", "approve", approval)

    assert chat(gateway, caller["key"], approval, tools=[TOOL], max_tokens=6).json["error"]["code"] == "approval_mismatch"
    assert chat(gateway, gateway.create_key()["key"], approval, tools=[TOOL]).json["error"]["code"] == "approval_mismatch"
    passed = chat(gateway, caller["key"], approval, path="/chat/completions", tools=[TOOL])
    assert passed.status == 200
    assert chat(gateway, caller["key"], approval, tools=[TOOL]).json["error"]["code"] == "approval_used"
    kinds = [row["kind"] for row in gateway.events(key=caller["id"]) if row["kind"].startswith("approval:")]
    assert kinds == ["approval:call:use", "approval:call:request"]
    assert [row["detail"]["approval"] for row in gateway.events(kind="approval:call:approve")] == [approval]


def test_an_approval_is_not_for_the_same_body_with_other_features(gateway: Gateway) -> None:
    """What `anthropic-beta` turns on passes to the provider beside the body."""
    key, body = gateway.create_key()["key"], {"model": "echo", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 5}
    body["tools"] = [{"name": "shell", "input_schema": {"type": "object"}}]
    refused = gateway.call("POST", "/v1/messages", body, key=key)
    approval = refused.json["error"]["approval_id"]
    gateway.cli("approvals", "approve", approval)
    said = {"x-lockgate-approval": approval}
    other = gateway.call("POST", "/v1/messages", body, key=key, headers={**said, "anthropic-beta": "code-execution-2025-05-22"})
    assert (other.status, other.json["error"]["type"]) == (403, "permission_error")
    assert gateway.call("POST", "/v1/messages", body, key=key, headers=said).status == 200


def test_a_denied_call_and_a_dear_one_do_not_pass(gateway: Gateway) -> None:
    caller = gateway.create_key()
    error = chat(gateway, caller["key"], max_tokens=900_000).json["error"]
    assert error["code"] == "approval_required"
    gateway.cli("approvals", "deny", error["approval_id"])
    again = chat(gateway, caller["key"], error["approval_id"], max_tokens=900_000)
    assert again.json["error"]["code"] == "approval_denied"


def test_an_administrators_key_does_not_approve_its_own_call(gateway: Gateway) -> None:
    admin = gateway.create_key(role="admin")
    approval = chat(gateway, admin["key"], tools=[TOOL]).json["error"]["approval_id"]
    own = gateway.call("POST", f"/v1/approvals/{approval}/approve", {}, key=admin["key"])
    assert (own.status, own.json["error"]["code"]) == (403, "own_call")
    assert gateway.admin("POST", f"/v1/approvals/{approval}/approve")["state"] == "approved"
