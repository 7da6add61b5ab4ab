"""By choice a reference is tried at its provider: through the admin API, the command line and `check --verify`; nothing shows the key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests import planted
from tests.servers.provider import Provider, running_provider
from tests.walks.rig import Gateway, running_gateway

KEY = planted.secret("openai", Random(61))


def document(url: str) -> dict[str, Any]:
    away = "http://127.0.0.1:9/v1"
    return {
        "references": {
            "main": {"manager_type": "env", "secret_path": "MAIN_KEY"},
            "idle": {"manager_type": "env", "secret_path": "MAIN_KEY"},
        },
        "targets": [
            {"id": "first", "provider": "openai", "model": "echo", "base_url": f"{url}/v1", "secret_key_ref": {"ref": "main"}},
            {"id": "second", "provider": "anthropic", "model": "echo", "base_url": url, "secret_key_ref": {"ref": "main"}},
            {"id": "away", "provider": "openai", "model": "m", "base_url": away, "required": False, "secret_key_ref": {"env": "AWAY_KEY"}},
        ],
        "models": {"m": {"targets": ["first", "second", "away"]}},
    }


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running_provider() as running:
        yield running


@pytest.fixture(autouse=True)
def _fresh(provider: Provider) -> None:
    provider.accept_keys, provider.open_lists = {KEY}, False
    provider.looks.clear()
    provider.calls.clear()


@pytest.fixture(scope="module")
def gateway(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("canary")
    with running_gateway(folder, document(provider.url), MAIN_KEY=KEY, AWAY_KEY="not-" + KEY) as running:
        yield running


def verdicts(answer: dict[str, Any]) -> dict[str, str]:
    return {call["target"]: call["verdict"] for call in answer["calls"]}


def test_a_key_is_tried_at_each_of_its_targets_and_the_audit_says_so_before_and_after(gateway: Gateway, provider: Provider) -> None:
    answer = gateway.admin("POST", "/v1/secret-references/main/verify", {"call": True})
    assert answer["resolvable"]
    assert verdicts(answer) == {"first": "works", "second": "works"}
    assert KEY not in json.dumps(answer)
    assert not provider.calls  # no tokens
    after, before = [event for event in gateway.events() if event["kind"] in ("admin:secret:call", "admin:secret:verify")][:2]
    assert (before["kind"], before["detail"]["targets"]) == ("admin:secret:call", ["first", "second"])
    assert [(call["target"], call["verdict"]) for call in after["detail"]["calls"]] == [("first", "works"), ("second", "works")]
    assert (after["outcome"], before["request_id"]) == ("ok", after["request_id"])


def test_a_key_that_the_provider_does_not_know_is_denied(gateway: Gateway, provider: Provider) -> None:
    provider.accept_keys = {"another"}
    assert verdicts(gateway.admin("POST", "/v1/secret-references/main/verify", {"call": True})) == {"first": "denied", "second": "denied"}
    event = next(event for event in gateway.events() if event["kind"] == "admin:secret:verify")
    assert event["outcome"] == "failed"


def test_without_the_flag_nobody_is_called(gateway: Gateway, provider: Provider) -> None:
    assert "calls" not in gateway.admin("POST", "/v1/secret-references/main/verify", {})
    assert provider.looks == []


def test_a_reference_that_no_target_uses_has_nobody_to_ask(gateway: Gateway, provider: Provider) -> None:
    assert gateway.admin("POST", "/v1/secret-references/idle/verify", {"call": True})["calls"] == []
    assert provider.looks == []


@pytest.mark.parametrize("body", [{"call": True, "base_url": "http://127.0.0.1:9"}, {"host": "x"}, {"call": "yes"}, {"call": 1}])
def test_a_caller_names_no_address_and_no_other_field(gateway: Gateway, provider: Provider, body: dict[str, Any]) -> None:
    assert gateway.call("POST", "/v1/secret-references/main/verify", body, key=gateway.admin_key).status == 400
    assert provider.looks == []


def test_a_disabled_reference_is_not_tried(gateway: Gateway, provider: Provider) -> None:
    gateway.admin("POST", "/v1/secret-references/main/disable", {})
    try:
        answer = gateway.admin("POST", "/v1/secret-references/main/verify", {"call": True})
        assert (answer["reason"], answer["calls"], provider.looks) == ("disabled", [], [])
    finally:
        gateway.admin("POST", "/v1/secret-references/main/enable", {})


@pytest.mark.parametrize(
    ("slug", "known", "code", "said"),
    [("main", True, 0, "works"), ("main", False, 1, "denied"), ("env:AWAY_KEY", True, 3, "unreachable")],
    ids=["works", "denied", "unreachable"],
)
def test_the_command_line_says_the_same(gateway: Gateway, provider: Provider, slug: str, known: bool, code: int, said: str) -> None:
    provider.accept_keys = {KEY} if known else {"another"}
    done = gateway.cli("secrets", "verify", slug, "--call", check=False)
    assert done.returncode == code, done.stderr
    assert said in done.stdout.decode()
    assert KEY.encode() not in done.stdout + done.stderr


def test_check_asks_the_running_gateway_to_call(gateway: Gateway, provider: Provider) -> None:
    done = gateway.cli("check", "--verify", "--json")
    found = {each["slug"]: verdicts(each) for each in json.loads(done.stdout)["references"]}
    assert found == {"main": {"first": "works", "second": "works"}, "env:AWAY_KEY": {"away": "unreachable"}, "idle": {}}
    assert KEY.encode() not in done.stdout + done.stderr


def test_no_file_of_the_house_has_the_key(gateway: Gateway) -> None:
    assert not [name for name, data in gateway.written().items() if KEY.encode() in data]


def test_without_a_gateway_check_calls_from_here_and_writes_it_down(provider: Provider, tmp_path: Path) -> None:
    with running_gateway(tmp_path, document(provider.url), MAIN_KEY=KEY, AWAY_KEY="not-" + KEY) as house:
        house.stop()
        provider.looks.clear()
        done = house.cli("check", "--verify", "--json")
        found = {each["slug"]: verdicts(each) for each in json.loads(done.stdout)["references"]}
        assert found == {"main": {"first": "works", "second": "works"}, "env:AWAY_KEY": {"away": "unreachable"}, "idle": {}}
        assert len(provider.looks) == 4  # each address with the key and without it
        strict = house.cli("check", "--verify", "--strict", check=False)
        assert strict.returncode == 3, strict.stderr
        provider.accept_keys = {"another"}
        refused = house.cli("check", "--verify", check=False)
        assert refused.returncode == 1, refused.stderr
        assert b"main, first: The provider does not accept the key" in refused.stderr
        listed = json.loads(house.cli("audit", "list", "--json").stdout)
        kinds = [event["kind"] for event in listed["events"]]
        assert kinds.count("admin:secret:call") == 3
        for written in (done, strict, refused):
            assert KEY.encode() not in written.stdout + written.stderr
        assert not [name for name, data in house.written().items() if KEY.encode() in data]
