"""The loopback provider's Bedrock format: Converse, InvokeModel for Anthropic models, and AWS's binary event stream.

Event stream: docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html (big endian; two CRC-32 per message).
"""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import orjson

from tests.servers import provider_anthropic
from tests.servers.provider_script import Reply


def frame(headers: dict[str, str], payload: bytes) -> bytes:
    """One event-stream message; every header is a string (type 7)."""
    packed = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value.encode())) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack("!II", 12 + len(packed) + len(payload) + 4, len(packed))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + packed + payload
    return message + struct.pack("!I", zlib.crc32(message))


def event(name: str, tree: dict[str, Any]) -> bytes:
    """An event message with a JSON payload."""
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return frame(headers, orjson.dumps(tree))


def exception(name: str, message: str) -> bytes:
    """An exception message: how an event stream fails."""
    headers = {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
    return frame(headers, json.dumps({"message": message}).encode())


def usage(reply: Reply) -> dict[str, Any]:
    """Converse's usage: cache reads and writes beside the input."""
    tally = reply.tally
    plain = tally.prompt - tally.cached - tally.written_5m - tally.written_1h
    counted = {"inputTokens": plain, "outputTokens": tally.completion, "totalTokens": tally.prompt + tally.completion}
    if tally.cached:
        counted |= {"cacheReadInputTokens": tally.cached, "cacheWriteInputTokens": tally.written_5m + tally.written_1h}
    return counted


def converse(reply: Reply) -> dict[str, Any]:
    """A whole Converse answer."""
    blocks: list[dict[str, Any]] = []
    if reply.reasoning:
        blocks.append({"reasoningContent": {"reasoningText": {"text": reply.reasoning, "signature": "c2lnbmF0dXJl"}}})
    blocks.append(
        {"toolUse": {"toolUseId": "tooluse_loopback", "name": reply.tool, "input": reply.arguments}}
        if reply.tool
        else {"text": reply.texts[0]}
    )
    tree: dict[str, Any] = {
        "output": {"message": {"role": "assistant", "content": blocks}},
        "stopReason": "tool_use" if reply.tool else "end_turn",
    }
    counted = usage(reply) if reply.with_usage else {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}
    return tree | {"usage": counted, "metrics": {"latencyMs": 1}}


def converse_stream(reply: Reply) -> Iterator[bytes]:
    """The same as event-stream messages; `metadata` is the last."""
    yield event("messageStart", {"role": "assistant"})
    index = 0
    if reply.reasoning:
        yield event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": reply.reasoning}}})
        yield event("contentBlockStop", {"contentBlockIndex": 0})
        index = 1
    if reply.tool:
        start = {"toolUse": {"toolUseId": "tooluse_loopback", "name": reply.tool}}
        yield event("contentBlockStart", {"contentBlockIndex": index, "start": start})
        written = json.dumps(reply.arguments, ensure_ascii=False)
        for at in range(0, len(written), reply.piece_size or 7):
            piece = written[at : at + (reply.piece_size or 7)]
            yield event("contentBlockDelta", {"contentBlockIndex": index, "delta": {"toolUse": {"input": piece}}})
    else:
        for piece in reply.pieces(reply.texts[0]):
            yield event("contentBlockDelta", {"contentBlockIndex": index, "delta": {"text": piece}})
    yield event("contentBlockStop", {"contentBlockIndex": index})
    yield event("messageStop", {"stopReason": "tool_use" if reply.tool else "end_turn"})
    if reply.with_usage:
        yield event("metadata", {"usage": usage(reply), "metrics": {"latencyMs": 1}})


def invoke_stream(reply: Reply, ident: str, model: str) -> Iterator[bytes]:
    """Anthropic's events inside `chunk` messages, as InvokeModelWithResponseStream sends them."""
    for name, tree in [*provider_anthropic.message_events(reply, ident, model), ("message_stop", {})]:
        inner = orjson.dumps({"type": name} | tree)
        yield event("chunk", {"bytes": base64.b64encode(inner).decode()})


def error(message: str) -> dict[str, Any]:
    """Bedrock's error body; its kind stands in the header `x-amzn-errortype`."""
    return {"message": message}


ERROR_TYPES = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}
