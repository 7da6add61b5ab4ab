"""Content that is stored instead of sent: spans refer to it, auditors fetch it by reference, and no look or loss of it goes unseen."""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from tests import planted
from tests.servers.provider import running_provider
from tests.servers.vault import VaultServer
from tests.walks.backends import WORDS, ask, reload
from tests.walks.canaries import Planted, assert_clean, leak_document
from tests.walks.rig import Answer, Gateway, Sink, running_gateway, running_sink

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

KEY = "CONTENT_KEY"
REFS = ("gen_ai.input.messages_ref", "gen_ai.output.messages_ref")


@dataclass(frozen=True)
class House:
    """A gateway that stores content, the sink of its spans, and keys for each role."""

    gateway: Gateway
    sink: Sink
    document: dict[str, Any]
    key: str
    auditor: str
    answer: Answer
    streamed: Answer
    canaries: Planted = field(repr=False)

    @property
    def id(self) -> str:
        """The request id of the first call: its content's id."""
        return self.answer.headers["x-request-id"]

    def span(self, answer: Answer) -> Mapping[str, Any]:
        """The attributes of a call's own span as they came to the sink."""
        for span in self.sink.spans():
            attributes = {pair.key: pair.value.string_value or pair.value.int_value for pair in span.attributes}
            if attributes.get("lockgate.request.id") == answer.headers["x-request-id"]:
                return attributes
        raise AssertionError("the span did not come")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("stored")
    canaries = Planted(seed=20261124)
    canaries.values["content_key"] = base64.b64encode(Random(4).randbytes(32)).decode()
    with running_provider() as provider, VaultServer() as vault, running_sink() as sink:
        canaries.fill(vault)
        stored = {"keep_days": 1, "max_bytes": 20_000, "secret_key_ref": {"env": KEY}}
        telemetry = {"capture_content": "stored", "stored_content": stored, "destinations": [{"id": "sre", "endpoint": sink.http_url}]}
        document = leak_document(provider.url, vault.url, telemetry)
        environment = {**canaries.environment, KEY: canaries.values["content_key"]}
        with running_gateway(folder, document, **environment) as gateway:
            key, auditor = gateway.create_key(alias="app")["key"], gateway.create_key(alias="auditor", role="auditor")["key"]
            answer, streamed = ask(gateway, canaries, key, stream=False), ask(gateway, canaries, key, stream=True)
            sink.wait_for_spans(4)
            yield House(gateway, sink, document, key, auditor, answer, streamed, canaries)


@pytest.mark.parametrize("how", ["answer", "streamed"])
def test_a_span_refers_to_content_that_an_auditor_fetches_redacted(house: House, how: str) -> None:
    answer: Answer = getattr(house, how)
    span = house.span(answer)
    assert not [name for name in span if name in ("gen_ai.input.messages", "gen_ai.output.messages")]
    for name in REFS:
        part = name.split(".")[1]
        assert span[name] == f"lockgate:content:{answer.headers['x-request-id']}:{part}"
        fetched = house.gateway.call("GET", f"/v1/contents/{span[name]}", key=house.auditor)
        assert fetched.status == 200
        assert list(fetched.json["content"]) == [part]
        said = json.dumps(fetched.json["content"])
        assert WORDS in said
        assert said.count("[HASHED:") + said.count("[REDACTED:") >= len(house.canaries.prompts())
        assert_clean("stored content", fetched.body, house.canaries.values)


def test_the_call_s_event_says_what_was_stored_and_every_look_is_an_event(house: House) -> None:
    [finish] = house.gateway.events(kind="gateway:call:finish", request_id=house.id)
    assert finish["detail"]["content"] == ["input", "output"]
    before = len(house.gateway.events(kind="admin:content:read"))
    house.gateway.call("GET", f"/v1/contents/{house.id}", key=house.auditor)
    reads = house.gateway.events(kind="admin:content:read")
    assert len(reads) == before + 1
    assert reads[0]["detail"]["content"] == house.id
    assert reads[0]["outcome"] == "ok"


def test_only_admins_and_auditors_read_and_only_admins_remove(house: House) -> None:
    for path in (f"/v1/contents/{house.id}", "/v1/contents"):
        assert house.gateway.call("GET", path, key=house.key).status == 403
        assert house.gateway.call("GET", path).status == 401
    for key in (house.key, house.auditor):
        assert house.gateway.call("POST", "/v1/contents/delete", {"ids": [house.id]}, key=key).status == 403
    assert house.gateway.admin("GET", f"/v1/contents/{house.id}")["id"] == house.id


def test_a_list_names_what_there_is_and_not_what_was_said(house: House) -> None:
    page = house.gateway.call("GET", "/v1/contents?limit=1", key=house.auditor)
    assert page.json["total"]["rows"] >= 2
    following = house.gateway.call("GET", f"/v1/contents?limit=1&cursor={page.json['next_cursor']}", key=house.auditor)
    assert following.json["data"][0]["id"] < page.json["data"][0]["id"]
    assert WORDS.encode() not in page.body + following.body
    [row] = following.json["data"]
    assert row["expires_us"] - row["created_us"] == 86_400_000_000
    assert row["seal_key"].startswith("ref:")


