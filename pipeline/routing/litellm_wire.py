"""Between LiteLLM's objects and the wire: which of the caller's parameters it gets, and its answers as clean JSON trees.

LiteLLM adds fields of its own (`provider_specific_fields`, `function_call: null`, …); what leaves here has the fields of the surface's format.
"""

from __future__ import annotations

import asyncio
import base64
import struct
from collections.abc import AsyncIterator
from typing import Any

import orjson

from pipeline.routing.model import Delta, Outbound, Target, UpstreamError
from pipeline.routing.sse import SseDecoder
from pipeline.routing.upstream import failure_in_stream

CHAT_PARAMS = (
    "messages functions function_call temperature top_p n stop max_tokens max_completion_tokens modalities prediction audio "
    "presence_penalty frequency_penalty logit_bias user response_format seed tools tool_choice parallel_tool_calls logprobs top_logprobs "
    "reasoning_effort verbosity safety_identifier service_tier store prompt_cache_key thinking web_search_options"
).split()
COMPLETION_PARAMS = (
    "prompt best_of echo frequency_penalty logit_bias logprobs max_tokens n presence_penalty seed stop suffix temperature top_p user"
).split()
EMBEDDING_PARAMS = "input dimensions encoding_format user".split()
MESSAGES_PARAMS = "messages max_tokens metadata stop_sequences system temperature thinking tool_choice tools top_k top_p service_tier".split()
"""The parameters of a caller's body that LiteLLM gets. Everything else (`api_base`, `callbacks`, `mock_response`, …) is its own steering."""

_FETCHED_BY_PROVIDER = frozenset({"openai", "azure", "anthropic", "openrouter", "xai", "mistral", "groq", "hosted_vllm"})


def chosen(body: dict[str, Any], params: tuple[str, ...] | list[str]) -> dict[str, Any]:
    """The allow-listed parameters that the caller gave."""
    return {name: body[name] for name in params if body.get(name) is not None}


def plain(answer: Any) -> dict[str, Any]:
    """One of LiteLLM's objects as a plain tree."""
    tree = answer if isinstance(answer, dict) else answer.model_dump()
    if not isinstance(tree, dict):
        raise UpstreamError("broken_stream", status=200)
    return tree


def refuse_remote_media(request: Outbound) -> None:
    """Refuse addresses of media where LiteLLM would fetch them itself: no connection is opened that no configuration names.

    Providers that fetch such addresses on their own side get them. Raises UpstreamError `bad_request`.
    """
    if request.target.provider in _FETCHED_BY_PROVIDER:
        return
    for message in request.body.get("messages") or ():
        content = message.get("content") if isinstance(message, dict) else None
        for part in content if isinstance(content, list) else ():
            if isinstance(part, dict) and _remote(part):
                text = "This provider takes images and files only as data, not as addresses."
                raise UpstreamError("bad_request", status=400, body={"error": {"message": text, "type": "invalid_request_error"}})


def _remote(part: dict[str, Any]) -> bool:
    for name in ("image_url", "file", "source", "input_audio", "video_url", "document"):
        inner = part.get(name)
        texts = inner.values() if isinstance(inner, dict) else (inner,)
        if any(isinstance(text, str) and text.lstrip()[:8].lower().startswith(("http:", "https:", "gs:", "s3:", "file:")) for text in texts):
            return True
    return False


def _usage(usage: Any) -> Any:
    """A usage block without LiteLLM's empty fields."""
    if not isinstance(usage, dict):
        return None
    kept = {name: value for name, value in usage.items() if value is not None}
    for name in ("prompt_tokens_details", "completion_tokens_details"):
        if isinstance(kept.get(name), dict):
            kept[name] = {part: value for part, value in kept[name].items() if value is not None}
    for name in ("cost", "inference_geo", "server_tool_use", "speed", "iterations"):
        kept.pop(name, None)
    return kept


def _calls(calls: Any) -> list[dict[str, Any]]:
    """Tool calls with the fields of OpenAI's format."""
    found = []
    for call in calls:
        function = {name: value for name, value in (call.get("function") or {}).items() if name in ("name", "arguments") and value is not None}
        kept = {name: call[name] for name in ("index", "id", "type") if call.get(name) is not None}
        found.append(kept | {"function": function})
    return found


