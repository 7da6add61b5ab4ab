"""Named entities, put together: the document's section, the models that must be here, and the processes that hold them."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pipeline.config.detection import NerSection
from pipeline.config.document import Document
from pipeline.errors import ConfigError
from redactors.detectors.ner import NerDetector
from redactors.detectors.ner_spec import NerModel, NerSpec, label_of
from redactors.detectors.presidio import is_here
from redactors.model import RedactionError

log = logging.getLogger("lockgate.redaction")

WAITING: Final = 32
"""Threads that may wait for models at a time; they do nothing else."""

_NEEDS: Final = {"spacy": ("spacy",), "transformers": ("transformers", "torch"), "gliner": ("gliner",)}
_HINT: Final = "Or set detection.ner.required: false to go on without names."


def ner_rules(document: Document) -> frozenset[str]:
    """The ids under which the document's models report, for closed metric labels."""
    section = document.detection.ner
    return frozenset(label_of(entity).rule for entity in section.entities) if section else frozenset()


def ner_fault(document: Document, folder: Path) -> ConfigError | None:
    """What is missing for the document's models, without loading them: the package or the model by name, and how to install it."""
    section = document.detection.ner
    if section is None:
        return None
    lacking = [name for name in _NEEDS[section.nlp_engine_name] if importlib.util.find_spec(name) is None]
    if lacking:
        names = " ".join(lacking)
        return ConfigError(
            f"detection.ner: {section.nlp_engine_name} needs the packages {names}, which are not installed.",
            hint=f"Install them beside Lockgate: `pip install {names}`. {_HINT}",
        )
    for model in section.models:
        name = _place(model.model_name, folder)
        if section.nlp_engine_name != "spacy" and not Path(name).is_dir():
            return ConfigError(
                f"detection.ner: there is no folder {model.model_name!r} with the model for {model.lang_code!r}.",
                hint=f"{section.nlp_engine_name} takes a model's folder; download it where that is allowed, and name it. {_HINT}",
            )
        if not is_here(name):
            return ConfigError(
                f"detection.ner: the model {model.model_name!r} for {model.lang_code!r} is not installed.",
                hint=f"Install it beside Lockgate, as with `python -m spacy download {model.model_name}`, or name its folder. {_HINT}",
            )
    return None


def open_recognizer(
    document: Document,
    folder: Path,
    *,
    running: NerDetector | None = None,
    skipped: Callable[[], object] = tuple,
    warn: Callable[[str], object] = log.warning,
) -> NerDetector | None:
    """The document's recognizer with its models loaded (seconds), or None when it names none.

    `running` is kept when nothing changed, `skipped` is called for every value that was not read and passes. Raises ConfigError for
    models that are required and not here or do not load; for those that are not required there is a warning and no recognizer.
    """
    section = document.detection.ner
    if section is None:
        return None
    made = _detector(section, folder, skipped)
    if running is not None and running.settings == made.settings:
        return running
    fault = ner_fault(document, folder)
    if fault is None:
        try:
            made.open()
        except RedactionError as error:
            fault = ConfigError(f"detection.ner: the models do not load: {error}.", hint=f"Try them with Presidio alone. {_HINT}")
        else:
            return made
    if section.required:
        raise fault
    warn(f"{fault.message} It is not required, so named entities are not looked for.")
    return None


def _detector(section: NerSection, folder: Path, skipped: Callable[[], object]) -> NerDetector:
    models = tuple(NerModel(model.lang_code, _place(model.model_name, folder)) for model in section.models)
    mapping = dict(section.model_to_presidio_entity_mapping)
    spec = NerSpec(section.nlp_engine_name, models, section.entities, mapping, section.score_threshold)
    return NerDetector(
        spec,
        workers=section.workers,
        deadline_s=section.deadline_ms / 1000,
        max_chars=section.max_chars,
        on_failure=section.on_failure,
        skipped=skipped,
    )


def _place(name: str, folder: Path) -> str:
    """A model's folder as an absolute path, or its name as it is."""
    found = folder / name
    return str(found) if found.is_dir() else name
