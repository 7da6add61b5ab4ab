from __future__ import annotations

import json
from typing import Any

import pytest

from collectors.content import captured
from redactors.model import Clean, is_clean, seal


def loaded(clean: Clean[str] | None) -> Any:
    assert clean is not None
    assert is_clean(clean)
    return json.loads(clean.value)


def test_a_chat_completion_becomes_messages_of_parts() -> None:
    body = {
        "messages": [
            {"role": "system", "content": "be brief"},
            {
                "role": "user",
                "content": [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}],
            },
            {"role": "assistant", "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": '{"a": 1}'}}]},
            {"role": "tool", "tool_call_id": "c1", "content": "42"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}],
    }
    answer = {"choices": [{"message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}]}
    content = captured("openai.chat", seal(body), seal(answer))

    system, user, assistant, tool = loaded(content.input)
    assert system == {"role": "system", "parts": [{"type": "text", "content": "be brief"}]}
    assert user["parts"][1] == {"type": "blob", "modality": "image", "mime_type": "image/png", "size": 3}
    assert assistant["parts"] == [{"type": "tool_call", "id": "c1", "name": "f", "arguments": {"a": 1}}]
    assert tool["parts"] == [{"type": "tool_call_response", "id": "c1", "response": "42"}]
    assert loaded(content.output) == [{"role": "assistant", "parts": [{"type": "text", "content": "hi"}], "finish_reason": "stop"}]
    assert loaded(content.tools)[0]["name"] == "f"


def test_anthropic_messages_become_the_same_parts() -> None:
    body = {
        "system": "be brief",
        "messages": [
            {"role": "user", "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "42"}]}]},
        ],
    }
    answer = {
        "role": "assistant",
        "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "hi"}],
        "stop_reason": "end_turn",
    }
    content = captured("anthropic.messages", seal(body), seal(answer))

    assert loaded(content.system) == [{"type": "text", "content": "be brief"}]
    assert [message["parts"][0]["type"] for message in loaded(content.input)] == ["blob", "tool_call", "tool_call_response"]
    assert loaded(content.output)[0]["parts"] == [{"type": "reasoning", "content": "hm"}, {"type": "text", "content": "hi"}]


@pytest.mark.parametrize("surface", ["openai.chat", "anthropic.messages", "openai.completions", "openai.embeddings"])
@pytest.mark.parametrize(
    "odd",
    [
        None,
        [],
        {},
        {"messages": None},
        {"messages": ["text", 5]},
        {"choices": 5, "content": 7},
        {"prompt": 5},
        {
            "messages": [
                {
                    "tool_calls": [{"function": 5}],
                    "content": [{"type": "image_url", "image_url": 5, "source": 5}, {"type": "image", "source": 5}],
                }
            ]
        },
    ],
)
def test_odd_bodies_give_no_content_and_no_error(surface: str, odd: Any) -> None:
    content = captured(surface, seal(odd), seal(odd))

    assert content.output is None
