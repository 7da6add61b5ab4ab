"""One compiled catalog for all tests of the engine."""

from __future__ import annotations

import pytest

from redactors import Redactor, build_redactor
from redactors.detectors.pattern import PatternSet, compile_patterns
from redactors.rules.catalog import all_rules
from tests.compiled import compiled_rules


@pytest.fixture(scope="session")
def both_patterns() -> dict[str, PatternSet]:
    hyperscan = compile_patterns(all_rules(), cache=compiled_rules(), engine="hyperscan")
    return {"hyperscan": hyperscan, "fallback": compile_patterns(all_rules(), engine="fallback")}


@pytest.fixture(scope="session", params=["hyperscan", "fallback"])
def patterns(request: pytest.FixtureRequest, both_patterns: dict[str, PatternSet]) -> PatternSet:
    return both_patterns[request.param]


@pytest.fixture(scope="session")
def redactor(patterns: PatternSet) -> Redactor:
    return build_redactor(pattern_set=patterns)
