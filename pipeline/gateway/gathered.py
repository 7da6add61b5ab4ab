"""A streamed answer put together again, in the shape that the surface gives it when it does not stream.

Only telemetry asks for it, and only while content capture is on. The result is raw: it goes through the telemetry policy before
anything keeps it. Answers longer than `LIMIT` are not gathered, and neither is one that broke off: the end of a cut secret would
not be recognized.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from pipeline.routing.model import Delta, Surface
from pipeline.routing.text_runs import one_by_one

LIMIT: Final = 256 * 1024
"""Characters of text, reasoning and tool arguments that are kept of one answer."""

_OPENAI_TEXTS: Final = ("content", "reasoning_content", "refusal")
_BLOCK_TEXTS: Final = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "input"}


class Gathered:
    """Takes the provider's events of one answer; `body` gives the whole."""

    __slots__ = ("_anthropic", "_chat", "_parts", "_stop", "size")

    def __init__(self, surface: Surface) -> None:
        self._anthropic = surface.startswith("anthropic.")
        self._chat = surface == "openai.chat"
        self._parts: dict[int, dict[str, Any]] = {}
        self._stop: Any = None
        self.size = 0

    def see(self, delta: Delta) -> None:
        """Take one event, or several that one Delta stands for. Events of no known shape add nothing."""
        for one in one_by_one(delta):
            self._see(one)

    def _see(self, delta: Delta) -> None:
        if self.size > LIMIT:
            self._parts.clear()
        elif self._anthropic:
            self._see_block(delta.data)
        else:
            for choice in delta.data.get("choices") or ():
                if isinstance(choice, dict):
                    self._see_choice(choice)

    def body(self) -> dict[str, Any] | None:
        """The answer as if it had not been streamed; None when it was too long."""
        if self.size > LIMIT:
            return None
        whole = [self._parts[index] for index in sorted(self._parts)]
        if self._anthropic:
            return {"role": "assistant", "content": [_block(part) for part in whole], "stop_reason": self._stop}
        return {"choices": [_choice(part, self._chat) for part in whole]}

    def _see_choice(self, choice: dict[str, Any]) -> None:
        part = self._part(choice.get("index"))
        if choice.get("finish_reason"):
            part["finish_reason"] = choice["finish_reason"]
        self._add(part, "text", choice.get("text"))
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            return
        for name in _OPENAI_TEXTS:
            self._add(part, name, delta.get(name))
        for position, call in enumerate(delta.get("tool_calls") or ()):
            if isinstance(call, dict):
                self._see_call(part, call.get("index", position), call)

    def _see_call(self, part: dict[str, Any], index: Any, call: dict[str, Any]) -> None:
        calls = part.setdefault("tool_calls", {})
        known = calls.setdefault(index if isinstance(index, int) else 0, {"id": "", "name": ""})
        known["id"] = call.get("id") or known["id"]
        function = call.get("function")
        if isinstance(function, dict):
            known["name"] = function.get("name") or known["name"]
            self._add(known, "arguments", function.get("arguments"))

    def _see_block(self, event: dict[str, Any]) -> None:
        kind = event.get("type")
        delta = event.get("delta")
        if kind == "content_block_start" and isinstance(event.get("content_block"), dict):
            block = event["content_block"]
            part = self._part(event.get("index"))
            part.update({name: value for name, value in block.items() if name in ("type", "id", "name")})
            self._add(part, "text", block.get("text"))
            self._add(part, "thinking", block.get("thinking"))
        elif kind == "content_block_delta" and isinstance(delta, dict):
            field = _BLOCK_TEXTS.get(str(delta.get("type")))
            if field is not None:
                self._add(self._part(event.get("index")), field, delta.get("partial_json" if field == "input" else field))
        elif kind == "message_delta" and isinstance(delta, dict):
            self._stop = delta.get("stop_reason") or self._stop

    def _part(self, index: Any) -> dict[str, Any]:
        return self._parts.setdefault(index if isinstance(index, int) else 0, {})

    def _add(self, part: dict[str, Any], name: str, piece: Any) -> None:
        if isinstance(piece, str) and piece:
            self.size += len(piece)
            part.setdefault(name, []).append(piece)


def _choice(part: dict[str, Any], chat: bool) -> dict[str, Any]:
    finish = part.get("finish_reason")
    if not chat:
        return {"text": "".join(part.get("text", ())), "finish_reason": finish}
    message: dict[str, Any] = {"role": "assistant", **{name: "".join(part[name]) for name in _OPENAI_TEXTS if name in part}}
    calls = part.get("tool_calls", {})
    if calls:
        message["tool_calls"] = [
            {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": "".join(call.get("arguments", ()))}}
            for _, call in sorted(calls.items())
        ]
    return {"message": message, "finish_reason": finish}


def _block(part: dict[str, Any]) -> dict[str, Any]:
    block: dict[str, Any] = {name: part[name] for name in ("type", "id", "name") if name in part}
    block |= {name: "".join(part[name]) for name in ("text", "thinking") if name in part}
    if "input" in part:
        arguments = "".join(part["input"])
        try:
            block["input"] = orjson.loads(arguments)
        except orjson.JSONDecodeError:
            block["input"] = arguments
    return block
