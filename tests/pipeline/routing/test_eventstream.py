from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.routing.eventstream import BrokenFrameError, EventStreamDecoder
from tests.servers.provider_bedrock import event, frame


@given(st.lists(st.binary(max_size=40), max_size=5), st.lists(st.integers(0, 400)))
def test_frames_are_read_the_same_in_any_chunking(payloads: list[bytes], cuts: list[int]) -> None:
    raw = b"".join(frame({":event-type": "é", ":message-type": "event"}, payload) for payload in payloads)
    decoder = EventStreamDecoder()
    edges = [0, *sorted(cut % (len(raw) + 1) for cut in cuts), len(raw)]
    found = [one for start, end in itertools.pairwise(edges) for one in decoder.feed(raw[start:end])]
    assert found == [({":event-type": "é", ":message-type": "event"}, payload) for payload in payloads]
    assert not decoder.rest


def test_botocore_reads_the_loopback_frames_as_we_do() -> None:
    from botocore.eventstream import EventStreamBuffer

    raw = event("contentBlockDelta", {"delta": {"text": "hi"}})
    buffer = EventStreamBuffer()
    buffer.add_data(raw)
    theirs = next(iter(buffer))
    ours = EventStreamDecoder().feed(raw)[0]
    assert (dict(ours[0]), ours[1]) == (theirs.headers, theirs.payload)


@pytest.mark.parametrize("at", [0, 4, 8, 12, 20, -1])
def test_one_flipped_byte_breaks_the_frame(at: int) -> None:
    raw = bytearray(event("messageStop", {"stopReason": "end_turn"}))
    raw[at] ^= 1
    with pytest.raises(BrokenFrameError):
        EventStreamDecoder().feed(bytes(raw) + b"\0" * (1 << 16))


def test_a_length_beyond_the_limit_is_refused_before_anything_is_kept() -> None:
    import struct
    import zlib

    prelude = struct.pack("!II", 1 << 30, 0)
    with pytest.raises(BrokenFrameError):
        EventStreamDecoder().feed(prelude + struct.pack("!I", zlib.crc32(prelude)))
