"""Providers' streams as JSON events: their framing, their terminators, their errors, and which events are nothing but text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import orjson

from pipeline.routing.eventstream import EventStreamDecoder
from pipeline.routing.model import FailureClass, UpstreamError
from pipeline.routing.sse import SseDecoder
from pipeline.routing.upstream import failure_in_stream

StreamFormat = Literal["openai", "anthropic", "gemini", "converse"]

_EXCEPTIONS: Mapping[str, FailureClass] = {
    "throttlingException": "rate_limit",
    "serviceQuotaExceededException": "rate_limit",
    "modelTimeoutException": "timeout",
    "validationException": "bad_request",
    "accessDeniedException": "auth",
}


class Events:
    """Splits a provider's stream into its JSON events, and sees its terminator and its error events.

    `done` is true once the provider said that it has ended: OpenAI's `[DONE]`, Anthropic's `message_stop`, Converse's `messageStop`, a
    `finishReason` of Gemini (after the last two more events may come, so reading goes on to the end of the body). `failure` is what
    an error event said; the events before it are given first.
    """

    __slots__ = ("_format", "_frames", "_lines", "done", "failure", "last")

    def __init__(self, stream_format: StreamFormat) -> None:
        self._format = stream_format
        self._lines = SseDecoder()
        self._frames = EventStreamDecoder()
        self.done = False
        self.last = False
        self.failure: UpstreamError | None = None

    def feed(self, piece: bytes) -> list[dict[str, Any]]:
        """Take bytes; give the events in them. Raises EventTooLongError, BrokenFrameError, JSONDecodeError."""
        found: list[dict[str, Any]] = []
        if self._format == "converse":
            for headers, payload in self._frames.feed(piece):
                if headers.get(":message-type") != "event":
                    name = headers.get(":exception-type", "")
                    body = {"error": {"type": name, "message": payload.decode("utf-8", "replace")}}
                    self.failure = UpstreamError(_EXCEPTIONS.get(name, "5xx"), status=200, body=body)
                    break
                if headers.get(":event-type") == "messageStop":
                    self.done = True
                found.append(orjson.loads(payload))
            return found
        for _, data in self._lines.feed(piece):
            if self._format == "openai" and data == b"[DONE]":
                self.done = self.last = True
                break
            tree = orjson.loads(data)
            if tree.get("error"):
                self.failure = UpstreamError(failure_in_stream(tree), status=200, body=tree)
                break
            if self._format == "anthropic" and tree.get("type") == "message_stop":
                self.done = self.last = True
            if self._format == "gemini" and any(c.get("finishReason") for c in tree.get("candidates") or ()):
                self.done = True
            found.append(tree)
        return found


def anthropic_text(tree: dict[str, Any]) -> str | None:
    """The text of a `text_delta`."""
    delta = tree.get("delta")
    return delta.get("text") if delta is not None and delta.get("type") == "text_delta" else None


def openai_text(tree: dict[str, Any]) -> str | None:
    """The text of a chunk whose only delta is content of the first choice."""
    choices = tree.get("choices")
    if not choices or len(choices) != 1 or tree.get("usage"):
        return None
    choice = choices[0]
    delta = choice.get("delta")
    plain = (
        delta is not None and len(delta) == 1 and not choice.get("index") and not choice.get("finish_reason") and not choice.get("logprobs")
    )
    text = delta.get("content") if plain else None
    return text if isinstance(text, str) else None


def gemini_text(tree: dict[str, Any]) -> str | None:
    """The text of an event with one candidate, one part, and no end, usage or grounding."""
    candidates = tree.get("candidates")
    if not candidates or len(candidates) != 1 or tree.get("usageMetadata") or tree.get("promptFeedback"):
        return None
    candidate = candidates[0]
    parts = (candidate.get("content") or {}).get("parts")
    if candidate.get("index") or not parts or len(parts) != 1 or not set(candidate) <= {"content", "index"}:
        return None
    return parts[0].get("text") if len(parts[0]) == 1 else None


def converse_text(tree: dict[str, Any]) -> str | None:
    """The text of a `contentBlockDelta`."""
    delta = tree.get("delta")
    text = delta.get("text") if delta is not None and len(delta) == 1 else None
    return text if isinstance(text, str) else None
