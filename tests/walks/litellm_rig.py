"""What walks over LiteLLM's administration share: the gateway, and its requests as LiteLLM's clients send them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.servers.provider import running_provider
from tests.walks.asking import body_for
from tests.walks.rig import MASK_ALL, Answer, Gateway, openai_target, running_gateway


@contextmanager
def litellm_house(folder: Path) -> Iterator[Gateway]:
    """A gateway with two models of a price, one that falls back, a cheap one, and a team of the document."""
    with running_provider() as provider:
        document = {
            "targets": [
                openai_target("echo", "echo", provider.url),
                openai_target("broken", "500", provider.url),
                openai_target("demo", "echo", provider.url),
            ],
            "models": {
                "echo": {"targets": ["echo"]},
                "other": {"targets": ["echo"]},
                "twice": {"targets": ["broken", "echo"]},
                "demo": {"targets": ["demo"]},
            },
            "prices": {
                "demo": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2},
                "openai/*": {"input_per_mtok_usd": 1000, "output_per_mtok_usd": 2000},
            },
            "policies": {"default": MASK_ALL, "strict": MASK_ALL},
            "server": {"litellm_headers": True},
            "workspaces": {"default": {}, "research": {"budget": {"limit_usd": 50, "period": "month"}}},
        }
        with running_gateway(folder, document) as running:
            yield running


def made(gateway: Gateway, **fields: Any) -> dict[str, Any]:
    """A key made as LiteLLM's clients make one."""
    answer = gateway.call("POST", "/key/generate", fields, key=gateway.admin_key)
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json
    return found


def chat(gateway: Gateway, key: str, model: str = "echo") -> Answer:
    return gateway.call("POST", "/v1/chat/completions", body_for("openai", model), key=key)


def info(gateway: Gateway, named: str, *, key: str | None = None) -> Answer:
    return gateway.call("GET", f"/key/info?key={quote(named)}", key=key or gateway.admin_key)


def post(gateway: Gateway, path: str, body: Any) -> Answer:
    return gateway.call("POST", path, body, key=gateway.admin_key)
