"""Nothing leaks: the canaries go in at every door, and no exit shows one of them in any form."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests import planted
from tests.servers.provider import running_provider
from tests.servers.vault import VaultServer
from tests.walks.canaries import Planted, assert_clean, leak_document, walk
from tests.walks.rig import running_gateway, running_sink


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """One long walk through every door; the tests below look at one exit each."""
    canaries = Planted(seed=20261121)
    folder = tmp_path_factory.mktemp("leaks")
    with running_provider() as provider, VaultServer() as vault, running_sink() as sink:
        canaries.fill(vault)
        telemetry = {
            "capture_content": True,
            "destinations": [
                {"id": "http", "endpoint": sink.http_url, "compression": "none"},
                {"id": "grpc", "endpoint": sink.grpc_url, "protocol": "grpc", "compression": "none"},
            ],
        }
        document = leak_document(provider.url, vault.url, telemetry)
        with running_gateway(folder, document, **canaries.environment) as gateway:
            created = gateway.create_key(alias="canary")
            canaries.values["key_in_use"] = created["key"]
            canaries.values["admin_key"] = gateway.admin_key
            answers = list(walk(gateway, provider, canaries, created["key"]))
            outputs = [
                gateway.cli(*words, check=False)
                for words in (
                    ["keys", "list"],
                    ["audit", "list"],
                    ["events", "tail"],
                    ["secrets", "status"],
                    ["spend", "report"],
                    ["check", "--verbose"],
                )
            ]
            metrics = gateway.call("GET", "/metrics")
            export = gateway.call("GET", "/v1/audit/events?format=csv", key=gateway.admin_key)
            sink.wait_for_spans(len(answers) // 2)
            assert gateway.stop() == 0
            yield {
                "canaries": canaries.values,
                "answers": answers,
                "written": gateway.written(),
                "otlp": sink.bodies(),
                "cli": b"".join(done.stdout + done.stderr for done in outputs),
                "metrics": metrics.body,
                "export": export.body,
                "provider": provider,
            }


def test_the_walk_really_happened(walked: dict[str, Any]) -> None:
    statuses = [answer.status for answer in walked["answers"]]
    assert statuses.count(200) > len(statuses) * 0.8
    assert len(walked["provider"].calls) > 100
    assert walked["otlp"]


def test_no_answer_and_no_error_body_shows_a_secret(walked: dict[str, Any]) -> None:
    for number, answer in enumerate(walked["answers"]):
        assert_clean(f"answer {number} ({answer.status})", answer.body, walked["canaries"])
        assert_clean(f"headers of answer {number}", json.dumps(answer.headers).encode(), walked["canaries"])


def test_a_secret_split_over_chunks_is_masked_and_the_text_around_it_stays(walked: dict[str, Any]) -> None:
    streamed = [
        answer.body.decode() for answer in walked["answers"] if answer.headers.get("content-type", "").startswith("text/event-stream")
    ]
    assert streamed
    assert any("REDACTED" in body for body in streamed)


def test_the_provider_never_saw_a_secret_of_the_prompt(walked: dict[str, Any]) -> None:
    values = {name: value for name, value in walked["canaries"].items() if name.startswith("prompt:")}
    for call in walked["provider"].calls:
        assert_clean("the request body at the provider", call.raw, values)


def test_no_file_of_the_home_and_no_log_line_shows_a_secret(walked: dict[str, Any]) -> None:
    assert {"lockgate.db", "log"} <= set(walked["written"])
    assert any(name.startswith("journal/") for name in walked["written"])
    for name, data in walked["written"].items():
        assert_clean(name, data, walked["canaries"])


def test_no_telemetry_byte_shows_a_secret(walked: dict[str, Any]) -> None:
    for number, body in enumerate(walked["otlp"]):
        assert_clean(f"OTLP request {number}", body, walked["canaries"])


@pytest.mark.parametrize("exit_", ["cli", "metrics", "export"])
def test_no_other_exit_shows_a_secret(walked: dict[str, Any], exit_: str) -> None:
    assert walked[exit_]
    assert_clean(exit_, walked[exit_], walked["canaries"])


def test_the_leak_scan_finds_what_is_planted(tmp_path: Path) -> None:
    """The scan itself can fail: every form of a value is found in bytes that hold it."""
    value = planted.secret("github", Random(1))
    for name, form in planted.forms(value).items():
        assert planted.leaks(b"before " + form + b" after", {"it": value}) == ["it"], name
    assert planted.leaks(b"nothing here", {"it": value}) == []
