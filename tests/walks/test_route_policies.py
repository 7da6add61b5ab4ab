"""Which policy applies to a call over a real gateway: by key, by route, by workspace, in each direction; and what a bad name does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from tests import planted
from tests.servers.provider import Provider, running_provider
from tests.walks.asking import SURFACES, Surface, ask, body_for
from tests.walks.rig import BLOCK_SECRETS, MASK_ALL, Answer, Gateway, anthropic_target, openai_target, refused_start, running_gateway

EMAIL = planted.secret("email", Random(21))
SECRET = planted.secret("openai_project", Random(22))
TELEMETRY = [{"detect": ["secrets", "known", "keynames", "pii"], "action": "hash"}]
KEPT = [{"detect": ["secrets", "known"], "action": "mask"}]


def policy(action: str) -> dict[str, Any]:
    """A policy that is told by what it does to an address in a prompt."""
    return {"prompt": [*KEPT, {"detect": ["pii"], "action": action}], "answer": KEPT, "telemetry": TELEMETRY}


POLICIES = {
    "default": MASK_ALL,
    "of-workspace": policy("replace"),
    "of-route": policy("remove"),
    "of-key": policy("hash"),
    "blocking": BLOCK_SECRETS,
}
SEEN = {"default": "[REDACTED:email]", "of-workspace": "[REDACTED]", "of-route": "<>", "of-key": "[HASHED:email:"}


@dataclass
class House:
    gateway: Gateway
    provider: Provider
    keys: dict[str, str]
    document: dict[str, Any]

    def ask(self, key: str, model: str, text: str) -> Answer:
        return self.gateway.call("POST", "/v1/chat/completions", body_for("openai", model, text), key=self.keys[key])

    def sent(self) -> str:
        return self.provider.calls[-1].raw.decode()

    def finish(self, answer: Answer, kind: str = "gateway:call:finish") -> dict[str, Any]:
        (row,) = [row for row in self.gateway.events(request_id=answer.headers["x-request-id"]) if row["kind"] == kind]
        return row

    def counted(self, answer: Answer) -> int:
        """What the store counts for one request."""
        rows = self.gateway.admin("GET", f"/v1/redactions?group_by=rule&request_id={answer.headers['x-request-id']}")
        return sum(row["count"] for row in rows["data"])


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with running_provider() as provider:
        document = {
            "targets": [openai_target("openai", "echo", provider.url), anthropic_target("anthropic", "echo", provider.url)],
            "models": {
                "plain": {"targets": ["openai"]},
                "guarded": {"targets": ["openai"], "policy": "of-route"},
                "blocked": {"targets": ["openai"], "policy": "blocking"},
                **{name: {"targets": [name], "policy": "of-route"} for name in SURFACES},
            },
            "prices": {f"{name}/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2} for name in SURFACES},
            "policies": POLICIES,
            "workspaces": {"default": {}, "other": {"policy": "of-workspace"}},
        }
        with running_gateway(tmp_path_factory.mktemp("routes"), document) as gateway:
            keys = {
                "plain": gateway.create_key()["key"],
                "own": gateway.create_key(policy="of-key")["key"],
                "other": gateway.create_key(workspace="other", alias="other")["key"],
                "other-own": gateway.create_key(workspace="other", policy="of-key", alias="other-own")["key"],
                "narrow": gateway.create_key(models=["plain"])["key"],
            }
            yield House(gateway, provider, keys, document)


@pytest.mark.parametrize(
    ("key", "model", "name", "source"),
    [
        ("plain", "plain", "default", "default"),
        ("other", "plain", "of-workspace", "workspace"),
        ("plain", "guarded", "of-route", "route"),
        ("other", "guarded", "of-route", "route"),
        ("own", "plain", "of-key", "key"),
        ("own", "guarded", "of-key", "key"),
        ("other-own", "guarded", "of-key", "key"),
    ],
)
def test_the_most_specific_policy_applies_and_every_event_says_which(house: House, key: str, model: str, name: str, source: str) -> None:
    answer = house.ask(key, model, f"<{EMAIL}>")
    assert answer.status == 200
    assert SEEN[name] in house.sent()
    for kind in ("gateway:call:start", "gateway:call:finish"):
        detail = house.finish(answer, kind)["detail"]
        assert (detail["policy"], detail["policy_source"]) == (name, source)
    told = house.gateway.call("POST", "/v1/redact", {"text": f"<{EMAIL}>", "direction": "prompt", "model": model}, key=house.keys[key])
    assert SEEN[name] in told.json["text"]
    assert house.finish(told, "gateway:redaction:finish")["detail"]["policy_source"] == source


@pytest.mark.parametrize("surface", SURFACES)
def test_a_routes_policy_applies_on_both_surfaces(house: House, surface: Surface) -> None:
    assert ask(house.gateway.url, surface, surface, house.keys["plain"], f"<{EMAIL}>").status == 200
    assert SEEN["of-route"] in house.sent()


def test_a_block_by_a_route_is_written_down_with_the_policy_and_counted(house: House) -> None:
    answer = house.ask("plain", "blocked", f"{SECRET} and {SECRET} again, {EMAIL}")
    assert (answer.status, answer.json["error"]["code"]) == (400, "content_blocked")
    event = house.finish(answer, "policy:prompt:block")
    assert (event["detail"]["policy"], event["detail"]["policy_source"]) == ("blocking", "route")
    assert house.counted(answer) == 2
    assert SECRET not in json.dumps(event)


def test_a_call_that_is_refused_after_it_was_looked_at_is_counted_too(house: House) -> None:
    key = house.gateway.create_key(alias="limited", rpm_limit=1)["key"]
    answers = [house.gateway.call("POST", "/v1/chat/completions", body_for("openai", "plain", f"to {EMAIL}"), key=key) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 429]
    assert [house.counted(answer) for answer in answers] == [1, 1]


def test_a_model_that_a_key_may_not_use_or_nobody_has_tells_nothing_of_its_policy(house: House) -> None:
    for key, model, status in (("narrow", "guarded", 403), ("plain", "nothing", 404)):
        assert house.gateway.call("POST", "/v1/redact", {"text": "a", "model": model}, key=house.keys[key]).status == status
        headers = {"content-type": "text/plain"}
        path = f"/v1/redact/stream?model={model}"
        assert house.gateway.call("POST", path, b"a", key=house.keys[key], headers=headers).status == status
    assert house.gateway.call("POST", "/v1/redact", {"text": "a", "model": 7}, key=house.keys["plain"]).status == 400


def test_a_hash_that_a_caller_asks_for_is_not_the_one_in_its_prompts(house: House) -> None:
    """Both hash under one policy and for one workspace; comparing them would confirm guesses."""
    house.ask("own", "plain", f"<{EMAIL}>")
    told = house.gateway.call("POST", "/v1/redact", {"text": EMAIL, "direction": "prompt"}, key=house.keys["own"]).json["text"]
    assert told.startswith(SEEN["of-key"])
    assert told not in house.sent()


def test_a_policy_that_does_not_exist_is_refused_by_the_admin_api(house: House) -> None:
    for path, body in (("/v1/keys", {"policy": "nothing"}), ("/v1/workspaces", {"slug": "new", "policy": "nothing"})):
        answer = house.gateway.call("POST", path, body, key=house.gateway.admin_key)
        assert (answer.status, answer.json["error"]["param"]) == (400, "policy")


def test_a_reload_with_a_bad_name_keeps_what_is_in_force_and_one_without_a_policy_refuses_its_keys(house: House) -> None:
    def reload(document: dict[str, Any]) -> Answer:
        house.gateway.config.write_text(yaml.safe_dump(document))
        return house.gateway.call("POST", "/v1/config/reload", {}, key=house.gateway.admin_key)

    broken = {**house.document, "models": {**house.document["models"], "plain": {"targets": ["openai"], "policy": "nothing"}}}
    circle = {**house.document["models"], "plain": {"targets": ["openai"], "fallbacks": ["guarded"]}}
    for bad in (broken, {**house.document, "models": circle}):
        assert reload(bad).status >= 400
        assert house.ask("plain", "guarded", f"<{EMAIL}>").status == 200
        assert SEEN["of-route"] in house.sent()
    calls = len(house.provider.calls)
    without = {name: each for name, each in POLICIES.items() if name != "of-key"}
    assert reload({**house.document, "policies": without}).status == 200
    refused = house.ask("own", "plain", f"<{EMAIL}>")
    assert (refused.status, len(house.provider.calls)) == (503, calls), "it does not fall back to a policy that may allow more"
    checked = house.gateway.cli("check", "--config", str(house.gateway.config), "--strict", check=False)
    assert checked.returncode == 1
    assert b"names the policy 'of-key', which the document does not have" in checked.stderr
    assert reload(house.document).status == 200
    assert house.ask("own", "plain", f"<{EMAIL}>").status == 200


def test_the_command_line_explains_what_the_gateway_does(house: House) -> None:
    config = ("--config", str(house.gateway.config))
    for key, model, name, source in (("other", "guarded", "of-route", "route"), ("other-own", "guarded", "of-key", "key")):
        ran = house.gateway.cli("policies", "explain", "--key", key, "--model", model, "--direction", "prompt", "--json", *config)
        found = json.loads(ran.stdout)
        assert (found["policy"], found["source"], list(found["directions"])) == (name, source, ["prompt"])
        assert found["named"]["workspace"] == "of-workspace"


def test_a_start_with_a_route_that_names_no_policy_is_refused(tmp_path: Path, house: House) -> None:
    document = {**house.document, "models": {"plain": {"targets": ["openai"], "policy": "of-rout"}}}
    code, printed = refused_start(tmp_path, document)
    assert code == 2
    assert "there is no policy 'of-rout'" in printed
    assert "Did you mean 'of-route'?" in printed
