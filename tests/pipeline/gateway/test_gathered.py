"""A streamed answer, gathered for telemetry, has the shape of the answer that was not streamed."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.gateway.gathered import LIMIT, Gathered
from pipeline.routing.model import Delta, Surface


def gathered(surface: Surface, events: list[dict[str, Any]]) -> Any:
    found = Gathered(surface)
    for data in events:
        found.see(Delta(data, data.get("type", ""), ""))
    return found.body()


def chunk(index: int, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": delta, "finish_reason": finish}]}


def test_choices_of_a_chat_are_put_together_in_their_order() -> None:
    events = [chunk(1, {"content": "second"}), chunk(0, {"role": "assistant", "content": ""}), chunk(0, {"content": "fi"})]
    events += [chunk(0, {"content": "rst"}), chunk(0, {}, "stop"), chunk(1, {}, "length"), {"choices": [], "usage": {"total_tokens": 3}}]
    assert gathered("openai.chat", events) == {
        "choices": [
            {"message": {"role": "assistant", "content": "first"}, "finish_reason": "stop"},
            {"message": {"role": "assistant", "content": "second"}, "finish_reason": "length"},
        ]
    }


def test_arguments_of_two_tool_calls_do_not_mix() -> None:
    def call(index: int, arguments: str, **more: str) -> dict[str, Any]:
        name = {"name": more["name"]} if "name" in more else {}
        return {"index": index, **{key: value for key, value in more.items() if key == "id"}, "function": {**name, "arguments": arguments}}

    events = [chunk(0, {"tool_calls": [call(0, "", id="a", name="f"), call(1, "", id="b", name="g")]})]
    events += [chunk(0, {"tool_calls": [call(1, '{"y"')]}), chunk(0, {"tool_calls": [call(0, "{}"), call(1, ":2}")]})]
    [choice] = gathered("openai.chat", events)["choices"]
    assert [(one["id"], one["function"]) for one in choice["message"]["tool_calls"]] == [
        ("a", {"name": "f", "arguments": "{}"}),
        ("b", {"name": "g", "arguments": '{"y":2}'}),
    ]


def test_a_completion_keeps_its_text() -> None:
    events = [{"choices": [{"index": 0, "text": text, "finish_reason": finish}]} for text, finish in (("one ", None), ("two", "stop"))]
    assert gathered("openai.completions", events) == {"choices": [{"text": "one two", "finish_reason": "stop"}]}


def test_blocks_of_a_message_are_put_together() -> None:
    def start(index: int, **block: Any) -> dict[str, Any]:
        return {"type": "content_block_start", "index": index, "content_block": block}

    def delta(index: int, **inner: Any) -> dict[str, Any]:
        return {"type": "content_block_delta", "index": index, "delta": inner}

    events = [
        {"type": "message_start", "message": {"role": "assistant", "content": []}},
        start(0, type="thinking", thinking=""),
        delta(0, type="thinking_delta", thinking="hm"),
        start(1, type="text", text=""),
        delta(1, type="text_delta", text="he"),
        delta(1, type="text_delta", text="llo"),
        start(2, type="tool_use", id="t", name="f", input={}),
        delta(2, type="input_json_delta", partial_json='{"a"'),
        delta(2, type="input_json_delta", partial_json=":1}"),
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
    ]
    assert gathered("anthropic.messages", events) == {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "hm"},
            {"type": "text", "text": "hello"},
            {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
        ],
        "stop_reason": "tool_use",
    }


@pytest.mark.parametrize("surface", ["openai.chat", "openai.completions", "anthropic.messages"])
def test_events_of_no_known_shape_add_nothing(surface: Surface) -> None:
    odd: list[dict[str, Any]] = [
        {},
        {"choices": None},
        {"choices": ["x", {"index": "x", "delta": "x", "text": 7}]},
        {"choices": [{"delta": {"content": 7, "tool_calls": [None, {"index": "x", "function": None}]}}]},
        {"type": "content_block_start", "content_block": None},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": 7}},
        {"type": "content_block_delta", "delta": {"type": "other", "text": "x"}},
    ]
    assert "x" not in str(gathered(surface, odd)).replace("index", "").replace("text", "")


def test_an_answer_that_is_too_long_is_not_gathered() -> None:
    assert gathered("openai.chat", [chunk(0, {"content": "x" * (LIMIT // 2)})] * 3) is None
    assert gathered("openai.chat", [chunk(0, {"content": "x" * (LIMIT // 2)})] * 2) is not None
