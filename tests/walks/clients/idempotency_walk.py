"""Runs in an environment of its own, with the unmodified `openai` or `anthropic` client: the same call twice under one idempotency key.

Input: one JSON object on standard input (`surface`, `base_url`, `key`, `model`, `prompt`, `token`). Output: one JSON object by scenario.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any


def openai_calls(given: dict[str, Any]) -> tuple[Callable[..., Any], Callable[..., str], Any]:
    import openai

    client = openai.OpenAI(base_url=given["base_url"], api_key=given["key"])

    def whole(prompt: str, token: str) -> Any:
        raw = client.chat.completions.with_raw_response.create(
            model=given["model"], messages=[{"role": "user", "content": prompt}], extra_headers={"Idempotency-Key": token}
        )
        return {"text": raw.parse().choices[0].message.content, "replayed": raw.headers.get("idempotent-replayed")}

    def streamed(prompt: str, token: str) -> str:
        messages: list[Any] = [{"role": "user", "content": prompt}]
        chunks = client.chat.completions.create(
            model=given["model"], messages=messages, stream=True, extra_headers={"Idempotency-Key": token}
        )
        return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)

    return whole, streamed, openai.APIStatusError


def anthropic_calls(given: dict[str, Any]) -> tuple[Callable[..., Any], Callable[..., str], Any]:
    import anthropic

    client = anthropic.Anthropic(base_url=given["base_url"], api_key=given["key"])

    def whole(prompt: str, token: str) -> Any:
        raw = client.messages.with_raw_response.create(
            model=given["model"], max_tokens=99, messages=[{"role": "user", "content": prompt}], extra_headers={"Idempotency-Key": token}
        )
        return {"text": raw.parse().content[0].text, "replayed": raw.headers.get("idempotent-replayed")}

    def streamed(prompt: str, token: str) -> str:
        messages: list[Any] = [{"role": "user", "content": prompt}]
        events = client.messages.create(
            model=given["model"], max_tokens=99, messages=messages, stream=True, extra_headers={"Idempotency-Key": token}
        )
        return "".join(event.delta.text for event in events if event.type == "content_block_delta")

    return whole, streamed, anthropic.APIStatusError


def main() -> None:
    given = json.loads(sys.stdin.read())
    make = openai_calls if given["surface"] == "openai" else anthropic_calls
    whole, streamed, refused = make(given)
    prompt, token = given["prompt"], given["token"]
    seen = {"first": whole(prompt, token), "again": whole(prompt, token)}
    seen["streamed"] = {"text": streamed(prompt, token + "-s")}
    seen["streamed_again"] = {"text": streamed(prompt, token + "-s")}
    try:
        whole("another prompt", token)
    except refused as error:
        seen["mismatch"] = type(error).__name__
    print(json.dumps(seen))


main()
