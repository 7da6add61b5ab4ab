"""The built-in provider `demo`: answers without any key or network, so that Lockgate can be seen working.

It greets, repeats what follows `echo `, calls the first offered tool when tools are given, and on a prompt that contains `leak` answers
with freshly made values that look like secrets, so that masking can be watched. Both surfaces, streamed and not, with usage numbers.
"""

from __future__ import annotations

import base64
import hashlib
import random
import re
import string
import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from pipeline.clock import Clock
from pipeline.routing.model import Delta, Outbound, UpstreamError
from pipeline.routing.tokens import estimate_input
from pipeline.routing.usage import weigh
from pipeline.vaults.model import Secret

_WORDS = re.compile(r"\s*\S+|\s+$")
_ALNUM = string.ascii_letters + string.digits
GREETING = (
    "Hello from Lockgate's built-in demo model. Say `echo …` and I repeat it, offer me tools and I call the first one, "
    "ask me to leak and I answer with made-up secrets, which you should see masked."
)


def made_up_secrets(rng: random.Random) -> str:
    """A text with values in the format of real secrets, made from random numbers. None of them opens anything."""

    def draw(alphabet: str, count: int) -> str:
        return "".join(rng.choices(alphabet, k=count))

    openai = "sk-proj-" + draw(_ALNUM, 74) + "T3BlbkFJ" + draw(_ALNUM, 74)
    aws = "AKIA" + draw("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16)
    body = draw(_ALNUM, 30)
    number, check = zlib.crc32(body.encode()), ""
    for _ in range(6):  # GitHub's tokens end in the CRC-32 of their body, in base 62
        number, digit = divmod(number, 62)
        check = (string.digits + string.ascii_uppercase + string.ascii_lowercase)[digit] + check
    return (
        "These look like secrets, but I have just made them up:\n"
        f"an OpenAI key {openai}\nan AWS access key id {aws}\na GitHub token ghp_{body}{check}\n"
        f"a database at postgres://app:{draw(_ALNUM, 20)}@db.internal:5432/main\n"
        f"and a person, {draw(string.ascii_lowercase, 7)}@example.com."
    )


@dataclass(frozen=True, slots=True)
class _Reply:
    text: str
    tool: str
    arguments: str
    prompt_tokens: int
    output_tokens: int
    ident: str
    created: int


class DemoProvider:
    """Answers in process. `clock` dates the answers, `rng` makes up the secrets of `leak` (the system's when not given)."""

    name = "demo"

    def __init__(self, clock: Clock, rng: random.Random | None = None) -> None:
        self._clock = clock
        self._rng = rng or random.SystemRandom()

    async def complete(self, request: Outbound, key: Secret | None) -> AsyncIterator[Delta]:
        """Answer at once, in the surface's format."""
        body, model = request.body, request.target.model
        request.departure.sent = True
        ident = f"demo-{request.request_id}"
        if request.surface == "openai.embeddings":
            yield Delta(_embeddings(body, model), "", ident)
        elif request.surface == "anthropic.count_tokens":
            yield Delta({"input_tokens": estimate_input(request.surface, body)}, "", ident)
        else:
            reply = self._reply(request)
            anthropic = request.surface == "anthropic.messages"
            if not request.stream:
                yield Delta(_message(reply, model) if anthropic else _whole(request, reply, model), "", ident)
                return
            for delta in _message_events(reply, model) if anthropic else _chunks(request, reply, model):
                yield Delta(delta[1], delta[0], ident)

    def _reply(self, request: Outbound) -> _Reply:
        body = request.body
        asked, turn = _last_turn(body)
        tool = "" if turn == "tool" or body.get("tool_choice") == "none" else _first_tool(body)
        if tool:
            text = ""
        elif asked.lower().startswith("echo "):
            text = asked[5:]
        elif re.search(r"\bleak\b", asked, re.IGNORECASE):
            text = made_up_secrets(self._rng)
        elif turn == "tool":
            text = f"The tool answered: {asked}"
        else:
            text = GREETING
        arguments = orjson.dumps({"query": asked}).decode() if tool else ""
        output = max(1, -(-weigh(text + arguments) // 4))
        created = self._clock.now_us() // 1_000_000
        return _Reply(text, tool, arguments, estimate_input(request.surface, body), output, request.request_id, created)


def _last_turn(body: dict[str, Any]) -> tuple[str, str]:
    """The text of the last message, and whether it came from the `user` or from a `tool`."""
    if "prompt" in body:
        prompt = body["prompt"]
        return (prompt if isinstance(prompt, str) else "".join(str(item) for item in prompt or ())), "user"
    for message in reversed(body.get("messages") or []):
        if not isinstance(message, dict) or message.get("role") not in ("user", "tool"):
            continue
        content = message.get("content")
        parts = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
        from_tool = message["role"] == "tool" or any(part.get("type") == "tool_result" for part in parts if isinstance(part, dict))
        return "".join(_texts(parts)), "tool" if from_tool else "user"
    return "", "user"


def _texts(parts: list[Any]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict):
            if isinstance(part.get("text"), str):
                yield part["text"]
            inner = part.get("content")
            yield from _texts(inner if isinstance(inner, list) else [inner] if isinstance(inner, str) else [])


def _first_tool(body: dict[str, Any]) -> str:
    for tool in body.get("tools") or ():
        name = (tool.get("function") or tool).get("name") if isinstance(tool, dict) else None
        if isinstance(name, str):
            return name
    return ""


def _usage(reply: _Reply, count: int) -> dict[str, Any]:
    output = reply.output_tokens * count
    return {"prompt_tokens": reply.prompt_tokens, "completion_tokens": output, "total_tokens": reply.prompt_tokens + output}


def _choices(request: Outbound) -> int:
    count = request.body.get("n")
    if count is None:
        return 1
    if not isinstance(count, int) or not 1 <= count <= 16:
        raise UpstreamError(
            "bad_request", status=400, body={"error": {"message": "n must be from 1 to 16", "type": "invalid_request_error"}}
        )
    return count


def _call(reply: _Reply, index: int) -> dict[str, Any]:
    return {"id": f"call_{reply.ident}_{index}", "type": "function", "function": {"name": reply.tool, "arguments": reply.arguments}}


def _whole(request: Outbound, reply: _Reply, model: str) -> dict[str, Any]:
    """A whole chat completion or completion."""
    count = _choices(request)
    chat = request.surface == "openai.chat"
    choices: list[dict[str, Any]] = []
    for index in range(count):
        choice: dict[str, Any] = {"index": index, "logprobs": None, "finish_reason": "tool_calls" if reply.tool else "stop"}
        if chat:
            choice["message"] = {"role": "assistant", "content": reply.text or None, "refusal": None}
            if reply.tool:
                choice["message"]["tool_calls"] = [_call(reply, index)]
        else:
            choice["text"] = reply.text
        choices.append(choice)
    kind = "chat.completion" if chat else "text_completion"
    head = {"id": f"chatcmpl-{reply.ident}", "object": kind, "created": reply.created, "model": model}
    return head | {"choices": choices, "usage": _usage(reply, count)}


def _chunks(request: Outbound, reply: _Reply, model: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The same as OpenAI's stream events, with usage in the last one."""
    chat = request.surface == "openai.chat"
    kind = "chat.completion.chunk" if chat else "text_completion"
    head: dict[str, Any] = {"id": f"chatcmpl-{reply.ident}", "object": kind, "created": reply.created, "model": model}
    count = _choices(request)

    def chunk(index: int, delta: dict[str, Any], finish: str | None = None) -> tuple[str, dict[str, Any]]:
        said = {"delta": delta} if chat else {"text": delta.get("content", "")}
        return "", head | {"choices": [{"index": index, **said, "logprobs": None, "finish_reason": finish}]}

    for index in range(count):
        if chat:
            yield chunk(index, {"role": "assistant", "content": "" if not reply.tool else None})
        if reply.tool:
            call = _call(reply, index)
            yield chunk(index, {"tool_calls": [{"index": 0, **call, "function": {"name": reply.tool, "arguments": ""}}]})
            for at in range(0, len(reply.arguments), 12):
                yield chunk(index, {"tool_calls": [{"index": 0, "function": {"arguments": reply.arguments[at : at + 12]}}]})
        for piece in _WORDS.findall(reply.text):
            yield chunk(index, {"content": piece})
        yield chunk(index, {}, "tool_calls" if reply.tool else "stop")
    yield "", head | {"choices": [], "usage": _usage(reply, count)}


def _message(reply: _Reply, model: str) -> dict[str, Any]:
    """A whole Anthropic message."""
    tool = {"type": "tool_use", "id": f"toolu_{reply.ident}", "name": reply.tool}
    content = [{**tool, "input": orjson.loads(reply.arguments)}] if reply.tool else [{"type": "text", "text": reply.text}]
    head: dict[str, Any] = {"id": f"msg_{reply.ident}", "type": "message", "role": "assistant", "model": model, "content": content}
    head |= {"stop_reason": "tool_use" if reply.tool else "end_turn", "stop_sequence": None}
    return head | {"usage": {"input_tokens": reply.prompt_tokens, "output_tokens": reply.output_tokens}}


def _message_events(reply: _Reply, model: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The same as Anthropic's stream events."""

    def event(name: str, tree: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        return name, {"type": name, **tree}

    whole = _message(reply, model)
    block = whole["content"][0]
    start = {**whole, "content": [], "stop_reason": None, "usage": {"input_tokens": reply.prompt_tokens, "output_tokens": 1}}
    yield event("message_start", {"message": start})
    yield event("content_block_start", {"index": 0, "content_block": {**block, **({"input": {}} if reply.tool else {"text": ""})}})
    if reply.tool:
        for at in range(0, len(reply.arguments), 12):
            delta = {"type": "input_json_delta", "partial_json": reply.arguments[at : at + 12]}
            yield event("content_block_delta", {"index": 0, "delta": delta})
    for piece in _WORDS.findall(reply.text):
        yield event("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": piece}})
    yield event("content_block_stop", {"index": 0})
    end = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield event("message_delta", {"delta": end, "usage": {"output_tokens": reply.output_tokens}})
    yield event("message_stop", {})


def _embeddings(body: dict[str, Any], model: str) -> dict[str, Any]:
    """Deterministic vectors of 16 (or `dimensions`) numbers, as floats or base64."""
    import struct

    given = body.get("input") or ""
    inputs = given if isinstance(given, list) and given and not isinstance(given[0], int) else [given]
    asked = body.get("dimensions")
    size = asked if isinstance(asked, int) and 0 < asked <= 4096 else 16
    rows = []
    for index, item in enumerate(inputs):
        digest = hashlib.sha256(str(item).encode()).digest()
        numbers = [(digest[at % 32] - 128) / 128 for at in range(size)]
        packed = base64.b64encode(struct.pack(f"<{size}f", *numbers)).decode()
        rows.append({"object": "embedding", "index": index, "embedding": packed if body.get("encoding_format") == "base64" else numbers})
    tokens = sum(max(1, -(-weigh(str(item)) // 4)) for item in inputs)
    return {"object": "list", "data": rows, "model": model, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}
