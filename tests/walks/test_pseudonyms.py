"""A value that a prompt holds goes to the provider under a pseudonym and comes back as itself, on both surfaces, streamed and not."""

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
from tests.walks.asking import SURFACES, Stream, Surface, ask
from tests.walks.rig import MASK_ALL, Answer, Gateway, anthropic_target, openai_target, running_gateway

EMAIL = planted.secret("email", Random(5))
PLACE = 'room "7" \\ east'  # needs escapes in JSON
NAME = re.compile(r"\[PSEUDONYM:\w+:[0-9a-f]{16}\]")
PSEUDONYMS = {
    **MASK_ALL,
    "prompt": [
        {"detect": ["secrets", "known"], "action": "mask"},
        {"detect": ["pii"], "action": "pseudonymize"},
        {"detect_patterns": [r'room "7" \\ east'], "action": "pseudonymize"},
    ],
    "answer": [{"detect": ["secrets", "known"], "action": "mask"}, {"detect": ["pii", "patterns"], "action": "mask", "restore": True}],
}
PARAMETERS = {"type": "object", "properties": {"text": {"type": "string"}, "count": {"type": "integer"}}}
TOOLS: dict[Surface, list[dict[str, Any]]] = {
    "openai": [{"type": "function", "function": {"name": "send", "parameters": PARAMETERS}}],
    "anthropic": [{"name": "send", "input_schema": PARAMETERS}],
}


