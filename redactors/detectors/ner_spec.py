"""What is to be recognized, and with which models: plain values, which also go to the process that loads the models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal

from redactors.detectors.subject import Label

NerEngine = Literal["spacy", "transformers", "gliner"]
"""Presidio's names of what runs a model."""

_KINDS: Final = MappingProxyType({"NRP": "nationality_religion_politics", "DATE_TIME": "date"})


@dataclass(frozen=True, slots=True)
class NerModel:
    """One model: the language that it reads (ISO 639-1) and its folder or the name of its installed package."""

    language: str
    name: str


@dataclass(frozen=True, slots=True)
class NerSpec:
    """Which models, what they are asked for, and how sure they must be.

    `entities` are Presidio's names (`PERSON`); `mapping` is from a model's own labels to them, beside those that Presidio knows;
    `threshold` is a score from 0 to 1 (spaCy's models give 0.85 to everything).
    """

    engine: NerEngine
    models: tuple[NerModel, ...]
    entities: tuple[str, ...] = ("PERSON", "LOCATION", "NRP")
    mapping: Mapping[str, str] = field(default_factory=dict)
    threshold: float = 0.4

    def plain(self) -> dict[str, Any]:
        """The spec as JSON."""
        return {
            "engine": self.engine,
            "models": [[model.language, model.name] for model in self.models],
            "entities": list(self.entities),
            "mapping": dict(self.mapping),
            "threshold": self.threshold,
        }

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> NerSpec:
        """The spec that `plain` gave."""
        models = tuple(NerModel(language, name) for language, name in plain["models"])
        return cls(plain["engine"], models, tuple(plain["entities"]), dict(plain["mapping"]), plain["threshold"])


def label_of(entity: str) -> Label:
    """Our rule and kind for one of Presidio's entities."""
    kind = _KINDS.get(entity, entity.lower())
    return Label(f"ner-{entity.lower().replace('_', '-')}", kind, "pii")
