"""Events that came together are redacted as one text: the same texts as one by one, whatever the grouping."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.gateway.pieces import plain_content, plain_text
from pipeline.gateway.streaming import AnthropicScreen, Event, LeakFound, OpenAIScreen, encode
from pipeline.routing.model import Delta
from redactors.engine import Redactor, build_redactor
from tests import planted
from tests.compiled import compiled_patterns

SECRET = planted.secret("openai_project", Random(5))
TEXT = f"The report says that sales grew. My key is {SECRET} and that is all; again {SECRET}, thank you. Bye"


@pytest.fixture(scope="session")
def mask() -> Redactor:
    policy = {"answer": [{"detect": ["secrets"], "action": "mask"}]}
    return build_redactor(policy=policy, direction="answer", pattern_set=compiled_patterns())


def chunk(piece: str, **more: Any) -> Delta:
    choice = {"index": 0, "delta": {"content": piece}, "finish_reason": None, **more}
    return Delta({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]})


def block_delta(piece: str, index: int = 0) -> Delta:
    data = {"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": piece}}
    return Delta(data, "content_block_delta")


def cut(text: str, places: list[int]) -> list[str]:
    borders = [0, *sorted({place % len(text) for place in places} - {0}), len(text)]
    return [text[low:high] for low, high in pairwise(borders)]


def grouped(deltas: list[Delta], sizes: list[int]) -> list[list[Delta]]:
    groups, at = [], 0
    for size in sizes:
        groups.append(deltas[at : at + size])
        at += size
    return [group for group in [*groups, deltas[at:]] if group]


def merged(group: list[Delta]) -> list[Delta]:
    """Neighboring plain events as one Delta, as the direct lane gives them."""
    out: list[Delta] = []
    for delta in group:
        plain = plain_content(delta.data) or plain_text(delta.data)
        last = out[-1] if out else None
        before = plain_content(last.data) or plain_text(last.data) if last else None
        if last is None or plain is None or before is None or plain[0] != before[0]:
            out.append(delta)
        else:
            out[-1] = replace(last, pieces=(*(last.pieces or (before[1],)), plain[1]))
    return out


def received(wire: bytes) -> list[dict[str, Any]]:
    return [orjson.loads(line[6:]) for line in wire.split(b"\n") if line.startswith(b"data: ")]


def content(events: list[Event]) -> str:
    return "".join(choice["delta"].get("content", "") for _, data in events for choice in data["choices"])


def block_text(events: list[Event]) -> str:
    return "".join(data["delta"]["text"] for _, data in events)


@settings(max_examples=60, deadline=None)
@given(places=st.lists(st.integers(1, 10_000), max_size=30), sizes=st.lists(st.integers(1, 12), max_size=12))
def test_however_chunks_come_together_the_text_is_the_redacted_one(mask: Redactor, places: list[int], sizes: list[int]) -> None:
    deltas = [chunk(piece) for piece in cut(TEXT, places)]
    screen = OpenAIScreen(mask)
    events = [event for group in grouped(deltas, sizes) for event in screen.feed_all(group)]
    assert content([*events, *screen.close()]) == mask.text(TEXT).value
    assert len(screen.remarks()) == 2


@settings(max_examples=60, deadline=None)
@given(places=st.lists(st.integers(1, 10_000), max_size=30), sizes=st.lists(st.integers(1, 12), max_size=12))
def test_however_block_deltas_come_together_the_text_is_the_redacted_one(mask: Redactor, places: list[int], sizes: list[int]) -> None:
    deltas = [block_delta(piece) for piece in cut(TEXT, places)]
    screen = AnthropicScreen(mask)
    events = [event for group in grouped(deltas, sizes) for event in screen.feed_all(group)]
    assert block_text([*events, *screen.close()]) == mask.text(TEXT).value


@settings(max_examples=60, deadline=None)
@given(places=st.lists(st.integers(1, 10_000), max_size=30), sizes=st.lists(st.integers(1, 12), max_size=12))
@pytest.mark.parametrize(("kind", "screen"), [(chunk, OpenAIScreen), (block_delta, AnthropicScreen)], ids=["openai", "anthropic"])
def test_one_delta_of_many_pieces_is_sent_as_the_events_that_it_stands_for(
    mask: Redactor, kind: Callable[[str], Delta], screen: type[OpenAIScreen] | type[AnthropicScreen], places: list[int], sizes: list[int]
) -> None:
    groups = grouped([kind(piece) for piece in cut(TEXT, places)], sizes)
    one, other = screen(mask), screen(mask)
    for group in groups:
        wire, same = (encode(sent, lambda _: False) for sent in (one.feed_all(group), other.feed_all(merged(group))))
        assert wire == same
    assert one.close() == other.close()
    assert one.remarks() == other.remarks()


def test_a_live_secret_in_the_pieces_of_one_delta_is_seen_before_the_socket(mask: Redactor) -> None:
    secret = "blue-horse-77-staples"
    pieces = ("Say ", *secret, ". And ")
    deltas = [replace(chunk(pieces[0]), pieces=pieces)]
    with pytest.raises(LeakFound):
        encode(OpenAIScreen(mask).feed_all(deltas), lambda wire: secret.encode() in wire)


def test_a_label_that_looks_like_the_place_of_a_piece_is_no_place(mask: Redactor) -> None:
    delta = replace(chunk("One. "), pieces=("One. ", "Two. ", "Three. "))
    delta.data["system_fingerprint"] = "\x00"
    sent = received(encode(OpenAIScreen(mask).feed_all([delta]), lambda _: False))
    assert "".join(tree["choices"][0]["delta"]["content"] for tree in sent) == "One. Two. "
    assert len(sent) == 2
    assert {tree["system_fingerprint"] for tree in sent} == {"\x00"}


def test_pieces_that_came_together_and_are_clean_stay_the_events_that_they_were(mask: Redactor) -> None:
    deltas = [chunk(piece) for piece in ("One. ", "Two. ", "Three. ", "Four")]
    events = OpenAIScreen(mask).feed_all(deltas)
    assert [content([event]) for event in events] == ["One. ", "Two. ", "Three."]
    assert [data is delta.data for (_, data), delta in zip(events, deltas, strict=False)] == [True, True, False]


def test_texts_of_two_blocks_that_came_together_are_kept_apart(mask: Redactor) -> None:
    half = len(SECRET) // 2
    deltas = [block_delta(SECRET[:half], 0), block_delta("A. ", 1), block_delta(SECRET[half:] + ". ", 0), block_delta("B. ", 1)]
    screen = AnthropicScreen(mask)
    events = [*screen.feed_all(deltas), *screen.close()]
    parts = {index: block_text([event for event in events if event[1]["index"] == index]) for index in (0, 1)}
    assert parts == {0: mask.text(SECRET + ". ").value, 1: "A. B. "}


@pytest.mark.parametrize(
    "more",
    [
        {"finish_reason": "stop"},
        {"logprobs": {"content": [{"token": "a"}]}},
        {"delta": {"content": "a", "role": "assistant"}},
        {"delta": {"tool_calls": []}},
        {"delta": {"content": ""}},
        {"delta": {"content": ["a"]}},
        {"index": "0"},
        {"unknown": "field"},
    ],
)
def test_a_chunk_with_anything_else_in_it_takes_the_long_way(more: dict[str, Any]) -> None:
    assert plain_content(chunk("a").data) == (0, "a")
    assert plain_content(chunk("a", **more).data) is None


@pytest.mark.parametrize(
    "more",
    [
        {"type": "message_delta"},
        {"delta": {"type": "input_json_delta", "partial_json": "a"}},
        {"delta": {"type": "text_delta", "text": "a", "citation": "b"}},
        {"delta": {"type": "text_delta", "text": 1}},
        {"index": None},
        {"unknown": "field"},
    ],
)
def test_an_event_with_anything_else_in_it_takes_the_long_way(more: dict[str, Any]) -> None:
    event = block_delta("a").data
    assert plain_text(event) == (0, "a")
    assert plain_text({**event, **more}) is None
