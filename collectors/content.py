"""Message content in the shape of the GenAI conventions, from bodies that are clean already.

Input and output are `[{role, parts: [...]}]` (output with `finish_reason`), part types `text`, `reasoning`, `tool_call`,
`tool_call_response`, `uri`, `blob`, `file` (schemas: semantic-conventions, docs/gen-ai/gen-ai-*-messages.json). Inline base64 is
dropped and only its media type, size in bytes and digest kept, wherever it stands (`collectors.blobs`).
On spans the value is a JSON string, which is what back ends understand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from collectors.blobs import described, without_blobs
from collectors.genai import Content
from redactors.model import Clean, Json

Convert = Callable[[Any], list[dict[str, Any]]]


def captured(surface: str, body: Clean[Json], answer: Clean[Json] | None) -> Content:
    """The content of one call on a surface (`openai.chat`, `anthropic.messages`, …), taken from its clean bodies."""
    if surface == "openai.chat":
        return Content(
            input=_json(body, openai_input), output=_json(answer, openai_output) if answer is not None else None, tools=_json(body, _tools)
        )
    if surface == "anthropic.messages":
        return Content(
            system=_json(body, anthropic_system),
            input=_json(body, anthropic_input),
            output=_json(answer, anthropic_output) if answer is not None else None,
            tools=_json(body, _tools),
        )
    if surface == "openai.completions":
        return Content(input=_json(body, _prompt), output=_json(answer, _completion) if answer is not None else None)
    return Content()


def openai_input(body: Any) -> list[dict[str, Any]]:
    """Messages of a chat completion request."""
    return [_openai_message(message) for message in _list(body, "messages")]


def openai_output(answer: Any) -> list[dict[str, Any]]:
    """Choices of a chat completion."""
    out = []
    for choice in _list(answer, "choices"):
        message = choice.get("message")
        if isinstance(message, dict):
            out.append({**_openai_message(message), "finish_reason": choice.get("finish_reason") or ""})
    return out


def anthropic_system(body: Any) -> list[dict[str, Any]]:
    """The system instructions of a messages request, as parts."""
    return _anthropic_parts(body.get("system")) if isinstance(body, dict) and body.get("system") else []


def anthropic_input(body: Any) -> list[dict[str, Any]]:
    """Messages of a messages request."""
    return [{"role": message.get("role", ""), "parts": _anthropic_parts(message.get("content"))} for message in _list(body, "messages")]


def anthropic_output(answer: Any) -> list[dict[str, Any]]:
    """The message of a messages answer."""
    if not isinstance(answer, dict) or not isinstance(answer.get("content"), str | list):
        return []
    parts = _anthropic_parts(answer["content"])
    return [{"role": answer.get("role", "assistant"), "parts": parts, "finish_reason": answer.get("stop_reason") or ""}]


def _json(clean: Clean[Json], convert: Convert) -> Clean[str] | None:
    def text(tree: Json) -> str:
        try:
            converted = without_blobs(convert(tree))
        except (AttributeError, TypeError, KeyError):
            return ""  # a body of no known shape: telemetry goes without content rather than failing the call
        return orjson.dumps(converted).decode() if converted else ""

    said = clean.map(text)
    return said if said.value else None


def _openai_message(message: dict[str, Any]) -> dict[str, Any]:
    role = message.get("role", "")
    if role == "tool":
        response = {"type": "tool_call_response", "id": message.get("tool_call_id", ""), "response": message.get("content")}
        return {"role": role, "parts": [response]}
    parts = [{"type": "reasoning", "content": message["reasoning_content"]}] if message.get("reasoning_content") else []
    content = message.get("content")
    if isinstance(content, str):
        parts.append({"type": "text", "content": content})
    elif isinstance(content, list):
        parts.extend(_openai_part(part) for part in content if isinstance(part, dict))
    if message.get("refusal"):
        parts.append({"type": "refusal", "content": message["refusal"]})
    for call in _list(message, "tool_calls"):
        function = call.get("function") or {}
        parts.append(
            {
                "type": "tool_call",
                "id": call.get("id", ""),
                "name": function.get("name", ""),
                "arguments": _parsed(function.get("arguments")),
            }
        )
    named = {"name": message["name"]} if message.get("name") else {}
    return {"role": role, "parts": parts, **named}


def _openai_part(part: dict[str, Any]) -> dict[str, Any]:
    kind = part.get("type")
    if kind == "text":
        return {"type": "text", "content": part.get("text", "")}
    if kind == "image_url":
        image = part.get("image_url")
        return _image(image.get("url", "") if isinstance(image, dict) else str(image))
    if kind == "input_audio":
        audio = part.get("input_audio") or {}
        return _blob("audio", f"audio/{audio.get('format', '')}", audio.get("data", ""))
    if kind == "file":
        file = part.get("file") or {}
        if file.get("file_data"):
            kind, data = _data_url(file["file_data"])
            return _blob("document", kind, data)
        return {"type": "file", "modality": "document", "file_id": file.get("file_id", "")}
    return {"type": str(kind)}


def _anthropic_parts(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "content": content}]
    return [_anthropic_part(block) for block in content if isinstance(block, dict)] if isinstance(content, list) else []


def _anthropic_part(block: dict[str, Any]) -> dict[str, Any]:
    kind = block.get("type")
    if kind == "text":
        return {"type": "text", "content": block.get("text", "")}
    if kind == "thinking":
        return {"type": "reasoning", "content": block.get("thinking", "")}
    if kind in ("tool_use", "server_tool_use"):
        return {"type": "tool_call", "id": block.get("id", ""), "name": block.get("name", ""), "arguments": block.get("input")}
    if kind == "tool_result":
        content = block.get("content")
        response = content if isinstance(content, str) else _anthropic_parts(content)
        return {"type": "tool_call_response", "id": block.get("tool_use_id", ""), "response": response}
    if kind in ("image", "document"):
        source = block.get("source") or {}
        modality = "image" if kind == "image" else "document"
        if source.get("type") == "base64":
            return _blob(modality, source.get("media_type", ""), source.get("data", ""))
        if source.get("type") == "text":
            return {"type": "text", "content": source.get("data", "")}
        return {"type": "uri", "modality": modality, "uri": source.get("url", "")}
    return {"type": str(kind)}


def _image(url: str) -> dict[str, Any]:
    if url.startswith("data:"):
        return _blob("image", *_data_url(url))
    return {"type": "uri", "modality": "image", "uri": url}


def _data_url(url: str) -> tuple[str, str]:
    """Media type and data of a data URL; of what is none, all of it is data."""
    if not url.startswith("data:"):
        return "", url
    head, _, data = url[5:].partition(",")
    return head.split(";", 1)[0], data


def _blob(modality: str, mime_type: str, data: str) -> dict[str, Any]:
    blob = described(data)
    part = {"type": "blob", "modality": modality, "mime_type": mime_type, "size": blob.size}
    return {**part, "digest": blob.digest} if blob.digest else part


def _tools(body: Any) -> list[dict[str, Any]]:
    out = []
    for tool in _list(body, "tools"):
        inner = tool.get("function")
        function = inner if isinstance(inner, dict) else tool
        schema = function.get("parameters", function.get("input_schema"))
        out.append(
            {"type": "function", "name": function.get("name", ""), "description": function.get("description", ""), "parameters": schema}
        )
    return out


def _prompt(body: Any) -> list[dict[str, Any]]:
    prompt = body.get("prompt") if isinstance(body, dict) else None
    texts = [prompt] if isinstance(prompt, str) else [text for text in prompt if isinstance(text, str)] if isinstance(prompt, list) else []
    return [{"role": "user", "parts": [{"type": "text", "content": text}]} for text in texts]


def _completion(answer: Any) -> list[dict[str, Any]]:
    return [
        {
            "role": "assistant",
            "parts": [{"type": "text", "content": choice.get("text", "")}],
            "finish_reason": choice.get("finish_reason") or "",
        }
        for choice in _list(answer, "choices")
    ]


def _parsed(arguments: Any) -> Any:
    """Tool arguments as a tree when they are JSON, else as they are."""
    if not isinstance(arguments, str):
        return arguments
    try:
        return orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return arguments


def _list(tree: Any, key: str) -> list[dict[str, Any]]:
    found = tree.get(key) if isinstance(tree, dict) else None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
