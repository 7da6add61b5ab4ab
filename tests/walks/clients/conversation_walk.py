"""Runs in an environment of its own, with unmodified clients: one conversation with a tool, as an application leads it.

Input: one JSON object on standard input (`surface`, `base_url`, `key`, `model`, `first`, `tool_prompt`, `last`, `stream`). Output: what
the application saw: the texts of both answers and the arguments of the tool call, which it also sends back with a result.
"""

from __future__ import annotations

import json
import sys
from typing import Any

PARAMETERS = {"type": "object", "properties": {"text": {"type": "string"}, "count": {"type": "integer"}}}


def openai_answer(client: Any, given: dict[str, Any], messages: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """One answer, put together from its chunks when it is streamed, as a message that can be sent back."""
    if not given["stream"]:
        return dict(client.chat.completions.create(model=given["model"], messages=messages, **more).choices[0].message.to_dict())
    text, calls = "", []
    for chunk in client.chat.completions.create(model=given["model"], messages=messages, stream=True, **more):
        for choice in chunk.choices:
            text += choice.delta.content or ""
            for piece in choice.delta.tool_calls or []:
                if piece.index == len(calls):
                    calls.append({"id": piece.id, "type": "function", "function": {"name": piece.function.name, "arguments": ""}})
                calls[piece.index]["function"]["arguments"] += piece.function.arguments or ""
    return {"role": "assistant", "content": text, **({"tool_calls": calls} if calls else {})}


def openai_conversation(given: dict[str, Any]) -> dict[str, Any]:
    from openai import OpenAI

    client = OpenAI(base_url=f"{given['base_url']}/v1", api_key=given["key"], timeout=30)
    tools = [{"type": "function", "function": {"name": "send", "parameters": PARAMETERS}}]
    messages: list[dict[str, Any]] = [{"role": "user", "content": given["first"]}]
    messages.append(openai_answer(client, given, messages))
    messages.append({"role": "user", "content": given["tool_prompt"]})
    messages.append(openai_answer(client, given, messages, tools=tools))
    call = messages[-1]["tool_calls"][0]
    arguments = json.loads(call["function"]["arguments"])
    messages.append({"role": "tool", "tool_call_id": call["id"], "content": json.dumps({"sent": arguments["text"]})})
    messages.append({"role": "user", "content": given["last"]})
    last = openai_answer(client, given, messages, tools=tools)
    return {"first": messages[1]["content"], "arguments": arguments, "last": last["content"]}


def anthropic_answer(client: Any, given: dict[str, Any], messages: list[dict[str, Any]], **more: Any) -> list[dict[str, Any]]:
    """The blocks of one answer, put together by the client when it is streamed."""
    asked = {"model": given["model"], "max_tokens": 256, "messages": messages, **more}
    if given["stream"]:
        with client.messages.stream(**asked) as events:
            message = events.get_final_message()
    else:
        message = client.messages.create(**asked)
    blocks = []
    for block in message.content:
        if block.type == "tool_use":
            blocks.append({"type": "tool_use", "id": block.id, "name": block.name, "input": block.input})
        else:
            blocks.append({"type": "text", "text": block.text})
    return blocks


def anthropic_conversation(given: dict[str, Any]) -> dict[str, Any]:
    from anthropic import Anthropic

    client = Anthropic(base_url=given["base_url"], api_key=given["key"], timeout=30)
    tools = [{"name": "send", "input_schema": PARAMETERS}]
    messages: list[dict[str, Any]] = [{"role": "user", "content": given["first"]}]
    first = anthropic_answer(client, given, messages)
    messages += [{"role": "assistant", "content": first}, {"role": "user", "content": given["tool_prompt"]}]
    blocks = anthropic_answer(client, given, messages, tools=tools)
    call = next(block for block in blocks if block["type"] == "tool_use")
    result = {"type": "tool_result", "tool_use_id": call["id"], "content": json.dumps({"sent": call["input"]["text"]})}
    messages += [{"role": "assistant", "content": blocks}, {"role": "user", "content": [result, {"type": "text", "text": given["last"]}]}]
    last = anthropic_answer(client, given, messages, tools=tools)
    return {"first": first[0]["text"], "arguments": call["input"], "last": last[0]["text"]}


def main() -> None:
    given = json.load(sys.stdin)
    lead = openai_conversation if given["surface"] == "openai" else anthropic_conversation
    json.dump(lead(given), sys.stdout)


if __name__ == "__main__":
    main()
