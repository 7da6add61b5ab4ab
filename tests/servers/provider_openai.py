"""The loopback provider's OpenAI format: chat completions, completions, embeddings, models, and its errors."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from collections.abc import Iterator
from typing import Any

import orjson

from tests.servers.provider_script import Reply, tokens_of

CREATED = 1_795_000_000
DONE = b"data: [DONE]\n\n"


def usage(reply: Reply) -> dict[str, Any]:
    """OpenAI's usage block: cached and reasoning tokens are parts of the totals."""
    tally = reply.tally
    return {
        "prompt_tokens": tally.prompt,
        "completion_tokens": tally.completion,
        "total_tokens": tally.prompt + tally.completion,
        "prompt_tokens_details": {"cached_tokens": tally.cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": tally.reasoning, "audio_tokens": 0},
    }


def _event(tree: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(tree) + b"\n\n"


def chat(reply: Reply, ident: str, model: str) -> dict[str, Any]:
    """A whole `chat.completion`."""
    choices = []
    for index, text in enumerate(reply.texts):
        message: dict[str, Any] = {"role": "assistant", "content": text or None, "refusal": None}
        if reply.reasoning:
            message["reasoning_content"] = reply.reasoning
        if reply.tool:
            call = {"name": reply.tool, "arguments": json.dumps(reply.arguments, ensure_ascii=False)}
            message["tool_calls"] = [{"id": f"call_{ident[-8:]}{index}", "type": "function", "function": call}]
        choices.append({"index": index, "message": message, "logprobs": None, "finish_reason": "tool_calls" if reply.tool else "stop"})
    tree: dict[str, Any] = {"id": ident, "object": "chat.completion", "created": CREATED, "model": model, "choices": choices}
    tree |= {"service_tier": reply.tier or "default", "system_fingerprint": "fp_loopback"}
    return tree | ({"usage": usage(reply)} if reply.with_usage else {})


def chat_stream(reply: Reply, ident: str, model: str, *, include_usage: bool) -> Iterator[bytes]:
    """The same answer as `chat.completion.chunk` events; the terminator is not part of it."""
    head: dict[str, Any] = {"id": ident, "object": "chat.completion.chunk", "created": CREATED, "model": model}
    head |= {"service_tier": reply.tier or "default", "system_fingerprint": "fp_loopback"}
    if include_usage:
        head["usage"] = None

    def chunk(index: int, delta: dict[str, Any], finish: str | None = None) -> bytes:
        return _event(head | {"choices": [{"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}]})

    for index, text in enumerate(reply.texts):
        yield chunk(index, {"role": "assistant", "content": ""})
        if reply.reasoning:
            yield chunk(index, {"reasoning_content": reply.reasoning})
        if reply.tool:
            call = {"index": 0, "id": f"call_{ident[-8:]}{index}", "type": "function", "function": {"name": reply.tool, "arguments": ""}}
            yield chunk(index, {"tool_calls": [call]})
            written = json.dumps(reply.arguments, ensure_ascii=False)
            for at in range(0, len(written), reply.piece_size or 7):
                piece = written[at : at + (reply.piece_size or 7)]
                yield chunk(index, {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
        for piece in reply.pieces(text):
            yield chunk(index, {"content": piece})
        yield chunk(index, {}, "tool_calls" if reply.tool else "stop")
    if include_usage and reply.with_usage:
        yield _event(head | {"choices": [], "usage": usage(reply)})


def completion(reply: Reply, ident: str, model: str) -> dict[str, Any]:
    """A whole `text_completion`."""
    choices = [{"index": index, "text": text, "logprobs": None, "finish_reason": "stop"} for index, text in enumerate(reply.texts)]
    tree = {"id": ident, "object": "text_completion", "created": CREATED, "model": model, "choices": choices}
    return tree | ({"usage": usage(reply)} if reply.with_usage else {})


def completion_stream(reply: Reply, ident: str, model: str, *, include_usage: bool) -> Iterator[bytes]:
    """The same as a stream of `text_completion` events."""
    head = {"id": ident, "object": "text_completion", "created": CREATED, "model": model}
    for index, text in enumerate(reply.texts):
        for piece in reply.pieces(text):
            yield _event(head | {"choices": [{"index": index, "text": piece, "logprobs": None, "finish_reason": None}]})
        yield _event(head | {"choices": [{"index": index, "text": "", "logprobs": None, "finish_reason": "stop"}]})
    if include_usage and reply.with_usage:
        yield _event(head | {"choices": [], "usage": usage(reply)})


def vector(text: str, size: int) -> list[float]:
    """A deterministic embedding of a text, exactly representable in 32 bits."""
    digest = hashlib.sha256(text.encode()).digest()
    return [(digest[at % 32] - 128) / 128 for at in range(size)]


def embeddings(body: dict[str, Any], model: str, *, with_usage: bool) -> tuple[dict[str, Any], int]:
    """An embedding list and its token count; honours `dimensions` and `encoding_format`."""
    given = body.get("input", "")
    inputs = [given] if isinstance(given, str) or (given and isinstance(given[0], int)) else given
    size = int(body.get("dimensions") or 8)
    rows = []
    for index, item in enumerate(inputs):
        numbers: Any = vector(str(item), size)
        if body.get("encoding_format") == "base64":
            numbers = base64.b64encode(struct.pack(f"<{size}f", *numbers)).decode()
        rows.append({"object": "embedding", "index": index, "embedding": numbers})
    tokens = sum(max(1, tokens_of(item if isinstance(item, str) else str(item))) for item in inputs)
    tree: dict[str, Any] = {"object": "list", "data": rows, "model": model}
    return tree | ({"usage": {"prompt_tokens": tokens, "total_tokens": tokens}} if with_usage else {}), tokens


def error(status: int, message: str) -> dict[str, Any]:
    """OpenAI's error body for a status."""
    kinds = {
        400: ("invalid_request_error", None),
        401: ("invalid_request_error", "invalid_api_key"),
        403: ("permission_error", None),
        404: ("invalid_request_error", "model_not_found"),
        429: ("rate_limit_error", "rate_limit_exceeded"),
    }
    kind, code = kinds.get(status, ("server_error", None))
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def special_error(kind: str) -> dict[str, Any]:
    """The bodies by which OpenAI says that the context is too long, or that its content filter refused."""
    code = "context_length_exceeded" if kind == "context" else "content_filter"
    text = (
        "This model's maximum context length is 8192 tokens." if kind == "context" else "The response was filtered by the content policy."
    )
    return {"error": {"message": text, "type": "invalid_request_error", "param": "messages", "code": code}}


def models(names: list[str]) -> dict[str, Any]:
    """The model list."""
    return {"object": "list", "data": [{"id": name, "object": "model", "created": CREATED, "owned_by": "loopback"} for name in names]}
