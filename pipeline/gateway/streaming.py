"""Answers on their way to the caller, event by event: every text in them goes through redaction, nothing ends silently.

A stream carries several texts at once (choices, tool-call arguments, reasoning): each is a *channel* with a redactor of its
own, because a secret may be cut anywhere. What a channel still holds back when its text ends is sent in an event of its
own before the event that ends it. Fields that cannot hold text pass; unknown fields are redacted whole.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import orjson

from pipeline.gateway.pieces import plain_content, plain_text, runs, with_content, with_text
from pipeline.routing.model import Delta
from redactors.engine import Redactor
from redactors.model import Remark, Verdict
from redactors.stream import StreamRedactor

Wire = bytes
Event = tuple[str, dict[str, Any]]


class AnswerBlocked(Exception):
    """The policy forbids the answer; `rules` names which rules said so."""

    def __init__(self, rules: tuple[str, ...]) -> None:
        super().__init__("the answer was blocked by policy")
        self.rules = rules


class AnswerScreen(Protocol):
    """Redacts one answer's stream. `feed` returns the events that may be sent now, `close` what was still held back."""

    def feed(self, delta: Delta) -> list[Event]:
        """Take one event of the provider and return clean ones (none, one, or several)."""
        ...

    def feed_all(self, deltas: Sequence[Delta]) -> list[Event]:
        """Take events that came together. Gives the same texts as one by one; pieces of one text are looked at as one."""
        ...

    def close(self) -> list[Event]:
        """End every channel that is still open."""
        ...

    def remarks(self) -> tuple[Remark, ...]:
        """What was done so far, for audit and counters."""
        ...


