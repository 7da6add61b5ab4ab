"""Models for tests of named entities: real spaCy pipelines on disk, loaded by the code that loads trained ones.

`save_names` is a folder; `save_package` an installed package with a component of its own, which hangs on one word and dies on another.
"""

from __future__ import annotations

import importlib
import shutil
import sys
from pathlib import Path

HANG, DIE = "HANGNOW", "DIENOW"
PEOPLE = ("Ada Lovelace", "Grace Hopper", "Jean-Luc Picard")
PLACES = ("London", "Baden-Baden")

_COMPONENT = f'''
import os, time
from spacy.language import Language
from spacy.util import load_model_from_init_py


@Language.component("moody")
def moody(doc):
    if "{HANG}" in doc.text:
        time.sleep(300)
    if "{DIE}" in doc.text:
        os._exit(9)
    if "FAILNOW" in doc.text:
        raise ValueError(doc.text)
    return doc


def load(**overrides):
    return load_model_from_init_py(__file__, **overrides)
'''


def save_names(folder: Path, language: str = "en", people: tuple[str, ...] = PEOPLE, *, name: str = "names", component: str = "") -> Path:
    """A pipeline whose entities come from lists."""
    import spacy

    pipeline = spacy.blank(language)
    pipeline.meta.update(name=name, version="1.0")
    ruler = pipeline.add_pipe("entity_ruler")
    patterns = [{"label": "PERSON", "pattern": name} for name in people] + [{"label": "GPE", "pattern": name} for name in PLACES]
    patterns += [
        {"label": "PERSON", "pattern": "user_name"},
        {"label": "ORG", "pattern": "Acme Corp"},
        {"label": "DATE", "pattern": "May 1"},
    ]
    ruler.add_patterns(patterns)  # type: ignore[attr-defined]
    if component:
        pipeline.add_pipe(component, first=True)
    pipeline.to_disk(folder)
    return folder


def save_package(site: Path, name: str = "moody") -> str:
    """An installed model package in a folder of packages, which must be on the import path; gives its name."""
    full = f"en_{name}"
    package = site / full
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(_COMPONENT)
    info = site / f"{full}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {full}\nVersion: 1.0\n")
    sys.path.insert(0, str(site))
    try:
        importlib.import_module(full)
        folder = save_names(package / f"{full}-1.0", name=name, component="moody")
    finally:
        sys.path.remove(str(site))
    shutil.copy(folder / "meta.json", package / "meta.json")
    return full
