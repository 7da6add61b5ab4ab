"""What a stream must hold back is held back, and no more than that."""

from __future__ import annotations

from random import Random

import pytest

from redactors.detectors.pattern import PatternSet, compile_patterns
from redactors.detectors.subject import Subject
from redactors.rules.catalog import all_rules
from tests.engines import ENGINES
from tests.redactors.samples import RULES


@pytest.mark.parametrize("text", ["see acme_abc", "see a", "my password", "my password: hun", "pay 4111 11", "acme_abcdefghijkl"])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_beginning_is_held_from_where_it_begins(engine: str, text: str) -> None:
    patterns = compile_patterns(RULES, engine=engine)  # type: ignore[arg-type]
    start = max(text.rfind(" ") + 1, 0) if not text.startswith(("my", "pay")) else text.index(" ") + 1
    assert patterns.open_from(text) == start


@pytest.mark.parametrize("text", ["", "All is well. ", "acme_ab!", "password\n", "12345 "])
def test_settled_text_is_not_held(text: str) -> None:
    assert compile_patterns(RULES).open_from(text) == len(text)


def test_every_beginning_of_every_sample_is_held(patterns: PatternSet) -> None:
    rng = Random(4)
    for rule in all_rules():
        for must in rule.must[:1]:
            text, _ = must.text(rng)
            spans = [span for span in patterns.find(Subject(text)) if span.label.rule == rule.id]
            for span in spans[:1]:
                for end in {span.outer_start + 1, (span.outer_start + span.outer_end) // 2, span.outer_end - 1}:
                    assert end <= span.outer_start or patterns.open_from(text[:end]) <= span.outer_start, rule.id
