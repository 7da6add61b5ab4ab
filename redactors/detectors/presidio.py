"""The adapter to presidio-analyzer: its recognizers confirm our candidates, its NER runs only where a model is installed.

Presidio never scans a whole text here: our own linear patterns and check digits go first, and what passes them is shown to the one
recognizer that knows the kind. Nothing is imported before the first candidate (the import takes about a second), no NLP
engine is built for it, and nothing opens a connection: tldextract gets no list to fetch.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as DeadlinePassed
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from redactors.model import Finding, RedactionError

WINDOW = 160
"""Characters of context that a recognizer may see; Presidio's own patterns are not linear."""

_PRIVATE_DOMAINS = frozenset(
    ["local", "internal", "corp", "lan", "home", "intranet", "localdomain", "private", "test", "example", "invalid", "onion"]
)
"""Last labels that no public list has and that companies use inside; mail there is mail all the same."""

_ENTITIES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "PERSON": ("person", "ner-person"),
        "LOCATION": ("location", "ner-location"),
        "NRP": ("nationality_religion_politics", "ner-nrp"),
        "ORGANIZATION": ("organization", "ner-organization"),
        "DATE_TIME": ("date", "ner-date"),
    }
)
"""What Presidio calls an entity, and our kind and rule for it."""


def confirm(kind: str, value: str, context: str) -> bool:
    """Whether Presidio's recognizer for `kind` accepts the value; True for kinds it has no validator for.

    `kind` is one of `email`, `phone`, `card`, `iban`; `context` is the value with its neighborhood, of which at most `WINDOW`
    characters are looked at. A recognizer that fails confirms: what cannot be judged is treated as found.
    """
    try:
        check = _checks().get(kind)
        return True if check is None else check(value, context[:WINDOW])
    except Exception:  # noqa: BLE001 - fail closed: a broken recognizer must not let a candidate pass
        return True


def warm() -> None:
    """Load what `confirm` needs, so that the first candidate of a running gateway does not wait for the import."""
    confirm("email", "a@b.com", "a@b.com")
    confirm("phone", "+12125550142", "+12125550142")


@cache
def _checks() -> Mapping[str, Callable[[str, str], bool]]:
    """The recognizers, built once; they keep no state between calls and may be used from many threads."""
    import tldextract
    from presidio_analyzer.predefined_recognizers import CreditCardRecognizer, EmailRecognizer, IbanRecognizer, PhoneRecognizer
    from presidio_analyzer.predefined_recognizers.generic.iban_recognizer import regex_per_country  # type: ignore[attr-defined]

    suffixes = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None, fallback_to_snapshot=True)

    class OfflineEmailRecognizer(EmailRecognizer):
        """Presidio's e-mail recognizer with a suffix list that is never fetched."""

        def validate_result(self, pattern_text: str) -> bool:
            return bool(suffixes(pattern_text.rpartition("@")[2]).fqdn)

    email, card, iban = OfflineEmailRecognizer(), CreditCardRecognizer(), IbanRecognizer()
    regions = {"+": PhoneRecognizer(supported_regions=("US",), leniency=0), "": PhoneRecognizer(supported_regions=("US",), leniency=1)}

    def is_email(value: str, _: str) -> bool:
        return value.rpartition(".")[2].lower() in _PRIVATE_DOMAINS or bool(email.validate_result(value))

    def is_phone(value: str, _: str) -> bool:
        recognizer = regions["+" if value.startswith("+") else ""]
        return bool(recognizer.analyze(value, ["PHONE_NUMBER"]))

    def is_card(value: str, _: str) -> bool:
        return card.validate_result(value) is not False

    def is_iban(value: str, _: str) -> bool:
        compact = "".join(c for c in value if c.isalnum()).upper()
        return compact[:2] not in regex_per_country or iban.validate_result(compact) is not False

    return MappingProxyType({"email": is_email, "phone": is_phone, "card": is_card, "iban": is_iban})


