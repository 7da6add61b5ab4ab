"""Every kind of text that a stream carries, on both surfaces, cut at every place: always the same as the whole text, redacted at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from pipeline.gateway.streaming import AnswerScreen, AnthropicScreen, Event, OpenAIScreen
from pipeline.routing.model import Delta
from redactors.engine import Redactor, build_redactor
from tests import planted
from tests.compiled import compiled_patterns

LIVE = "live-Value_0123"
KEY = planted.secret("openai_project", Random(12))
TEXT = f"Hé, see {LIVE}, a Zepelin for EMP-123456; the key is {KEY}. Then project mercury, and that is all — thanks"


@pytest.fixture(scope="module")
def mask() -> Redactor:
    return build_redactor(
        known=[LIVE],
        terms=[{"term": "zeppelin", "max_distance": 1}, "project mercury"],
        patterns=[r"EMP-\d{6}"],
        direction="answer",
        pattern_set=compiled_patterns(),
    )


@dataclass(frozen=True)
class Kind:
    """One kind of streamed text: how a piece is sent, and how the pieces are read back from what the caller gets."""

    name: str
    screen: Callable[[Redactor], AnswerScreen]
    send: Callable[[str], Delta]
    read: Callable[[dict[str, Any]], str]


def _choice(index: int, delta: dict[str, Any]) -> Delta:
    choices = [{"index": index, "delta": delta, "finish_reason": None}]
    return Delta({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices})


def _field(name: str, index: int = 0) -> Kind:
    def read(data: dict[str, Any]) -> str:
        return "".join(choice["delta"].get(name) or "" for choice in data["choices"] if choice["index"] == index)

    return Kind(f"{name} of choice {index}", OpenAIScreen, lambda piece: _choice(index, {name: piece}), read)


def _arguments(piece: str) -> Delta:
    return _choice(0, {"tool_calls": [{"index": 1, "function": {"arguments": piece}}]})


def _read_arguments(data: dict[str, Any]) -> str:
    calls = (call for choice in data["choices"] for call in choice["delta"].get("tool_calls", ()))
    return "".join(call["function"]["arguments"] for call in calls if call["index"] == 1)


def _read_function(data: dict[str, Any]) -> str:
    return "".join(choice["delta"].get("function_call", {}).get("arguments", "") for choice in data["choices"])


def _completion(piece: str) -> Delta:
    return Delta({"id": "c1", "object": "text_completion", "created": 1, "model": "m", "choices": [{"index": 0, "text": piece}]})


def _block(kind: str, field: str, index: int = 0) -> Kind:
    def send(piece: str) -> Delta:
        data = {"type": "content_block_delta", "index": index, "delta": {"type": kind, field: piece}}
        return Delta(data, "content_block_delta")

    def read(data: dict[str, Any]) -> str:
        return str(data["delta"][field]) if data["index"] == index else ""

    return Kind(f"{kind} of block {index}", AnthropicScreen, send, read)


KINDS = (
    _field("content"),
    _field("content", 1),
    _field("reasoning_content"),
    _field("reasoning"),
    _field("refusal"),
    Kind("tool arguments", OpenAIScreen, _arguments, _read_arguments),
    Kind("function arguments", OpenAIScreen, lambda piece: _choice(0, {"function_call": {"arguments": piece}}), _read_function),
    Kind("text of a completion", OpenAIScreen, _completion, lambda data: "".join(choice["text"] for choice in data["choices"])),
    _block("text_delta", "text"),
    _block("text_delta", "text", 2),
    _block("thinking_delta", "thinking"),
    _block("input_json_delta", "partial_json"),
)


def received(kind: Kind, redactor: Redactor, pieces: list[str]) -> str:
    screen = kind.screen(redactor)
    events: list[Event] = [event for piece in pieces for event in screen.feed_all([kind.send(piece)])]
    return "".join(kind.read(data) for _, data in [*events, *screen.close()])


def cuts() -> Iterator[list[str]]:
    for at in range(1, len(TEXT)):
        yield [TEXT[:at], TEXT[at:]]
    for size in (1, 2, 3, 5, 7):
        yield [TEXT[at : at + size] for at in range(0, len(TEXT), size)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_cut_anywhere_a_text_of_any_kind_is_the_same_as_whole(kind: Kind, mask: Redactor) -> None:
    whole = mask.text(TEXT)
    assert {remark.detector for remark in whole.remarks} == {"secrets", "known", "terms", "patterns"}
    assert planted.leaks(whole.value.encode(), {"live": LIVE, "key": KEY}) == []
    for pieces in cuts():
        assert received(kind, mask, pieces) == whole.value, [len(piece) for piece in pieces]


@pytest.mark.parametrize("pair", [KINDS[:2], KINDS[8:10], (KINDS[0], KINDS[5]), (KINDS[8], KINDS[10])], ids=lambda pair: pair[1].name)
def test_texts_that_take_turns_do_not_touch_each_other(pair: tuple[Kind, Kind], mask: Redactor) -> None:
    one, other = pair
    whole = mask.text(TEXT).value
    for size in (1, 4, 9):
        screen = one.screen(mask)
        events: list[Event] = []
        for at in range(0, len(TEXT), size):
            events += screen.feed_all([one.send(TEXT[at : at + size])])
            events += screen.feed_all([other.send(TEXT[at : at + size])])
        events += screen.close()
        for kind in pair:
            mine = [data for _, data in events if _is_of(kind, data)]
            assert "".join(kind.read(data) for data in mine) == whole


def _is_of(kind: Kind, data: dict[str, Any]) -> bool:
    try:
        kind.read(data)
    except KeyError:
        return False
    return True


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_benign_text_of_any_kind_is_byte_for_byte_the_same(kind: Kind, mask: Redactor) -> None:
    text = json.dumps({"city": "Zürich", "note": 'all "good" at 12.5 %, see \\n and `code`'}, ensure_ascii=False) + " — done.\n日本語も。"
    for size in (1, 3, 4, 11):
        assert received(kind, mask, [text[at : at + size] for at in range(0, len(text), size)]) == text
