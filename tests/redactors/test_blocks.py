"""Long texts are redacted in blocks: the same result, and nothing ever sees more than a few blocks."""

from __future__ import annotations

import base64
from collections.abc import Collection
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactors import build_redactor
from redactors.blocks import BLOCK, CONTEXT, in_blocks
from redactors.detection import Detection
from redactors.detectors.engines import Engine
from redactors.detectors.known import KnownScanner, KnownSecrets
from redactors.detectors.pattern import compile_patterns
from redactors.detectors.subject import Span, Subject
from redactors.detectors.terms import Term, TermScanner
from tests.engines import ENGINES
from tests.redactors.samples import PIECES, RULES, TOKEN, rule

PATTERNS = compile_patterns(RULES)
DETECTION = Detection(PATTERNS, [KnownScanner(KnownSecrets(["live-Value_0123"])), TermScanner([("blocked-terms", [Term("zeppelin", 1)])])])
REDACTOR = build_redactor(pattern_set=PATTERNS, known=["live-Value_0123"], terms=[{"term": "zeppelin", "max_distance": 1}])
SECRETS = (
    "acme_abcdefghijkl",
    "password: hunter2x",
    "live-Value_0123",
    "zepelin",
    "4111 1111 1111 1111",
    base64.b64encode(b"acme_abcdefghijkl!").decode(),
)


@given(st.lists(st.sampled_from([*PIECES, *SECRETS, " "]), max_size=40).map("".join), st.integers(40, 400))
def test_blocks_of_any_size_give_what_the_whole_text_gives(text: str, block: int) -> None:
    whole = REDACTOR.text(text)
    applied = in_blocks(text, DETECTION, REDACTOR.apply, block=block)
    if not any(remark.kind == "encoded" for remark in applied.remarks):  # a chain of more than a block and a half
        assert applied.value == whole.value
        assert applied.remarks == list(whole.remarks)
        assert applied.verdict == whole.verdict


def test_what_was_recognized_otherwise_is_replaced_wherever_blocks_end() -> None:
    text = "Jane Roe met acme_abcdefghijkl today. " * 30
    label = TermScanner([("terms", [Term("zeppelin")])]).find(Subject("zeppelin"))[0].label
    spans = [Span(at, at + 8, at, at + 8, label) for at in range(0, len(text), 38)]
    for block in (45, 64, 300):
        clean = in_blocks(text, DETECTION, REDACTOR.apply, spans, block=block).value
        assert "Jane" not in clean
        assert clean.count("[REDACTED:blocked_term]") == 30


class _Watched(Detection):
    """A detection that remembers how much it saw at once and how much it found in that."""

    most = found = 0

    def find(self, text: str, begin: int = 0, resumed: Collection[str] = ()) -> list[Span]:
        spans = super().find(text, begin, resumed)
        self.most, self.found = max(self.most, len(text)), max(self.found, len(spans))
        return spans


HOSTILE = ("\\", "QUJD", "a", "acme_abcdefghijkl ", 'password="x', "password=", "a\u200b", "\\u0041", "acme_", "1234 ", "а")


@pytest.mark.parametrize("unit", HOSTILE, ids=range(len(HOSTILE)))
def test_no_step_over_a_long_text_is_long(unit: str) -> None:
    text = unit * (4 * BLOCK // len(unit))
    watched = _Watched(PATTERNS)
    applied = in_blocks(text, watched, REDACTOR.apply)
    assert watched.most <= CONTEXT + 5 * BLOCK // 2
    assert watched.found < BLOCK // 16
    assert applied.remarks or applied.value == text


def test_a_secret_at_the_end_of_a_long_run_is_found() -> None:
    run = base64.b64encode(Random(3).randbytes(3 * BLOCK) + b"  acme_abcdefghijkl  ").decode()
    assert any(remark.rule == TOKEN.id for remark in REDACTOR.text(run).remarks)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_crowd_of_matches_is_replaced_whole_and_counted_as_few(engine: Engine) -> None:
    text = "acme_abcdefghijkl " * 3000
    spans = compile_patterns(RULES, engine=engine).find(Subject(text))
    covered = bytearray(len(text))
    for span in spans:
        covered[span.start : span.end] = b"\1" * (span.end - span.start)
    assert len(spans) < 1000
    assert all(covered[at : at + 17] == b"\1" * 17 for at in range(0, len(text), 18))


def test_a_crowd_reaches_no_further_than_a_match_may() -> None:
    tail = " and then nothing of note happens here." * 8
    spans = PATTERNS.find(Subject("acme_abcdefghijkl " * 3000 + tail))
    assert max(span.end for span in spans) <= 18 * 3000 + TOKEN.longest


def test_endless_refused_candidates_inside_one_another_are_one_match() -> None:
    calls = 0

    def refuse(value: str) -> bool:
        nonlocal calls
        calls += 1
        return False

    refusing = compile_patterns([rule("chain", r"ab-[a-z-]{30,200}", longest=203, validate=refuse)])
    spans = refusing.find(Subject("".join(f"ab-{'abcdefghij'[n % 10]}" for n in range(20_000))))
    assert spans
    assert calls < 5000


def test_forced_replacement_of_an_endless_chain_leaves_nothing() -> None:
    links = [rule(f"link-{n}", rf"[a-z]{{{n}}}", longest=n) for n in (7, 9, 11)]
    assert "abab" not in in_blocks("ab" * 2000, Detection(compile_patterns(links)), REDACTOR.apply, block=100).value
