"""Heads that are cheap to scan for end at least where the heads of their rules end."""

from __future__ import annotations

import pytest

from redactors.detectors.hyper import compile_set
from redactors.detectors.narrow import from_literal, spelled_in_bytes
from redactors.detectors.syntax import is_wide, parse, render


def ends(expression: str, text: str, *, ignores_case: bool = False) -> set[int]:
    """Where the scan library says that matches end."""
    scan = compile_set([(expression, ignores_case, is_wide(expression))])
    return {end for _, end in scan.hits(text.encode())}


@pytest.mark.parametrize("text", ["Schlüssel x", "SCHLÜSSEL x", "пароль x", "ПАРОЛЬ x", "密码 x", "clé x", "clés x", "ñ"])
def test_a_word_in_bytes_is_found_where_the_word_in_characters_is(text: str) -> None:
    words = "schlüssel|пароль|密码|clé+s?|ñ"
    narrow = render(spelled_in_bytes(parse(words), ignores_case=True))
    assert narrow.isascii()
    found = ends(narrow, text, ignores_case=True)
    assert found
    assert found >= ends(words, text, ignores_case=True)


def test_case_counts_where_the_rule_says_so() -> None:
    assert not ends(render(spelled_in_bytes(parse("пароль"))), "ПАРОЛЬ")
    assert ends(render(spelled_in_bytes(parse("(?i:пароль)"))), "ПАРОЛЬ")


@pytest.mark.parametrize("pattern", ["é[^a]", "[à-ü]x", "é.", r"\Sé"])
def test_a_pattern_with_a_class_of_wide_characters_is_left_alone(pattern: str) -> None:
    assert spelled_in_bytes(parse(pattern)) == parse(pattern)


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        (r"[A-Za-z0-9+/]{22}==:[0-9]{3}", "==:[0-9]{3}"),
        (r"(?:[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk)\b", r"(?:_mmk)\b"),
        (r"[a-z]{8}_key", r"[a-z]{8}_key"),
        (r"[a-z]{30}_k", r"[a-z]{30}_k"),
        (r"(?:[a-z]{30}|x)_key", r"(?:[a-z]{30}|x)_key"),
    ],
)
def test_only_a_long_run_before_a_telling_literal_is_left_out(pattern: str, left: str) -> None:
    assert render(from_literal(parse(pattern))) == left
    text = "a" * 40 + "_0" * 3 + "Z" * 29 + "_mmk A" + "b" * 30 + "==:123 "
    assert ends(left, text) >= ends(pattern, text)
