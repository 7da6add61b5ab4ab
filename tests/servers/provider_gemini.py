"""The loopback provider's Gemini format: generateContent, its SSE stream, batchEmbedContents, and its errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from tests.servers.provider_script import Reply


def usage(reply: Reply) -> dict[str, Any]:
    """Gemini's usageMetadata: thoughts are beside the candidates, cached content is part of the prompt."""
    tally = reply.tally
    counted = {
        "promptTokenCount": tally.prompt,
        "candidatesTokenCount": tally.completion - tally.reasoning,
        "totalTokenCount": tally.prompt + tally.completion,
    }
    if tally.cached:
        counted["cachedContentTokenCount"] = tally.cached
    if tally.reasoning:
        counted["thoughtsTokenCount"] = tally.reasoning
    return counted


def _candidate(index: int, parts: list[dict[str, Any]], finish: str | None) -> dict[str, Any]:
    return {"content": {"parts": parts, "role": "model"}, "index": index} | ({"finishReason": finish} if finish else {})


def content(reply: Reply, ident: str, model: str) -> dict[str, Any]:
    """A whole `GenerateContentResponse`."""
    candidates = []
    for index, text in enumerate(reply.texts):
        parts: list[dict[str, Any]] = [{"text": reply.reasoning, "thought": True}] if reply.reasoning else []
        parts.append({"functionCall": {"name": reply.tool, "args": reply.arguments}} if reply.tool else {"text": text})
        candidates.append(_candidate(index, parts, "STOP"))
    tree = {"candidates": candidates, "modelVersion": model, "responseId": ident}
    return tree | ({"usageMetadata": usage(reply)} if reply.with_usage else {})


def content_stream(reply: Reply, ident: str, model: str) -> Iterator[bytes]:
    """The same as server-sent events; Gemini has no terminator, the last event carries `finishReason` and usage."""
    for index, text in enumerate(reply.texts):
        parts: list[list[dict[str, Any]]] = [[{"text": reply.reasoning, "thought": True}]] if reply.reasoning else []
        if reply.tool:
            parts.append([{"functionCall": {"name": reply.tool, "args": reply.arguments}}])
        else:
            parts.extend([{"text": piece}] for piece in reply.pieces(text) or [""])
        for at, piece in enumerate(parts):
            last = at == len(parts) - 1
            tree = {"candidates": [_candidate(index, piece, "STOP" if last else None)], "modelVersion": model, "responseId": ident}
            if last and index == len(reply.texts) - 1 and reply.with_usage:
                tree["usageMetadata"] = usage(reply)
            yield b"data: " + orjson.dumps(tree) + b"\r\n\r\n"


def error(status: int, message: str) -> dict[str, Any]:
    """Google's error body for a status."""
    kinds = {
        400: "INVALID_ARGUMENT",
        401: "UNAUTHENTICATED",
        403: "PERMISSION_DENIED",
        404: "NOT_FOUND",
        429: "RESOURCE_EXHAUSTED",
        503: "UNAVAILABLE",
    }
    return {"error": {"code": status, "message": message, "status": kinds.get(status, "INTERNAL")}}
