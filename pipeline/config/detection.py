"""What is looked for beyond patterns: names and places by a model that is installed. Field names are Presidio's where it has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from pipeline.config.section import Section

Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}$")]
Entity = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")]
ModelLabel = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class NerModelSection(Section):
    """A model for named entities. It must be installed: nothing is ever downloaded."""

    lang_code: Language
    """The language that it reads (ISO 639-1); `xx` for one of many languages."""
    model_name: Annotated[str, StringConstraints(min_length=1, max_length=4096)]
    """The name of an installed spaCy package (`en_core_web_lg`), or a model's folder; relative paths begin at the document's folder."""


class NerSection(Section):
    """Names of people, places and the like, found by a model in prompts and in captured content, where a policy acts on `pii`.

    Models run in processes of their own. They read texts of more than one word; they do not read answers on their way to the caller,
    streamed or not, so that both forms of an answer are the same; nor logs and events.
    """

    nlp_engine_name: Literal["spacy", "transformers", "gliner"] = "spacy"
    """What runs the models. The other two need the packages `transformers` and `torch`, or `gliner`, and a model's folder."""
    models: Annotated[tuple[NerModelSection, ...], Field(min_length=1, max_length=16)]
    """The models. Each reads every text, because a text does not say its language: one of many languages costs less than many of one."""
    entities: Annotated[tuple[Entity, ...], Field(min_length=1)] = ("PERSON", "LOCATION", "NRP")
    """What is looked for, in Presidio's names (also `ORGANIZATION`, `DATE_TIME`, or one that the mapping names). The kinds that policies
    may name are `person`, `location`, `nationality_religion_politics`, `organization`, `date`, or the name in lower case."""
    model_to_presidio_entity_mapping: Mapping[ModelLabel, Entity] = Field(default_factory=dict)
    """From a model's own labels to entities, beside those that Presidio knows. For GLiNER: the labels that are asked for."""
    score_threshold: Annotated[float, Field(ge=0, le=1)] = 0.4
    """How sure a model must be; spaCy's models give 0.85 to everything."""
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    """Processes that hold the models; each takes their memory and up to one core. With two, a text that breaks one stops nobody else."""
    deadline_ms: Annotated[int, Field(ge=10, le=600_000)] = 5_000
    """Milliseconds in which up to 20,000 characters that were not read before must be read, waiting included; a longer value has as many
    times that. A conversation's history is read once."""
    max_chars: Annotated[int, Field(ge=1_000, le=20_000_000)] = 400_000
    """Characters of one value that are read at most; with more of them it is as if the models had failed."""
    on_failure: Literal["block", "skip"] = "block"
    """What follows when a value was not read (deadline, dead process, too long). `block`: it does not leave, the call is answered 503
    (400 when it is too long), captured content is dropped. `skip`: it passes with what patterns find, counted in
    `lockgate_recognition_skipped_total`."""
    required: bool = True
    """Whether a model that is not installed or does not load stops the start. Without, there is a warning, and patterns alone are used."""

    @model_validator(mode="after")
    def _mapped(self) -> NerSection:
        if len({model.lang_code for model in self.models}) != len(self.models):
            raise ValueError("each lang_code stands once in models")
        return self


class DetectionSection(Section):
    """Detectors that are off until they are configured."""

    ner: NerSection | None = None
    """Named entities by a model."""