def _said(message: dict[str, Any], *, whole: bool) -> dict[str, Any]:
    """A message or a delta with the fields of OpenAI's format (and `reasoning_content`, which its clients have come to expect)."""
    kept: dict[str, Any] = {}
    if message.get("role"):
        kept["role"] = message["role"]
    if whole or message.get("content") is not None:
        kept["content"] = message.get("content")
    for name in ("refusal", "reasoning_content", "thinking_blocks", "annotations", "audio", "images"):
        if message.get(name):
            kept[name] = message[name]
    if message.get("tool_calls"):
        kept["tool_calls"] = _calls(message["tool_calls"])
    if isinstance(message.get("function_call"), dict):
        kept["function_call"] = {name: value for name, value in message["function_call"].items() if value is not None}
    return kept


def _head(tree: dict[str, Any], model: str, kind: str) -> dict[str, Any]:
    kept = {"id": tree.get("id") or "", "object": kind, "created": tree.get("created") or 0, "model": tree.get("model") or model}
    for name in ("service_tier", "system_fingerprint"):
        if tree.get(name):
            kept[name] = tree[name]
    return kept


def whole_tree(tree: dict[str, Any], model: str) -> dict[str, Any]:
    """A `chat.completion`."""
    choices = []
    for choice in tree.get("choices") or ():
        kept = {"index": choice.get("index", 0), "message": _said(choice.get("message") or {}, whole=True)}
        choices.append(kept | {"logprobs": choice.get("logprobs"), "finish_reason": choice.get("finish_reason") or "stop"})
    usage = _usage(tree.get("usage"))
    return _head(tree, model, "chat.completion") | {"choices": choices} | ({"usage": usage} if usage else {})


def stream_tree(tree: dict[str, Any], model: str) -> dict[str, Any]:
    """A `chat.completion.chunk`; the usage chunk has no choices, as at OpenAI."""
    choices = []
    usage = _usage(tree.get("usage"))
    for choice in tree.get("choices") or ():
        delta = _said(choice.get("delta") or {}, whole=False)
        finish = choice.get("finish_reason")
        if usage and not finish and not set(delta) - {"role", "content"} and not delta.get("content"):
            continue
        choices.append({"index": choice.get("index", 0), "delta": delta, "logprobs": choice.get("logprobs"), "finish_reason": finish})
    return _head(tree, model, "chat.completion.chunk") | {"choices": choices} | ({"usage": usage} if usage else {})


def completion_tree(tree: dict[str, Any], model: str) -> dict[str, Any]:
    """A `text_completion`, whole or one chunk of it."""
    choices = []
    for choice in tree.get("choices") or ():
        kept = {"index": choice.get("index", 0), "text": choice.get("text") or "", "logprobs": choice.get("logprobs")}
        choices.append(kept | {"finish_reason": choice.get("finish_reason")})
    usage = _usage(tree.get("usage"))
    return _head(tree, model, "text_completion") | {"choices": choices} | ({"usage": usage} if usage else {})


def embedding_tree(tree: dict[str, Any], request: Outbound) -> dict[str, Any]:
    """An embedding list; vectors are packed when the caller asked for base64 and the provider does not know it."""
    packed = request.body.get("encoding_format") == "base64"
    rows = []
    for index, row in enumerate(tree.get("data") or ()):
        vector = row.get("embedding")
        if packed and isinstance(vector, list):
            vector = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
        rows.append({"object": "embedding", "index": row.get("index", index), "embedding": vector})
    usage = {name: value for name, value in (_usage(tree.get("usage")) or {}).items() if name in ("prompt_tokens", "total_tokens")}
    return {"object": "list", "data": rows, "model": tree.get("model") or request.target.model} | ({"usage": usage} if usage else {})


async def anthropic_pieces(answer: Any, target: Target) -> AsyncIterator[Delta]:
    """The stream of LiteLLM's Anthropic adapter, which gives server-sent events as bytes, text or trees.

    Ends with `message_stop`; an error event or an end without it raises UpstreamError.
    """
    decoder = SseDecoder()
    pieces = answer.__aiter__()
    while True:
        try:
            async with asyncio.timeout(target.idle_timeout_s):
                piece = await pieces.__anext__()
        except StopAsyncIteration:
            raise UpstreamError("broken_stream", status=200) from None
        if isinstance(piece, dict):
            trees = [piece]
        else:
            raw = piece if isinstance(piece, bytes) else str(piece).encode()
            trees = [orjson.loads(data) for _, data in decoder.feed(raw)]
        for tree in trees:
            kind = str(tree.get("type", ""))
            if kind == "error":
                raise UpstreamError(failure_in_stream(tree), status=200, body=tree)
            yield Delta(tree, kind)
            if kind == "message_stop":
                return
