"""Alerts leave the house: signed, once, tried again when nobody takes them; an exhausted key is blocked by choice."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests import planted
from tests.servers.loopback import Answer, Call, Loopback
from tests.servers.provider import running_provider
from tests.walks.house import wait_for
from tests.walks.rig import MASK_ALL, Gateway, openai_target, running_gateway

SIGNING = base64.b64encode(planted.secret("password", Random(41)).encode() * 4).decode()
SAID = planted.secret("openai_project", Random(43))
CHAT_PATH = "/services/" + planted.secret("password", Random(42))


class Receiver(Loopback):
    """Takes messages; refuses the first of each path with 503."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    def answer(self, call: Call) -> Answer:
        self.calls.append(call)
        refuses = len([each for each in self.calls if each.path == call.path]) == 1
        return Answer({}, 503 if refuses else 200)

    def taken(self, path: str) -> list[Call]:
        """What was sent there after the first attempt."""
        return [each for each in self.calls if each.path == path][1:]


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("alerts")
    with running_provider() as provider:
        document = {
            "targets": [openai_target("echo", "echo", provider.url)],
            "models": {"echo": {"targets": ["echo"]}},
            "prices": {"openai/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 1000}},
            "policies": {"default": MASK_ALL},
            "alerts": {
                "block_key_on": ["exhausted"],
                "destinations": [
                    {"id": "ops", "type": "webhook", "url": receiver.url + "/hook", "secret_key_ref": "env:ALERT_SIGNING"},
                    {"id": "chat", "type": "slack", "url_ref": "env:ALERT_CHAT", "kinds": ["exhausted"]},
                    {"id": "log", "type": "log"},
                ],
            },
        }
        more = {"ALERT_SIGNING": f"whsec_{SIGNING}", "ALERT_CHAT": receiver.url + CHAT_PATH}
        with running_gateway(folder, document, **more) as running:
            yield running


def verified(call: Call) -> dict[str, Any]:
    """The body of a webhook whose signature holds, checked as its receiver would."""
    ident, at, signature = (call.headers[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
    mac = hmac.new(base64.b64decode(SIGNING), f"{ident}.{at}.".encode() + call.body, hashlib.sha256)
    assert signature == "v1," + base64.b64encode(mac.digest()).decode()
    body: dict[str, Any] = json.loads(call.body)
    assert ident == "msg_" + body["data"]["id"]
    return body


def test_alerts_are_delivered_signed_once_each_and_the_key_is_blocked(gateway: Gateway, receiver: Receiver) -> None:
    made = gateway.create_key(alias="spender", budget={"limit_usd": "0.03", "period": "day"})
    asked = {"model": "echo", "messages": [{"role": "user", "content": f"my key is {SAID}"}], "max_tokens": 12}

    def ask() -> int:
        return gateway.call("POST", "/v1/chat/completions", asked, key=made["key"]).status

    statuses = [ask()]
    while statuses[-1] == 200 and len(statuses) < 40:
        statuses.append(ask())
    assert statuses[-1] == 429
    wait_for(lambda: ask() == 401, "the key to be blocked")
    wait_for(lambda: receiver.taken(CHAT_PATH), "the chat to be told")
    alerts = gateway.admin("GET", "/v1/alerts")["data"]
    assert {"threshold", "exhausted"} <= {each["kind"] for each in alerts}
    wait_for(lambda: len({each.headers["webhook-id"] for each in receiver.calls if each.path == "/hook"}) == len(alerts), "the webhooks")
    first = next(each for each in receiver.calls if each.path == "/hook").headers["webhook-id"]
    wait_for(
        lambda: [each.headers["webhook-id"] for each in receiver.calls if each.path == "/hook"].count(first) == 2, "the second attempt"
    )
    told = [verified(each) for each in receiver.taken("/hook")]
    assert sorted(each["data"]["id"] for each in told) == sorted(each["id"] for each in alerts), "each was taken exactly once"
    exhausted = next(each["data"] for each in told if each["type"] == "budget.exhausted")
    assert (exhausted["scope"], exhausted["scope_id"], exhausted["limit_usd"]) == ("key", made["id"], "0.030000")
    (text,) = [json.loads(each.body)["text"] for each in receiver.taken(CHAT_PATH)]
    assert "key budget is used up" in text
    blocked = [each for each in gateway.events(kind="admin:key:block") if each["key_id"] == made["id"]]
    assert [each["actor"] for each in blocked] == ["system"]
    assert next(each for each in gateway.admin("GET", "/v1/alerts")["data"] if each["kind"] == "exhausted")["key_blocked"]
    gateway.admin("POST", f"/v1/keys/{made['id']}/unblock")
    wait_for(lambda: ask() == 429, "the key to work again, up to its budget")


def test_nothing_of_what_was_said_is_in_an_alert(receiver: Receiver) -> None:
    sent = b"".join(call.body + json.dumps(call.headers).encode() for call in receiver.calls)
    assert b"budget.threshold" in sent
    assert planted.leaks(sent, {"prompt": SAID}) == []


def test_no_address_and_no_signing_secret_is_written_anywhere(gateway: Gateway) -> None:
    written = b"".join(path.read_bytes() for path in Path(gateway.home.parent).rglob("*") if path.is_file() and path.suffix != ".yaml")
    assert "budget is used up" in gateway.log.read_text()
    for value in (SIGNING, CHAT_PATH):
        assert value.encode() not in written
