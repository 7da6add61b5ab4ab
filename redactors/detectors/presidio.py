"""The adapter to presidio-analyzer: its recognizers confirm our candidates, its engines load the models for named entities.

Presidio never scans a whole text in the gateway's process: our own linear patterns and check digits go first, and what passes them is
shown to the one recognizer that knows the kind. Nothing is imported before the first candidate (the import takes about a second), no
NLP engine is built for it, and nothing opens a connection: tldextract gets no list to fetch. `open_models` is called in a process of its
own (`redactors.detectors.ner_worker`).
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from redactors.detectors.ner_spec import NerSpec
from redactors.model import RedactionError

WINDOW = 160
"""Characters of context that a recognizer may see; Presidio's own patterns are not linear."""

_PRIVATE_DOMAINS = frozenset(
    ["local", "internal", "corp", "lan", "home", "intranet", "localdomain", "private", "test", "example", "invalid", "onion"]
)
"""Last labels that no public list has and that companies use inside; mail there is mail all the same."""

PIECE: Final = 20_000
"""Characters that a model reads at once; spaCy's memory grows with a text's length."""

OVERLAP: Final = 200
"""Characters that a piece shares with the one before it, so that no name is cut."""

Located = tuple[int, int, str]
"""An entity: start and end in code points, and Presidio's name for what it is."""

Models = Callable[[Sequence[str]], list[list[Located]]]
"""Loaded models: texts in, entities of each text out."""

_LONE: Final = re.compile("[\ud800-\udfff]")
_GLINER_LABELS: Final = MappingProxyType(
    {
        "person": "PERSON",
        "location": "LOCATION",
        "address": "LOCATION",
        "organization": "ORGANIZATION",
        "date": "DATE_TIME",
        "nationality": "NRP",
        "religion": "NRP",
        "political group": "NRP",
    }
)
"""What a GLiNER model is asked for: it takes any words as labels."""


def confirm(kind: str, value: str, context: str) -> bool:
    """Whether Presidio's recognizer for `kind` accepts the value; True for kinds it has no validator for.

    `kind` is one of `email`, `phone`, `card`, `iban`; `context` is the value with its neighborhood, of which at most `WINDOW`
    characters are looked at. A recognizer that fails confirms: what cannot be judged is treated as found.
    """
    try:
        check = _is_email if kind == "email" else _checks().get(kind)
        return True if check is None else check(value, context[:WINDOW])
    except Exception:  # noqa: BLE001 - fail closed: a broken recognizer must not let a candidate pass
        return True


def warm() -> None:
    """Load what `confirm` needs, so that the first candidate of a running gateway does not wait for the import."""
    confirm("email", "a@b.com", "a@b.com")
    confirm("phone", "+12125550142", "+12125550142")


def _is_email(value: str, _: str) -> bool:
    return value.rpartition(".")[2].lower() in _PRIVATE_DOMAINS or bool(_suffixes()(value.rpartition("@")[2]).fqdn)


@cache
def _suffixes() -> Any:
    """The public suffix list that Presidio's e-mail recognizer asks, which alone decides there; never fetched.

    It is loaded without Presidio, because mail is what is found most: that saves seconds and 60 MB where nothing else is found.
    """
    import tldextract

    return tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None, fallback_to_snapshot=True)


@cache
def _checks() -> Mapping[str, Callable[[str, str], bool]]:
    """The recognizers, built once; they keep no state between calls and may be used from many threads."""
    from presidio_analyzer.predefined_recognizers import CreditCardRecognizer, IbanRecognizer, PhoneRecognizer
    from presidio_analyzer.predefined_recognizers.generic.iban_recognizer import regex_per_country  # type: ignore[attr-defined]

    card, iban = CreditCardRecognizer(), IbanRecognizer()
    regions = {"+": PhoneRecognizer(supported_regions=("US",), leniency=0), "": PhoneRecognizer(supported_regions=("US",), leniency=1)}

    def is_phone(value: str, _: str) -> bool:
        recognizer = regions["+" if value.startswith("+") else ""]
        return bool(recognizer.analyze(value, ["PHONE_NUMBER"]))

    def is_card(value: str, _: str) -> bool:
        return card.validate_result(value) is not False

    def is_iban(value: str, _: str) -> bool:
        compact = "".join(c for c in value if c.isalnum()).upper()
        return compact[:2] not in regex_per_country or iban.validate_result(compact) is not False

    return MappingProxyType({"phone": is_phone, "card": is_card, "iban": is_iban})


