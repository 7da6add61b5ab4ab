"""The loopback provider's Anthropic format: messages, its stream events, count_tokens, and its errors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import orjson

from tests.servers.provider_script import Reply


def usage(reply: Reply) -> dict[str, Any]:
    """Anthropic's usage block: input, cache reads and cache writes are disjoint."""
    tally = reply.tally
    return {
        "input_tokens": tally.prompt - tally.cached - tally.written_5m - tally.written_1h,
        "cache_read_input_tokens": tally.cached,
        "cache_creation_input_tokens": tally.written_5m + tally.written_1h,
        "cache_creation": {"ephemeral_5m_input_tokens": tally.written_5m, "ephemeral_1h_input_tokens": tally.written_1h},
        "output_tokens": tally.completion,
        "service_tier": reply.tier or "standard",
    }


def _blocks(reply: Reply, ident: str) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if reply.reasoning:
        blocks.append({"type": "thinking", "thinking": reply.reasoning, "signature": "c2lnbmF0dXJl"})
    if reply.texts[0] or not reply.tool:
        blocks.append({"type": "text", "text": reply.texts[0]})
    if reply.tool:
        blocks.append({"type": "tool_use", "id": f"toolu_{ident[-8:]}", "name": reply.tool, "input": reply.arguments})
    return blocks


def message(reply: Reply, ident: str, model: str) -> dict[str, Any]:
    """A whole message."""
    tree = {"id": ident, "type": "message", "role": "assistant", "model": model, "content": _blocks(reply, ident)}
    tree |= {"stop_reason": "tool_use" if reply.tool else "end_turn", "stop_sequence": None}
    return tree | {"usage": usage(reply) if reply.with_usage else {"input_tokens": 0, "output_tokens": 0}}


def _event(name: str, tree: dict[str, Any]) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + orjson.dumps({"type": name} | tree) + b"\n\n"


STOP = _event("message_stop", {})


def message_events(reply: Reply, ident: str, model: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The message as (event, data) pairs, without `message_stop`."""
    counted = usage(reply) if reply.with_usage else {"input_tokens": 0, "output_tokens": 0}
    start = {"id": ident, "type": "message", "role": "assistant", "model": model, "content": [], "stop_reason": None, "stop_sequence": None}
    yield "message_start", {"message": start | {"usage": counted | {"output_tokens": 1 if reply.with_usage else 0}}}
    for index, block in enumerate(_blocks(reply, ident)):
        kind = block["type"]
        empty = {"text": {"text": ""}, "thinking": {"thinking": "", "signature": ""}, "tool_use": {"input": {}}}[kind]
        yield "content_block_start", {"index": index, "content_block": block | empty}
        if index == 0:
            yield "ping", {}
        if kind == "text":
            for piece in reply.pieces(block["text"]):
                yield "content_block_delta", {"index": index, "delta": {"type": "text_delta", "text": piece}}
        elif kind == "thinking":
            yield "content_block_delta", {"index": index, "delta": {"type": "thinking_delta", "thinking": block["thinking"]}}
            yield "content_block_delta", {"index": index, "delta": {"type": "signature_delta", "signature": block["signature"]}}
        else:
            written = json.dumps(block["input"], ensure_ascii=False)
            for at in range(0, len(written), reply.piece_size or 7):
                piece = written[at : at + (reply.piece_size or 7)]
                yield "content_block_delta", {"index": index, "delta": {"type": "input_json_delta", "partial_json": piece}}
        yield "content_block_stop", {"index": index}
    end = {"delta": {"stop_reason": "tool_use" if reply.tool else "end_turn", "stop_sequence": None}}
    yield "message_delta", end | {"usage": {"output_tokens": counted["output_tokens"]}}


def message_stream(reply: Reply, ident: str, model: str) -> Iterator[bytes]:
    """The same as server-sent events; `STOP` is not part of it."""
    for name, tree in message_events(reply, ident, model):
        yield _event(name, tree)


def error(status: int, message_text: str) -> dict[str, Any]:
    """Anthropic's error body for a status."""
    kinds = {
        400: "invalid_request_error",
        401: "authentication_error",
        403: "permission_error",
        404: "not_found_error",
        413: "request_too_large",
        429: "rate_limit_error",
        529: "overloaded_error",
    }
    return {"type": "error", "error": {"type": kinds.get(status, "api_error"), "message": message_text}, "request_id": "req_loopback"}


def error_event(message_text: str) -> bytes:
    """The event by which a stream fails."""
    return _event("error", {"error": {"type": "overloaded_error", "message": message_text}})
