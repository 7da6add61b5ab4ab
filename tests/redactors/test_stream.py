"""Streams: the same as for the whole text at every chunking, little held back, closed when something fails."""

from __future__ import annotations

import base64
import json
from random import Random
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redactors import Redactor, build_redactor
from redactors.detection import Detection
from redactors.detectors.known import KnownSecrets
from redactors.detectors.pattern import compile_patterns
from redactors.model import RedactionError, Remark, Verdict
from tests import planted
from tests.engines import ENGINES
from tests.redactors.samples import PIECES, RULES, secrets

SMALL = build_redactor(
    pattern_set=compile_patterns(RULES),
    known=["live-Value_0123", 'qu"ote\\d-Väl/ue', "blue Horse, 77 staples", "(7Odd)begun"],
    terms=[{"term": "zeppelin", "max_distance": 2}, "project mercury"],
    patterns=[r"EMP-\d{6}", r"zz+y"],
)


def streamed(redactor: Redactor, text: str, sizes: list[int]) -> tuple[str, tuple[Remark, ...], int]:
    stream = redactor.stream()
    out, at, turn, held = [], 0, 0, 0
    while at < len(text):
        size = sizes[turn % len(sizes)]
        out.append(stream.feed(text[at : at + size]))
        at, turn, held = at + size, turn + 1, max(held, stream.held)
    rest = stream.close()
    return "".join(out) + rest.value, rest.remarks, held


def ordered(remarks: tuple[Remark, ...]) -> list[Remark]:
    return sorted(remarks, key=lambda remark: (remark.start, remark.end, remark.rule))


def assert_same(redactor: Redactor, text: str, sizes: list[int]) -> None:
    whole = redactor.text(text)
    value, remarks, _ = streamed(redactor, text, sizes)
    assert value == whole.value
    assert ordered(remarks) == ordered(whole.remarks)


ODD = (
    "live-Value_0123",
    "acme_abcdefghijkl",
    "a Zepelin",
    "projct mercury",
    "password: hunter2x",
    "EMP-123456",
    "zzzzz",
    "4111-1111-1111-1111",
    json.dumps('qu"ote\\d-Väl/ue'),
    quote('qu"ote\\d-Väl/ue'),
    "acme_" + "x1" * 900,
    b"see acme_abcdefghijkl".hex(),
    base64.b64encode(b"pw acme_abcdefghijkl x").decode(),
    "\u200b".join("acme_abcdefghijkl"),
    "".join(f"%{ord(c):02x}" for c in "acme_abcdefghijkl"),
    "".join(f"\\u{ord(c):04x}" for c in "acme_abcdefghijkl"),
    "blue Horse, 77 staples",
    "(7Odd)begun",
    '"acme_abc" + "defghijkl"',
    "'acme_abc' .\r\n  'defghijkl'",
    "acme_abcde=\r\nfghijkl",
    "acme_abcde\r\n> fghijkl",
    ", ".join(f"0x{ord(c):02x}" for c in "acme_abcdefghijkl"),
    "acme_abc&#100;efghijkl",
    "acme_abc&lowbar;defghijkl",
    "live-V%61lue_0123",
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from([*PIECES, *ODD]) | st.text(max_size=6), max_size=8),
    st.lists(st.integers(1, 40), min_size=1, max_size=6),
)
def test_every_chunking_gives_the_same_as_the_whole_text(pieces: list[str], sizes: list[int]) -> None:
    assert_same(SMALL, "".join(pieces), sizes)


@pytest.mark.parametrize("seed", range(12))
def test_every_chunking_gives_the_same_under_the_whole_catalog(redactor: Redactor, seed: int) -> None:
    rng = Random(seed)
    values = list(secrets(seed).values())
    text = "".join(rng.choice([*PIECES, *values, *ODD]) + rng.choice(["", " ", "\n", ", "]) for _ in range(12))
    for sizes in ([1], [rng.randint(2, 9) for _ in range(5)], [rng.randint(20, 90)]):
        assert_same(redactor, text, sizes)


@pytest.mark.parametrize("kind", [kind for kind in planted.kinds() if kind not in {"password", "phone"}])
def test_a_secret_split_across_chunks_is_caught(redactor: Redactor, kind: str) -> None:
    value = secrets(8)[kind]
    text = f"aws_secret_access_key, azure openai key, vault secret_id: {value} and so on."
    assert_same(redactor, text, [1])
    assert_same(redactor, text, [3])


def test_benign_text_passes_byte_for_byte_with_little_held_back(redactor: Redactor) -> None:
    text = ("The service restarts at night. Please review `foo(bar)` and the README, then merge it; we measured 12.5 ms.\n" * 60) + "Done"
    stream = redactor.stream()
    out, held = [], []
    for at in range(0, len(text), 4):
        out.append(stream.feed(text[at : at + 4]))
        held.append(stream.held)
    out.append(stream.close().value)
    assert "".join(out) == text
    assert max(held) <= 512
    assert sum(held) / len(held) <= 48


@pytest.mark.parametrize(
    "text", ["A" * 5000, "AAAA BBBB " * 500, "deadbeef" * 600, "1.2." * 1500, '"' * 5000, "\u200b" * 3000, "%41" * 2000]
)
def test_odd_but_benign_text_is_not_held_for_long(text: str) -> None:
    value, _, held = streamed(SMALL, text, [7])
    assert value == text
    assert held <= 512 + 7


@pytest.mark.parametrize(
    "words", ["word", "then they went home with some more food from that shop", "This will take some more time than that"]
)
def test_words_of_four_letters_are_no_groups_of_a_key(redactor: Redactor, words: str) -> None:
    value, _, held = streamed(redactor, f"{words} " * 100, [5])
    assert value == f"{words} " * 100
    assert held <= 32


