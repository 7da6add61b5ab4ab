"""Heads that are cheap to scan for end at least where the heads of their rules end."""

from __future__ import annotations

import pytest

pytest.importorskip("hyperscan", reason="the heads are for hyperscan")

from redactors.detectors.hyper import Expression, compile_set
from redactors.detectors.narrow import from_literal, split
from redactors.detectors.syntax import parse, render


def ends(expression: str, text: str, *, ignores_case: bool = False) -> set[int]:
    """Where the scan library says that matches end."""
    return {end for _, end in compile_set([Expression(expression, ignores_case)]).hits(text.encode())}


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        (r"[A-Za-z0-9+/]{22}==:[0-9]{3}", "==:[0-9]{3}"),
        (r"(?:[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk)\b", r"_mmk\b"),
        (r"[a-z]{8}_key", r"[a-z]{8}_key"),
        (r"[a-z]{30}_k", r"[a-z]{30}_k"),
        (r"(?:[a-z]{30}|x)_key", r"(?:[a-z]{30}|x)_key"),
        (r"[a-z]+(?:street|road)[0-9]", r"(?:street|road)[0-9]"),
        (r"--?[a-z]+_key", r"--?[a-z]+_key"),
        (r"(?:[a-z]|%)[a-z]*@[a-z]", r"@[a-z]"),
        (r"[0-9a-f]{8}-[0-9a-f]{12}:[0-9a-f]{32}", r":[0-9a-f]{32}"),
    ],
)
def test_only_a_long_run_before_a_telling_literal_is_left_out(pattern: str, left: str) -> None:
    assert render(from_literal(parse(pattern))) == left
    text = "a" * 40 + "_0" * 3 + "Z" * 29 + "_mmk A" + "b" * 30 + "==:123 "
    assert ends(left, text) >= ends(pattern, text)


@pytest.mark.parametrize("shape", ["(?:{words})[ ]=x", "(?i:{words})[ ]=x", "{words}", "(?:(?:{words})[ ])=x"])
def test_many_alternatives_at_the_beginning_become_several_heads_with_the_same_ends(shape: str) -> None:
    words = [f"word{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    pattern = shape.format(words="|".join(words))
    parts = [render(part) for part in split(parse(pattern))]
    assert len(parts) == 2
    text = " ".join(f"{word} =x {word.upper()} =x" for word in words)
    assert {end for part in parts for end in ends(part, text)} == ends(pattern, text) != set()


def test_few_alternatives_stay_together() -> None:
    assert split(parse("(?:one|two)=x")) == (parse("(?:one|two)=x"),)
