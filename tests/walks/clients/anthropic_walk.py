"""Runs in an environment of its own, with an unmodified `anthropic` client: each scenario prints what the application would see.

Input: one JSON object on standard input (`base_url`, `key`, `model`, …). Output: one JSON object by scenario name.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import anthropic
from anthropic import Anthropic

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
TOOLS = [{"name": "note", "description": "Takes a note", "input_schema": {"type": "object", "properties": {"text": {"type": "string"}}}}]


def messages(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def chat(client: Anthropic, given: dict[str, Any]) -> Any:
    answer = client.messages.create(model=given["model"], max_tokens=256, messages=messages(given["prompt"]))
    return {
        "text": answer.content[0].text,
        "stop": answer.stop_reason,
        "tokens": answer.usage.input_tokens + answer.usage.output_tokens,
        "request_id": answer._request_id,
    }


def stream(client: Anthropic, given: dict[str, Any]) -> Any:
    with client.messages.stream(model=given["model"], max_tokens=256, messages=messages(given["prompt"])) as events:
        text = "".join(events.text_stream)
        final = events.get_final_message()
    return {"text": text, "stop": final.stop_reason, "tokens": final.usage.output_tokens}


def tools(client: Anthropic, given: dict[str, Any]) -> Any:
    answer = client.messages.create(model=given["tools_model"], max_tokens=256, messages=messages(given["prompt"]), tools=TOOLS)
    block = next(block for block in answer.content if block.type == "tool_use")
    return {"name": block.name, "arguments": block.input, "stop": answer.stop_reason}


def tools_streamed(client: Anthropic, given: dict[str, Any]) -> Any:
    with client.messages.stream(model=given["tools_model"], max_tokens=256, messages=messages(given["prompt"]), tools=TOOLS) as events:
        final = events.get_final_message()
    block = next(block for block in final.content if block.type == "tool_use")
    return {"name": block.name, "arguments": block.input}


def image(client: Anthropic, given: dict[str, Any]) -> Any:
    source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    content = [{"type": "text", "text": given["prompt"]}, {"type": "image", "source": source}]
    answer = client.messages.create(model=given["model"], max_tokens=256, messages=[{"role": "user", "content": content}])
    return {"text": answer.content[0].text}


def count_tokens(client: Anthropic, given: dict[str, Any]) -> Any:
    answer = client.messages.count_tokens(model=given["model"], messages=messages(given["prompt"]))
    return {"tokens": answer.input_tokens}


def models(client: Anthropic, given: dict[str, Any]) -> Any:
    return {"ids": sorted(model.id for model in client.models.list())}


def bearer(client: Anthropic, given: dict[str, Any]) -> Any:
    other = Anthropic(base_url=given["base_url"], auth_token=given["key"], api_key=None, timeout=30)
    answer = other.messages.create(model=given["model"], max_tokens=64, messages=messages("hello"))
    return {"stop": answer.stop_reason}


def errors(client: Anthropic, given: dict[str, Any]) -> Any:
    outcome = {}
    for name, case in given.get("errors", {}).items():
        other = client.with_options(api_key=case.get("key", given["key"]))
        body = {"model": case["model"], "max_tokens": 256, "messages": messages(case.get("prompt", "hello")), **case.get("extra", {})}
        try:
            if body.pop("stream", False):
                with other.messages.stream(**body) as events:
                    events.get_final_message()
            else:
                other.messages.create(**body)
            outcome[name] = {"class": None}
        except anthropic.APIStatusError as error:
            detail = error.body.get("error", {}) if isinstance(error.body, dict) else {}
            outcome[name] = {
                "class": type(error).__name__,
                "status": error.status_code,
                "type": detail.get("type"),
                "message": detail.get("message"),
                "request_id": error.request_id,
                "retries": error.response.request.headers.get("x-stainless-retry-count"),
            }
        except anthropic.APIError as error:
            outcome[name] = {"class": type(error).__name__, "status": None, "message": error.message}
    return outcome


SCENARIOS = (chat, stream, tools, tools_streamed, image, count_tokens, models, bearer, errors)


def main() -> None:
    given = json.load(sys.stdin)
    client = Anthropic(base_url=given["base_url"], api_key=given["key"], timeout=30)
    wanted = given.get("scenarios")
    result: dict[str, Any] = {"version": anthropic.__version__}
    for scenario in SCENARIOS:
        if wanted is None or scenario.__name__ in wanted:
            result[scenario.__name__] = scenario(client, given)
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