@pytest.mark.parametrize("value", [value for value in ODD if len(value) < 400])
def test_cut_at_every_place_the_result_is_that_of_the_whole_text(value: str) -> None:
    text = f"The report, see {value}, and so on."
    whole = SMALL.text(text).value
    for at in range(1, len(text)):
        stream = SMALL.stream()
        assert stream.feed(text[:at]) + stream.feed(text[at:]) + stream.close().value == whole, at


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from([*PIECES, *ODD]) | st.text(max_size=6), max_size=8),
    st.lists(st.integers(1, 9), min_size=1, max_size=6),
)
def test_a_glance_releases_nothing_that_the_detectors_would_hold(pieces: list[str], sizes: list[int]) -> None:
    text = "".join(pieces)
    stream = SMALL.stream()
    detection = stream._detection
    looked = detection.glance

    def glance(tail: str, begin: int, end: int) -> int:
        place = looked(tail, begin, end)
        if place > begin:
            settled = stream._settled
            border = settled + place - begin
            assert border <= detection.open_from(stream._text, settled)
            assert all(span.start >= border for span in detection.find(stream._text, settled))
        return place

    stream._glance = glance
    at = turn = 0
    while at < len(text):
        size = sizes[turn % len(sizes)]
        stream.feed(text[at : at + size])
        at, turn = at + size, turn + 1


@pytest.mark.skipif("hyperscan" not in ENGINES, reason="the fallback has no glance")
def test_benign_text_of_many_scripts_needs_no_look_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "The café — as they say — opens at nine. 今日は良い天気です。 Très bien, merci. مرحبا بالعالم. " * 4
    monkeypatch.setattr(Detection, "find", lambda *_: pytest.fail("the detectors looked at benign text"))
    stream = build_redactor(pattern_set=compile_patterns(RULES, engine="hyperscan")).stream()
    out = "".join(stream.feed(text[at : at + 4]) for at in range(0, len(text), 4))
    monkeypatch.undo()
    assert out + stream.close().value == text


def test_a_secret_that_is_announced_while_a_stream_runs_is_caught_from_then_on() -> None:
    known = KnownSecrets()
    stream = build_redactor(known, pattern_set=compile_patterns(RULES)).stream()
    value = planted.secret("virtual_key", Random(4))
    out = stream.feed("So far nothing is known. ")
    known.announce(value, "late")
    out += "".join(stream.feed(piece) for piece in f"Then {value} comes. ") + stream.close().value
    assert out == "So far nothing is known. Then [REDACTED:live_secret] comes. "


def test_what_the_scan_library_overlooked_in_large_sets_is_held(redactor: Redactor) -> None:
    password = planted.secret("password", Random(2))
    text = f"| 5. Text%-----BEGIN RSA PRIVATE KEY-----\n&cmd -passphrase {password}#, from the log: and more. "
    for size in (1, 7, 19, 23):
        assert_same(redactor, text, [size])


def test_an_escape_somewhere_else_does_not_count_as_an_encoding() -> None:
    twice = base64.b64encode(base64.b64encode(b"see acme_" + b"x1" * 12 + b" ok")).decode()
    text = f"caf\\u00e9 is open. {twice} and so on. " * 2
    assert [remark.kind for remark in SMALL.text(text).remarks] == ["acme_token"] * 2
    assert_same(SMALL, text, [20, 1])


def test_an_unbounded_thing_is_masked_to_its_end_without_being_held() -> None:
    text = "see acme_" + "ab12" * 5000 + " end"
    value, _, held = streamed(SMALL, text, [50])
    assert value == "see [REDACTED:acme_token] end"
    assert held < 1200


def test_an_open_private_key_is_masked(redactor: Redactor) -> None:
    pem = secrets(2)["pem"]
    text = "key:\n" + pem[: len(pem) // 2]
    value, _, _ = streamed(redactor, text, [5])
    assert planted.leaks(value.encode(), {"pem": pem}, window=40) == []


def test_what_was_done_is_known_while_it_goes_on() -> None:
    stream = SMALL.stream()
    stream.feed("acme_abcdefghijkl and on it goes, far away. ")
    assert stream.redactions == 1
    assert [remark.rule for remark in stream.remarks] == ["acme-token"]
    assert stream.verdict is Verdict.REDACT


def test_a_block_is_a_verdict_and_the_text_is_still_masked() -> None:
    policy = {"answer": [{"detect": ["secrets"], "action": "block"}]}
    stream = build_redactor(pattern_set=compile_patterns(RULES), policy=policy, direction="answer").stream()
    out = stream.feed("acme_abcdefghijkl is out. ")
    assert "acme_a" not in out
    assert stream.verdict is Verdict.BLOCK
    assert stream.close().verdict is Verdict.BLOCK


def test_a_failure_closes_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = SMALL.stream()
    stream.feed("my acme_abc")

    def fail(*_: object) -> int:
        raise ZeroDivisionError("acme_abc")

    monkeypatch.setattr(Detection, "open_from", fail)
    with pytest.raises(RedactionError) as caught:
        stream.feed("defghijkl, and")
    assert "acme_abc" not in str(caught.value)
    monkeypatch.undo()
    for use in (lambda: stream.feed("x"), stream.close):
        with pytest.raises(RedactionError, match="ended or failed"):
            use()


def test_a_closed_stream_stays_closed() -> None:
    stream = SMALL.stream()
    assert stream.feed("") == ""
    assert stream.close().value == ""
    with pytest.raises(RedactionError):
        stream.feed("more")
