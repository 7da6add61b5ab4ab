"""Runs in an environment of its own, with an unmodified `openai` client: each scenario prints what the application would see.

Input: one JSON object on standard input (`base_url`, `key`, `model`, …). Output: one JSON object by scenario name.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import openai
from openai import OpenAI

PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "note",
            "description": "Takes a note",
            "parameters": {"type": "object", "properties": {"text": {"type": "string"}}},
        },
    }
]


def messages(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def chat(client: OpenAI, given: dict[str, Any]) -> Any:
    raw = client.chat.completions.with_raw_response.create(model=given["model"], messages=messages(given["prompt"]))
    answer = raw.parse()
    return {
        "text": answer.choices[0].message.content,
        "finish": answer.choices[0].finish_reason,
        "tokens": answer.usage.total_tokens,
        "request_id": raw.headers.get("x-request-id"),
        "sdk_request_id": answer._request_id,
    }


def stream(client: OpenAI, given: dict[str, Any]) -> Any:
    text, finish, usage = "", None, None
    options = {"stream_options": {"include_usage": True}} if given.get("usage", True) else {}
    for chunk in client.chat.completions.create(model=given["model"], messages=messages(given["prompt"]), stream=True, **options):
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
        if chunk.usage:
            usage = chunk.usage.total_tokens
    return {"text": text, "finish": finish, "tokens": usage}


def stream_without_usage(client: OpenAI, given: dict[str, Any]) -> Any:
    return stream(client, {**given, "usage": False})


def tools(client: OpenAI, given: dict[str, Any]) -> Any:
    answer = client.chat.completions.create(model=given["tools_model"], messages=messages(given["prompt"]), tools=TOOLS)
    call = answer.choices[0].message.tool_calls[0]
    return {"name": call.function.name, "arguments": json.loads(call.function.arguments), "finish": answer.choices[0].finish_reason}


def tools_streamed(client: OpenAI, given: dict[str, Any]) -> Any:
    name, arguments = "", ""
    for chunk in client.chat.completions.create(model=given["tools_model"], messages=messages(given["prompt"]), tools=TOOLS, stream=True):
        for choice in chunk.choices:
            for call in choice.delta.tool_calls or []:
                name += call.function.name or "" if call.function else ""
                arguments += call.function.arguments or "" if call.function else ""
    return {"name": name, "arguments": json.loads(arguments)}


def several(client: OpenAI, given: dict[str, Any]) -> Any:
    answer = client.chat.completions.create(model=given["model"], messages=messages(given["prompt"]), n=2)
    return {"choices": len(answer.choices)}


def image(client: OpenAI, given: dict[str, Any]) -> Any:
    content = [{"type": "text", "text": given["prompt"]}, {"type": "image_url", "image_url": {"url": PIXEL}}]
    answer = client.chat.completions.create(model=given["model"], messages=[{"role": "user", "content": content}])
    return {"text": answer.choices[0].message.content}


def completion(client: OpenAI, given: dict[str, Any]) -> Any:
    answer = client.completions.create(model=given["model"], prompt=given["prompt"])
    return {"text": answer.choices[0].text}


def embeddings(client: OpenAI, given: dict[str, Any]) -> Any:
    answer = client.embeddings.create(model=given["embedding_model"], input=["one", "two"])
    return {
        "vectors": len(answer.data),
        "numbers": len(answer.data[0].embedding),
        "first_is_float": isinstance(answer.data[0].embedding[0], float),
    }


def models(client: OpenAI, given: dict[str, Any]) -> Any:
    return {"ids": sorted(model.id for model in client.models.list())}


def failure(run: Callable[[], Any]) -> Any:
    """What an application sees of an error: its class, status, code, type, request id, and how often the SDK tried."""
    try:
        run()
    except openai.APIStatusError as error:
        body = error.body if isinstance(error.body, dict) else {}
        return {
            "class": type(error).__name__,
            "status": error.status_code,
            "code": body.get("code"),
            "type": body.get("type"),
            "message": body.get("message"),
            "request_id": error.request_id,
            "retries": error.response.request.headers.get("x-stainless-retry-count"),
        }
    except openai.APIError as error:
        return {"class": type(error).__name__, "status": None, "code": error.code, "message": error.message}
    return {"class": None}


def errors(client: OpenAI, given: dict[str, Any]) -> Any:
    outcome = {}
    for name, case in given.get("errors", {}).items():
        other = client.with_options(api_key=case.get("key", given["key"]))
        body = {"model": case["model"], "messages": messages(case.get("prompt", "hello")), **case.get("extra", {})}
        if body.get("stream"):
            outcome[name] = failure(lambda other=other, body=body: list(other.chat.completions.create(**body)))
        else:
            outcome[name] = failure(lambda other=other, body=body: other.chat.completions.create(**body))
    return outcome


SCENARIOS = (chat, stream, stream_without_usage, tools, tools_streamed, several, image, completion, embeddings, models, errors)


def main() -> None:
    given = json.load(sys.stdin)
    client = OpenAI(base_url=given["base_url"], api_key=given["key"], timeout=30)
    wanted = given.get("scenarios")
    result: dict[str, Any] = {"version": openai.__version__}
    for scenario in SCENARIOS:
        if wanted is None or scenario.__name__ in wanted:
            result[scenario.__name__] = scenario(client, given)
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
