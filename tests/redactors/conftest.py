"""One compiled catalog for all tests of the engine."""

from __future__ import annotations

import pytest

from redactors import Redactor, build_redactor
from redactors.detectors.pattern import PatternSet, compile_patterns
from redactors.rules.catalog import all_rules
from tests.compiled import compiled_rules
from tests.engines import ENGINES


@pytest.fixture(scope="session")
def both_patterns() -> dict[str, PatternSet]:
    return {engine: compile_patterns(all_rules(), cache=compiled_rules(), engine=engine) for engine in ENGINES}


@pytest.fixture(scope="session", params=ENGINES)
def patterns(request: pytest.FixtureRequest, both_patterns: dict[str, PatternSet]) -> PatternSet:
    return both_patterns[request.param]


@pytest.fixture(scope="session")
def redactor(patterns: PatternSet) -> Redactor:
    return build_redactor(pattern_set=patterns)
