"""Patterns spelled in bytes: whatever the pattern matches, its spelling ends inside."""

from __future__ import annotations

from random import Random

import pytest

pytest.importorskip("hyperscan", reason="the heads are for hyperscan")

from redactors.detectors.bytewise import spelled_in_bytes
from redactors.detectors.hyper import Expression, compile_set
from redactors.detectors.linear import compile_linear
from redactors.detectors.syntax import parse, render

PATTERNS = [
    "schlüssel|пароль|密码|clé+s?|ñ",
    "é[^a]x",
    "[à-ü]x",
    "é.",
    r"\Sé\S{2}",
    "[^\\s=]{3}=",
    "k[A-ZÀ-ÖØ-öø-ÿĀ-ɏ]{2,4}y",
    r"\p{Greek}+!",
    r"[\x{4E00}-\x{9FFF}]{2}",
    r"x[^\r\n:]{0,4}:",
    "[😀-😎]{2}a",
    "(?:über|[ä-ö]b) ?[^é]",
]
LETTERS = (
    "aAkKsSxyY=:! \n\t\x0b\u00e9\u00c9\u00fc\u00df\u017f\u212a\u03b1\u03a9\u043f\u0410"
    "\u4e2d\u6587\u5bc6\u7801\uffff\U0001f600\U0001f609\U00020000üÜäßпароль"
)


@pytest.mark.parametrize("ignores_case", [False, True])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_match_has_an_end_of_its_spelling_behind_its_start_and_not_behind_its_end(pattern: str, ignores_case: bool) -> None:
    narrow = render(spelled_in_bytes(parse(pattern), ignores_case=ignores_case))
    assert narrow.isascii()
    scan = compile_set([Expression(narrow, ignores_case)])
    exact = compile_linear(pattern, ignores_case=ignores_case)
    rng = Random(pattern)
    folded = {"\u017f", "\u212a"} if ignores_case else set()
    letters = [letter for letter in LETTERS if letter not in folded]
    for _ in range(400):
        data = "".join(rng.choice(letters) for _ in range(rng.randint(1, 12))).encode()
        ends = {end for _, end in scan.hits(data)}
        for match in exact.finditer(data):
            assert any(match.start() < end <= match.end() for end in ends)


@pytest.mark.parametrize(("word", "found"), [("пароль", False), ("(?i:пароль)", True), ("(?i:schlüssel)", False), ("(?:ПАРОЛЬ)", True)])
def test_case_counts_where_the_rule_says_so(word: str, found: bool) -> None:
    scan = compile_set([Expression(render(spelled_in_bytes(parse(word))))])
    assert bool(scan.hits("ПАРОЛЬ".encode())) is found


def test_a_pattern_of_ascii_stays_as_it_is() -> None:
    pattern = r"\bkey[=:] ?[A-Za-z0-9_]{20}\d+"
    assert spelled_in_bytes(parse(pattern)) == parse(pattern)
