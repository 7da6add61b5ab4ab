"""Between LiteLLM's objects and the wire: which of the caller's parameters it gets, and its answers as plain trees.

LiteLLM adds fields of its own (`provider_specific_fields`, `function_call: null`, …); what leaves here has the surface's fields.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterable
from typing import Any

from pipeline.routing.model import Outbound, UpstreamError

CHAT_PARAMS = [
    *("messages", "functions", "function_call", "temperature", "top_p", "n", "stop", "max_tokens", "max_completion_tokens", "modalities"),
    *(
        "prediction",
        "audio",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "user",
        "response_format",
        "seed",
        "tools",
        "tool_choice",
    ),
    *("parallel_tool_calls", "logprobs", "top_logprobs", "reasoning_effort", "verbosity", "safety_identifier", "service_tier", "store"),
    *("prompt_cache_key", "thinking", "web_search_options"),
]
COMPLETION_PARAMS = [
    *("prompt", "best_of", "echo", "frequency_penalty", "logit_bias", "logprobs", "max_tokens", "n", "presence_penalty", "seed", "stop"),
    *("suffix", "temperature", "top_p", "user"),
]
EMBEDDING_PARAMS = ["input", "dimensions", "encoding_format", "user"]
MESSAGES_PARAMS = [
    *(
        "messages",
        "max_tokens",
        "metadata",
        "stop_sequences",
        "system",
        "temperature",
        "thinking",
        "tool_choice",
        "tools",
        "top_k",
        "top_p",
    ),
    "service_tier",
]
"""The parameters of a caller's body that LiteLLM gets. Everything else (`api_base`, `callbacks`, `mock_response`, …) would steer it."""

_SPOKEN = ("reasoning_content", "thinking_blocks", "refusal", "annotations", "audio", "images")

_FETCHED_BY_PROVIDER = frozenset({"openai", "azure", "anthropic", "openrouter", "xai", "mistral", "groq", "hosted_vllm"})


def chosen(body: dict[str, Any], params: list[str]) -> dict[str, Any]:
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
        if any(
            isinstance(text, str) and text.lstrip()[:8].lower().startswith(("http:", "https:", "gs:", "s3:", "file:")) for text in texts
        ):
            return True
    return False


def _plain(value: Any) -> Any:
    return value.model_dump() if hasattr(value, "model_dump") else value


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


def _calls(calls: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Tool calls with the fields of OpenAI's format."""
    found = []
    for call in calls:
        function = {
            name: value for name, value in (call.get("function") or {}).items() if name in ("name", "arguments") and value is not None
        }
        kept = {name: call[name] for name in ("index", "id", "type") if call.get(name) is not None}
        found.append(kept | {"function": function})
    return found


def _said(message: Any) -> dict[str, Any]:
    """What a message or delta says besides its content: OpenAI's fields, and `reasoning_content`, which clients have come to expect."""
    kept: dict[str, Any] = {}
    for name in _SPOKEN:
        value = getattr(message, name, None)
        if value:
            kept[name] = _plain(value)
    calls = getattr(message, "tool_calls", None)
    if calls:
        kept["tool_calls"] = _calls(_plain(call) for call in calls)
    function = _plain(getattr(message, "function_call", None))
    if isinstance(function, dict):
        kept["function_call"] = {name: value for name, value in function.items() if value is not None}
    return kept


def whole_tree(answer: Any, model: str) -> dict[str, Any]:
    """A `chat.completion` from LiteLLM's response object."""
    choices = []
    for choice in answer.choices or ():
        message = {"role": choice.message.role or "assistant", "content": choice.message.content, **_said(choice.message)}
        kept = {"index": choice.index or 0, "message": message, "logprobs": _plain(getattr(choice, "logprobs", None))}
        choices.append(kept | {"finish_reason": choice.finish_reason or "stop"})
    served = getattr(answer, "model", None) or model
    tree: dict[str, Any] = {"id": answer.id or "", "object": "chat.completion", "created": int(answer.created or 0), "model": served}
    for name in ("service_tier", "system_fingerprint"):
        if getattr(answer, name, None):
            tree[name] = getattr(answer, name)
    tree["choices"] = choices
    usage = _usage(_plain(getattr(answer, "usage", None)))
    return tree | ({"usage": usage} if usage else {})


class StreamWriter:
    """Turns LiteLLM's stream chunks into `chat.completion.chunk` trees, as OpenAI has them.

    One id and one time for all, empty ones left out, the usage alone at the end.
    """

    __slots__ = ("_head", "_model", "_roles", "_usage")

    def __init__(self, model: str) -> None:
        self._model = model
        self._head: dict[str, Any] = {}
        self._roles: set[int] = set()
        self._usage: Any = None

    def write(self, chunk: Any) -> list[dict[str, Any]]:
        """The trees for one chunk: none, or one. A string is the next text of the first choice."""
        if type(chunk) is str:
            said = {"content": chunk} if 0 in self._roles else {"role": "assistant", "content": chunk}
            self._roles.add(0)
            return [self._head | {"choices": [{"index": 0, "delta": said, "logprobs": None, "finish_reason": None}]}] if chunk else []
        if not self._head:
            served = getattr(chunk, "model", None) or self._model
            self._head = {"id": chunk.id, "object": "chat.completion.chunk", "created": int(chunk.created), "model": served}
        for name in ("service_tier", "system_fingerprint"):
            if getattr(chunk, name, None):
                self._head[name] = getattr(chunk, name)
        usage = getattr(chunk, "usage", None)
        if usage is not None:
            self._usage = usage
        choices = [kept for choice in chunk.choices or () if (kept := self._choice(choice)) is not None]
        return [self._head | {"choices": choices}] if choices else []

    def _choice(self, choice: Any) -> dict[str, Any] | None:
        delta, finish = choice.delta, choice.finish_reason or None
        said = _said(delta)
        content = getattr(delta, "content", None)
        if content:
            said["content"] = content
        if not said and not finish:
            return None
        index = choice.index or 0
        if index not in self._roles:
            self._roles.add(index)
            said = (
                {"role": "assistant", "content": said.pop("content", ""), **said}
                if "tool_calls" not in said
                else {"role": "assistant", **said}
            )
        return {"index": index, "delta": said, "logprobs": _plain(getattr(choice, "logprobs", None)), "finish_reason": finish}

    def close(self) -> list[dict[str, Any]]:
        """The usage chunk, which has no choices; nothing when the provider sent no usage."""
        usage = _usage(_plain(self._usage))
        return [self._head | {"choices": [], "usage": usage}] if usage and self._head else []


def completion_tree(tree: dict[str, Any], model: str) -> dict[str, Any]:
    """A `text_completion`, whole or one chunk of it."""
    choices = []
    for choice in tree.get("choices") or ():
        kept = {"index": choice.get("index", 0), "text": choice.get("text") or "", "logprobs": choice.get("logprobs")}
        choices.append(kept | {"finish_reason": choice.get("finish_reason")})
    usage = _usage(tree.get("usage"))
    if usage and not any(choice["text"] or choice["finish_reason"] for choice in choices):
        choices = []  # the last chunk of a stream, as OpenAI has it
    head = {
        "id": tree.get("id") or "",
        "object": "text_completion",
        "created": tree.get("created") or 0,
        "model": tree.get("model") or model,
    }
    return head | {"choices": choices} | ({"usage": usage} if usage else {})


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
