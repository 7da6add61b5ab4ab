"""Nothing leaks: canaries go in at every door, and no exit shows one of them in any form.

Planted: a provider key, a virtual key, a vault token and the secret in that vault, secrets and personal data in prompts (plain,
base64, in tool arguments, in an unknown field), secrets that the model echoes (whole, cut over stream chunks, reversed so that
only the answer holds them, in tool arguments, in an upstream error body that repeats the credential).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests import planted
from tests.servers.provider import Provider, running_provider
from tests.servers.vault import VaultServer
from tests.walks.rig import MASK_ALL, Answer, Gateway, anthropic_target, openai_target, running_gateway, running_sink

PROMPT_KINDS = (
    "openai_project",
    "anthropic",
    "aws_access_key_id",
    "github",
    "slack",
    "stripe",
    "google",
    "vault_token",
    "virtual_key",
    "jwt",
    "email",
    "card",
    "iban",
    "ssn",
)
ANSWER_KINDS = ("openai_project", "anthropic", "github", "slack", "stripe", "google", "virtual_key")


class Planted:
    """Every canary of this run by name; the names are what a failure may print."""

    def __init__(self, seed: int) -> None:
        rng = Random(seed)
        self.rng = rng
        self.values = {f"prompt:{kind}": planted.secret(kind, rng) for kind in PROMPT_KINDS}
        self.values |= {f"answer:{kind}": planted.secret(kind, rng) for kind in ANSWER_KINDS}
        self.values["provider_key"] = planted.secret("openai_project", rng)
        self.values["provider_key_plain"] = planted.secret("password", rng) + planted.secret("password", rng)
        self.values["vault_secret"] = planted.secret("password", rng) + planted.secret("password", rng)


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """One long walk through every door; the tests below look at one exit each."""
    canaries = Planted(seed=20261121)
    folder = tmp_path_factory.mktemp("leaks")
    with running_provider() as provider, VaultServer() as vault, running_sink() as sink:
        vault.put("secret/llm/openai", {"api_key": canaries.values["vault_secret"]})
        vault.allow("llm", "secret/data/llm/*", "secret/llm/*", "sys/internal/ui/mounts/*")
        canaries.values["vault_token"] = vault.token("llm")
        document = {
            "vaults": {
                "v": {
                    "manager_type": "hashicorp_vault",
                    "auth_config": {
                        "vault_auth_type": "token",
                        "vault_addr": vault.url,
                        "vault_token": {"secret_key_ref": {"env": "CANARY_VAULT_TOKEN"}},
                    },
                }
            },
            "references": {"from-vault": {"vault": "v", "secret_path": "secret/llm/openai", "secret_key": "api_key"}},
            "targets": [
                openai_target("direct", "echo", provider.url, secret_key_ref={"env": "CANARY_PROVIDER_KEY"}),
                openai_target("plainkey", "echo", provider.url, secret_key_ref={"env": "CANARY_PLAIN_KEY"}),
                openai_target("vaulted", "echo", provider.url, secret_key_ref={"ref": "from-vault"}),
                openai_target("lite", "echo", provider.url, lane="litellm", secret_key_ref={"env": "CANARY_PROVIDER_KEY"}),
                openai_target("leaky", "leak+leak-split:3", provider.url, secret_key_ref={"env": "CANARY_PROVIDER_KEY"}),
                openai_target(
                    "leaky-lite", "leak+leak-split:3", provider.url, lane="litellm", secret_key_ref={"env": "CANARY_PROVIDER_KEY"}
                ),
                anthropic_target("leaky-anthropic", "leak+leak-split:3", provider.url, secret_key_ref={"env": "CANARY_PLAIN_KEY"}),
                openai_target("tools", "tools", provider.url, secret_key_ref={"env": "CANARY_PROVIDER_KEY"}),
                openai_target("echoes-key", "error-echo", provider.url, secret_key_ref={"env": "CANARY_PLAIN_KEY"}),
                openai_target("echoes-key-lite", "error-echo", provider.url, lane="litellm", secret_key_ref={"env": "CANARY_PLAIN_KEY"}),
                openai_target("dead", "echo", "http://127.0.0.1:9", secret_key_ref={"env": "CANARY_PROVIDER_KEY"}),
            ],
            "models": {
                name: {"targets": [name], "fallback": {"enabled": False}}
                for name in (
                    "direct",
                    "plainkey",
                    "vaulted",
                    "lite",
                    "leaky",
                    "leaky-lite",
                    "leaky-anthropic",
                    "tools",
                    "echoes-key",
                    "echoes-key-lite",
                    "dead",
                )
            },
            "policies": {"default": MASK_ALL},
            "prices": {
                "openai/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2},
                "anthropic/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2},
            },
            "telemetry": {
                "capture_content": True,
                "destinations": [
                    {"id": "http", "endpoint": sink.http_url, "compression": "none"},
                    {"id": "grpc", "endpoint": sink.grpc_url, "protocol": "grpc", "compression": "none"},
                ],
            },
        }
        secrets = {
            "CANARY_PROVIDER_KEY": canaries.values["provider_key"],
            "CANARY_PLAIN_KEY": canaries.values["provider_key_plain"],
            "CANARY_VAULT_TOKEN": canaries.values["vault_token"],
        }
        with running_gateway(folder, document, **secrets) as gateway:
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


def walk(gateway: Gateway, provider: Provider, canaries: Planted, key: str) -> Iterator[Answer]:
    """Calls through every door that text can take."""
    chat, messages = "/v1/chat/completions", "/v1/messages"

    def ask(model: str, content: Any, **more: Any) -> Answer:
        return gateway.call("POST", chat, {"model": model, "messages": [{"role": "user", "content": content}], **more}, key=key)

    for name, value in list(canaries.values.items()):
        if not name.startswith("prompt:"):
            continue
        for model in ("direct", "lite"):
            yield ask(model, f"my value is {value}, keep it")
        yield ask("direct", f"({value})", stream=True)
        yield ask("direct", [{"type": "text", "text": f"look: `{value}`."}], user=value, metadata={"note": value})
        if name != "prompt:ssn":  # sixteen characters in base64: shorter than the runs that are decoded, as the README says
            yield ask("direct", "in base64: " + base64.b64encode(value.encode()).decode())
        yield ask(
            "tools",
            f"call it with {value}",
            tools=[{"type": "function", "function": {"name": "note", "description": value, "parameters": {"type": "object"}}}],
        )
        arguments = json.dumps({"text": value})
        history = [
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "note", "arguments": arguments}}],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": f"result {value}"},
            {"role": "user", "content": "and now?"},
        ]
        yield gateway.call("POST", chat, {"model": "direct", "messages": history}, key=key)
    for name, value in canaries.values.items():
        if not name.startswith(("answer:", "provider_key", "vault_secret")):
            continue
        provider.leak = f"here you are: {value} and bye"
        for model in ("leaky", "leaky-lite"):
            yield ask(model, "hello")
            yield ask(model, "hello", stream=True)
        for stream in (False, True):
            body = {"model": "leaky-anthropic", "max_tokens": 200, "stream": stream, "messages": [{"role": "user", "content": "hello"}]}
            yield gateway.call("POST", messages, body, key=key)
        provider.leak = "encoded: " + base64.b64encode(value.encode()).decode()
        yield ask("leaky", "hello", stream=True)
    for model in ("echoes-key", "echoes-key-lite", "dead", "vaulted", "plainkey"):
        yield ask(model, "hello")
        yield ask(model, "hello", stream=True)
    secret = canaries.values["prompt:github"]
    yield gateway.call("POST", chat, b'{"model": "direct", "messages": [{"content": "' + secret.encode(), key=key)
    yield gateway.call("POST", chat, {"model": secret, "messages": []}, key=key)
    yield gateway.call("POST", chat, {"model": "direct", "messages": []}, key=canaries.values["prompt:virtual_key"])
    yield gateway.call("GET", f"/v1/keys/{secret}", key=key)
    yield gateway.call("GET", f"/{secret}", key=key, headers={"x-request-id": secret, "traceparent": secret, "user-agent": secret})
    yield gateway.call("POST", "/v1/keys", {"alias": secret, "nonsense": secret}, key=gateway.admin_key)


def assert_clean(where: str, data: bytes, values: dict[str, str]) -> None:
    found = planted.leaks(data, values)
    assert found == [], f"{where} shows {found}"


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
