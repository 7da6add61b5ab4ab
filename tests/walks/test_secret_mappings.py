"""A target whose key and address come from one JSON secret: asked, rotated and moved while the gateway runs."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

from tests.servers.provider import running_provider
from tests.walks.rig import MASK_ALL, Answer, Gateway, running_gateway

MAPPINGS = [
    {"target_field": "key", "secret_reference_id": "provider", "secret_key": "api_key"},
    {"target_field": "configurations.base_url", "secret_reference_id": "provider", "secret_key": "endpoint"},
]


def document() -> dict[str, Any]:
    return {
        "targets": [{"id": "mapped", "provider": "openai", "model": "text-short", "secret_mappings": MAPPINGS}],
        "models": {"m": {"targets": ["mapped"]}},
        "references": {"provider": {"manager_type": "env", "secret_path": "PROVIDER_OF_TEST"}},
        "policies": {"default": MASK_ALL},
        "unknown_price": "allow",
    }


def ask(gateway: Gateway, key: str) -> Answer:
    return gateway.call("POST", "/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": "echo hello"}]}, key=key)


def test_a_key_and_its_endpoint_from_one_secret_reach_the_provider_and_stand_nowhere_in_clear(tmp_path: Path) -> None:
    value = "canary-" + secrets.token_hex(20)
    with running_provider() as provider:
        told = json.dumps({"api_key": value, "endpoint": f"{provider.url}/v1"})
        with running_gateway(tmp_path, document(), PROVIDER_OF_TEST=told) as gateway:
            answer = ask(gateway, gateway.create_key()["key"])
            assert answer.status == 200, answer.body
            assert provider.keys == [value]
            usage = gateway.admin("GET", "/v1/secret-references/provider/usage")
            assert (usage["calls"], usage["used_by"]) == (1, ["target mapped"])
        for name, content in gateway.written().items():
            assert value.encode() not in content, name
