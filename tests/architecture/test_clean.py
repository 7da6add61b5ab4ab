"""Only `redactors` makes `Clean` values, and every `map` over one is listed here with what it picks."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from redactors.model import Clean, Verdict, is_clean, seal

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("redactors", "collectors", "pipeline", "dashboard")


def sources() -> list[tuple[str, ast.Module]]:
    return [
        (path.relative_to(ROOT).as_posix(), ast.parse(path.read_text("utf-8")))
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
    ]


def calls_of(tree: ast.Module, name: str) -> list[int]:
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and (
            (isinstance(node.func, ast.Name) and node.func.id == name) or (isinstance(node.func, ast.Attribute) and node.func.attr == name)
        )
    ]


def imports_of(tree: ast.Module, module: str, name: str) -> list[int]:
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == module and any(alias.name == name for alias in node.names)
    ]


def test_only_the_redactors_seal_a_value() -> None:
    offenders = [
        (name, line)
        for name, tree in sources()
        if not name.startswith("redactors/")
        for line in imports_of(tree, "redactors.model", "seal")
    ]
    offenders += [(name, line) for name, tree in sources() if not name.startswith("redactors/") for line in calls_of(tree, "model.seal")]
    assert offenders == []
    assert any(imports_of(tree, "redactors.model", "seal") for name, tree in sources() if name.startswith("redactors/"))


def test_only_the_model_constructs_clean_directly() -> None:
    offenders = [(name, line) for name, tree in sources() if name != "redactors/model.py" for line in calls_of(tree, "Clean")]
    assert offenders == []


PICKS = {
    "collectors/addressing.py": 1,  # a span without its content, with what sampling decided (words and numbers of ours)
    "collectors/content.py": 1,  # the text of a message
    "collectors/logs.py": 1,  # a redacted line as a log record
    "collectors/gate.py": 3,  # the record as it was drawn, or its tombstone
    "collectors/otlp/cleanse.py": 1,  # the request whose texts were redacted in place
    "collectors/tracing.py": 3,  # resource, scope, tombstone
    "pipeline/gateway/events.py": 1,  # an event's detail
    "pipeline/gateway/wire.py": 2,  # embeddings put back, which are numbers; log probabilities taken out
}
"""Where a Clean value is mapped, how often, and what is picked: a new place is a decision, taken here."""


def test_every_map_over_a_clean_value_is_known() -> None:
    # `Executor.map` and `Pool.map` would count too; there is none.
    found = {
        name: sum(
            isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "map" for node in ast.walk(tree)
        )
        for name, tree in sources()
        if not name.startswith("redactors/")
    }
    assert {name: number for name, number in found.items() if number} == PICKS


def test_a_clean_value_cannot_be_forged_or_changed() -> None:
    with pytest.raises(TypeError, match="made by a Redactor"):
        Clean("raw", (), Verdict.ALLOW, proof=object())
    clean = seal("safe")
    with pytest.raises(AttributeError, match="frozen"):
        clean.value = "raw"  # type: ignore[misc]
    assert is_clean(clean)
    assert not is_clean("safe")
