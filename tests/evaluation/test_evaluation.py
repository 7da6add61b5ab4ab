"""The short form of the evaluation: every bound of the column "must" holds, for two seeds, on a small share of the cases."""

from __future__ import annotations

from random import Random

import pytest

from redactors.detectors.pattern import PatternSet
from tests.compiled import compiled_patterns
from tests.evaluation import suites
from tests.evaluation.cases import Case, case, leaked, span_counts
from tests.evaluation.rows import table

SIZE = 0.06


@pytest.fixture(scope="module")
def patterns() -> PatternSet:
    return compiled_patterns()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [20261121, 7])
def test_every_bound_of_the_quality_bar_holds(patterns: PatternSet, seed: int) -> None:
    broken = {
        row.name: (row.figures["Lockgate"], row.must, row.failures.most_common(3))
        for row in table(seed, SIZE, {}, patterns)
        if not row.holds(row.must)
    }
    assert not broken


def test_a_third_of_a_secret_left_over_is_a_leak() -> None:
    one = case("x", "token=abcdefghijklmnopqrstuvwxyz!", "abcdefghijklmnopqrstuvwxyz")
    assert leaked(one, one.text)
    assert leaked(one, "token=[MASKED]stuvwxyz!")
    assert not leaked(one, "token=[MASKED]wxyz!")
    assert not leaked(one, "token=[MASKED]!")


def test_spans_are_counted_as_found_in_vain_and_missed() -> None:
    one = Case("x", "a secret b", ("secret",), ((2, 8),))
    assert span_counts(one, ((2, 8),)) == (1, 0, 0)
    assert span_counts(one, ()) == (0, 0, 1)
    assert span_counts(one, ((2, 8), (9, 10))) == (1, 1, 0)
    assert span_counts(one, ((2, 5),)) == (0, 0, 1)


def test_the_same_seed_draws_the_same_cases() -> None:
    assert suites.secrets(Random(5), 40) == suites.secrets(Random(5), 40)
    assert suites.secrets(Random(5), 40) != suites.secrets(Random(6), 40)
