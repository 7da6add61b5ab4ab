"""What hostile texts cost, counted instead of timed: so much for each character, and twice as much for twice the text."""

from __future__ import annotations

import pytest

from redactors import KnownSecrets, Redactor, build_redactor
from redactors.detectors.pattern import PatternSet
from redactors.detectors.subject import Subject
from redactors.rules.catalog import all_rules
from tests.hostile import FAMILIES, Text, worst_texts
from tests.work import Work, counted

CALLS = 12
"""Calls for a character."""
CALLS_FOR_FINDINGS = 25
"""The same where a text is nothing but findings, all of which are replaced."""
EXAMINED = 48
"""Bytes for a character that rules' expressions are given, all rules together."""
TWICE = 2.6
AT_LEAST = 4
"""Calls or bytes for a character: less than this is not compared, because windows reach beyond a short text."""


@pytest.fixture(scope="module")
def patterns(both_patterns: dict[str, PatternSet]) -> PatternSet:
    if "hyperscan" not in both_patterns:
        pytest.skip("the fallback engine, which is slower, looks at more candidates")
    return both_patterns["hyperscan"]


@pytest.fixture(scope="module")
def redactor(patterns: PatternSet) -> Redactor:
    built = build_redactor(KnownSecrets(["live-Value_0123456789"]), [{"term": "project zeppelin", "max_distance": 1}], pattern_set=patterns)
    built.text("a@example.com, +1 202 555 0143, 4242 4242 4242 4242")  # what is loaded at the first finding
    return built


def work_of(redactor: Redactor, patterns: PatternSet, text: str) -> Work:
    with counted(patterns) as work:
        redactor.text(text)
    return work


@pytest.mark.parametrize("name", FAMILIES)
def test_no_text_makes_more_work_than_its_length_allows(name: str, redactor: Redactor, patterns: PatternSet) -> None:
    size = 16_000
    less, more = (work_of(redactor, patterns, FAMILIES[name](length)) for length in (size // 2, size))
    assert more.calls <= CALLS * size
    assert more.examined <= EXAMINED * size
    assert more.calls <= max(AT_LEAST * size, TWICE * less.calls)
    assert more.examined <= max(AT_LEAST * size, TWICE * less.examined)


def test_texts_of_nothing_but_findings_make_no_more_work_than_they_may(redactor: Redactor, patterns: PatternSet) -> None:
    """Those of account numbers are the dearest: each is read as one, as groups, folded and unescaped."""
    size = 8000
    texts = {name: text for rule in all_rules() if rule.id == "iban-grouped" for name, text in worst_texts(rule)}
    for name in ("samples", "near misses"):
        work = work_of(redactor, patterns, texts[name](size))
        assert work.calls <= CALLS_FOR_FINDINGS * size
        assert work.examined <= EXAMINED * size


def dearest(texts: dict[str, Text]) -> Text:
    return texts.get("opener") or texts["cut short"]


def test_no_rule_looks_at_its_worst_text_again_and_again(patterns: PatternSet) -> None:
    size = 20_000
    beyond = []
    for rule in all_rules():
        subject = Subject(dearest(dict(worst_texts(rule)))(size))
        with counted(patterns, calls=False) as work:
            patterns.find(subject)
        if work.examined > EXAMINED * size:
            beyond.append((rule.id, work.examined // size))
    assert beyond == []