@dataclass
class House:
    """The gateway, the provider behind it, and a key in each of three workspaces."""

    gateway: Gateway
    provider: Provider
    keys: dict[str, str]

    def sent(self) -> str:
        """The last user message that the provider saw."""
        content = json.loads(self.provider.calls[-1].raw)["messages"][-1]["content"]
        return content if isinstance(content, str) else str(content[0]["text"])


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with running_provider() as provider:
        document = {
            "targets": [openai_target("openai", "echo", provider.url), anthropic_target("anthropic", "echo", provider.url)],
            "models": {name: {"targets": [name]} for name in SURFACES},
            "prices": {f"{name}/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2} for name in SURFACES},
            "policies": {"default": MASK_ALL, "named": PSEUDONYMS, "unrestored": {**PSEUDONYMS, "answer": MASK_ALL["answer"]}},
            "workspaces": {"default": {}, "one": {"policy": "named"}, "two": {"policy": "named"}, "three": {"policy": "unrestored"}},
            "telemetry": {"capture_content": True},
        }
        with running_gateway(tmp_path_factory.mktemp("pseudonyms"), document, LOCKGATE_LOG_LEVEL="INFO") as gateway:
            keys = {name: gateway.create_key(workspace=name)["key"] for name in ("one", "two", "three")}
            yield House(gateway, provider, keys)


def text_of(answer: Answer, surface: Surface) -> str:
    tree = answer.json
    return str(tree["choices"][0]["message"]["content"] if surface == "openai" else tree["content"][0]["text"])


def events_of(house: House, request_id: str) -> dict[str, dict[str, Any]]:
    return {row["kind"]: row for row in house.gateway.events(request_id=request_id)}


@pytest.mark.parametrize("surface", SURFACES)
def test_the_provider_sees_a_name_and_the_caller_the_value(house: House, surface: Surface) -> None:
    answer = ask(house.gateway.url, surface, surface, house.keys["one"], f"write to {EMAIL}, {PLACE}, {EMAIL}")
    assert text_of(answer, surface) == f"write to {EMAIL}, {PLACE}, {EMAIL}"
    first, place, second = NAME.findall(house.sent())
    assert first == second != place
    assert house.provider.saw(EMAIL) == house.provider.saw("east") == []
    event = events_of(house, answer.headers["x-request-id"])["policy:answer:restore"]
    assert sum(event["detail"]["restored"].values()) == 3
    assert event["detail"]["policy"] == "named"
    assert event["workspace_id"]


@pytest.mark.parametrize("size", [1, 2, 5, 13])
@pytest.mark.parametrize("surface", SURFACES)
def test_a_name_cut_over_chunks_comes_back_as_the_value(house: House, surface: Surface, size: int) -> None:
    stream = Stream(house.gateway.url, surface, surface, house.keys["one"], f"#!leak-split:{size}\nto {EMAIL} at {PLACE}!").begin()
    stream.rest()
    assert stream.complete
    if surface == "openai":
        text = "".join(event["choices"][0]["delta"].get("content") or "" for event in stream.events if event["choices"])
    else:
        text = "".join(event["delta"]["text"] for event in stream.events if event["type"] == "content_block_delta")
    assert text == f"to {EMAIL} at {PLACE}!"
    assert house.provider.saw(EMAIL) == []
    assert "policy:answer:restore" in events_of(house, stream.request_id)


@pytest.mark.parametrize("surface", SURFACES)
def test_tool_arguments_stay_json(house: House, surface: Surface) -> None:
    asked = {"tools": TOOLS[surface]}
    whole = ask(house.gateway.url, surface, surface, house.keys["one"], f"#!tools\n{PLACE} {EMAIL}", **asked).json
    stream = Stream(house.gateway.url, surface, surface, house.keys["one"], f"#!tools+leak-split:3\n{PLACE} {EMAIL}", **asked).begin()
    stream.rest()
    if surface == "openai":
        given = json.loads(whole["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"])
        deltas = [event["choices"][0]["delta"] for event in stream.events if event["choices"]]
        calls = [call for delta in deltas for call in delta.get("tool_calls") or ()]
        streamed = json.loads("".join(call["function"].get("arguments") or "" for call in calls))
    else:
        given = next(block["input"] for block in whole["content"] if block["type"] == "tool_use")
        streamed = json.loads("".join(event["delta"].get("partial_json", "") for event in stream.events if "delta" in event))
    assert given["text"] == streamed["text"] == f"{PLACE} {EMAIL}"


def test_a_conversation_that_goes_on_says_the_same_names(house: House) -> None:
    key = house.keys["one"]
    first = text_of(ask(house.gateway.url, "openai", "openai", key, f"mail {EMAIL}"), "openai")
    before = house.sent()
    messages = [{"role": "user", "content": f"mail {EMAIL}"}, {"role": "assistant", "content": first}, {"role": "user", "content": "again"}]
    house.gateway.call("POST", "/v1/chat/completions", {"model": "openai", "messages": messages}, key=key)
    sent = json.loads(house.provider.calls[-1].raw)["messages"]
    assert [message["content"] for message in sent] == [before, before, "again"]


def test_workspaces_have_names_of_their_own_and_permission_of_their_own(house: House) -> None:
    answers, names = {}, {}
    for workspace, key in house.keys.items():
        answers[workspace] = text_of(ask(house.gateway.url, "openai", "openai", key, EMAIL), "openai")
        names[workspace] = house.sent()
    assert len(set(names.values())) == 3
    assert answers == {"one": EMAIL, "two": EMAIL, "three": names["three"]}
    # A name of another workspace is text like any other.
    foreign = f"{EMAIL} {names['one']}"
    assert text_of(ask(house.gateway.url, "openai", "openai", house.keys["two"], foreign), "openai") == foreign


def test_names_outlive_a_restart_and_values_stand_nowhere(house: House) -> None:
    ask(house.gateway.url, "openai", "openai", house.keys["one"], EMAIL)
    before = house.sent()
    house.gateway.stop()
    house.gateway.start_again()
    assert text_of(ask(house.gateway.url, "openai", "openai", house.keys["one"], EMAIL), "openai") == EMAIL
    assert house.sent() == before
    house.gateway.stop()
    written = house.gateway.written()
    assert {name: found for name, data in written.items() if (found := planted.leaks(data, {"email": EMAIL, "place": PLACE}))} == {}
    house.gateway.start_again()
