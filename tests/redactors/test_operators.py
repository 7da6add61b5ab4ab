"""Replacements: one grammar, valid inside JSON, known again."""

from __future__ import annotations

import json

import pytest

from redactors.model import Action
from redactors.operators import LONGEST, Keys, operators, replacements, unfinished
from redactors.seams import is_seamless, is_seamless_behind


@pytest.mark.parametrize("action", [action for action in Action if action is not Action.ALLOW])
def test_a_replacement_keeps_json_valid_and_is_known_again(action: Action) -> None:
    made = operators(Keys(b"key", b"other"))[action]("some_kind", 'va"l\\ue')
    assert json.loads(f'"{made}"') == made
    assert len(made) <= LONGEST
    assert "va" not in made
    assert replacements(f"a {made} b", {"some_kind"}) == ([(2, 2 + len(made))] if made else [])


def test_a_replacement_of_an_unknown_kind_is_plain_text() -> None:
    assert replacements("[REDACTED:hunter2]", {"email"}) == []


@pytest.mark.parametrize("cut", range(1, 17))
def test_a_cut_replacement_is_unfinished(cut: int) -> None:
    text = "see [REDACTED:email]"[: 4 + cut]
    assert unfinished(text) == (4 if cut < 16 else 20)


@pytest.mark.parametrize("text", ["see [1]", "a [list] of", "[RED]", ""])
def test_other_brackets_are_not_held(text: str) -> None:
    assert unfinished(text) == len(text)


@pytest.mark.parametrize(
    ("text", "at", "expected"),
    [
        ("ab", 1, True),
        ("a b", 1, False),
        ("a-b", 1, False),
        (r"a\u0062", 1, True),
        (r"a\nb", 1, False),
        ("a\u200bb", 2, True),
        ("日本", 1, False),
        ("a", 1, False),
    ],
)
def test_a_seam_is_where_a_word_goes_on(text: str, at: int, *, expected: bool) -> None:
    assert is_seamless(text, at) is expected


def test_behind_an_escape_a_word_goes_on_as_it_stands() -> None:
    text = r"\u0025Apartado"
    assert not is_seamless(text, 6)
    assert is_seamless_behind(text, 6)
    assert not is_seamless_behind(r"\u0025 A", 6)