class Channels:
    """The open texts of one answer, each with its own stream redactor."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._open: dict[Hashable, StreamRedactor] = {}
        self._done: list[Remark] = []

    def feed(self, key: Hashable, piece: str) -> str:
        """Give a piece to its channel and return what became safe."""
        channel = self._open.get(key)
        if channel is None:
            channel = self._open[key] = self._redactor.stream()
        safe = channel.feed(piece)
        if channel.verdict is Verdict.BLOCK:
            self._refuse(channel)
        return safe

    def share(self, key: Hashable, pieces: Sequence[str]) -> list[str]:
        """Give pieces to their channel at once and return what became safe, shared out among them; fewer when the last ones are held back.

        While the channel has changed nothing, what is safe is the text itself, so each gets its own part (the first one what was held
        back before); afterwards the last one gets all.
        """
        channel = self._open.get(key)
        held = channel.held if channel is not None else 0
        safe = self.feed(key, "".join(pieces))
        if len(pieces) == 1 or self._open[key].redactions:
            return [*([""] * (len(pieces) - 1)), safe] if safe else []
        parts = []
        at, reach = 0, held
        for piece in pieces:
            reach += len(piece)
            if at >= len(safe):
                break
            parts.append(safe[at:reach])
            at = reach
        return parts

    def held(self, key: Hashable) -> bool:
        """Whether a channel holds text back or has already changed some."""
        channel = self._open.get(key)
        return channel is not None and (channel.held > 0 or bool(channel.remarks))

    def end(self, key: Hashable) -> str:
        """Close a channel and return the rest of its text."""
        channel = self._open.pop(key, None)
        if channel is None:
            return ""
        rest = channel.close()
        self._done.extend(rest.remarks)
        if rest.verdict is Verdict.BLOCK:
            raise AnswerBlocked(_blocking(rest.remarks))
        return rest.value

    def whole(self, tree: Any) -> Any:
        """Redact a value that does not stream."""
        clean = self._redactor.tree(tree)
        if clean.remarks:
            self._done.extend(clean.remarks)
            if clean.verdict is Verdict.BLOCK:
                raise AnswerBlocked(_blocking(clean.remarks))
        return clean.value

    def open_keys(self) -> tuple[Hashable, ...]:
        """The open channels, oldest first."""
        return tuple(self._open)

    def remarks(self) -> tuple[Remark, ...]:
        """Everything that was done, in closed and open channels."""
        return (*self._done, *(remark for channel in self._open.values() for remark in channel.remarks))

    def _refuse(self, channel: StreamRedactor) -> None:
        raise AnswerBlocked(_blocking(channel.remarks))


def _blocking(remarks: Iterable[Remark]) -> tuple[str, ...]:
    return tuple(sorted({remark.rule for remark in remarks if remark.action.label == "block"}))


_CHUNK_FIELDS = frozenset({"id", "object", "created", "model", "system_fingerprint", "service_tier", "usage", "choices"})
_CHOICE_FIELDS = frozenset({"index", "finish_reason", "delta", "text", "logprobs"})
_TEXT_FIELDS = ("content", "reasoning_content", "reasoning", "refusal")
_DELTA_FIELDS = frozenset({"role", "tool_calls", "function_call", *_TEXT_FIELDS})


class OpenAIScreen:
    """Screens `chat.completion.chunk` and `text_completion` streams.

    Log probabilities spell the text out token by token: they pass only while their text passes unchanged and at once.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._channels = Channels(redactor)
        self._skeleton: dict[str, Any] = {}

    def feed_all(self, deltas: Sequence[Delta]) -> list[Event]:
        """Redact chunks that came together."""
        events: list[Event] = []
        for index, run in runs(plain_content, deltas):
            if index is None:
                events.extend(self.feed(run[0][0]))
                continue
            self._begin(run[0][0].data)
            parts = self._channels.share((index, "content"), [piece for _, piece in run])
            events.extend(("", with_content(delta.data, piece, part)) for (delta, piece), part in zip(run, parts, strict=False) if part)
        return events

    def feed(self, delta: Delta) -> list[Event]:
        """Redact one chunk; a chunk that ends a choice is preceded by what its channels held back."""
        chunk = delta.data
        self._begin(chunk)
        out: dict[str, Any] = {}
        before: list[Event] = []
        silent = False
        for name, value in chunk.items():
            if name == "choices":
                choices, silent = self._choices(value, before)
                out[name] = choices
            elif name in _CHUNK_FIELDS:
                out[name] = value
            else:
                out[name] = self._channels.whole({name: value})[name]
        if silent and not out.get("usage"):
            return before
        return [*before, ("", out)]

    def _begin(self, chunk: dict[str, Any]) -> None:
        """Keep what every chunk of an answer has in common, for chunks of our own."""
        if not self._skeleton:
            self._skeleton = {name: chunk[name] for name in ("id", "object", "created", "model") if name in chunk}

    def _choices(self, choices: Any, before: list[Event]) -> tuple[Any, bool]:
        """Redact the choices of a chunk. The flag says that all of its text is held back, so that it need not be sent."""
        if not isinstance(choices, list):
            return self._channels.whole(choices), False
        clean = []
        silent = bool(choices)
        for choice in choices:
            if not isinstance(choice, dict):
                clean.append(self._channels.whole(choice))
                silent = False
                continue
            out, quiet = self._choice(choice)
            clean.append(out)
            silent = silent and quiet
            if choice.get("finish_reason") is not None:
                before.extend(self._end(choice.get("index", 0)))
        return clean, silent

    def _choice(self, choice: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        index = choice.get("index", 0)
        out: dict[str, Any] = {}
        quiet = choice.get("finish_reason") is None
        changed = False
        for name, value in choice.items():
            if name == "delta" and isinstance(value, dict):
                out[name], quiet_delta, changed = self._delta(index, value)
                quiet = quiet and quiet_delta
            elif name == "text" and isinstance(value, str):
                out[name] = self._channels.feed((index, "text"), value)
                changed = out[name] != value
                quiet = quiet and not out[name]
            elif name == "logprobs" or name in _CHOICE_FIELDS:
                out[name] = value
            else:
                out[name] = self._channels.whole({name: value})[name]
        if out.get("logprobs") is not None and (changed or any(self._channels.held(key) for key in self._of(index))):
            out["logprobs"] = None
        return out, quiet

    def _delta(self, index: int, delta: dict[str, Any]) -> tuple[dict[str, Any], bool, bool]:
        out: dict[str, Any] = {}
        quiet = bool(delta)
        changed = False
        for name, value in delta.items():
            if name in _TEXT_FIELDS and isinstance(value, str):
                safe = self._channels.feed((index, name), value)
                changed = changed or safe != value
                quiet = quiet and bool(value) and not safe
                out[name] = safe
            elif name == "tool_calls" and isinstance(value, list):
                out[name] = [self._tool(index, position, call) for position, call in enumerate(value)]
                quiet = False
            elif name == "function_call" and isinstance(value, dict):
                out[name] = self._function((index, "function_call"), value)
                quiet = False
            elif name in _DELTA_FIELDS:
                out[name] = value
                quiet = quiet and value is None
            else:
                out[name] = self._channels.whole({name: value})[name]
                quiet = False
        return out, quiet, changed

    def _tool(self, index: int, position: int, call: Any) -> Any:
        if not isinstance(call, dict):
            return self._channels.whole(call)
        out: dict[str, Any] = {}
        for name, value in call.items():
            if name == "function" and isinstance(value, dict):
                out[name] = self._function((index, "tool", call.get("index", position)), value)
            elif name in ("index", "id", "type"):
                out[name] = value
            else:
                out[name] = self._channels.whole({name: value})[name]
        return out

    def _function(self, key: Hashable, function: dict[str, Any]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for name, value in function.items():
            if name == "arguments" and isinstance(value, str):
                out[name] = self._channels.feed(key, value)
            else:
                out[name] = self._channels.whole({name: value})[name]
        return out

    def _of(self, index: int) -> list[Hashable]:
        return [key for key in self._channels.open_keys() if isinstance(key, tuple) and key[0] == index]

    def _end(self, index: int) -> list[Event]:
        events: list[Event] = []
        for key in self._of(index):
            rest = self._channels.end(key)
            if rest:
                events.append(("", {**self._skeleton, "choices": [_rest_of(key, rest)]}))
        return events

    def close(self) -> list[Event]:
        """End every choice that the provider never finished."""
        events: list[Event] = []
        for key in self._channels.open_keys():
            assert isinstance(key, tuple)
            events.extend(self._end(key[0]))
        return events

    def remarks(self) -> tuple[Remark, ...]:
        """What was done so far."""
        return self._channels.remarks()


def _rest_of(key: Hashable, rest: str) -> dict[str, Any]:
    """The choice of a chunk that carries the held-back end of one channel."""
    assert isinstance(key, tuple)
    index, kind = key[0], key[1]
    if kind == "text":
        return {"index": index, "text": rest, "finish_reason": None}
    if kind == "tool":
        delta: dict[str, Any] = {"tool_calls": [{"index": key[2], "function": {"arguments": rest}}]}
    elif kind == "function_call":
        delta = {"function_call": {"arguments": rest}}
    else:
        delta = {kind: rest}
    return {"index": index, "delta": delta, "finish_reason": None}


# Anthropic's delta types, and the field of each that streams text.
_DELTA_TEXT = {"text_delta": "text", "input_json_delta": "partial_json", "thinking_delta": "thinking"}


class AnthropicScreen:
    """Screens Messages streams: one channel per content block and text field, flushed before the block stops.

    A `signature` is the provider's seal over its own thinking; it passes as it is, and the last look still sees it.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._channels = Channels(redactor)

    def feed_all(self, deltas: Sequence[Delta]) -> list[Event]:
        """Redact events that came together."""
        events: list[Event] = []
        for index, run in runs(plain_text, deltas):
            if index is None:
                events.extend(self.feed(run[0][0]))
                continue
            parts = self._channels.share((index, "text_delta"), [piece for _, piece in run])
            events.extend((delta.event, with_text(delta.data, piece, part)) for (delta, piece), part in zip(run, parts, strict=False) if part)
        return events

    def feed(self, delta: Delta) -> list[Event]:
        """Redact one event; the event that stops a block is preceded by what the block held back."""
        data, event = delta.data, delta.event
        kind = data.get("type", event)
        if kind == "content_block_delta" and isinstance(data.get("delta"), dict):
            return self._block_delta(event, data)
        if kind == "content_block_stop":
            return [*self._end(data.get("index", 0)), (event, data)]
        if kind == "message_stop":
            return [*self.close(), (event, data)]
        if kind in ("ping", "message_delta") and "error" not in data:
            return [(event, self._plain(data))]
        return [(event, self._channels.whole(data))]

    def _plain(self, data: dict[str, Any]) -> dict[str, Any]:
        inner = data.get("delta")
        if isinstance(inner, dict) and isinstance(inner.get("stop_sequence"), str):
            return {**data, "delta": self._channels.whole(inner)}
        return data

    def _block_delta(self, event: str, data: dict[str, Any]) -> list[Event]:
        index, inner = data.get("index", 0), data["delta"]
        field = _DELTA_TEXT.get(inner.get("type", ""))
        if field is None or not isinstance(inner.get(field), str):
            clean = inner if inner.get("type") == "signature_delta" else self._channels.whole(inner)
            return [(event, {**data, "delta": clean})]
        safe = self._channels.feed((index, inner["type"]), inner[field])
        if not safe and inner[field]:
            return []
        return [(event, {**data, "delta": {**inner, field: safe}})]

    def _end(self, index: int) -> list[Event]:
        events: list[Event] = []
        for key in self._channels.open_keys():
            if isinstance(key, tuple) and key[0] == index:
                rest = self._channels.end(key)
                if rest:
                    inner = {"type": key[1], _DELTA_TEXT[key[1]]: rest}
                    events.append(("content_block_delta", {"type": "content_block_delta", "index": index, "delta": inner}))
        return events

    def close(self) -> list[Event]:
        """End every block that the provider never stopped."""
        events: list[Event] = []
        for key in self._channels.open_keys():
            assert isinstance(key, tuple)
            events.extend(self._end(key[0]))
        return events

    def remarks(self) -> tuple[Remark, ...]:
        """What was done so far."""
        return self._channels.remarks()


class LeakFound(Exception):
    """The last look saw a live secret in bytes about to be sent; they were not sent."""


def encode(events: Iterable[Event], is_dirty: Callable[[bytes], bool]) -> Wire:
    """Write events as SSE. Raises LeakFound when the bytes hold a live secret: the last look before the socket."""
    parts = []
    for name, data in events:
        if name:
            parts.append(b"event: " + name.encode() + b"\n")
        parts.append(b"data: " + orjson.dumps(data) + b"\n\n")
    wire = b"".join(parts)
    if is_dirty(wire):
        raise LeakFound
    return wire


def error_event(dialect: str, body: Mapping[str, Any]) -> Wire:
    """The explicit end of a stream that failed: the SDKs raise on it, where a silent end would look like success."""
    if dialect == "anthropic":
        return b"event: error\ndata: " + orjson.dumps(body) + b"\n\n"
    return b"data: " + orjson.dumps(body) + b"\n\ndata: [DONE]\n\n"
