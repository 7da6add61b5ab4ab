"""A real OTLP back end reads what Lockgate sends: every call with its model, tokens, cost and clean content, and no canary.

Phoenix takes spans over HTTP from one gateway and over gRPC from another; each makes calls with content capture on and, after a
reload of its document, with capture off.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.servers.phoenix import Phoenix, is_installed, running_phoenix
from tests.servers.provider import Provider, running_provider
from tests.servers.vault import VaultServer
from tests.walks.backends import WORDS, ask, delivered, reload
from tests.walks.canaries import Planted, assert_clean, leak_document, walk
from tests.walks.rig import Answer, Gateway, running_gateway

pytestmark = [pytest.mark.backend, pytest.mark.slow, pytest.mark.timeout(300)]

OVER_HTTP, OVER_GRPC = "over-http", "default"
"""Projects in Phoenix: its HTTP door is told one by header, its gRPC door puts everything into the default."""


@dataclass(frozen=True)
class Read:
    """What one gateway did, and what Phoenix gives back of it."""

    captured: Answer
    captured_stream: Answer
    silent: Answer
    finished: Mapping[str, Mapping[str, Any]]
    spans: tuple[dict[str, Any], ...]
    project: Mapping[str, Any]
    spent_micros: int
    tokens: int
    account: Mapping[str, Any]

    def span_of(self, answer: Answer) -> dict[str, Any]:
        """The attributes of a call's own span in Phoenix."""
        found = [span for span in self.spans if span["attributes"].get("lockgate.request.id") == answer.headers["x-request-id"]]
        assert len(found) == 1
        attributes: dict[str, Any] = found[0]["attributes"]
        return attributes


@dataclass(frozen=True)
class House:
    """Phoenix with everything in it."""

    reads: Mapping[str, Read] = field(repr=False)
    returned: bytes = field(repr=False)
    written: Mapping[str, bytes] = field(repr=False)
    canaries: Planted


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    if not is_installed():
        pytest.skip("Phoenix is not installed (make backend)")
    folder = tmp_path_factory.mktemp("backend")
    canaries = Planted(seed=20261122)
    with running_provider() as provider, VaultServer() as vault, running_phoenix(folder) as phoenix:
        canaries.fill(vault)
        doors = {
            OVER_HTTP: {"id": "phoenix", "endpoint": phoenix.url, "headers": {"x-project-name": OVER_HTTP}},
            OVER_GRPC: {"id": "phoenix", "endpoint": phoenix.grpc_url, "protocol": "grpc"},
        }
        reads = {}
        for name, door in doors.items():
            document = leak_document(provider.url, vault.url, {"capture_content": True, "destinations": [door]})
            with running_gateway(folder / name, document, **canaries.environment) as gateway:
                reads[name] = _read(gateway, phoenix, provider, canaries, document, name)
        returned = phoenix.returned(OVER_HTTP) + phoenix.returned(OVER_GRPC)
        yield House(reads, returned, phoenix.written(), canaries)


def _read(gateway: Gateway, phoenix: Phoenix, provider: Provider, canaries: Planted, document: dict[str, Any], project: str) -> Read:
    """Make the calls of one gateway, and read them back. The long walk goes over HTTP only: what is sent is made before the door."""
    key = gateway.create_key(alias="canary")["key"]
    canaries.values[f"{project}:key"], canaries.values[f"{project}:admin"] = key, gateway.admin_key
    captured, captured_stream = (ask(gateway, canaries, key, stream) for stream in (False, True))
    if project == OVER_HTTP:
        for _ in walk(gateway, provider, canaries, key):
            pass
    reload(gateway, {**document, "telemetry": {**document["telemetry"], "capture_content": False}})
    silent = ask(gateway, canaries, key, stream=False)
    finished = {event["request_id"]: event for event in gateway.events(kind="gateway:call:finish")}
    account = delivered(gateway)
    spans = phoenix.wait_for_spans(project, account["accepted"])
    total = gateway.admin("GET", "/v1/spend")["total"]
    tokens = sum(value for name, value in total.items() if name.startswith("tokens_"))
    return Read(
        captured, captured_stream, silent, finished, tuple(spans), phoenix.project(project), total["cost_micros"], tokens, account
    )  # fmt: skip


BOTH = pytest.mark.parametrize("project", [OVER_HTTP, OVER_GRPC])


