"""A second real OTLP back end reads what Lockgate sends: MLflow shows every call with model, tokens and clean content, and no canary."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.servers.mlflow import EXPERIMENT_HEADER, Mlflow, is_installed, running_mlflow
from tests.servers.provider import running_provider
from tests.servers.vault import VaultServer
from tests.walks.backends import WORDS, ask, delivered, reload
from tests.walks.canaries import Planted, assert_clean, leak_document
from tests.walks.rig import Answer, Gateway, running_gateway

pytestmark = [pytest.mark.backend, pytest.mark.slow, pytest.mark.timeout(300)]


@dataclass(frozen=True)
class House:
    """What the gateway did, and what MLflow gives back of it: traces with their spans."""

    captured: Answer
    captured_stream: Answer
    silent: Answer
    finished: Mapping[str, Mapping[str, Any]]
    traces: Mapping[str, tuple[dict[str, Any], list[dict[str, Any]]]]
    """By request id: the trace as the search describes it, and its spans."""
    account: Mapping[str, Any]
    written: Mapping[str, bytes] = field(repr=False)
    canaries: Planted

    def call(self, answer: Answer) -> tuple[dict[str, Any], dict[str, Any]]:
        """A call's trace, and the attributes of its own span."""
        trace, spans = self.traces[answer.headers["x-request-id"]]
        return trace, _own(spans)["attributes"]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    if not is_installed():
        pytest.skip("MLflow is not installed (make backend)")
    folder = tmp_path_factory.mktemp("mlflow")
    canaries = Planted(seed=20261123)
    with running_provider() as provider, VaultServer() as vault, running_mlflow(folder) as mlflow:
        canaries.fill(vault)
        experiment = mlflow.create_experiment("lockgate")
        # Its first request makes it load what it needs, which takes more than a destination's usual ten seconds on a slow machine.
        door = {"id": "mlflow", "endpoint": mlflow.url, "headers": {EXPERIMENT_HEADER: experiment}, "timeout_s": 60}
        document = leak_document(provider.url, vault.url, {"capture_content": True, "destinations": [door]})
        with running_gateway(folder / "gateway", document, **canaries.environment) as gateway:
            yield _read(gateway, mlflow, experiment, canaries, document)


def _read(gateway: Gateway, mlflow: Mlflow, experiment: str, canaries: Planted, document: dict[str, Any]) -> House:
    key = gateway.create_key(alias="canary")["key"]
    canaries.values["key"], canaries.values["admin"] = key, gateway.admin_key
    captured, captured_stream = (ask(gateway, canaries, key, stream) for stream in (False, True))
    for model in ("lite", "vaulted", "echoes-key", "dead"):
        content = f"{WORDS} {canaries.values['prompt:github']}"
        gateway.call("POST", "/v1/chat/completions", {"model": model, "messages": [{"role": "user", "content": content}]}, key=key)
    reload(gateway, {**document, "telemetry": {**document["telemetry"], "capture_content": False}})
    silent = ask(gateway, canaries, key, stream=False)
    finished = {event["request_id"]: event for event in gateway.events(kind="gateway:call:finish")}
    account = delivered(gateway)
    traces = {}
    for trace in mlflow.wait_for_traces(experiment, len(finished)):
        spans = mlflow.spans(trace)
        traces[_own(spans)["attributes"]["lockgate.request.id"]] = (trace, spans)
    return House(captured, captured_stream, silent, finished, traces, account, mlflow.written(), canaries)


def _own(spans: list[dict[str, Any]]) -> dict[str, Any]:
    [own] = [span for span in spans if "lockgate.request.id" in span["attributes"]]
    return own


def test_every_finished_call_is_one_trace_and_every_accepted_span_is_there(house: House) -> None:
    assert sorted(house.traces) == sorted(house.finished)
    assert len(house.traces) == 7
    assert house.account["accepted"] == house.account["delivered"] == sum(len(spans) for _, spans in house.traces.values())
    assert house.account["missing"] == 0


@pytest.mark.parametrize("how", ["captured", "captured_stream", "silent"])
def test_a_call_has_its_models_and_the_tokens_that_mlflow_counts_are_the_ledgers(house: House, how: str) -> None:
    answer: Answer = getattr(house, how)
    trace, span = house.call(answer)
    detail = house.finished[answer.headers["x-request-id"]]["detail"]
    assert (span["gen_ai.request.model"], span["gen_ai.response.model"], span["gen_ai.provider.name"]) == ("direct", "echo", "openai")
    assert span["lockgate.cost.micros"] == detail["cost_micros"] > 0
    used = json.loads(trace["trace_metadata"]["mlflow.trace.tokenUsage"])
    assert (used["input_tokens"], used["output_tokens"]) == (detail["tokens_in"], detail["tokens_out"])
    assert used["total_tokens"] == detail["tokens_in"] + detail["tokens_out"] > 0
    assert trace["state"] == "OK"


@pytest.mark.parametrize("how", ["captured", "captured_stream"])
def test_captured_content_is_shown_with_the_words_and_without_the_secrets(house: House, how: str) -> None:
    trace, span = house.call(getattr(house, how))
    secrets = len(house.canaries.prompts())
    for key, preview, marks in (
        ("gen_ai.input.messages", "request_preview", ("[HASHED:",)),
        ("gen_ai.output.messages", "response_preview", ("[HASHED:", "[REDACTED:")),
    ):
        [message] = span[key]
        [part] = message["parts"]
        assert part["content"].startswith(WORDS)
        assert sum(part["content"].count(mark) for mark in marks) >= secrets
        assert WORDS in trace[preview]


def test_nothing_that_was_said_is_sent_while_capture_is_off(house: House) -> None:
    trace, spans = house.traces[house.silent.headers["x-request-id"]]
    assert WORDS not in json.dumps([trace, spans])
    assert not [name for name in _own(spans)["attributes"] if "messages" in name]


def test_attempts_are_children_and_failed_calls_are_shown_as_failed(house: House) -> None:
    failed = {request_id for request_id, event in house.finished.items() if event["outcome"] == "failed"}
    assert len(failed) == 2
    for request_id, (trace, spans) in house.traces.items():
        own = _own(spans)
        attempts = [span for span in spans if span is not own]
        assert {(span["name"], span["parent_span_id"]) for span in attempts} == {("lockgate.attempt", own["span_id"])}
        assert (trace["state"] == "ERROR") == (request_id in failed)


def test_nothing_that_mlflow_returns_or_wrote_holds_a_canary(house: House) -> None:
    assert_clean("what MLflow returns", json.dumps(list(house.traces.values()), ensure_ascii=False).encode(), house.canaries.values)
    assert {"mlflow.db", "log"} <= set(house.written)
    assert sum(data.count(WORDS.encode()) for data in house.written.values()) > 0
    for name, data in house.written.items():
        assert_clean(f"MLflow's {name}", data, house.canaries.values)
