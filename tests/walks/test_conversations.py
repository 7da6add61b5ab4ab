"""Pseudonyms through a whole conversation with a tool, led by the unmodified clients, on both surfaces and lanes, streamed and not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from tests import planted
from tests.servers.provider import Provider, running_provider
from tests.walks.asking import SURFACES, Surface
from tests.walks.rig import MASK_ALL, Gateway, anthropic_target, has_environment, openai_target, run_client, running_gateway

pytestmark = pytest.mark.clients

EMAIL = planted.secret("email", Random(31))
PLACE = 'room "7" \\ east'  # needs escapes in JSON
NAME = re.compile(r"\[PSEUDONYM:(\w+):[0-9a-f]{16}\]")
NAMED = {
    **MASK_ALL,
    "prompt": [
        {"detect": ["secrets", "known"], "action": "mask"},
        {"detect": ["pii"], "action": "pseudonymize"},
        {"detect_patterns": [r'room \\*"7\\*" \\+ east'], "action": "pseudonymize"},
    ],
    "answer": [{"detect": ["secrets", "known"], "action": "mask"}, {"detect": ["pii", "patterns"], "action": "mask", "restore": True}],
}


@dataclass
class House:
    gateway: Gateway
    provider: Provider


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with running_provider() as provider:
        targets = [
            openai_target("openai-direct", "echo", provider.url, lane="direct"),
            openai_target("openai-litellm", "echo", provider.url, lane="litellm", secret_key_ref={"env": "LOOPBACK_KEY"}),
            anthropic_target("anthropic-direct", "echo", provider.url, lane="direct"),
            openai_target("anthropic-litellm", "echo", provider.url, lane="litellm", secret_key_ref={"env": "LOOPBACK_KEY"}),
        ]
        document = {
            "targets": targets,
            "models": {target["id"]: {"targets": [target["id"]], "policy": "named"} for target in targets},
            "prices": {f"{name}/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2} for name in SURFACES},
            "policies": {"default": MASK_ALL, "named": NAMED},
        }
        with running_gateway(tmp_path_factory.mktemp("talks"), document, LOOPBACK_KEY="sk-loopback-only") as gateway:
            yield House(gateway, provider)


def texts_in(node: Any) -> Iterator[str]:
    """Every string of what a provider was sent; tool arguments are JSON in a string."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for value in node.values():
            yield from texts_in(value)
    elif isinstance(node, list):
        for value in node:
            yield from texts_in(value)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("lane", ["direct", "litellm"])
@pytest.mark.parametrize("surface", SURFACES)
def test_the_application_talks_about_its_own_values_and_the_provider_about_names(
    house: House, surface: Surface, lane: str, stream: bool
) -> None:
    if not has_environment("clients-newest"):
        pytest.skip("the environment .venv-clients-newest is not installed; run: make clients")
    key = house.gateway.create_key()
    before = len(house.provider.calls)
    said = {
        "first": f"#!leak-split:3\nto {EMAIL} at {PLACE}",
        "tool_prompt": f"#!tools+leak-split:2\n{PLACE}, {EMAIL}",
        "last": f"#!leak-split:5\nthanks, {EMAIL}",
    }
    given = {"surface": surface, "base_url": house.gateway.url, "key": key["key"], "model": f"{surface}-{lane}", "stream": stream, **said}
    seen = run_client("clients-newest", "conversation_walk", given)
    assert seen["first"].endswith(f"to {EMAIL} at {PLACE}")
    assert seen["arguments"]["text"].endswith(f"{PLACE}, {EMAIL}")
    assert seen["last"].endswith(f"thanks, {EMAIL}")

    calls = house.provider.calls[before:]
    assert len(calls) == 3
    sent = [text for call in calls for text in texts_in(json.loads(call.raw)["messages"])]
    assert [text for text in sent if EMAIL in text or "east" in text] == []
    names: dict[str, set[str]] = {}
    for text in sent:
        for match in NAME.finditer(text):
            names.setdefault(match.group(1), set()).add(match.group(0))
    assert names["email"], "the provider saw no name at all"
    assert {kind: len(found) for kind, found in names.items()} == dict.fromkeys(names, 1), "one value, one name, all the way"

    restored = house.gateway.events(kind="policy:answer:restore", key=key["id"])
    assert len(restored) == 3
    for row in restored:
        assert (row["detail"]["policy"], row["detail"]["policy_source"]) == ("named", "route")
        assert sum(row["detail"]["restored"].values()) > 0
    assert EMAIL not in json.dumps(house.gateway.events(key=key["id"]))