def open_models(spec: NerSpec) -> Models:
    """Load the models of a spec, all of them; each text is then read by every one. Never downloads.

    Raises RedactionError for a model that is not here, and whatever Presidio and the model's library raise when it is damaged.
    """
    for model in spec.models:
        if not is_here(model.name):
            raise RedactionError("a model for named entities is not installed")
    opened = [_OPENERS[spec.engine](spec, model.language, model.name) for model in spec.models]

    def find(texts: Sequence[str]) -> list[list[Located]]:
        pieces = [(number, begin, part) for number, text in enumerate(texts) for begin, part in _pieces(text)]
        found: list[set[Located]] = [set() for _ in texts]
        for read in opened:
            for (number, begin, _), entities in zip(pieces, read([part for _, _, part in pieces]), strict=True):
                found[number].update((begin + start, begin + end, name) for start, end, name in entities)
        return [sorted(one) for one in found]

    return find


def is_here(name: str) -> bool:
    """Whether a model is a folder, or an installed package (what spaCy's models are)."""
    from importlib.metadata import PackageNotFoundError, distribution

    if Path(name).is_dir():
        return True
    try:
        distribution(name)
    except (PackageNotFoundError, ValueError):
        return False
    return True


_Read = Callable[[Sequence[str]], list[list[Located]]]


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """A text in pieces with their places; a lone surrogate, which no tokenizer takes, is one replacement character."""
    whole = _LONE.sub("\ufffd", text)
    for start in range(0, len(whole), PIECE):
        begin = max(0, start - OVERLAP)
        yield begin, whole[begin : start + PIECE]


def _open_spacy(spec: NerSpec, language: str, name: str) -> _Read:
    engine = _engine(spec, [{"lang_code": language, "model_name": name}])
    return partial(_read, engine, spec, language)


def _open_transformers(spec: NerSpec, language: str, name: str) -> _Read:
    """A token classifier behind a tokenizer of spaCy, as Presidio wants it; the tokenizer needs no model, so an empty one is made."""
    import spacy

    with tempfile.TemporaryDirectory() as folder:
        spacy.blank(language).to_disk(folder)
        engine = _engine(spec, [{"lang_code": language, "model_name": {"spacy": folder, "transformers": name}}])
    pipe = engine.get_nlp(language).get_pipe("presidio_hf_token_pipe")
    pipe.pipeline = watched = _Watched(pipe.pipeline)

    def read(parts: Sequence[str]) -> list[list[Located]]:
        watched.failed = ""
        found = _read(engine, spec, language, parts)
        if watched.failed:
            raise RedactionError(f"the model failed ({watched.failed})")
        return found

    return read


class _Watched:
    """A Hugging Face pipeline whose failures are noted: Presidio logs them and goes on as if nothing had been found."""

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline
        self.failed = ""

    def __call__(self, *args: Any, **more: Any) -> Any:
        try:
            return self._pipeline(*args, **more)
        except Exception as error:
            self.failed = type(error).__name__
            raise


def _open_gliner(spec: NerSpec, language: str, name: str) -> _Read:
    from presidio_analyzer.predefined_recognizers import GLiNERRecognizer

    labels = {label: entity for label, entity in (spec.mapping or _GLINER_LABELS).items() if entity in spec.entities}
    recognizer = GLiNERRecognizer(
        model_name=name, entity_mapping=labels, supported_language=language, threshold=spec.threshold, local_files_only=True
    )
    entities = list(spec.entities)

    def read(parts: Sequence[str]) -> list[list[Located]]:
        return [[(one.start, one.end, one.entity_type) for one in recognizer.analyze(part, entities)] for part in parts]

    return read


_OPENERS: Final[Mapping[str, Callable[[NerSpec, str, str], _Read]]] = MappingProxyType(
    {"spacy": _open_spacy, "transformers": _open_transformers, "gliner": _open_gliner}
)


def _engine(spec: NerSpec, models: list[dict[str, Any]]) -> Any:
    """Presidio's NLP engine of that name over models that are here."""
    from presidio_analyzer.nlp_engine import NerModelConfiguration, NlpEngineProvider

    known = NerModelConfiguration().model_to_presidio_entity_mapping or {}
    labels = {**known, "FAC": "LOCATION", "ORGANIZATION": "ORGANIZATION", **spec.mapping}
    configuration = {
        "nlp_engine_name": spec.engine,
        "models": models,
        "ner_model_configuration": {"model_to_presidio_entity_mapping": labels, "labels_to_ignore": ["O"]},
    }
    return NlpEngineProvider(nlp_configuration=configuration).create_engine()


def _read(engine: Any, spec: NerSpec, language: str, parts: Sequence[str]) -> list[list[Located]]:
    """The wanted entities of each part, by the engine's own pipeline, in batches."""
    return [
        [
            (entity.start_char, entity.end_char, entity.label_)
            for entity, score in zip(artifacts.entities, artifacts.scores, strict=True)
            if entity.label_ in spec.entities and score >= spec.threshold
        ]
        for _, artifacts in engine.process_batch(list(parts), language, batch_size=32)
    ]
