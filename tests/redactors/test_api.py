"""The Python API as other programs use it: what its description says is what happens."""

from __future__ import annotations

import doctest
import inspect
import json
from random import Random
from typing import Any

import pytest

import redactors
from redactors import PolicyError, Redactor, build_redactor
from redactors.detectors.pattern import PatternSet
from redactors.findings import findings
from redactors.model import Verdict
from tests import planted

SECRET = planted.secret("openai_project", Random(31))


def test_the_description_is_true() -> None:
    failures, tried = doctest.testmod(redactors, raise_on_error=False, optionflags=doctest.FAIL_FAST)
    assert (failures, tried > 10) == (0, True)


def test_the_signature_is_the_promised_one() -> None:
    parameters = inspect.signature(build_redactor).parameters
    assert list(parameters)[:6] == ["known", "terms", "patterns", "policy", "direction", "cache"]
    assert parameters["direction"].default == "telemetry"
    assert all(parameter.kind is inspect.Parameter.KEYWORD_ONLY for parameter in list(parameters.values())[6:])


def test_every_name_of_the_package_is_there() -> None:
    assert all(getattr(redactors, name) is not None for name in redactors.__all__)
    with pytest.raises(AttributeError, match="no attribute"):
        _ = redactors.nothing_of_that_name


@pytest.mark.parametrize("cache", [b"", b"damaged", b"\0" * 4096])
def test_a_cache_that_does_not_fit_is_ignored(patterns: PatternSet, cache: bytes) -> None:
    rules = patterns.rules[:3] if hasattr(patterns, "rules") else ()
    assert build_redactor(cache=cache, rules=rules, known=["zebra-crossing-901"]).text("a zebra-crossing-901").remarks


def test_the_cache_holds_no_value_term_or_pattern() -> None:
    built = build_redactor(known=[SECRET], terms=["nightingale"], patterns=["EMP-[0-9]{6}"], rules=())
    assert planted.leaks(built.cache, {"secret": SECRET}) == []
    assert b"nightingale" not in built.cache
    assert b"EMP-" not in built.cache


@pytest.mark.parametrize("direction", ["prompt", "answer", "telemetry"])
def test_without_a_policy_everything_found_is_masked_in_every_direction(patterns: PatternSet, direction: Any) -> None:
    redactor = build_redactor(known=["zebra-crossing-901"], direction=direction, pattern_set=patterns)
    text = f"{SECRET} zebra-crossing-901"
    assert redactor.text(text).value == "[REDACTED:openai_key] [REDACTED:live_secret]"
    assert redactor.tree({"password": "hunter2-Correct"}).value == {"password": "[REDACTED:secret_value]"}


def test_a_block_is_a_verdict_everywhere(patterns: PatternSet) -> None:
    policy = {"telemetry": [{"detect": ["secrets"], "action": "block"}]}
    redactor = build_redactor(policy=policy, pattern_set=patterns)
    stream = redactor.stream()
    piece = stream.feed(f"a {SECRET} b")
    rest = stream.close()
    for clean in (redactor.text(f"a {SECRET} b"), redactor.tree([f"a {SECRET} b"]), rest):
        assert clean.verdict is Verdict.BLOCK
        assert "[REDACTED:openai_key]" in f"{piece}{clean.value}"
        assert SECRET not in f"{piece}{clean.value}"


def test_findings_are_plain_data(redactor: Redactor) -> None:
    clean = redactor.tree({"a": f"é {SECRET}"})
    found = findings(clean.remarks, paths=True)
    assert json.loads(json.dumps(found)) == found
    assert found[0].items() >= {"path": "/a", "start": 2, "end": 2 + len(SECRET), "kind": "openai_key", "action": "mask"}.items()
    assert "path" not in findings(clean.remarks, paths=False)[0]


@pytest.mark.parametrize(
    "given",
    [{"patterns": ["("]}, {"patterns": [{"name": "x"}]}, {"terms": [""]}, {"terms": [{"term": "x", "max_distance": 9}]}, {"policy": {}}],
)
def test_what_cannot_be_built_is_refused_when_it_is_built(patterns: PatternSet, given: dict[str, Any]) -> None:
    with pytest.raises(PolicyError):
        build_redactor(pattern_set=patterns, **given)
