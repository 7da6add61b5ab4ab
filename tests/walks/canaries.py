"""The canaries that the walks plant, the doors through which they go in, and the look at what came out.

Planted: a provider key, a virtual key, a vault token and the secret in that vault, secrets and personal data in prompts (plain,
base64, in tool arguments, in an unknown field), secrets that the model echoes (whole, cut over stream chunks, reversed so that
only the answer holds them, in tool arguments, in an upstream error body that repeats the credential).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

from tests import planted
from tests.servers.provider import Provider
from tests.servers.vault import VaultServer
from tests.walks.rig import MASK_ALL, Answer, Gateway, anthropic_target, openai_target

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

    @property
    def environment(self) -> dict[str, str]:
        """The variables that the references of `leak_document` name."""
        return {
            "CANARY_PROVIDER_KEY": self.values["provider_key"],
            "CANARY_PLAIN_KEY": self.values["provider_key_plain"],
            "CANARY_VAULT_TOKEN": self.values["vault_token"],
        }

    def prompts(self) -> dict[str, str]:
        """The canaries that only a prompt holds."""
        return {name: value for name, value in self.values.items() if name.startswith("prompt:")}

    def fill(self, vault: VaultServer) -> None:
        """Put the vault's secret and a token for it into a vault."""
        vault.put("secret/llm/openai", {"api_key": self.values["vault_secret"]})
        vault.allow("llm", "secret/data/llm/*", "secret/llm/*", "sys/internal/ui/mounts/*")
        self.values["vault_token"] = vault.token("llm")


def leak_document(provider: str, vault: str, telemetry: Mapping[str, Any]) -> dict[str, Any]:
    """A document with a door for every canary: both lanes, both wire formats, a vault, targets that echo and that fail."""
    return {
        "vaults": {
            "v": {
                "manager_type": "hashicorp_vault",
                "auth_config": {
                    "vault_auth_type": "token",
                    "vault_addr": vault,
                    "vault_token": {"secret_key_ref": {"env": "CANARY_VAULT_TOKEN"}},
                },
            }
        },
        "references": {"from-vault": {"vault": "v", "secret_path": "secret/llm/openai", "secret_key": "api_key"}},
        "targets": [
            openai_target("direct", "echo", provider, secret_key_ref={"env": "CANARY_PROVIDER_KEY"}),
            openai_target("plainkey", "echo", provider, secret_key_ref={"env": "CANARY_PLAIN_KEY"}),
            openai_target("vaulted", "echo", provider, secret_key_ref={"ref": "from-vault"}),
            openai_target("lite", "echo", provider, lane="litellm", secret_key_ref={"env": "CANARY_PROVIDER_KEY"}),
            openai_target("leaky", "leak+leak-split:3", provider, secret_key_ref={"env": "CANARY_PROVIDER_KEY"}),
            openai_target("leaky-lite", "leak+leak-split:3", provider, lane="litellm", secret_key_ref={"env": "CANARY_PROVIDER_KEY"}),
            anthropic_target("leaky-anthropic", "leak+leak-split:3", provider, secret_key_ref={"env": "CANARY_PLAIN_KEY"}),
            openai_target("tools", "tools", provider, secret_key_ref={"env": "CANARY_PROVIDER_KEY"}),
            openai_target("echoes-key", "error-echo", provider, secret_key_ref={"env": "CANARY_PLAIN_KEY"}),
            openai_target("echoes-key-lite", "error-echo", provider, lane="litellm", secret_key_ref={"env": "CANARY_PLAIN_KEY"}),
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
        "telemetry": dict(telemetry),
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
