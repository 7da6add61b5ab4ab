"""The LiteLLM lane end to end: other providers' wire formats behind both surfaces, with everything on, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from tests import planted
from tests.servers.provider import Provider, running_provider
from tests.walks.rig import MASK_ALL, Gateway, running_gateway

AWS_KEY = json.dumps({"aws_access_key_id": "AKIALOOPBACK", "aws_secret_access_key": "loopback-only-not-a-key"})
PRICE = {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2}
SECRET = planted.secret("github", Random(11))
FORMATS = {"anthropic": "/v1/messages", "gemini": "/v1beta/models/", "bedrock": "/model/"}


def targets(url: str) -> list[dict[str, Any]]:
    return [
        {
            "id": "anthropic",
            "provider": "anthropic",
            "model": "echo",
            "base_url": url,
            "lane": "litellm",
            "secret_key_ref": {"env": "LOOPBACK_KEY"},
        },
        {"id": "gemini", "provider": "gemini", "model": "echo", "base_url": f"{url}/v1beta", "secret_key_ref": {"env": "LOOPBACK_KEY"}},
        {
            "id": "bedrock",
            "provider": "bedrock",
            "model": "converse/anthropic.claude-3-5-sonnet-20240620-v1:0",
            "base_url": url,
            "aws_region_name": "us-east-1",
            "secret_key_ref": {"env": "LOOPBACK_AWS"},
        },
    ]


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running_provider() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    document = {
        "targets": targets(provider.url),
        "models": {name: {"targets": [name]} for name in FORMATS},
        "policies": {"default": MASK_ALL},
        "prices": {f"{name}/*": PRICE for name in FORMATS},
    }
    with running_gateway(tmp_path_factory.mktemp("translated"), document, LOOPBACK_KEY="loopback-key-one", LOOPBACK_AWS=AWS_KEY) as running:
        yield running


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("surface", ["openai", "anthropic"])
@pytest.mark.parametrize("name", FORMATS)
def test_another_wire_format_behind_either_surface_is_screened_and_charged(
    gateway: Gateway, provider: Provider, name: str, surface: str, stream: bool
) -> None:
    key = gateway.create_key()
    body: dict[str, Any] = {"model": name, "stream": stream, "messages": [{"role": "user", "content": f"#!echo\nkeep {SECRET} safe"}]}
    path = "/v1/chat/completions"
    if surface == "anthropic":
        path, body = "/v1/messages", {**body, "max_tokens": 200}
    before = len(provider.calls)
    answer = gateway.call("POST", path, body, key=key["key"])
    assert answer.status == 200, answer.body[:400]
    (call,) = provider.calls[before:]
    assert call.path.startswith(FORMATS[name])
    assert planted.leaks(call.raw, {"prompt": SECRET}) == []
    assert planted.leaks(answer.body, {"prompt": SECRET}) == []
    assert b"REDACTED" in answer.body
    spend = gateway.admin("GET", f"/v1/spend?group_by=model&key={key['id']}")
    assert spend["total"]["charges"] == 1
    assert spend["total"]["cost_micros"] > 0
    assert spend["data"][0]["model"] == name
