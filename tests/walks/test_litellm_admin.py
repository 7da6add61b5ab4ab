"""A script as a LiteLLM user has one, against a running gateway: make keys, call models, look at spend, block, rotate, delete.

The contract is a table of requests, each with LiteLLM's fields, its status, and what its answer must hold.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

import pytest

from tests import planted
from tests.walks.litellm_rig import chat, info, litellm_house, made, post
from tests.walks.rig import ROOT, Gateway, has_environment

SCHEMA = json.loads((Path(__file__).parents[1] / "schemas" / "litellm_admin.json").read_text())
PASSWORD = "four words make one"
NOBODY = "lgk_" + "0" * 43


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with litellm_house(tmp_path_factory.mktemp("litellm")) as running:
        yield running


def test_a_litellm_users_script_runs(gateway: Gateway) -> None:
    key = made(
        gateway, key_alias="script", models=["echo"], max_budget=5.0, budget_duration="30d", duration="30d", user_id="ana",
        team_id="research", tags=["batch", "nightly"], metadata={"purpose": "reports"}, rpm_limit=60,
    )  # fmt: skip
    token, token_id = key["key"], key["token_id"]
    assert chat(gateway, token).status == 200
    assert chat(gateway, token, "other").status == 403
    for named in (token, token_id, "script"):
        told = info(gateway, named).json
        assert told["key"] == token_id
        assert told["info"]["spend"] > 0
        assert (told["info"]["max_budget"], told["info"]["budget_duration"]) == (5.0, "30d")
        assert (told["info"]["user_id"], told["info"]["team_id"], told["info"]["models"]) == ("ana", "research", ["echo"])
        assert told["info"]["metadata"] == {"purpose": "reports", "tags": ["batch", "nightly"]}
    assert info(gateway, token).json["info"]["spend"] == pytest.approx(
        float(gateway.call("GET", f"/v1/keys/{token_id}", key=gateway.admin_key).json["budget"]["spent_usd"])
    )

    blocked = post(gateway, "/key/block", {"key": token})
    assert (blocked.status, blocked.json["blocked"]) == (200, True)
    assert chat(gateway, token).json["error"]["code"] == "key_blocked"
    assert post(gateway, "/key/unblock", {"key": token_id}).json["blocked"] is False
    assert chat(gateway, token).status == 200

    changed = post(gateway, "/key/update", {"key": token, "models": ["echo", "other"], "tags": ["nightly"], "rpm_limit": None}).json
    assert (changed["models"], changed["metadata"], changed["rpm_limit"]) == (
        ["echo", "other"],
        {"purpose": "reports", "tags": ["nightly"]},
        None,
    )
    assert changed["user_id"] == "ana", "what is not sent stays"
    assert changed["updated_at"] > changed["created_at"]
    assert chat(gateway, token, "other").status == 200

    fresh = post(gateway, "/key/regenerate", {"key": token, "grace_period": "1h"}).json
    assert fresh["key"] != token
    assert fresh["token_id"] == token_id
    assert (chat(gateway, token).status, chat(gateway, fresh["key"]).status) == (200, 200), "the former one lives for the grace period"
    assert info(gateway, token).json["key"] == token_id, "a former token names its key"
    last = post(gateway, f"/key/{fresh['key']}/regenerate", {}).json
    assert (chat(gateway, fresh["key"]).status, chat(gateway, last["key"]).status) == (401, 200)

    assert post(gateway, "/key/delete", {"keys": [last["key"]]}).json == {"deleted_keys": [token_id]}
    assert chat(gateway, last["key"]).json["error"]["code"] == "key_revoked"
    assert info(gateway, token_id).status == 404


def test_the_script_of_the_readme_runs(gateway: Gateway) -> None:
    readme = (ROOT / "README.md").read_text().partition("### Coming from LiteLLM")[2]
    script = readme.partition("```python\n")[2].partition("```")[0]
    assert "/key/generate" in script
    ours = script.replace("http://127.0.0.1:4000", gateway.url).replace("lgk_…", "{}")
    told = ours.replace('"Bearer {}"', '"Bearer " + input()')
    done = subprocess.run([sys.executable, "-c", told], input=gateway.admin_key.encode(), capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode()[-1000:]
    assert float(done.stdout) > 0
    assert gateway.admin("GET", "/key/info?key=reports")["info"]["blocked"] is True


REFUSED: list[tuple[str, dict[str, Any], int, str]] = [
    ("/key/generate", {"spend": 5}, 400, "spend"),
    ("/key/generate", {"guardrails": ["pii"]}, 400, "guardrails"),
    ("/key/generate", {"max_budget": 0}, 400, "max_budget"),
    ("/key/generate", {"max_budget": 1, "budget_duration": "5d"}, 400, "budget_duration"),
    ("/key/generate", {"rpm_limit": 0}, 400, "rpm_limit"),
    ("/key/generate", {"team_id": "nowhere"}, 404, "team_id"),
    ("/key/generate", {"policies": ["unheard-of"]}, 400, "policies"),
    ("/key/generate", {"key": "a text of my own"}, 400, "key"),
    ("/key/generate", {"key_alias": "not an alias!"}, 400, "key_alias"),
    ("/key/update", {"models": []}, 400, "key"),
    ("/key/update", {"key": "nobody"}, 404, ""),
    ("/key/block", {"key": NOBODY}, 404, ""),
    ("/key/unblock", {}, 400, "key"),
    ("/key/delete", {}, 400, "keys"),
    ("/key/delete", {"keys": [7]}, 400, "keys"),
    ("/key/regenerate", {"key": NOBODY, "grace_period": "1h"}, 404, ""),
    ("/team/new", {"team_alias": "x", "members_with_roles": [{"role": "user", "user_id": "u"}]}, 400, "members_with_roles"),
    ("/team/delete", {"team_ids": ["research"]}, 409, "team_ids"),
    ("/user/new", {"user_role": "proxy_admin", "user_id": "bo"}, 400, "password"),
    ("/user/new", {"user_role": "internal_user", "auto_create_key": False}, 400, "auto_create_key"),
]


@pytest.mark.parametrize(
    ("path", "body", "status", "param"), REFUSED, ids=[f"{p} {'+'.join(b)} {i}" for i, (p, b, _, _) in enumerate(REFUSED)]
)
def test_what_has_no_counterpart_is_refused_by_name(gateway: Gateway, path: str, body: dict[str, Any], status: int, param: str) -> None:
    answer = post(gateway, path, body)
    assert answer.status == status, answer.body
    error = answer.json["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert isinstance(error["code"], str)
    if param:
        assert error["param"] == param


def test_nothing_ends_when_one_of_the_keys_to_delete_is_not_there(gateway: Gateway) -> None:
    key = made(gateway)
    assert post(gateway, "/key/delete", {"keys": [key["key"], NOBODY]}).status == 404
    assert chat(gateway, key["key"]).status == 200


def test_keys_are_listed_by_page_team_alias_and_status(gateway: Gateway) -> None:
    keys = [made(gateway, key_alias=f"listed-{number}", user_id="lister") for number in range(5)]
    post(gateway, "/key/block", {"key": keys[0]["key"]})
    post(gateway, "/key/delete", {"key_aliases": ["listed-1"]})

    def listed(query: str) -> dict[str, Any]:
        found: dict[str, Any] = gateway.admin("GET", f"/key/list?user_id=lister&{query}")
        return found

    assert (listed("")["total_count"], listed("size=3")["total_pages"]) == (4, 2)
    assert [*listed("size=3")["keys"], *listed("size=3&page=2")["keys"]] == listed("")["keys"]
    assert listed("key_alias=listed-2")["keys"] == [keys[2]["token_id"]]
    assert listed("status=revoked")["keys"] == [keys[0]["token_id"]]
    assert listed("status=deleted")["keys"] == [keys[1]["token_id"]]
    assert listed("team_id=research")["keys"] == []
    whole = listed("return_full_object=true&sort_order=asc")["keys"]
    assert [key["key_alias"] for key in whole] == ["listed-0", "listed-2", "listed-3", "listed-4"]
    for query in ("size=101", "page=0", "status=odd", "search=x", "sort_order=up"):
        assert gateway.call("GET", f"/key/list?{query}", key=gateway.admin_key).status == 400, query


def test_a_key_sees_itself_and_nobody_else(gateway: Gateway) -> None:
    one, other = made(gateway, key_alias="one"), made(gateway, key_alias="other")
    assert gateway.call("GET", "/key/info", key=one["key"]).json["key"] == one["token_id"]
    assert info(gateway, one["key"], key=one["key"]).status == 200
    hidden, unknown = info(gateway, other["token_id"], key=one["key"]), info(gateway, "nobody", key=one["key"])
    assert (hidden.status, hidden.body) == (404, unknown.body)


def test_teams_are_workspaces(gateway: Gateway) -> None:
    team = post(gateway, "/team/new", {"team_alias": "Data Science", "max_budget": 20, "budget_duration": "7d", "models": []}).json
    assert (team["team_id"], team["team_alias"], team["max_budget"], team["budget_duration"]) == (
        "data-science",
        "Data Science",
        20.0,
        "7d",
    )
    key = made(gateway, team_id=team["team_id"])
    assert chat(gateway, key["key"]).status == 200
    told = gateway.admin("GET", "/team/info?team_id=data-science")
    assert [each["token_id"] for each in told["keys"]] == [key["token_id"]]
    assert told["team_info"]["spend"] > 0
    assert {"data-science", "research"} <= {each["team_id"] for each in gateway.admin("GET", "/team/list")}
    assert gateway.call("GET", "/team/info?team_id=nowhere", key=gateway.admin_key).status == 404
    assert "data-science" in [each["slug"] for each in gateway.admin("GET", "/v1/workspaces")["data"]]


def test_users_are_people_or_names_on_keys(gateway: Gateway) -> None:
    caller = post(gateway, "/user/new", {"user_id": "carla", "user_email": "carla@example.com", "max_budget": 3}).json
    assert chat(gateway, caller["key"]).status == 200
    second = made(gateway, user_id="carla")
    told = gateway.admin("GET", "/user/info?user_id=carla")
    assert {key["token_id"] for key in told["keys"]} == {caller["token_id"], second["token_id"]}
    assert told["user_info"]["spend"] > 0
    person = {"user_id": "dora", "user_role": "proxy_admin_viewer", "password": PASSWORD, "auto_create_key": False}
    assert post(gateway, "/user/new", person).json["user_role"] == "proxy_admin_viewer"
    assert gateway.admin("GET", "/user/info?user_id=dora")["user_info"]["user_role"] == "proxy_admin_viewer"
    assert gateway.call("POST", "/v1/dashboard/sessions", {"name": "dora", "password": PASSWORD}).json["role"] == "auditor"
    assert gateway.call("GET", "/user/info?user_id=nobody", key=gateway.admin_key).status == 404


def test_models_and_health_are_told_without_a_call(gateway: Gateway) -> None:
    narrow = made(gateway, models=["other"])
    for path in ("/model/info", "/v1/model/info"):
        entries = gateway.call("GET", path, key=narrow["key"]).json["data"]
        assert [(entry["model_name"], entry["litellm_params"]["model"]) for entry in entries] == [("other", "openai/echo")]
        assert entries[0]["model_info"]["input_cost_per_token"] == 0.001
    health = gateway.admin("GET", "/health")
    assert health["healthy_count"] + health["unhealthy_count"] == 3
    for path in ("/health/liveliness", "/health/liveness", "/health/readiness"):
        assert gateway.call("GET", path).status == 200


def test_a_key_limited_to_llm_routes_administers_nothing(gateway: Gateway) -> None:
    key = made(gateway, key_type="llm_api")
    assert key["key_type"] == "llm_api"
    assert chat(gateway, key["key"]).status == 200
    assert gateway.call("GET", "/key/info", key=key["key"]).json["error"]["code"] == "route_not_allowed"
    embedding = made(gateway, allowed_routes=["/v1/embeddings"])
    assert embedding["allowed_routes"] == ["/embeddings"]
    assert chat(gateway, embedding["key"]).json["error"]["code"] == "route_not_allowed"


def test_a_write_that_is_sent_twice_under_one_key_happens_once(gateway: Gateway) -> None:
    key = made(gateway)
    once = {"idempotency-key": "block-it-once"}
    for again in (False, True):
        answer = gateway.call("POST", "/key/block", {"key": key["key"]}, key=gateway.admin_key, headers=once)
        assert (answer.status, "idempotent-replayed" in answer.headers) == (200, again)
    twice = {"idempotency-key": "regenerate-it-once"}
    path = f"/key/{key['key']}/regenerate"
    assert gateway.call("POST", path, {}, key=gateway.admin_key, headers=twice).status == 200
    assert gateway.call("POST", path, {}, key=gateway.admin_key, headers=twice).status == 409, "a new token is never shown again"
    other = made(gateway)
    assert gateway.call("POST", f"/key/{other['key']}/regenerate", {}, key=gateway.admin_key, headers=twice).status == 422


def test_a_token_in_a_request_reaches_nothing_that_is_kept(gateway: Gateway) -> None:
    """Our own tokens, and one of LiteLLM's, which no rule of ours knows by its form alone."""
    key = made(gateway, key_alias="secretive")
    foreign = "sk-" + planted.secret("password", Random(11)).replace("/", "x")
    for token in (key["key"], NOBODY.replace("0", "Q"), foreign):
        answers = [
            info(gateway, token),
            post(gateway, "/key/update", {"key": token, "max_parallel_requests": 4}),
            post(gateway, "/key/block", {"key": token}),
            post(gateway, "/key/unblock", {"key": token}),
            post(gateway, f"/key/{quote(token)}/regenerate", {"grace_period": "30d", "spend": 4}),
            post(gateway, f"/key/{quote(token)}/regenerate", {"grace_period": "1h"}),
            gateway.call("POST", f"/key/{quote(token)}/regenerate", {}, key=token),
            gateway.call("GET", f"/key/info?key={quote(token)}&key=2", key=gateway.admin_key),
            post(gateway, "/key/delete", {"keys": [token]}),
        ]
        for answer in answers:
            assert token.encode() not in answer.body
    gateway.stop()
    for name, content in gateway.written().items():
        for token in (key["key"], NOBODY.replace("0", "Q"), foreign):
            assert token.encode() not in content, name
    gateway.start_again()