@BOTH
def test_every_finished_call_is_one_span_in_phoenix(house: House, project: str) -> None:
    read = house.reads[project]
    calls = [span["attributes"]["lockgate.request.id"] for span in read.spans if "lockgate.request.id" in span["attributes"]]
    assert sorted(calls) == sorted(read.finished)
    assert len(calls) >= (150 if project == OVER_HTTP else 3)


@BOTH
def test_a_call_has_its_model_tokens_and_cost(house: House, project: str) -> None:
    read = house.reads[project]
    span = read.span_of(read.captured)
    detail = read.finished[read.captured.headers["x-request-id"]]["detail"]
    usage = read.captured.json["usage"]
    assert (span["llm.model_name"], span["gen_ai.request.model"], span["gen_ai.response.model"]) == ("direct", "direct", "echo")
    assert span["gen_ai.provider.name"] == "openai"
    assert span["llm.token_count.prompt"] == usage["prompt_tokens"] == detail["tokens_in"] > 0
    assert span["llm.token_count.completion"] == usage["completion_tokens"] == detail["tokens_out"] > 0
    assert span["lockgate.cost.micros"] == detail["cost_micros"] == usage["prompt_tokens"] + 2 * usage["completion_tokens"]
    assert span["lockgate.redactions"] > 0


@BOTH
def test_the_sums_in_phoenix_are_those_of_the_ledger(house: House, project: str) -> None:
    read = house.reads[project]
    assert sum(span["attributes"].get("lockgate.cost.micros", 0) for span in read.spans) == read.spent_micros > 0
    assert read.project["tokenCountTotal"] == read.tokens > 0
    assert read.account["accepted"] == read.account["delivered"] == len(read.spans)
    assert read.account["missing"] == 0


@BOTH
@pytest.mark.parametrize("how", ["captured", "captured_stream"])
def test_captured_content_is_a_conversation_with_the_words_and_without_the_secrets(house: House, project: str, how: str) -> None:
    read = house.reads[project]
    span = read.span_of(getattr(read, how))
    asked, answered = span["llm.input_messages.0.message.content"], span["llm.output_messages.0.message.content"]
    assert span["llm.input_messages.0.message.role"] == "user"
    assert span["llm.output_messages.0.message.role"] == "assistant"
    for text in (asked, answered):
        assert text.startswith(WORDS)
    assert asked.count("[HASHED:") >= len(house.canaries.prompts())
    assert answered.count("[REDACTED:") + answered.count("[HASHED:") >= len(house.canaries.prompts())


@BOTH
def test_nothing_that_was_said_is_sent_while_capture_is_off(house: House, project: str) -> None:
    read = house.reads[project]
    span = read.span_of(read.silent)
    assert span["lockgate.cost.micros"] > 0
    assert not [name for name in span if "messages" in name or name.startswith("input.")]
    assert WORDS not in json.dumps(span)


@BOTH
def test_an_attempt_is_a_child_of_its_call(house: House, project: str) -> None:
    read = house.reads[project]
    calls = {span["context"]["span_id"] for span in read.spans if "lockgate.request.id" in span["attributes"]}
    attempts = [span for span in read.spans if span["name"] == "lockgate.attempt"]
    assert {span["parent_id"] for span in attempts} <= calls
    assert all(span["attributes"]["lockgate.target.id"] for span in attempts)
    assert len(attempts) + len(calls) == len(read.spans)


def test_phoenix_shows_failed_calls_as_failed(house: House) -> None:
    read = house.reads[OVER_HTTP]
    failed = {request_id for request_id, event in read.finished.items() if event["outcome"] == "failed"}
    shown = {span["attributes"].get("lockgate.request.id") for span in read.spans if span["status_code"] == "ERROR"}
    assert failed
    assert failed <= shown


def test_nothing_that_phoenix_returns_holds_a_canary(house: House) -> None:
    assert len(house.returned) > 100_000
    assert_clean("what Phoenix returns", house.returned, house.canaries.values)


def test_nothing_that_phoenix_wrote_holds_a_canary(house: House) -> None:
    assert {"phoenix.db", "log"} <= set(house.written)
    assert sum(data.count(WORDS.encode()) for data in house.written.values()) > 0
    for name, data in house.written.items():
        assert_clean(f"Phoenix's {name}", data, house.canaries.values)
