"""Budgets at every level over HTTP and on the command line: made, reserved, warned of, refused, raised, told."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.clock import rfc3339
from tests.servers.provider import running_provider
from tests.walks.rig import MASK_ALL, Answer, Gateway, openai_target, running_gateway

MESSAGES = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_provider() as provider:
        document = {
            "targets": [openai_target("echo", "echo", provider.url)],
            "models": {"echo": {"targets": ["echo"]}, "other": {"targets": ["echo"]}},
            "prices": {"openai/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 1000}},
            "policies": {"default": MASK_ALL},
            "organization": {"budgets": [{"limit_usd": 1000, "period": "quarter"}]},
            "workspaces": {
                "default": {
                    "budget": {"limit_usd": 500, "period": "month", "timezone": "Asia/Tokyo"},
                    "budgets": [{"limit_usd": 400, "rolling": "24h", "soft_limit_usd": 399}],
                }
            },
        }
        with running_gateway(tmp_path_factory.mktemp("budgets"), document) as running:
            yield running


def ask(gateway: Gateway, key: str, model: str = "echo", tokens: int = 10) -> Answer:
    return gateway.call("POST", "/v1/chat/completions", {"model": model, "messages": MESSAGES, "max_tokens": tokens}, key=key)


def administer(gateway: Gateway, method: str, path: str, body: Any = None) -> Answer:
    return gateway.call(method, path, body, key=gateway.admin_key)


def budget(gateway: Gateway, **body: Any) -> dict[str, Any]:
    made: dict[str, Any] = gateway.admin("POST", "/v1/budgets", body)
    return made


def said(gateway: Gateway, *arguments: str) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads(gateway.cli(*arguments).stdout)
    return tree


def test_the_document_sets_budgets_of_the_organization_and_of_workspaces(gateway: Gateway) -> None:
    found = gateway.admin("GET", "/v1/budgets")["data"]
    shown = {(each["scope"], each["rolling"] or each["period"]): each for each in found if each["in_document"]}
    assert shown.keys() == {("org", "quarter"), ("workspace", "month"), ("workspace", "24h")}
    assert (shown["workspace", "month"]["timezone"], shown["workspace", "24h"]["soft_limit_usd"]) == ("Asia/Tokyo", "399.000000")
    ident = shown["org", "quarter"]["id"]
    assert administer(gateway, "DELETE", f"/v1/budgets/{ident}").json["error"]["code"] == "budget_in_document"
    assert administer(gateway, "PUT", f"/v1/budgets/{ident}", {"limit_usd": 5}).status == 409
    until = rfc3339(time.time_ns() // 1_000 + 3_600_000_000)
    raised = gateway.admin("PUT", f"/v1/budgets/{ident}", {"temp_budget_increase": 5, "temp_budget_expiry": until})
    assert raised["limit_usd"] == "1005.000000"


def test_one_model_of_a_key_is_refused_and_the_others_are_served(gateway: Gateway) -> None:
    made = gateway.create_key(alias="by-model")
    small = budget(gateway, scope="model", key="by-model", model="echo", limit_usd="0.02", period="day", alert_at=[50])
    assert ask(gateway, made["key"]).status == 200
    assert gateway.admin("GET", f"/v1/budgets/{small['id']}")["spent_usd"] != "0.000000"
    refused = ask(gateway, made["key"], tokens=19)
    assert (refused.status, refused.json["error"]["code"]) == (429, "budget_exceeded")
    assert "model budget per day" in refused.json["error"]["message"]
    assert ask(gateway, made["key"], "other", tokens=19).status == 200
    kinds = {(each["kind"], each["budget"]) for each in gateway.admin("GET", "/v1/alerts")["data"]}
    assert ("exhausted", small["id"]) in kinds


def test_a_soft_limit_is_served_with_a_header_and_told_once(gateway: Gateway) -> None:
    made = gateway.create_key(alias="soft")
    soft = budget(gateway, scope="key", key=made["id"], limit_usd=5, rolling="7d", soft_limit_usd="0.001", alert_at=[])
    for _ in range(2):
        answer = ask(gateway, made["key"])
        assert (answer.status, answer.headers["x-lockgate-budget-soft-limit"]) == (200, "key")
    told = [each for each in gateway.admin("GET", "/v1/alerts")["data"] if each["budget"] == soft["id"]]
    assert [each["kind"] for each in told] == ["soft_limit"]
    assert made["id"] in {each["key_id"] for each in gateway.events(kind="budget:soft_limit:reach")}


def test_a_budget_is_changed_raised_for_a_while_and_removed(gateway: Gateway) -> None:
    made = gateway.create_key(alias="changing")
    ident = budget(gateway, scope="key", key="changing", limit_usd="0.001")["id"]
    assert ask(gateway, made["key"]).status == 429
    until = rfc3339(time.time_ns() // 1_000 + 3_600_000_000)
    gateway.admin("PUT", f"/v1/budgets/{ident}", {"temp_budget_increase": 1, "temp_budget_expiry": until})
    assert ask(gateway, made["key"]).status == 200
    assert gateway.admin("PUT", f"/v1/budgets/{ident}", {"temp_budget_increase": None})["temp_budget_increase"] is None
    assert ask(gateway, made["key"]).status == 429
    assert gateway.admin("DELETE", f"/v1/budgets/{ident}")["deleted"]
    assert ask(gateway, made["key"]).status == 200


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"scope": "key", "limit_usd": 1}, 400, "key"),
        ({"scope": "org", "key": "x", "limit_usd": 1}, 400, "key"),
        ({"scope": "galaxy", "limit_usd": 1}, 400, "scope"),
        ({"scope": "workspace", "workspace": "nowhere", "limit_usd": 1}, 404, "workspace"),
        ({"scope": "org", "limit_usd": 0}, 400, "limit_usd"),
        ({"scope": "org", "limit_usd": 1, "rolling": "25h"}, 400, "rolling"),
        ({"scope": "org", "limit_usd": 1, "period": "day", "timezone": "Mars/Base"}, 400, "timezone"),
        ({"scope": "org", "limit_usd": 1, "alert_at": [0]}, 400, "alert_at"),
        ({"scope": "org", "limit_usd": 1, "soft_limit_usd": 2}, 400, "soft_limit_usd"),
        ({"scope": "org", "limit_usd": 1, "period": "quarter"}, 409, "period"),
        (
            {"scope": "org", "limit_usd": 1, "temp_budget_increase": 1, "temp_budget_expiry": "2001-01-01T00:00:00Z"},
            400,
            "temp_budget_expiry",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_field(gateway: Gateway, body: dict[str, Any], status: int, param: str) -> None:
    answer = administer(gateway, "POST", "/v1/budgets", body)
    assert (answer.status, answer.json["error"]["param"]) == (status, param)


def test_the_command_line_makes_lists_and_changes_budgets(gateway: Gateway) -> None:
    gateway.create_key(alias="by-hand")
    made = said(gateway, "budgets", "create", "5", "--key", "by-hand", "--rolling", "24h", "--alert-at", "90", "--json")["budget"]
    assert (made["rolling"], made["alert_at"], made["limit_usd"]) == ("24h", [90], "5.000000")
    raised = said(gateway, "budgets", "update", made["id"], "--increase", "2", "--for", "1h", "--json")["budget"]
    assert raised["limit_usd"] == "7.000000"
    listed = said(gateway, "budgets", "list", "--json")["budgets"]
    assert made["id"] in {each["id"] for each in listed}
