"""Editors get a JSON Schema that agrees with the loader, people a reference, and both follow the models; the examples are valid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from pipeline.config.checks import check_address
from pipeline.config.document import Document
from pipeline.config.literals import FindSecrets
from pipeline.config.loader import load_with_warnings
from pipeline.config.reference import config_reference
from pipeline.config.schema import document_schema
from pipeline.errors import ConfigError
from tests.compiled import finder

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))


@pytest.fixture(scope="module")
def rules() -> FindSecrets:
    return finder()


def validator() -> Any:
    return jsonschema.Draft202012Validator(document_schema())


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(document_schema())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_is_valid_for_the_loader_and_for_editors(rules: FindSecrets, path: Path) -> None:
    document, warnings = load_with_warnings(path, find_secrets=rules)
    assert document.targets
    assert warnings == ()
    assert list(validator().iter_errors(yaml.safe_load(path.read_text()))) == []


def test_the_examples_are_there() -> None:
    assert {"quickstart.yaml", "production.yaml"} <= {path.name for path in EXAMPLES}


def test_the_quickstart_needs_no_secret_and_no_connection() -> None:
    document, _ = load_with_warnings(ROOT / "examples" / "quickstart.yaml", find_secrets=lambda _: ())
    assert {target.provider for target in document.targets} == {"demo"}
    assert document.telemetry.destinations == ()
    assert document.references == {}


@pytest.mark.parametrize(
    "tree",
    [
        {"unknown": 1},
        {"targets": [{"id": "a"}]},
        {"audit": {"require": "none"}},
        {"targets": [{"id": "a", "provider": "p", "model": "m", "secret_key_ref": "sk-1"}]},
    ],
)
def test_editors_refuse_what_the_loader_refuses(tree: dict[str, Any]) -> None:
    assert list(validator().iter_errors(tree))
    with pytest.raises(ValueError, match="validation error"):
        Document.model_validate(tree)


def test_the_reference_is_generated_from_the_models() -> None:
    assert (ROOT / "examples" / "CONFIG.md").read_text() == config_reference(), "run: make docs"


def test_every_field_is_explained() -> None:
    rows = [line for line in config_reference().splitlines() if line.startswith("| `")]
    assert len(rows) > 80
    assert [row for row in rows if row.rstrip(" |").endswith("|")] == []


@pytest.mark.parametrize(
    ("host", "safe"),
    [("127.0.0.1", True), ("::1", True), ("[::1]", True), ("localhost", True), ("0.0.0.0", False), ("10.1.2.3", False), ("db", False)],
)
def test_an_open_address_needs_tls(host: str, safe: bool) -> None:
    if safe:
        check_address(Document(), host)
    else:
        with pytest.raises(ConfigError, match="without TLS"):
            check_address(Document(), host)
    check_address(Document.model_validate({"server": {"behind_proxy": True}}), host)
    check_address(Document.model_validate({"server": {"tls_cert": "a", "tls_key": "b"}}), host)
