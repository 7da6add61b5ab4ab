"""Events that share everything but their piece of text are read by their bytes, with the same trees as if each were parsed."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.routing.direct import anthropic_deltas, openai_deltas
from pipeline.routing.text_runs import TextRuns, one_by_one


def chunk(piece: Any, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": piece}, "finish_reason": None, "logprobs": None}
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], "usage": None, **more}


def block(piece: str, index: int = 0) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": piece}}


def written(tree: dict[str, Any], *, spaced: bool = False) -> bytes:
    return json.dumps(tree).encode() if spaced else orjson.dumps(tree)


def trees(packets: list[list[bytes]]) -> list[dict[str, Any]]:
    runs = TextRuns()
    deltas = [delta for packet in packets for delta in openai_deltas([("", data) for data in packet], "", runs)[0]]
    return [one.data for delta in deltas for one in one_by_one(delta)]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.text(max_size=5), max_size=5), max_size=4), st.booleans())
def test_every_tree_is_that_of_its_bytes(packets: list[list[str]], spaced: bool) -> None:
    sent = [
        [written(chunk(piece), spaced=spaced) for piece in packet if not any("\ud800" <= letter <= "\udfff" for letter in piece)]
        for packet in packets
    ]
    assert trees(sent) == [orjson.loads(data) for packet in sent for data in packet]


def test_events_that_came_together_are_one_delta_with_every_piece() -> None:
    events = [("", written(chunk(piece))) for piece in ("The", " cat", ' "sat"\n', " é")]
    deltas, done, failure = openai_deltas(events, "up-1", TextRuns())
    assert [delta.pieces for delta in deltas] == [("The", " cat", ' "sat"\n', " é")]
    assert (done, failure, deltas[0].more, deltas[0].upstream_id) == (False, None, False, "up-1")


def test_the_names_of_events_are_kept() -> None:
    events = [("content_block_delta", written(block(piece))) for piece in ("The", " cat")]
    (delta,), done, failure = anthropic_deltas(events, "", TextRuns())
    assert (delta.event, delta.pieces, done, failure) == ("content_block_delta", ("The", " cat"), False, None)


ODD = {
    "another field": written(chunk("a", obfuscation="xyz")),
    "another choice": written(chunk("a")).replace(b'"index":0', b'"index":1'),
    "a finish": written(chunk("a")).replace(b'"finish_reason":null', b'"finish_reason":"stop"'),
    "a key twice, whose last counts": written(chunk("a")).replace(b'"delta":{', b'"delta":{"content":"b"},"delta":{'),
    "no text": written(chunk(None)),
    "an empty piece": written(chunk("")),
    "a list for a piece": written(chunk(["a"])),
    "more behind the piece": written(chunk("a")).replace(b'"content":"a"', b'"content":"a","role":"assistant"'),
    "the marker inside a text": written(chunk('"delta":{"content":"x"}')),
    "two choices": written({**chunk("a"), "choices": chunk("a")["choices"] * 2}),
    "numbers": written(chunk("a")).replace(b'"a"', b"12"),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
def test_an_event_of_another_shape_is_parsed_whole(odd: bytes) -> None:
    plain = [written(chunk(piece)) for piece in ("The", " cat")]
    packets = [[*plain, odd, *plain], [odd, odd, *plain], [odd], plain]
    assert trees(packets) == [orjson.loads(data) for packet in packets for data in packet]


def test_what_is_no_json_behind_known_bytes_fails_the_stream() -> None:
    good = written(chunk("The"))
    for bad in (good.replace(b'"The"', b'"The'), good.replace(b'"The"', b'"a""b"'), good.replace(b"The", b"\\ud800")):
        deltas, done, failure = openai_deltas([("", good), ("", bad)], "", TextRuns())
        assert [one.data for delta in deltas for one in one_by_one(delta)] == [chunk("The")]
        assert not done
        assert failure is not None
        assert failure.failure == "broken_stream"
