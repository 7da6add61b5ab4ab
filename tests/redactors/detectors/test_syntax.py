"""Patterns as trees: what is derived from them keeps its promise."""

from __future__ import annotations

import pytest

from redactors.detectors.derived import beginnings, ended_once, head, led, loosened, width
from redactors.detectors.linear import compile_linear
from redactors.detectors.literals import opener, required
from redactors.detectors.syntax import EMPTY, SyntaxRefused, parse, render
from redactors.rules.catalog import all_rules

PATTERNS = (
    r"sk-[A-Za-z0-9]{20,}",
    r"(?:\b|_)(key-(?:live|test)-[a-f0-9]{8}){1,3}\b",
    r"[\w.+-]{1,64}@[a-z0-9.-]+\.[a-z]{2,10}",
    r"-----BEGIN [A-Z ]{0,20}KEY-----[\s\S]{0,1000}?-----END",
    r"(?:a|bc|(?:d|e)f)*x{2}?y",
    r"(?i:pass|wort)[^\n]{0,30}?\d{4}",
    r"[[:alpha:]\]-]+\x41\x{1F600}\pL",
)


@pytest.mark.parametrize("pattern", [*PATTERNS, *(rule.pattern for rule in all_rules())])
def test_a_pattern_is_written_as_it_was_read(pattern: str) -> None:
    assert render(parse(pattern)) == pattern.replace("{1,}", "+").replace("{0,}", "*")


@pytest.mark.parametrize("pattern", ["(a", "a)", "[a", "*a", r"(?=a)b", r"(?<!a)b", r"\1", r"(?P<n>", "(?#c)"])
def test_what_is_not_in_the_grammar_is_refused(pattern: str) -> None:
    with pytest.raises(SyntaxRefused):
        parse(pattern)


def test_a_refusal_does_not_quote_the_pattern() -> None:
    with pytest.raises(SyntaxRefused) as caught:
        parse("hunter2(?=x)")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"sk-[a-z]{20,40}", "sk-[a-z]{20}"),
        (r"sk-[a-z]{20,}\b", r"sk-[a-z]{20,}\b"),
        (r"ab?", "a"),
        (r"a(?:b|cd?)", "a(?:b|c)"),
        (r"(?:ab){3}", "(?:ab){2}(?:ab)"),
        (r"(?:ab*){2,3}", "(?:ab*)(?:a)"),
        (r"x*", ""),
        (r"a(?:b?)(c*)", "a"),
    ],
)
def test_a_head_is_the_necessary_beginning(pattern: str, expected: str) -> None:
    assert render(head(parse(pattern))) == expected


@pytest.mark.parametrize(("pattern", "expected"), [(r"[a-z]+@b", "[a-z]@b"), (r"\b_?x{2,9}y", "x{2}y"), (r"(?:\b|_)k", "k"), (r"a?", "")])
def test_a_leading_repetition_is_cut_to_its_least(pattern: str, expected: str) -> None:
    assert render(led(parse(pattern))) == expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"k=([!-~]{4,}[!-Z_a-z])", r"k=([!-~]{4})"),
        (r"(?:a|b)[a-z]{2,}[a-z0-9]", r"(?:a|b)[a-z]{2}"),
        (r'"[^"]{4,}"', r'"[^"]{4,}"'),
        (r"[a-z]{3,}:", r"[a-z]{3,}:"),
        (r"k[a-z]*[a-z]", r"k[a-z]*[a-z]"),
    ],
)
def test_a_head_ends_once_in_a_word_that_goes_on(pattern: str, expected: str) -> None:
    assert render(ended_once(parse(pattern))) == expected


def test_long_counts_are_loosened() -> None:
    assert render(loosened(parse(r"a[^\n]{0,30}?b{500}c{3}"))) == r"a[^\n]*?b{100,}c{3}"


@pytest.mark.parametrize(("pattern", "expected"), [("abc", (3, 3)), ("a|bcd", (1, 3)), ("a{2,}", (2, None)), (r"\b(?:ab?){2}", (2, 4))])
def test_the_width_of_a_match_is_known(pattern: str, expected: tuple[int, int | None]) -> None:
    assert width(parse(pattern)) == expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [(r"sk-[a-z]+T3Blbk", {"t3blbk"}), (r"(?:foo|ba)z", {"foo", "ba"}), (r"[a-z]+", set()), (r"(?:foo)?\d", set()), (r"\.env", {".env"})],
)
def test_required_literals_are_in_every_match(pattern: str, expected: set[str]) -> None:
    assert required(parse(pattern)) == expected


def test_an_opener_ends_behind_its_literal() -> None:
    found = opener(parse(r"(?:\b|_)(sk-proj-[a-z]+)"))
    assert found is not None
    assert render(found) == r"(?:\b|_)sk-proj-"


def test_a_pattern_without_a_literal_has_no_opener() -> None:
    assert opener(parse(r"[0-9]{4}-[0-9]{4}")) is None
    assert head(parse("a?")) == EMPTY


@pytest.mark.parametrize(
    ("pattern", "match"),
    [
        (r"\bsk-(?:live|test)-[a-f0-9]{8,}\b", "sk-live-0123456789ab"),
        (r"[a-z.]{1,64}@[a-z0-9.-]+\.[a-z]{2,10}", "some.one@mail.example.org"),
        (r"BEGIN [A-Z ]{0,20}KEY[\s\S]{0,1000}?END", "BEGIN RSA KEY\nabc\ndef\nEND"),
        (r"(?:a|bc|(?:d|e)f)*x{2}y", "abcdfxxy"),
        (r"(?:ab){2,3}(?:c|de){0,2}!", "abababdec!"),
        (r"пароль[ :]+(\S{4,})", "пароль: тайна123"),
    ],
)
def test_every_beginning_of_a_match_is_recognised_backwards(pattern: str, match: str) -> None:
    backwards = compile_linear(beginnings(parse(pattern)), longest=True)
    for end in range(1, len(match) + 1):
        data = f"- {match[:end]}"[::-1].encode()
        found = backwards.match(data)
        assert found is not None
        assert len(data[: found.end()].decode()) >= end