def test_no_file_and_no_export_holds_what_was_said_and_none_holds_a_canary(house: House) -> None:
    written = house.gateway.written()
    exported = house.gateway.call("GET", "/v1/audit/events?format=csv", key=house.auditor).body
    for name, data in {**written, "export": exported, "sink": b"".join(house.sink.bodies())}.items():
        assert WORDS.encode() not in data, name
        assert_clean(name, data, house.canaries.values)


def test_a_row_that_was_changed_or_moved_does_not_open(house: House) -> None:
    moved = ask(house.gateway, house.canaries, house.key, stream=False).headers["x-request-id"]
    with sqlite3.connect(house.gateway.home / "lockgate.db", timeout=20) as connection:
        connection.execute("UPDATE stored_contents SET expires_us = expires_us + 1 WHERE id = ?", (moved,))
    answer = house.gateway.call("GET", f"/v1/contents/{moved}", key=house.auditor)
    assert (answer.status, answer.json["error"]["code"]) == (409, "content_sealed")
    assert house.gateway.events(kind="admin:content:read")[0]["outcome"] == "refused"


def test_content_that_is_too_large_is_left_out_said_on_the_span_and_counted(house: House) -> None:
    body = {"model": "direct", "messages": [{"role": "user", "content": f"{WORDS} " * 2_000}]}
    answer = house.gateway.call("POST", "/v1/chat/completions", body, key=house.key)
    assert answer.status == 200
    _until_span(house, answer)
    span = house.span(answer)
    assert span["lockgate.content.unstored"] == "too_large"
    assert not [name for name in span if name.endswith("_ref")]
    assert b'lockgate_content_unstored_total{reason="too_large"} 1.0' in house.gateway.call("GET", "/metrics", key=house.auditor).body
    assert house.gateway.call("GET", f"/v1/contents/{answer.headers['x-request-id']}", key=house.auditor).status == 404


def test_content_that_holds_what_is_a_live_secret_now_is_withheld(house: House) -> None:
    word = planted.secret("password", Random(9)).lower().replace("-", "")[:12]
    body = {"model": "direct", "messages": [{"role": "user", "content": f"the boat is called {word} today"}]}
    ident = house.gateway.call("POST", "/v1/chat/completions", body, key=house.key).headers["x-request-id"]
    assert word in json.dumps(house.gateway.admin("GET", f"/v1/contents/{ident}"))
    house.gateway.admin("POST", "/v1/secrets/BOAT", {"value": word})
    target = {**house.document["targets"][0], "id": "boat", "secret_key_ref": {"store": "BOAT"}}
    reload(house.gateway, {**house.document, "targets": [*house.document["targets"], target]})
    answer = house.gateway.call("GET", f"/v1/contents/{ident}", key=house.auditor)
    assert (answer.status, answer.json["error"]["code"]) == (409, "content_withheld")
    assert word.encode() not in answer.body


def test_removed_content_is_gone_and_the_removal_is_an_event(house: House) -> None:
    ident = ask(house.gateway, house.canaries, house.key, stream=False).headers["x-request-id"]
    nothing = house.gateway.call("POST", "/v1/contents/delete", {}, key=house.gateway.admin_key)
    assert nothing.status == 400
    assert house.gateway.admin("POST", "/v1/contents/delete", {"ids": [f"lockgate:content:{ident}:input"]})["rows"] == 1
    assert house.gateway.call("GET", f"/v1/contents/{ident}", key=house.auditor).status == 404
    [removal, *_] = house.gateway.events(kind="admin:content:delete")
    assert removal["detail"]["rows"] == 1
    assert removal["detail"]["first"] == ident


def test_a_store_that_refuses_costs_the_span_its_content_and_the_caller_nothing(house: House) -> None:
    with sqlite3.connect(house.gateway.home / "lockgate.db", timeout=20) as connection:
        connection.execute("CREATE TRIGGER no_contents BEFORE INSERT ON stored_contents BEGIN SELECT RAISE(ABORT, 'full'); END")
    try:
        answer = ask(house.gateway, house.canaries, house.key, stream=False)
    finally:
        with sqlite3.connect(house.gateway.home / "lockgate.db", timeout=20) as connection:
            connection.execute("DROP TRIGGER no_contents")
    _until_span(house, answer)
    assert house.span(answer)["lockgate.content.unstored"] == "store"
    [finish] = house.gateway.events(kind="gateway:call:finish", request_id=answer.headers["x-request-id"])
    assert (finish["outcome"], finish["detail"]["content"]) == ("ok", "store")


def _until_span(house: House, answer: Answer) -> None:
    ident = answer.headers["x-request-id"].encode()
    for count in range(len(house.sink.spans()), len(house.sink.spans()) + 20):
        if any(ident in body for body in house.sink.bodies()):
            return
        house.sink.wait_for_spans(count + 1)
    raise AssertionError("the span did not come")
