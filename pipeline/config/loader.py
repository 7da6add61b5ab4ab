"""Reads the document: YAML, no literal credentials, the models, the checks between sections; every error with its place.

An error reads `lockgate.yaml:12:5: what is wrong. How to fix it.`, one line each, all of them at once.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from pipeline.config.checks import Fault, TreePath, cross_faults, warnings_of
from pipeline.config.document import Document
from pipeline.config.literals import FindSecrets, literal_faults, secret_finder
from pipeline.config.policies import PolicySection
from pipeline.config.yaml_tree import Tree, YamlError, read_tree
from pipeline.errors import ConfigError

MAX_SHOWN: Final = 20

M = TypeVar("M", bound=BaseModel)


class DocumentError(ConfigError):
    """A document that cannot be used. `lines` are the single findings, each with file, line and column."""

    def __init__(self, lines: tuple[str, ...]) -> None:
        shown = lines[:MAX_SHOWN]
        more = len(lines) - len(shown)
        super().__init__("\n".join(shown) + (f"\n… and {more} more." if more > 0 else ""))
        self.lines = lines


def load_document(path: Path, *, find_secrets: FindSecrets | None = None) -> Document:
    """Read a document from a file. Raises DocumentError (a ConfigError). `find_secrets` is the house's own rules when not given."""
    return load_with_warnings(path, find_secrets=find_secrets)[0]


def load_with_warnings(
    path: Path, *, find_secrets: FindSecrets | None = None, made: Collection[str] = ()
) -> tuple[Document, tuple[str, ...]]:
    """Read a document and what is allowed in it but probably not meant, as lines with places. `made`: slugs of references made by REST."""
    return parse_document(_text_of(path), str(path), find_secrets=find_secrets, made=made)


def parse_document(
    text: str, name: str, *, find_secrets: FindSecrets | None = None, made: Collection[str] = ()
) -> tuple[Document, tuple[str, ...]]:
    """Read a document from text; `name` stands in the errors."""
    try:
        tree = read_tree(text)
    except YamlError as fault:
        raise DocumentError((_line(name, fault.place.line, fault.place.column, fault.message, fault.hint),)) from None
    if not isinstance(tree.data, dict):
        raise DocumentError((_line(name, 1, 1, "the document is not a mapping", "Begin with a section such as `targets:`."),))
    # Before anything else looks at the values: no later message can then repeat a credential.
    literals = tuple(literal_faults(tree.data, find_secrets or secret_finder()))
    if literals:
        raise DocumentError(_lines(name, tree, literals))
    document = _validated(name, tree, Document)
    faults = cross_faults(document)
    if faults:
        raise DocumentError(_lines(name, tree, faults))
    return document, _lines(name, tree, warnings_of(document, made))


def _validated(name: str, tree: Tree, model: type[M]) -> M:
    try:
        return model.model_validate(tree.data)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=True)
    lines = []
    for one in found:
        path = tuple(one["loc"])
        unknown = one["type"] == "extra_forbidden"
        known = tree.known_part(path)
        place = tree.place_of(known, key=unknown)
        message, hint = _told(one["type"], one["msg"], path, known, model)
        where = ".".join(str(part) for part in known) or "the document"
        lines.append((place.line, place.column, _line(name, place.line, place.column, f"{where}: {message}", hint)))
    raise DocumentError(tuple(dict.fromkeys(line for _, _, line in sorted(lines))))


def _told(kind: str, message: str, path: TreePath, known: TreePath, model: type[BaseModel]) -> tuple[str, str]:
    """A validator's finding in our words: what, and how to fix it."""
    match kind:
        case "extra_forbidden":
            return "this key is not known here", _nearest(path, model)
        case "missing":
            return f"{path[-1]!r} is missing", "Add it."
        case "string_type":
            return "a text is wanted here", "Put quotes around it."
        case "value_error":
            return message.removeprefix("Value error, "), ""
        case "string_pattern_mismatch":
            return "this is not written as it must be", _pattern_hint(message)
    text = message[:1].lower() + message[1:]
    return (text if known == path or not path else f"{path[-1]}: {text}"), ""


def _pattern_hint(message: str) -> str:
    _, _, pattern = message.partition("'")
    return f"It must match {pattern.rstrip(chr(39))}." if pattern else ""


def _nearest(path: TreePath, root: type[BaseModel]) -> str:
    """Which keys are known at the place of an unknown one, the closest first."""
    model = _model_at(path[:-1], root)
    if model is None:
        return "Remove it."
    names = sorted(model.model_fields)
    close = difflib.get_close_matches(str(path[-1]), names, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"Known here: {', '.join(names)}."


def _model_at(path: TreePath, root: type[BaseModel]) -> type[BaseModel] | None:
    """The model whose fields stand at a path of the document."""
    annotation: Any = root
    for part in path:
        model = _model_in(annotation)
        if model is not None and isinstance(part, str) and part in model.model_fields:
            annotation = model.model_fields[part].annotation
        # A key of a mapping or an index of a list: the annotation already names what it holds.
    return _model_in(annotation)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        found = _model_in(part)
        if found is not None:
            return found
    return None


def _lines(name: str, tree: Tree, faults: Iterable[Fault]) -> tuple[str, ...]:
    placed = []
    for fault in faults:
        place = tree.place_of(fault.path)
        placed.append((place.line, place.column, _line(name, place.line, place.column, fault.message, fault.hint)))
    return tuple(line for _, _, line in sorted(placed))


def _line(name: str, line: int, column: int, message: str, hint: str) -> str:
    told = message if message.endswith((".", "!", "?")) else f"{message}."
    return f"{name}:{line}:{column}: {told} {hint}".rstrip()


def _text_of(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        message, hint = (
            f"There is no configuration file {path}.",
            "Name one with --config or LOCKGATE_CONFIG, or start with examples/quickstart.yaml.",
        )
    except UnicodeDecodeError:
        message, hint = f"{path} is not UTF-8 text.", "Save it as UTF-8."
    except OSError as error:
        message, hint = f"{path} cannot be read ({type(error).__name__}).", "Check that it is a file and that you may read it."
    raise ConfigError(message, hint=hint)


def load_tree(path: Path) -> Any:
    """Read a YAML or JSON file that is no document of ours as plain data. Raises DocumentError."""
    try:
        return read_tree(_text_of(path)).data
    except YamlError as fault:
        raise DocumentError((_line(str(path), fault.place.line, fault.place.column, fault.message, fault.hint),)) from None


def load_policy(path: Path) -> PolicySection:
    """Read one policy of the document from a file of its own (`redact --policy`). Raises DocumentError."""
    name = str(path)
    try:
        tree = read_tree(_text_of(path))
    except YamlError as fault:
        raise DocumentError((_line(name, fault.place.line, fault.place.column, fault.message, fault.hint),)) from None
    return _validated(name, tree, PolicySection)
