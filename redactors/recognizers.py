"""Our rules for those who use Presidio: recognizers for its AnalyzerEngine, over the same engine that the gateway runs on.

    from presidio_analyzer import AnalyzerEngine
    from redactors.recognizers import presidio_recognizers

    analyzer = AnalyzerEngine(nlp_engine=…, supported_languages=["en"])
    for recognizer in presidio_recognizers():
        analyzer.registry.add_recognizer(recognizer)

They need no NLP engine (`no_op` will do), run in linear time, and know text in disguise, which Presidio's patterns do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from redactors.detectors.pattern import PatternSet
from redactors.model import DetectorName, Remark

SCORE: Final = 0.95
"""How sure a recognizer is: a rule's form, checks and context all agreed."""

NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "email": "EMAIL_ADDRESS",
        "phone": "PHONE_NUMBER",
        "card": "CREDIT_CARD",
        "iban": "IBAN_CODE",
        "ssn": "US_SSN",
        "ip": "IP_ADDRESS",
        "mac": "MAC_ADDRESS",
        "crypto_address": "CRYPTO",
        "person": "PERSON",
        "address": "LOCATION",
        "birth_date": "DATE_TIME",
    }
)
"""Presidio's names for those of our kinds that it has a name for; the others are our kinds in upper case."""


def presidio_recognizers(
    languages: Iterable[str] = ("en",),
    *,
    detectors: Sequence[DetectorName] = ("secrets", "pii"),
    known: Iterable[str] = (),
    pattern_set: PatternSet | None = None,
) -> list[Any]:
    """One `EntityRecognizer` of Presidio for each language and family of detectors; the rules are the same in every language.

    `detectors` picks the families: `secrets`, `pii`, `known` (the values given as `known`), `keynames` finds nothing in plain text.
    `pattern_set` is a compiled set to share (`compile_patterns`), without which the rules are compiled, which takes seconds. A result
    has Presidio's name for what it is (`NAMES`), our rule's id in its explanation and in `recognition_metadata["rule"]`, and `SCORE`.
    Raises ImportError without presidio-analyzer.
    """
    from redactors.engine import build_redactor

    redactor = build_redactor(tuple(known), pattern_set=pattern_set)
    kind = _recognizer_class()
    return [kind(redactor, detector, language) for language in languages for detector in detectors]


def entity_of(kind: str) -> str:
    """Presidio's name for one of our kinds."""
    return NAMES.get(kind, kind.upper())


def kinds_of(detector: DetectorName) -> frozenset[str]:
    """The kinds that a family of rules reports."""
    from redactors.rules.catalog import all_rules

    if detector == "known":
        return frozenset({"live_secret"})
    found = {rule.kind for rule in all_rules() if rule.detector == detector}
    return frozenset(found | {"encoded"} if detector == "secrets" else found)


@cache
def _recognizer_class() -> Any:
    """The class, made when it is first asked for: importing Presidio takes a second."""
    from presidio_analyzer import AnalysisExplanation, EntityRecognizer, RecognizerResult

    class LockgateRecognizer(EntityRecognizer):
        """Finds what one family of our rules finds."""

        def __init__(self, redactor: Any, detector: DetectorName, language: str) -> None:
            self._redactor = redactor
            self._detector = detector
            self._title = f"Lockgate {detector}"
            entities = sorted(map(entity_of, kinds_of(detector)))
            super().__init__(supported_entities=entities, name=self._title, supported_language=language)

        def load(self) -> None:
            """Nothing is left to load."""

        def analyze(self, text: str, entities: list[str], nlp_artifacts: Any = None) -> list[Any]:
            """The results in a text; `entities` limits them, and an empty list means all."""
            _ = nlp_artifacts
            wanted = set(entities or self.supported_entities)
            remarks = self._redactor.text(text).remarks
            return [self._result(remark) for remark in remarks if remark.detector == self._detector and entity_of(remark.kind) in wanted]

        def _result(self, remark: Remark) -> Any:
            why = AnalysisExplanation(
                recognizer=self._title, original_score=SCORE, pattern_name=remark.rule, textual_explanation=f"rule {remark.rule}"
            )
            metadata = {
                RecognizerResult.RECOGNIZER_NAME_KEY: self._title,
                RecognizerResult.RECOGNIZER_IDENTIFIER_KEY: self.id,
                "rule": remark.rule,
                "kind": remark.kind,
            }
            return RecognizerResult(entity_of(remark.kind), remark.start, remark.end, SCORE, why, metadata)

    return LockgateRecognizer
