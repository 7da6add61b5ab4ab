"""The counts of `redactors.rules.entropy` and `placeholders`, beside the same counts spelled out character by character."""

from __future__ import annotations

from collections import Counter
from itertools import groupby, pairwise
from math import isclose, log2

from hypothesis import given
from hypothesis import strategies as st

from redactors.rules.entropy import ascending, classes, longest_run, shannon, switches, turns
from redactors.rules.placeholders import has_mark, is_filler

TEXTS = st.one_of(
    st.text(max_size=60),
    st.text("aaabzAZ019.-_xX*", max_size=40),
    st.text("xX*#?•●-_.ab", max_size=12),
    st.builds(
        lambda one, count, rest: rest[:4] + one * count + rest[4:], st.sampled_from("ax0"), st.integers(0, 20), st.text("abc", max_size=16)
    ),
)


@given(TEXTS)
def test_entropy_is_that_of_the_definition(text: str) -> None:
    size = len(text)
    assert isclose(shannon(text), -sum(c / size * log2(c / size) for c in Counter(text).values()), abs_tol=1e-9)


@given(TEXTS)
def test_shapes_are_those_of_the_definition(text: str) -> None:
    kinds = ["d" if c.isdigit() else "u" if c.isupper() else "l" for c in text if c.isalnum()]
    assert turns(text) == sum(a != b for a, b in pairwise(kinds))
    assert switches(text) == sum((a == "d") != (b == "d") for a, b in pairwise(kinds))
    assert classes(text) == len({"l" if c.islower() else "u" if c.isupper() else "d" if c.isdigit() else "o" for c in text})


@given(TEXTS)
def test_counting_up_is_that_of_the_definition(text: str) -> None:
    steps = sum(ord(b) - ord(a) == 1 or a + b in {"90", "9a", "9A", "zA", "Z0", "z0"} for a, b in pairwise(text))
    assert ascending(text) == (steps / (len(text) - 1) if len(text) > 1 else 0.0)


@given(TEXTS)
def test_a_filler_is_that_of_the_definition(text: str) -> None:
    fillers = sum(character in "xX*#?•●-_." for character in text)
    body = text.rstrip("=")
    runs = [len(list(group)) for _, group in groupby(body)]
    expected = (
        (fillers * 2 > len(text) and longest_run(text) >= 4)
        or "xxxxx" in text
        or "XXXXX" in text
        or len(set(body)) <= 2
        or max(runs) * 2 >= len(body)
    )
    assert is_filler(text) == (expected if len(text) >= 4 else 0 < len(text) == fillers)


@given(st.text("ab.…*•${(<%#[RED]", max_size=16))
def test_a_mark_is_one_of_the_list(text: str) -> None:
    marks = ("...", "…", "***", "•••", "●●●", "${", "{{", "$(", "<%", "%(", "#{", "[REDACTED", "[redacted", "[MASKED", "[SECRET")
    assert has_mark(text) == ((text[:1] == "<" and text[-1:] == ">") or any(mark in text for mark in marks))
