"""Answers on their way to the caller, event by event: every text in them goes through redaction, nothing ends silently.

A stream carries several texts at once (choices, tool-call arguments, reasoning): each is a *channel* with a redactor of its
own, because a secret may be cut anywhere. What a channel still holds back when its text ends is sent in an event of its
own before the event that ends it. Fields that cannot hold text pass; unknown fields are redacted whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Final, Protocol

import orjson

from pipeline.gateway.channels import Channels
from pipeline.gateway.pieces import SLOT, Several, pieces_of, plain_content, plain_text, runs, with_content, with_parts, with_text
from pipeline.routing.model import Delta
from redactors.model import AnswerRedactor, Remark

Wire = bytes
Event = tuple[str, dict[str, Any]]
Sendable = Event | Several


class AnswerScreen(Protocol):
    """Redacts one answer's stream. `feed` returns the events that may be sent now, `close` what was still held back."""

    def feed(self, delta: Delta) -> list[Event]:
        """Take one event of the provider and return clean ones (none, one, or several)."""
        ...

    def feed_all(self, deltas: Sequence[Delta]) -> Sequence[Sendable]:
        """Take events that came together. Gives the same texts as one by one; pieces of one text are looked at as one."""
        ...

    def close(self) -> list[Event]:
        """End every channel that is still open."""
        ...

    def remarks(self) -> tuple[Remark, ...]:
        """What was done so far, for audit and counters."""
        ...


_LABELS = frozenset({"id", "object", "created", "model", "system_fingerprint", "service_tier"})
_TEXT_FIELDS = frozenset({"content", "reasoning_content", "reasoning", "refusal"})


