"""The usual piece of a stream: an event with one piece of one text in it and nothing else. Runs of them are redacted as one text.

Providers that are faster than we are, or than the network, have several events in one packet; one look at all of them costs
as much as one at the first. Whatever is not plain in this sense (log probabilities, tools, several choices, unknown fields)
takes the long way, event by event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from pipeline.routing.model import Delta
from pipeline.routing.text_runs import one_by_one

Plain = Callable[[dict[str, Any]], tuple[int, str] | None]
"""Says which text (by the index of its choice or block) an event carries a piece of; None when it carries anything else."""

Put = Callable[[dict[str, Any], str, str], dict[str, Any]]
"""Puts another piece into an event that has one."""

Run = list[tuple[Delta, tuple[str, ...]]]
"""Events in a row with their pieces: one each, or several where one Delta stands for several events."""


class Several(NamedTuple):
    """Events that differ in nothing but their piece of text: what `orjson` writes of one is split at the piece, and each gets its own."""

    event: str
    data: dict[str, Any]
    pieces: list[str]


SLOT: Final = "\x00"
"""Stands in `Several.data` for the piece."""

_CHUNK_FIELDS = frozenset({"id", "object", "created", "model", "system_fingerprint", "service_tier", "usage", "choices"})
_CHOICE_FIELDS = frozenset({"index", "finish_reason", "delta", "logprobs"})
_EVENT_FIELDS = frozenset({"type", "index", "delta"})


def plain_content(chunk: dict[str, Any]) -> tuple[int, str] | None:
    """A `chat.completion.chunk` with a piece of the content of one choice."""
    choices = chunk.get("choices")
    if type(choices) is not list or len(choices) != 1 or chunk.get("usage") or not _CHUNK_FIELDS.issuperset(chunk):
        return None
    choice = choices[0]
    if type(choice) is not dict or not _CHOICE_FIELDS.issuperset(choice):
        return None
    delta, index = choice.get("delta"), choice.get("index", 0)
    if type(delta) is not dict or len(delta) != 1 or choice.get("finish_reason") is not None or choice.get("logprobs") is not None:
        return None
    piece = delta.get("content")
    return (index, piece) if piece and type(piece) is str and type(index) is int else None


def with_content(chunk: dict[str, Any], piece: str, part: str) -> dict[str, Any]:
    """The chunk with another piece in it."""
    if part == piece:
        return chunk
    return {**chunk, "choices": [{**chunk["choices"][0], "delta": {"content": part}}]}


def plain_text(event: dict[str, Any]) -> tuple[int, str] | None:
    """A `content_block_delta` with a piece of the text of one block."""
    if event.get("type") != "content_block_delta" or not _EVENT_FIELDS.issuperset(event):
        return None
    delta, index = event.get("delta"), event.get("index", 0)
    if type(delta) is not dict or len(delta) != 2 or delta.get("type") != "text_delta":
        return None
    piece = delta.get("text")
    return (index, piece) if piece and type(piece) is str and type(index) is int else None


def with_text(event: dict[str, Any], piece: str, part: str) -> dict[str, Any]:
    """The event with another piece in it."""
    return event if part == piece else {**event, "delta": {"type": "text_delta", "text": part}}


def runs(plain: Plain, deltas: Sequence[Delta]) -> Iterator[tuple[int | None, Run]]:
    """Group events: plain pieces of the same text in a row come together, under its index; every other event alone, under None."""
    run: Run = []
    of: int | None = None
    for delta in deltas:
        found = plain(delta.data)
        if found is None:
            if run:
                yield of, run
                run = []
            of = None
            for one in one_by_one(delta):
                yield None, [(one, ())]
            continue
        if run and of != found[0]:
            yield of, run
            run = []
        of = found[0]
        run.append((delta, delta.pieces or (found[1],)))
    if run:
        yield of, run


def pieces_of(run: Run) -> list[str]:
    """The pieces of all events, in order."""
    if len(run) == 1:
        return list(run[0][1])
    return [piece for _, pieces in run for piece in pieces]


def with_parts(run: Run, parts: Sequence[str], put: Put, name: Callable[[str], str]) -> Iterator[tuple[str, dict[str, Any]] | Several]:
    """The events with what each of them may carry instead of its piece; those that may carry nothing are left out.

    Where fewer parts are given the last pieces are held back. `name` says what an event is called.
    """
    at = 0
    for delta, pieces in run:
        own = [part for part in parts[at : at + len(pieces)] if part]
        at += len(pieces)
        if len(own) == 1:
            yield name(delta.event), put(delta.data, pieces[0], own[0])
        elif own:
            yield Several(name(delta.event), put(delta.data, pieces[0], SLOT), own)
