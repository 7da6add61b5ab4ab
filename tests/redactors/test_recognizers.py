"""Our rules as Presidio's recognizers, inside a stock AnalyzerEngine without an NLP model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest

from redactors.detectors.pattern import PatternSet
from redactors.recognizers import NAMES, SCORE, kinds_of, presidio_recognizers
from tests import planted


@pytest.fixture(scope="module")
def analyzer(both_patterns: dict[str, PatternSet]) -> Any:
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import NlpEngineProvider

    languages = ["en", "de"]
    models = [{"lang_code": language, "model_name": language} for language in languages]
    engine = NlpEngineProvider(nlp_configuration={"nlp_engine_name": "no_op", "models": models}).create_engine()
    registry = RecognizerRegistry(recognizers=[], supported_languages=languages)
    detectors = ("secrets", "pii", "known")
    for recognizer in presidio_recognizers(
        languages, detectors=detectors, known=["swordfish-Q9-live"], pattern_set=next(iter(both_patterns.values()))
    ):
        registry.add_recognizer(recognizer)
    return AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=languages)


def found(analyzer: Any, text: str, language: str = "en", **more: Any) -> list[tuple[str, str]]:
    return sorted((one.entity_type, text[one.start : one.end]) for one in analyzer.analyze(text, language, **more))


@pytest.mark.parametrize(
    ("kind", "entity"),
    [
        ("email", "EMAIL_ADDRESS"),
        ("card", "CREDIT_CARD"),
        ("iban", "IBAN_CODE"),
        ("phone", "PHONE_NUMBER"),
        ("github", "GITHUB_TOKEN"),
        ("openai", "OPENAI_KEY"),
    ],
)
@pytest.mark.parametrize("language", ["en", "de"])
def test_values_are_found_under_presidios_names_with_their_places(analyzer: Any, kind: str, entity: str, language: str) -> None:
    value = planted.secret(kind, Random(7))
    assert (entity, value) in found(analyzer, f"héé 🙂 it is {value} ok", language)


def test_names_addresses_and_live_values_are_found(analyzer: Any) -> None:
    text = "My name is Priya Raghavan, I live at 12 Old Mill Road, and swordfish-Q9-live is secret"
    assert found(analyzer, text) == [("LIVE_SECRET", "swordfish-Q9-live"), ("LOCATION", "12 Old Mill Road"), ("PERSON", "Priya Raghavan")]


def test_entities_that_were_not_asked_for_are_left_out(analyzer: Any) -> None:
    value = planted.secret("card", Random(3))
    text = f"ada@example.com paid with {value}"
    assert found(analyzer, text, entities=["CREDIT_CARD"]) == [("CREDIT_CARD", value)]


def test_a_result_says_which_rule_found_it_and_never_what(analyzer: Any) -> None:
    (result,) = analyzer.analyze("write to ada@example.com", "en", return_decision_process=True)
    assert result.score == SCORE
    assert result.recognition_metadata["rule"] == "email"
    assert result.analysis_explanation.pattern_name == "email"
    assert "ada" not in repr(result) + repr(result.analysis_explanation)


def test_text_without_anything_sensitive_has_no_results(analyzer: Any) -> None:
    assert found(analyzer, "The quick brown fox jumps over the lazy dog.") == []


def test_every_name_is_of_a_kind_that_rules_report() -> None:
    assert set(NAMES) <= kinds_of("pii")
    assert "encoded" in kinds_of("secrets")


def test_importing_the_module_loads_no_presidio() -> None:
    code = "import sys, redactors.recognizers; sys.exit(int('presidio_analyzer' in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[2]).returncode == 0