class OpenAIScreen:
    """Screens `chat.completion.chunk` and `text_completion` streams.

    Log probabilities spell the text out token by token: they pass only while their text passes unchanged and at once.
    What comes of a choice after it has finished is not text of the answer any more and is left out.
    """

    def __init__(self, redactor: AnswerRedactor) -> None:
        self._channels = Channels(redactor)
        self._skeleton: dict[str, Any] = {}
        self._names: dict[Hashable, str] = {}
        self._clean_labels: tuple[Any, ...] = ()
        self._finished: set[int] = set()

    def feed_all(self, deltas: Sequence[Delta]) -> Sequence[Sendable]:
        """Redact chunks that came together."""
        if len(deltas) == 1 and not deltas[0].pieces:
            chunk = deltas[0].data
            plain = self._plain(chunk)
            if plain is None:
                return self.feed(deltas[0])
            self._begin(chunk)
            safe = self._channels.feed((plain[0], "content"), plain[1])
            return [("", with_content(chunk, plain[1], safe))] if safe else []
        events: list[Sendable] = []
        for index, run in runs(self._plain, deltas):
            if index is None:
                events.extend(self.feed(run[0][0]))
                continue
            self._begin(run[0][0].data)
            events.extend(with_parts(run, self._channels.share((index, "content"), pieces_of(run)), with_content, _unnamed))
        return events

    def _plain(self, chunk: dict[str, Any]) -> tuple[int, str] | None:
        """A chunk with nothing in it but a piece of content, and labels that are clean as they are."""
        found = plain_content(chunk)
        if found is None or found[0] in self._finished:
            return None
        labels = _labels_of(chunk)
        if labels != self._clean_labels:
            if not all(self._channels.label(value) == value for value in labels):
                return None
            self._clean_labels = labels
        return found

    def _begin(self, chunk: Mapping[str, Any]) -> None:
        """Remember what every chunk says of itself, for those that we add."""
        if not self._skeleton:
            self._channels.learn(_labels_of(chunk))
            self._skeleton = {name: self._channels.label(chunk[name]) for name in ("id", "object", "created", "model") if name in chunk}

    def feed(self, delta: Delta) -> list[Event]:
        """Redact one chunk; a chunk that ends a choice is preceded by what its channels held back."""
        channels = self._channels
        self._begin(delta.data)
        out: dict[str, Any] = {}
        before: list[Event] = []
        silent = False
        for name, value in delta.data.items():
            if name in _LABELS:
                out[name] = channels.label(value)
            elif name == "choices":
                out[name], silent = self._choices(value, before)
            elif value is None:
                out |= channels.nothing(name)
            else:
                out |= channels.field((None, "chunk"), name, value)
        if silent and not out.get("usage"):
            return before
        return [*before, ("", out)]

    def _choices(self, choices: Any, before: list[Event]) -> tuple[Any, bool]:
        """Redact the choices of a chunk. The flag says that all of its text is held back, so that it need not be sent."""
        if not isinstance(choices, list):
            return self._channels.whole(choices), False
        clean = []
        silent = bool(choices)
        for choice in choices:
            if not isinstance(choice, dict) or type(choice.get("index", 0)) is not int:
                clean.append(self._channels.whole(choice))
                silent = False
                continue
            index = choice.get("index", 0)
            out, quiet = self._after(choice) if index in self._finished else self._choice(index, choice)
            clean.append(out)
            silent = silent and quiet
            if choice.get("finish_reason") and index not in self._finished:  # some servers say "" while they go on
                before.extend(self._end(index))
                self._finished.add(index)
        return clean, silent

    def _after(self, choice: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        """A choice that has finished says so again, and nothing more."""
        return {"index": choice.get("index", 0), "delta": {}, "finish_reason": self._channels.label(choice.get("finish_reason"))}, True

    def _choice(self, index: int, choice: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        channels = self._channels
        out: dict[str, Any] = {}
        quiet = not choice.get("finish_reason")
        changed = False
        for name, value in choice.items():
            if name == "delta" and isinstance(value, dict):
                out[name], quiet_delta, changed = self._delta(index, value)
                quiet = quiet and quiet_delta
            elif name == "text" and isinstance(value, str):
                out[name] = channels.feed((index, "text"), value)
                changed = out[name] != value
                quiet = quiet and not out[name]
            elif name in ("index", "finish_reason"):
                out[name] = channels.label(value)
            elif name == "logprobs" or value is None:
                out |= channels.nothing(name)
            else:
                out |= channels.field((index, "choice"), name, value)
        if choice.get("logprobs") is not None:
            out["logprobs"] = self._logprobs(index, choice["logprobs"], changed=changed)
        return out, quiet

    def _logprobs(self, index: int, logprobs: Any, *, changed: bool) -> Any:
        text = spelled(logprobs)
        changed = self._channels.feed((index, "logprobs"), text) != text or changed
        if changed or any(self._channels.held(key) for key in self._of(index)):
            return None
        return logprobs if self._channels.whole(logprobs) is logprobs else None

    def _delta(self, index: int, delta: dict[str, Any]) -> tuple[dict[str, Any], bool, bool]:
        channels = self._channels
        out: dict[str, Any] = {}
        quiet = bool(delta)
        changed = False
        for name, value in delta.items():
            if name in _TEXT_FIELDS and isinstance(value, str):
                safe = channels.feed((index, name), value)
                changed = changed or safe != value
                quiet = quiet and bool(value) and not safe
                out[name] = safe
            elif name == "role":
                out[name] = channels.label(value)
                quiet = False
            elif name == "tool_calls" and isinstance(value, list):
                out[name] = [self._tool(index, position, call) for position, call in enumerate(value)]
                quiet = False
            elif name == "function_call" and isinstance(value, dict):
                out[name] = self._function((index, "function_call"), value)
                quiet = False
            elif value is None:
                out |= channels.nothing(name)
            else:
                out |= channels.field((index, "delta"), name, value)
                quiet = False
        return out, quiet, changed

    def _tool(self, index: int, position: int, call: Any) -> Any:
        channels = self._channels
        if not isinstance(call, dict):
            return channels.whole(call)
        given = call.get("index")
        number = given if type(given) is int else position
        out: dict[str, Any] = {}
        for name, value in call.items():
            if name == "function" and isinstance(value, dict):
                out[name] = self._function((index, "tool", number), value)
            elif name in ("index", "id", "type"):
                out[name] = channels.label(value)
            else:
                out |= channels.field((index, "tool call", number), name, value)
        return out

    def _function(self, key: tuple[Hashable, ...], function: dict[str, Any]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for name, value in function.items():
            if name == "arguments" and isinstance(value, str):
                out[name] = self._channels.feed(key, value)
            elif name == "name" and isinstance(value, str):
                out[name] = self._name(key, value)
            else:
                out |= self._channels.whole({name: value})
        return out

    def _name(self, key: Hashable, piece: str) -> str:
        """A tool's name comes in one piece and must not wait; of one that comes in several the later ones pass only if all is clean."""
        joined = self._names[key] = self._names.get(key, "") + piece
        clean: str = self._channels.label(joined)
        return clean if joined == piece else piece if clean == joined else ""

    def _of(self, index: int | None) -> list[Hashable]:
        return [key for key in self._channels.open_keys() if isinstance(key, tuple) and key[0] == index]

    def _end(self, index: int | None) -> list[Event]:
        events: list[Event] = []
        for key in self._of(index):
            rest, field = self._channels.rest(key)
            if rest and isinstance(key, tuple) and key[1] != "logprobs":
                events.append(("", {**self._skeleton, **_rest_of(key, rest, field)}))
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


def _unnamed(event: str) -> str:
    """OpenAI's events have no names."""
    return ""


def _labels_of(chunk: Mapping[str, Any]) -> tuple[Any, ...]:
    """The values of `_LABELS`: the same in every chunk of a stream."""
    get = chunk.get
    return get("id"), get("object"), get("created"), get("model"), get("system_fingerprint"), get("service_tier")


def _rest_of(key: tuple[Hashable, ...], rest: str, field: dict[str, Any]) -> dict[str, Any]:
    """What a chunk holds that carries the held-back end of one channel; `field` is the one it stood in, where nobody knows that."""
    index, kind = key[0], key[1]
    if kind == "chunk":
        return {"choices": [], **field}
    if kind == "choice":
        return {"choices": [{"index": index, "delta": {}, **field, "finish_reason": None}]}
    if kind == "text":
        return {"choices": [{"index": index, "text": rest, "finish_reason": None}]}
    if kind == "tool":
        delta: dict[str, Any] = {"tool_calls": [{"index": key[2], "function": {"arguments": rest}}]}
    elif kind == "tool call":
        delta = {"tool_calls": [{"index": key[2], **field}]}
    elif kind == "function_call":
        delta = {"function_call": {"arguments": rest}}
    else:
        delta = field if kind == "delta" else {str(kind): rest}
    return {"choices": [{"index": index, "delta": delta, "finish_reason": None}]}


def spelled(logprobs: Any) -> str:
    """The text that log probabilities spell: `content` and `refusal` of chat, `tokens` of text completions."""
    if not isinstance(logprobs, dict):
        return ""
    parts = [token for token in logprobs.get("tokens") or () if isinstance(token, str)] if isinstance(logprobs.get("tokens"), list) else []
    for name in ("content", "refusal"):
        tokens = logprobs.get(name)
        if isinstance(tokens, list):
            parts += [token["token"] for token in tokens if isinstance(token, dict) and isinstance(token.get("token"), str)]
    return "".join(parts)


# Anthropic's delta types, and the field of each that streams text.
_DELTA_TEXT = {"text_delta": "text", "input_json_delta": "partial_json", "thinking_delta": "thinking"}
_START_DELTA = {"text": "text_delta", "thinking": "thinking_delta"}
_EVENTS = frozenset(
    {
        "",
        "message_start",
        "message_delta",
        "message_stop",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "ping",
        "error",
    }
)
_SEAL = re.compile(r"[A-Za-z0-9+/=]*")


class AnthropicScreen:
    """Screens Messages streams: one channel per content block and text field, flushed before the block stops.

    A `signature` is the provider's seal over its own thinking; it passes as it is, and the last look still sees it.
    """

    def __init__(self, redactor: AnswerRedactor) -> None:
        self._channels = Channels(redactor)
        self._stopped: set[int] = set()

    def feed_all(self, deltas: Sequence[Delta]) -> Sequence[Sendable]:
        """Redact events that came together."""
        if len(deltas) == 1 and not deltas[0].pieces:
            delta = deltas[0]
            plain = plain_text(delta.data)
            if plain is None or plain[0] in self._stopped:
                return self.feed(delta)
            safe = self._channels.feed((plain[0], "text_delta"), plain[1])
            return [(self._event(delta.event), with_text(delta.data, plain[1], safe))] if safe else []
        events: list[Sendable] = []
        for index, run in runs(plain_text, deltas):
            if index is None or index in self._stopped:
                for delta, _ in run:
                    events.extend(self.feed(delta))
                continue
            events.extend(with_parts(run, self._channels.share((index, "text_delta"), pieces_of(run)), with_text, self._event))
        return events

    def feed(self, delta: Delta) -> list[Event]:
        """Redact one event; the event that stops a block is preceded by what the block held back."""
        data, event = delta.data, delta.event
        kind = data.get("type", event)
        event = self._event(event)
        index = data.get("index", 0)
        if type(index) is not int:
            return [(event, self._channels.whole(data))]
        if kind == "content_block_delta" and isinstance(data.get("delta"), dict):
            return self._block_delta(event, index, data)
        if kind == "content_block_start":
            return self._block_start(event, index, data)
        if kind == "content_block_stop":
            held = self._end(index)
            self._stopped.add(index)
            return [*held, (event, self._channels.whole(data))]
        if kind == "message_stop":
            return [*self.close(), (event, self._channels.whole(data))]
        return [(event, self._channels.whole(data))]

    def _event(self, name: str) -> str:
        """The name of an event; of one that nobody knows, what is clean of it."""
        if name in _EVENTS:
            return name
        clean = str(self._channels.label(name))
        return clean if clean.isprintable() else ""

    def _block_start(self, event: str, index: int, data: dict[str, Any]) -> list[Event]:
        """A block begins; text that it begins with is the first piece of its channel."""
        events = self._end(index)  # a block that was never stopped
        self._stopped.discard(index)
        block = data.get("content_block")
        first = block if isinstance(block, dict) else {}
        field = next((name for name in _START_DELTA if isinstance(first.get(name), str) and first[name]), None)
        if field is None:
            return [*events, (event, self._channels.whole(data))]
        blank = {**data, "content_block": {**first, field: ""}}
        inner = {"type": _START_DELTA[field], field: first[field]}
        events.append((event, self._channels.whole(blank)))
        piece = {"type": "content_block_delta", "index": index, "delta": inner}
        return [*events, *self._block_delta("content_block_delta", index, piece)]

    def _block_delta(self, event: str, index: int, data: dict[str, Any]) -> list[Event]:
        inner = data["delta"]
        kind = inner.get("type", "")
        field = _DELTA_TEXT.get(kind) if isinstance(kind, str) else None
        if field is None or not isinstance(inner.get(field), str):
            seal = inner.get("signature") if kind == "signature_delta" else None
            if isinstance(seal, str) and len(inner) == 2 and _SEAL.fullmatch(seal):
                return [(event, {**self._channels.whole({**data, "delta": {}}), "delta": inner})]
            return [(event, self._channels.whole(data))]
        if index in self._stopped:
            return []  # a block that has stopped has no more text
        safe = self._channels.feed((index, kind), inner[field])
        if not safe and inner[field]:
            return []
        if len(data) > 3 or len(inner) > 2:
            other = self._channels.whole({**data, "delta": {**inner, field: ""}})
            return [(event, {**other, "delta": {**other["delta"], field: safe}})] if isinstance(other.get("delta"), dict) else []
        return [(event, {"type": "content_block_delta", "index": index, "delta": {"type": kind, field: safe}})]

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


def encode(events: Sequence[Sendable], is_dirty: Callable[[bytes], bool]) -> Wire:
    """Write events as SSE. Raises LeakFound when they hold a live secret, also in pieces of one text: the last look before the socket."""
    wire = b"".join([_written(one) if isinstance(one, Several) else _line(*one) for one in events])
    if is_dirty(wire) or ((together := _put_together(events)) and is_dirty(together)):
        raise LeakFound
    return wire


def _line(name: str, data: dict[str, Any]) -> Wire:
    written = orjson.dumps(data)
    return b"event: %b\ndata: %b\n\n" % (name.encode(), written) if name else b"data: %b\n\n" % written


_SLOT: Final = orjson.dumps(SLOT)


def _written(several: Several) -> Wire:
    """Events that share everything but their piece of text."""
    parts = _line(several.event, several.data).split(_SLOT)
    put = with_content if "choices" in several.data else with_text
    if len(parts) != 2:
        return b"".join([_line(several.event, put(several.data, SLOT, piece)) for piece in several.pieces])
    front, back = parts
    dumps = orjson.dumps
    return b"".join([front + dumps(piece) + back for piece in several.pieces])


def _put_together(events: Sequence[Sendable]) -> bytes:
    """The texts of which several events carry a piece: what becomes safe at once may be shared out among them (`Channels.share`)."""
    if len(events) < 2 and not any(isinstance(one, Several) for one in events):
        return b""
    texts: dict[int, list[str]] = {}
    for one in events:
        found = plain_content(one[1]) or plain_text(one[1])
        if found is not None:
            texts.setdefault(found[0], []).extend(one.pieces if isinstance(one, Several) else (found[1],))
    return "\n".join(["".join(pieces) for pieces in texts.values() if len(pieces) > 1]).encode("utf-8", "replace")


def error_event(dialect: str, body: Mapping[str, Any]) -> Wire:
    """The explicit end of a stream that failed: the SDKs raise on it, where a silent end would look like success."""
    if dialect == "anthropic":
        return b"event: error\ndata: " + orjson.dumps(body) + b"\n\n"
    return b"data: " + orjson.dumps(body) + b"\n\ndata: [DONE]\n\n"