class NerDetector:
    """Names, places and the like by a model on disk: off unless configured, never used in streams.

    `model_path` is a spaCy model's folder or the name of an installed model package. Texts are cut into pieces of `piece` characters and
    recognized in at most `workers` threads; when the whole is not done after `deadline_s` seconds, `find` raises
    RedactionError, because a text that was not looked at must not leave.
    """

    def __init__(
        self,
        model_path: str,
        *,
        language: str = "en",
        entities: tuple[str, ...] = ("PERSON", "LOCATION", "NRP"),
        deadline_s: float = 2.0,
        workers: int = 1,
        piece: int = 20_000,
        overlap: int = 200,
    ) -> None:
        unknown = [name for name in entities if name not in _ENTITIES]
        if unknown:
            raise ValueError(f"unknown entities: {', '.join(unknown)}; known are {', '.join(_ENTITIES)}")
        self._language = language
        self._entities = entities
        self._deadline_s = deadline_s
        self._piece, self._overlap = piece, overlap
        self._model_path = model_path
        self._lock = threading.Lock()
        self._loaded: tuple[Any, Any] | None = None
        self._room = threading.BoundedSemaphore(workers)
        self._pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="ner")

    def load(self) -> None:
        """Load the model now. Raises RedactionError, which names no path, when there is none: nothing is ever downloaded."""
        with self._lock:
            if self._loaded is None:
                self._loaded = _load(self._model_path, self._language, self._entities)

    def find(self, text: str) -> Iterable[Finding]:
        """Findings of the whole text. Raises RedactionError when the worker is busy or not done in time, or when the model fails."""
        if not text or text.isspace():
            return []
        if not self._room.acquire(timeout=self._deadline_s):
            raise RedactionError("named entities were not recognized: all workers are busy")
        try:
            future: Future[list[Finding]] = self._pool.submit(self._recognize, text)
        except RuntimeError:
            self._room.release()
            raise RedactionError("named entities were not recognized: the detector is closed") from None
        future.add_done_callback(lambda _: self._room.release())
        try:
            return future.result(timeout=self._deadline_s)
        except DeadlinePassed:
            future.cancel()
            raise RedactionError("named entities were not recognized in time") from None
        except RedactionError:
            raise
        except Exception as error:  # noqa: BLE001 - fail closed; the model's message may quote the text
            raise RedactionError(f"named entities were not recognized: {type(error).__name__}") from None

    def close(self) -> None:
        """Stop the workers; texts that are being looked at are not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _recognize(self, text: str) -> list[Finding]:
        self.load()
        assert self._loaded is not None
        engine, recognizer = self._loaded
        found: set[Finding] = set()
        for start in range(0, len(text), self._piece):
            begin = max(0, start - self._overlap)
            part = text[begin : start + self._piece]
            artifacts = engine.process_text(part, self._language)
            for result in recognizer.analyze(part, list(self._entities), artifacts):
                kind, rule = _ENTITIES[result.entity_type]
                found.add(Finding(begin + result.start, begin + result.end, rule, kind, "pii"))
        return sorted(found, key=lambda finding: (finding.start, finding.end))


def _load(model_path: str, language: str, entities: tuple[str, ...]) -> tuple[Any, Any]:
    """Presidio's spaCy engine and recognizer over a model that is already here."""
    import spacy.util
    from presidio_analyzer.nlp_engine import NlpEngineProvider
    from presidio_analyzer.predefined_recognizers import SpacyRecognizer

    if not (spacy.util.is_package(model_path) or Path(model_path).is_dir()):
        raise RedactionError("the model for named entities is not installed")
    configuration = {"nlp_engine_name": "spacy", "models": [{"lang_code": language, "model_name": model_path}]}
    engine = NlpEngineProvider(nlp_configuration=configuration).create_engine()
    recognizer = SpacyRecognizer(supported_language=language, supported_entities=list(entities))
    return engine, recognizer
