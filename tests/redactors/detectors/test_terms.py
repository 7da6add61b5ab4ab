"""Blocked terms: misspelled ones too, at word borders, whatever the case."""

from __future__ import annotations

from random import Random

import pytest

from redactors.detectors.subject import Subject
from redactors.detectors.terms import Term, TermScanner, fold


def scanner(text: str, distance: int) -> TermScanner:
    return TermScanner([("blocked-terms", [Term(text, distance)])])


def found(text: str, distance: int, inside: str) -> list[str]:
    return [inside[span.start : span.end] for span in scanner(text, distance).find(Subject(inside))]


@pytest.mark.parametrize(
    ("term", "distance", "inside", "expected"),
    [
        ("project mercury", 0, "About Project MERCURY, shh", ["Project MERCURY"]),
        ("project mercury", 1, "about projekt mercury", ["projekt mercury"]),
        ("project mercury", 2, "about projectmercury!", ["projectmercury"]),
        ("confidential", 2, "strictly confidentail", ["confidentail"]),
        ("confidential", 2, "konfidential and confidntial", ["konfidential", "confidntial"]),
        ("Straße", 0, "in der straße 1", ["straße"]),
        ("НЕФТЬ", 1, "это нефть.", ["нефть"]),
        ("火星計画", 0, "これは火星計画です", ["火星計画"]),
        ("c++", 0, "we use C++ here", ["C++"]),
    ],
)
def test_a_term_is_found(term: str, distance: int, inside: str, expected: list[str]) -> None:
    assert found(term, distance, inside) == expected


@pytest.mark.parametrize(
    ("term", "distance", "inside"),
    [
        ("ass", 0, "a class of its own"),
        ("mercury", 0, "mercurial and mercurys"),
        ("mercury", 1, "century"),
        ("cat", 8, "the dog sat on a mat"),
        ("confidential", 2, "confident"),
        ("project mercury", 1, "project venus"),
    ],
)
def test_what_is_not_the_term_stays(term: str, distance: int, inside: str) -> None:
    assert found(term, distance, inside) == []


def test_every_single_edit_of_a_term_is_found() -> None:
    term, rng = "operation nightfall", Random(9)
    texts = {term[:at] + term[at + 1 :] for at in range(1, len(term) - 1)}
    texts |= {term[:at] + rng.choice("qzxj") + term[at + 1 :] for at in range(len(term))}
    texts |= {term[:at] + rng.choice("qzxj") + term[at:] for at in range(1, len(term))}
    assert [text for text in sorted(texts) if not found(term, 1, f"so {text}, yes")] == []


@pytest.mark.parametrize(("text", "distance"), [("", 0), ("  ", 0), ("x" * 300, 0), ("word", 9), ("word", -1)])
def test_a_term_that_cannot_be_looked_for_is_refused(text: str, distance: int) -> None:
    with pytest.raises(ValueError, match=r"blocked term|max_distance"):
        Term(text, distance)


def test_folding_keeps_every_place() -> None:
    text = "ßİŉABC ΑΣ"
    assert len(fold(text)) == len(text)
    assert fold("ABC") == "abc"


def test_suspects_lie_inside_the_term_even_when_folding_changes_lengths() -> None:
    text = "İİİİ Project Mercury"
    data = text.encode()
    start = data.index(b"Project")
    assert any(start < end <= len(data) for end in scanner("project mercury", 1).suspects(data))


def test_the_last_words_are_open() -> None:
    assert scanner("project mercury", 1).open_from("tell me about the project mer") <= 18
    assert scanner("abc", 0).open_from("the end. ") >= 4


def test_hostile_repetition_ends() -> None:
    assert found("abababababab", 3, "ab" * 20_000) == []