def test_every_answer_has_litellms_fields(gateway: Gateway) -> None:
    """Their names for all of them; and where LiteLLM is installed (`make peers`) its own models read them."""
    key = made(gateway, key_alias="typed", max_budget=2, budget_duration="1d", user_id="typed", duration="1mo")
    told = {
        "GenerateKeyResponse": key,
        "LiteLLM_VerificationToken": info(gateway, "typed").json["info"],
        "LiteLLM_TeamTable": gateway.admin("GET", "/team/info?team_id=research")["team_info"],
        "LiteLLM_UserTable": gateway.admin("GET", "/user/info?user_id=typed")["user_info"],
        "NewUserResponse": post(gateway, "/user/new", {"user_id": "typed-too"}).json,
        "UserInfoResponse": gateway.admin("GET", "/user/info?user_id=typed"),
    }
    for model, needed in SCHEMA["answers"].items():
        assert set(needed) <= set(told[model]), model
    assert set(gateway.admin("GET", "/key/list")) == {"keys", "total_count", "current_page", "total_pages"}
    if has_environment("peer-litellm"):
        python = ROOT / ".venv-peer-litellm" / "bin" / "python"
        script = Path(__file__).parent / "clients" / "litellm_models.py"
        environment = {"PATH": os.environ["PATH"], "HOME": str(gateway.home), "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        done = subprocess.run(
            [str(python), str(script)], input=json.dumps(told).encode(), capture_output=True, env=environment, check=False, timeout=110
        )
        assert done.returncode == 0, done.stderr.decode()[-2000:]
        assert json.loads(done.stdout) == {**dict.fromkeys(told, "read"), "version": SCHEMA["version"]}
