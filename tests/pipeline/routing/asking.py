"""What the routing tests share: targets, requests and collected answers, small values with good defaults."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from itertools import chain
from typing import Any

from pipeline.routing.model import Delta, Lane, Outbound, Surface, Target, UpstreamError
from pipeline.routing.text_runs import one_by_one
from pipeline.vaults.model import Secret


class HandClock:
    """Time that moves only when it is told to."""

    def __init__(self, at: float = 1_000.0) -> None:
        self.at = at

    def now_us(self) -> int:
        return int(self.at * 1_000_000)

    def monotonic(self) -> float:
        return self.at


def secret(value: str = "key-one", version: str = "1") -> Secret:
    return Secret(value, reference="ref", version=version, fingerprint=f"fp-{version}")


AWS = json.dumps({"aws_access_key_id": "AKIALOOPBACK", "aws_secret_access_key": "loopback-secret"})
"""A Bedrock credential in the form in which a vault holds it; neither part is in the format of a real one."""


def target(provider: str = "openai", model: str = "echo", base: str = "", *, ident: str = "t1", lane: Lane = "auto", **more: Any) -> Target:
    if provider == "bedrock":
        more.setdefault("extra", {"aws_region_name": "us-east-1"})
    more.setdefault("reference", "ref")
    return Target(ident, provider, model, base_url=base or None, lane=lane, **more)


def at(url: str, provider: str, surface: Surface = "openai.chat") -> str:
    """The base address of the loopback server for a provider."""
    return url + {"openai": "/v1", "gemini": "/v1beta"}.get(provider, "")


def body_for(surface: Surface, prompt: str = "hello there you", **more: Any) -> dict[str, Any]:
    if surface == "openai.embeddings":
        return {"model": "asked", "input": prompt, **more}
    if surface == "openai.completions":
        return {"model": "asked", "prompt": prompt, **more}
    tree: dict[str, Any] = {"model": "asked", "messages": [{"role": "user", "content": prompt}], **more}
    if surface == "anthropic.messages":
        tree.setdefault("max_tokens", 1000)
    return tree


def outbound(
    to: Target, surface: Surface = "openai.chat", prompt: str = "hello there you", *, stream: bool = False, **more: Any
) -> Outbound:
    body = body_for(surface, prompt, **more)
    if stream:
        body["stream"] = True
    return Outbound(surface, body, stream, to, "01REQUEST")


async def collect(deltas: AsyncIterator[Delta]) -> list[Delta]:
    return [delta async for delta in deltas]


async def failure(deltas: AsyncIterator[Delta]) -> tuple[UpstreamError, list[Delta]]:
    """The UpstreamError with which an answer ends, and what came before it."""
    came: list[Delta] = []
    try:
        async for delta in deltas:
            came.append(delta)
    except UpstreamError as error:
        return error, came
    raise AssertionError("the answer did not fail")


def text_of(deltas: list[Delta], surface: Surface) -> str:
    """Everything that the answer says, streamed or not, on any surface."""
    said = ""
    for delta in chain.from_iterable(map(one_by_one, deltas)):
        tree = delta.data
        if surface == "anthropic.messages":
            said += "".join(block.get("text", "") for block in tree.get("content", []))
            said += tree.get("delta", {}).get("text", "")
        for choice in tree.get("choices", []):
            said += (choice.get("delta") or choice.get("message") or choice).get("content") or choice.get("text") or ""
    return said


def arguments_of(deltas: list[Delta], surface: Surface) -> tuple[str, dict[str, Any]]:
    """The name and parsed arguments of the answer's tool call."""
    name, written = "", ""
    for delta in deltas:
        tree = delta.data
        if surface == "anthropic.messages":
            for block in [*tree.get("content", []), tree.get("content_block", {})]:
                if block.get("type") == "tool_use":
                    name = block["name"]
                    written += json.dumps(block["input"]) if block.get("input") else ""
            written += tree.get("delta", {}).get("partial_json", "")
        for choice in tree.get("choices", []):
            for call in (choice.get("delta") or choice.get("message") or {}).get("tool_calls") or []:
                name = call["function"].get("name") or name
                written += call["function"].get("arguments") or ""
    return name, json.loads(written)
