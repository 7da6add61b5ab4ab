"""Answers on their way out: every text of a stream is screened in its own channel, and nothing held back is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.gateway.channels import AnswerBlocked
from pipeline.gateway.streaming import AnswerScreen, AnthropicScreen, LeakFound, OpenAIScreen, encode, error_event
from pipeline.routing.model import Delta
from redactors.detectors.known import KnownSecrets
from redactors.detectors.pattern import PatternSet
from redactors.engine import Redactor, build_redactor
from tests import planted
from tests.compiled import compiled_patterns

MASK = {"answer": [{"detect": ["secrets", "known"], "action": "mask"}]}
BLOCK = {"answer": [{"detect": ["secrets", "known"], "action": "block"}]}
SECRET = planted.secret("openai_project", Random(3))


@pytest.fixture(scope="session")
def rules() -> PatternSet:
    return compiled_patterns()


@pytest.fixture(scope="session")
def mask(rules: PatternSet) -> Redactor:
    return build_redactor(policy=MASK, direction="answer", pattern_set=rules)


@pytest.fixture(scope="session")
def block(rules: PatternSet) -> Redactor:
    return build_redactor(policy=BLOCK, direction="answer", pattern_set=rules)


def chunk(index: int = 0, finish: str | None = None, **delta: Any) -> Delta:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return Delta({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]})


def sent(screen: AnswerScreen, deltas: list[Delta]) -> list[dict[str, Any]]:
    events = [event for delta in deltas for event in screen.feed(delta)]
    return [data for _, data in [*events, *screen.close()]]


def texts(chunks: list[dict[str, Any]], field: str = "content", index: int = 0) -> str:
    return "".join(
        choice["delta"].get(field) or ""
        for data in chunks
        for choice in data.get("choices", [])
        if choice["index"] == index and "delta" in choice
    )


def cut(text: str, size: int) -> Iterator[str]:
    return (text[at : at + size] for at in range(0, len(text), size))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 1000])
@pytest.mark.parametrize("field", ["content", "reasoning_content", "reasoning", "refusal"])
def test_a_secret_split_across_chunks_is_caught_in_every_text_field(mask: Redactor, size: int, field: str) -> None:
    pieces = [chunk(**{field: piece}) for piece in cut(f"before {SECRET} after", size)]
    out = sent(OpenAIScreen(mask), [*pieces, chunk(finish="stop")])
    assert texts(out, field) == "before [REDACTED:openai_key] after"
    assert planted.leaks(json.dumps(out).encode(), {"it": SECRET}) == []


@pytest.mark.parametrize("size", [1, 4, 1000])
def test_tool_arguments_stay_json_when_a_secret_in_them_is_masked(mask: Redactor, size: int) -> None:
    arguments = json.dumps({"text": f"use {SECRET}", "n": 1})
    pieces = [chunk(tool_calls=[{"index": 0, "function": {"arguments": piece}}]) for piece in cut(arguments, size)]
    first = chunk(tool_calls=[{"index": 0, "id": "call_1", "type": "function", "function": {"name": "note", "arguments": ""}}])
    out = sent(OpenAIScreen(mask), [first, *pieces, chunk(finish="tool_calls")])
    joined = "".join(
        call["function"]["arguments"]
        for data in out
        for choice in data["choices"]
        for call in choice["delta"].get("tool_calls", [])
        if "arguments" in call["function"]
    )
    assert json.loads(joined) == {"text": "use [REDACTED:openai_key]", "n": 1}


def test_choices_do_not_mix(mask: Redactor) -> None:
    half, rest = SECRET[:40], SECRET[40:]
    deltas = [
        chunk(0, content="a " + half),
        chunk(1, content="b "),
        chunk(0, content=rest),
        chunk(1, content="plain"),
        chunk(0, finish="stop"),
        chunk(1, finish="stop"),
    ]
    out = sent(OpenAIScreen(mask), deltas)
    assert texts(out, index=0) == "a [REDACTED:openai_key]"
    assert texts(out, index=1) == "b plain"


def test_what_is_held_back_comes_before_the_finish(mask: Redactor) -> None:
    out = sent(OpenAIScreen(mask), [chunk(content="the key is sk-pr"), chunk(finish="stop")])
    assert texts(out) == "the key is sk-pr"
    assert out[-1]["choices"][0]["finish_reason"] == "stop"
    assert all(data["choices"][0]["finish_reason"] is None for data in out[:-1])


def test_a_stream_that_never_finishes_still_gives_what_it_held(mask: Redactor) -> None:
    assert texts(sent(OpenAIScreen(mask), [chunk(content="the key is sk-pr")])) == "the key is sk-pr"


def test_log_probabilities_of_masked_text_are_dropped(mask: Redactor) -> None:
    pieces = [chunk(content=piece) for piece in cut(f"x {SECRET} y", 5)]
    for piece in pieces:
        piece.data["choices"][0]["logprobs"] = {"content": [{"token": piece.data["choices"][0]["delta"]["content"], "logprob": -1.0}]}
    out = sent(OpenAIScreen(mask), [*pieces, chunk(finish="stop")])
    assert planted.leaks(json.dumps(out).encode(), {"it": SECRET}) == []
    assert (
        "".join(token["token"] for data in out for choice in data["choices"] for token in (choice.get("logprobs") or {}).get("content", []))
        in f"x {SECRET} y"
    )


def test_an_unknown_field_of_a_chunk_is_screened_whole(mask: Redactor) -> None:
    odd = Delta({**chunk(content="ok").data, "x_debug": {"note": [SECRET]}})
    out = sent(OpenAIScreen(mask), [odd, chunk(finish="stop")])
    assert planted.leaks(json.dumps(out).encode(), {"it": SECRET}) == []


def test_text_completions_are_screened(mask: Redactor) -> None:
    deltas = [Delta({"id": "c", "choices": [{"index": 0, "text": piece, "finish_reason": None}]}) for piece in cut(f"say {SECRET}.", 6)]
    out = sent(OpenAIScreen(mask), [*deltas, Delta({"id": "c", "choices": [{"index": 0, "text": "", "finish_reason": "stop"}]})])
    assert "".join(choice["text"] for data in out for choice in data["choices"]) == "say [REDACTED:openai_key]."


@pytest.mark.parametrize("size", [1, 3, 500])
@pytest.mark.parametrize(("kind", "field"), [("text_delta", "text"), ("input_json_delta", "partial_json"), ("thinking_delta", "thinking")])
def test_anthropic_blocks_are_screened_and_flushed_before_they_stop(mask: Redactor, size: int, kind: str, field: str) -> None:
    screen = AnthropicScreen(mask)
    start = Delta({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}, "content_block_start")
    body = [
        Delta({"type": "content_block_delta", "index": 0, "delta": {"type": kind, field: piece}}, "content_block_delta")
        for piece in cut(f"at {SECRET} end", size)
    ]
    stop = Delta({"type": "content_block_stop", "index": 0}, "content_block_stop")
    events = [event for delta in (start, *body, stop) for event in screen.feed(delta)]
    assert events[0][0] == "content_block_start"
    assert events[-1][0] == "content_block_stop"
    assert "".join(data["delta"][field] for name, data in events if name == "content_block_delta") == "at [REDACTED:openai_key] end"


def test_a_signature_passes_as_it_is(mask: Redactor) -> None:
    signature = {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "EqQBCkgIARABGAIiQ"}}
    assert AnthropicScreen(mask).feed(Delta(signature, "content_block_delta")) == [("content_block_delta", signature)]


def test_a_blocking_policy_ends_the_stream_with_its_rules(block: Redactor) -> None:
    screen = OpenAIScreen(block)
    with pytest.raises(AnswerBlocked) as caught:
        sent(screen, [chunk(content=f"it is {SECRET} ok"), chunk(finish="stop")])
    assert caught.value.rules
    assert SECRET not in str(caught.value)


def test_the_last_look_refuses_bytes_with_a_live_secret() -> None:
    live = planted.secret("password", Random(1)) + planted.secret("password", Random(2))
    known = KnownSecrets([live])
    assert encode([("", {"a": "b"})], known.contains) == b'data: {"a":"b"}\n\n'
    with pytest.raises(LeakFound) as caught:
        encode([("", {"id": live})], known.contains)
    assert live not in str(caught.value)


def test_a_failed_stream_ends_in_an_error_that_each_client_raises_on() -> None:
    assert error_event("openai", {"error": {}}) == b'data: {"error":{}}\n\ndata: [DONE]\n\n'
    assert error_event("anthropic", {"type": "error"}).startswith(b"event: error\ndata: ")


@cache
def _only_known() -> Redactor:
    policy = {"answer": [{"detect": ["known"], "action": "mask"}]}
    return build_redactor(policy=policy, direction="answer", pattern_set=compiled_patterns())


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200), st.lists(st.integers(1, 20), min_size=1, max_size=30))
def test_benign_text_arrives_unchanged_at_every_chunking(text: str, sizes: list[int]) -> None:
    redactor = _only_known()
    pieces, at = [], 0
    for size in sizes:
        pieces.append(text[at : at + size])
        at += size
    pieces.append(text[at:])
    out = sent(OpenAIScreen(redactor), [*(chunk(content=piece) for piece in pieces), chunk(finish="stop")])
    assert texts(out) == text
