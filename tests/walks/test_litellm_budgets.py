"""Budgets in LiteLLM's words, against a running gateway: of keys, models and teams, who may change them, and what answers say of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.walks.asking import body_for
from tests.walks.litellm_rig import chat, info, litellm_house, made, post
from tests.walks.rig import Answer, Gateway


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with litellm_house(tmp_path_factory.mktemp("litellm")) as running:
        yield running


def test_budgets_of_keys_and_models_hold_and_change(gateway: Gateway) -> None:
    windows = [{"budget_duration": "1d", "max_budget": 4}, {"budget_duration": "30d", "max_budget": 40}]
    key = made(gateway, budget_limits=windows, model_max_budget={"other": {"max_budget": 0.000001, "budget_duration": "1d"}})
    assert [(each["budget_duration"], each["max_budget"]) for each in key["budget_limits"]] == [("1d", 4.0), ("30d", 40.0)]
    assert key["model_max_budget"] == {"other": {"budget_duration": "1d", "max_budget": 0.000001}}
    assert key["budget_reset_at"] > key["created_at"]
    assert chat(gateway, key["key"]).status == 200
    assert chat(gateway, key["key"], "other").json["error"]["code"] == "budget_exceeded"

    changed = post(gateway, "/key/update", {"key": key["key"], "max_budget": 0.000001, "soft_budget": None}).json
    assert (changed["max_budget"], changed["budget_duration"]) == (0.000001, "1d")
    assert chat(gateway, key["key"]).json["error"]["code"] == "budget_exceeded"
    raised = {"key": key["key"], "temp_budget_increase": 30, "temp_budget_expiry": "2099-01-01T00:00:00Z"}
    assert post(gateway, "/key/update", raised).status == 200
    assert chat(gateway, key["key"]).status == 200
    assert post(gateway, "/key/update", {"key": key["key"], "max_budget": None}).json["max_budget"] == 40.0, "the next one is the first now"

    mine = [each for each in gateway.admin("GET", "/budget/list") if each["key"] == key["token_id"]]
    assert {(each["scope"], each["budget_duration"]) for each in mine} == {("key", "30d"), ("model", "1d")}
    ident = next(each["budget_id"] for each in mine if each["scope"] == "model")
    assert post(gateway, "/budget/update", {"budget_id": ident, "max_budget": 9}).json["max_budget"] == 9.0
    assert post(gateway, "/budget/info", {"budgets": [ident]}).json[0]["max_budget"] == 9.0
    assert chat(gateway, key["key"], "other").status == 200
    assert post(gateway, "/budget/delete", {"id": ident}).json == {"budget_id": ident, "deleted": True}
    assert post(gateway, "/budget/info", {"budgets": [ident]}).status == 404
    again = post(gateway, "/budget/new", {"key": key["key"], "model": "echo", "max_budget": 3, "budget_duration": "weekly"}).json
    assert (again["scope"], again["model"], again["budget_duration"]) == ("model", "echo", "7d")
    assert post(gateway, "/budget/new", {"budget_id": "free", "max_budget": 3}).json["error"]["param"] == "budget_id"
    assert post(gateway, "/budget/new", {"max_budget": 3}).json["error"]["param"] == "team_id"


def test_a_child_key_shows_the_budget_that_it_was_given_and_keeps_it(gateway: Gateway) -> None:
    parent = made(gateway, max_budget=20)
    child = gateway.admin("POST", f"/v1/keys/{parent['token_id']}/children", {"ttl": "10m", "max_budget_usd": 2, "purpose": "one report"})
    assert info(gateway, child["key"]).json["info"]["max_budget"] == 2.0
    refused = post(gateway, "/key/update", {"key": child["key"], "max_budget": 9})
    assert (refused.status, refused.json["error"]["code"]) == (409, "budget_of_child")


def test_a_key_whose_budgets_cannot_be_made_is_not_left_behind(gateway: Gateway) -> None:
    fields = {"key_alias": "half-made", "max_budget": 1, "model_max_budget": {"": 1}}
    assert post(gateway, "/key/generate", fields).json["error"]["param"] == "model_max_budget"
    assert made(gateway, key_alias="half-made", max_budget=1)["key_alias"] == "half-made"


def test_a_manager_gives_a_new_key_its_budget_and_changes_none(gateway: Gateway) -> None:
    manager = gateway.create_key(role="manager", workspace="research")["key"]

    def asked(path: str, body: dict[str, Any]) -> Answer:
        return gateway.call("POST", path, body, key=manager)

    key = asked("/key/generate", {"max_budget": 1})
    assert (key.status, key.json["team_id"], key.json["max_budget"]) == (200, "research", 1.0)
    for path, body in (
        ("/key/update", {"key": key.json["key"], "max_budget": 100}),
        ("/key/update", {"key": key.json["key"], "max_budget": None}),
        ("/key/regenerate", {"key": key.json["key"], "temp_budget_increase": 9}),
        ("/key/generate", {"model_max_budget": {"echo": 1}}),
        ("/budget/list", {}),
    ):
        assert asked(path, body).status in (403, 405), path
    assert asked("/key/update", {"key": key.json["key"], "rpm_limit": 9}).json["rpm_limit"] == 9


def test_a_teams_budget_is_changed_unless_it_stands_in_the_document(gateway: Gateway) -> None:
    team = post(gateway, "/team/new", {"team_alias": "spenders"}).json["team_id"]
    assert post(gateway, "/team/update", {"team_id": team, "budget_duration": "1d"}).json["error"]["param"] == "max_budget"
    changed = post(gateway, "/team/update", {"team_id": team, "max_budget": 7, "budget_duration": "7d"}).json["data"]
    assert (changed["max_budget"], changed["budget_duration"]) == (7.0, "7d")
    assert post(gateway, "/team/update", {"team_id": team, "max_budget": None}).json["data"]["max_budget"] is None
    assert post(gateway, "/team/update", {"team_id": "research", "max_budget": 1}).json["error"]["code"] == "budget_in_document"


def test_answers_bear_the_headers_that_litellms_clients_read(gateway: Gateway) -> None:
    key = made(gateway, max_budget=50, budget_duration="1d")["key"]
    first, second = chat(gateway, key).headers, chat(gateway, key, "twice").headers
    assert first["x-litellm-call-id"] == first["x-request-id"]
    assert (first["x-litellm-model-id"], second["x-litellm-model-id"]) == ("echo", "echo")
    assert (first["x-litellm-attempted-fallbacks"], second["x-litellm-attempted-fallbacks"]) == ("0", "1")
    assert float(first["x-litellm-response-cost"]) > 0
    assert (first["x-litellm-key-spend"], second["x-litellm-key-spend"]) == ("0.000000", first["x-litellm-response-cost"])
    streamed = gateway.call("POST", "/v1/chat/completions", {**body_for("openai", "echo"), "stream": True}, key=key).headers
    assert "x-litellm-call-id" in streamed
    assert "x-litellm-response-cost" not in streamed
    assert "x-litellm-key-spend" not in chat(gateway, made(gateway)["key"]).headers
