from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.routing.sse import EventTooLongError, SseDecoder


def decode(raw: bytes, cuts: list[int] | None = None) -> list[tuple[str, bytes]]:
    decoder = SseDecoder()
    edges = [0, *sorted(cut % (len(raw) + 1) for cut in cuts or []), len(raw)]
    return [event for start, end in itertools.pairwise(edges) for event in decoder.feed(raw[start:end])]


@pytest.mark.parametrize(
    ("raw", "events"),
    [
        (b"data: a\n\n", [("", b"a")]),
        (b"data:a\r\n\r\n", [("", b"a")]),
        (b"data: a\r\rdata: b\n\n", [("", b"a"), ("", b"b")]),
        (b"event: ping\ndata: {}\n\n", [("ping", b"{}")]),
        (b": comment\n\ndata: a\n: more\n\n", [("", b"a")]),
        (b"data: one\ndata: two\n\n", [("", b"one\ntwo")]),
        (b"event: lonely\n\ndata: a\n\n", [("", b"a")]),
        (b"id: 7\nretry: 10\ndata: a\n\n", [("", b"a")]),
        (b"\xef\xbb\xbfdata: a\n\n", [("", b"a")]),
        (b"data: unfinished\n", []),
        (b"data\n\n", []),
        (b"data:  two spaces\n\n", [("", b" two spaces")]),
    ],
)
def test_events_are_read_as_the_standard_says(raw: bytes, events: list[tuple[str, bytes]]) -> None:
    assert decode(raw) == events


@given(
    st.lists(st.text(alphabet='aé漢🦊 {}":', max_size=12), max_size=6), st.sampled_from(["\n", "\r\n", "\r"]), st.lists(st.integers(0, 400))
)
def test_chunking_never_changes_the_events(texts: list[str], end: str, cuts: list[int]) -> None:
    raw = "".join(f"event: e{end}: c{end}data: {text}{end}{end}" for text in texts).encode()
    assert decode(raw, cuts) == [("e", text.encode()) for text in texts]


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"data: x", b"event: y", b":", b" "]), max_size=30), st.lists(st.integers(0, 99)))
def test_any_mix_of_line_ends_reads_the_same_in_any_chunking(pieces: list[bytes], cuts: list[int]) -> None:
    raw = b"".join(pieces)
    assert decode(raw, cuts) == decode(raw)


def test_a_line_without_an_end_is_refused_at_the_limit() -> None:
    decoder = SseDecoder(max_bytes=100)
    decoder.feed(b"data: " + b"x" * 90)
    with pytest.raises(EventTooLongError):
        decoder.feed(b"x" * 20)


def test_an_event_of_many_lines_is_refused_at_the_limit() -> None:
    decoder = SseDecoder(max_bytes=100)
    with pytest.raises(EventTooLongError):
        decoder.feed(b"data: 0123456789\n" * 20)


def test_what_is_left_at_the_end_is_known() -> None:
    decoder = SseDecoder()
    decoder.feed(b"data: a\n\n")
    assert not decoder.rest
    decoder.feed(b"data: b")
    assert decoder.rest
