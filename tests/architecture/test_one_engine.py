"""Gateway, gate and command line redact with one engine: nothing else in the tree knows what a secret looks like."""

from __future__ import annotations

import ast
import re
import string
from pathlib import Path
from random import Random

import pytest

from redactors.rules.catalog import all_rules
from tests.architecture.test_regular_expressions import expressions

ROOT = Path(__file__).resolve().parents[2]
OUTSIDE = ("collectors", "pipeline", "dashboard")
ADAPTERS = {
    "hyperscan": {"redactors/detectors/hyper.py"},
    "re2": {"redactors/detectors/linear.py"},
    "ahocorasick": {"redactors/detectors/aho.py"},
    "presidio_analyzer": {"redactors/detectors/presidio.py", "redactors/recognizers.py"},
}
ENTRANCES = {
    "pipeline/bootstrap/policies.py": "the gateway's redactors, one for each policy and direction, and the recorder of gate and logs",
    "pipeline/cli/engine.py": "the commands' redactors",
    "pipeline/cli/exits.py": "tracebacks",
    "pipeline/cli/preflight.py": "`check` compiles what a start compiles",
    "pipeline/config/literals.py": "literal credentials in the document",
}
"""Who builds a redactor, and what for: a new place is a decision, taken here."""


def sources(*packages: str) -> list[tuple[str, ast.Module]]:
    return [
        (path.relative_to(ROOT).as_posix(), ast.parse(path.read_text("utf-8")))
        for package in packages
        for path in sorted((ROOT / package).rglob("*.py"))
    ]


def imported(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("library", ADAPTERS)
def test_a_scan_library_is_used_in_its_adapter_only(library: str) -> None:
    users = {name for name, tree in sources("redactors", *OUTSIDE) if library in imported(tree)}
    assert users == ADAPTERS[library]


def test_redactors_are_built_in_known_places() -> None:
    builders = {
        name
        for name, tree in sources(*OUTSIDE)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("redactors")
        and any(alias.name == "build_redactor" for alias in node.names)
    }
    assert builders == set(ENTRANCES)


GENERAL = {
    "collectors/classes.py": "our own ids",
    "pipeline/keys/requests.py": "durations",
}
"""Where an expression may tell a sample from other text by chance, because it asks for few letters, and what it is for."""


def test_no_other_expression_tells_a_credential_by_its_form() -> None:
    """An expression that finds a sample, and not what has other letters and digits in the same places, knows the sample's form."""
    rng = Random(12)
    samples = [must.text(rng)[1] for rule in all_rules() if rule.detector == "secrets" for must in rule.must[:1]]
    others = [[_otherwise(sample, rng) for _ in range(6)] for sample in samples]
    knowing: set[str] = set()
    for (name, _), expression, flags in expressions():
        if name.startswith(OUTSIDE) and isinstance(expression, str):
            found = re.compile(expression, flags)
            if any(found.search(sample) and not any(map(found.search, other)) for sample, other in zip(samples, others, strict=True)):
                knowing.add(name)
    assert knowing - GENERAL.keys() == {"pipeline/config/literals.py"}


def _otherwise(sample: str, rng: Random) -> str:
    """Another text of the same build: small letters for small letters, digits for digits."""
    kinds = (string.ascii_lowercase, string.ascii_uppercase, string.digits)
    return "".join(rng.choice(next((kind for kind in kinds if character in kind), character)) for character in sample)
