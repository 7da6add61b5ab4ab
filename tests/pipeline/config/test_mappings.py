"""Portkey's `secret_mappings` on a target, field for field: what is taken, what is refused, and what the target then uses."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.bootstrap.compile import compile_references
from pipeline.config.checks import cross_faults, warnings_of
from pipeline.config.document import Document
from pipeline.config.targets import TargetSection

PAIR = (
    {"target_field": "aws_access_key_id", "secret_reference_id": "aws", "secret_key": "id"},
    {"target_field": "configurations.aws_secret_access_key", "secret_reference_id": "aws", "secret_key": "secret"},
)
KEY = {"target_field": "key", "secret_reference_id": "openai"}


def target(*mappings: Any, provider: str = "openai", **fields: Any) -> TargetSection:
    return TargetSection.model_validate({"id": "t", "provider": provider, "model": "m", "secret_mappings": mappings, **fields})


TAKEN: tuple[tuple[str, tuple[dict[str, Any], ...], set[str]], ...] = (
    ("openai", (KEY,), {"key"}),
    ("azure", (KEY, {"target_field": "configurations.azure_endpoint", "secret_reference_id": "a"}), {"key", "base_url"}),
    ("azure", (KEY, {"target_field": "base_url", "secret_key_ref": {"env": "ENDPOINT"}}), {"key", "base_url"}),
    ("azure", (KEY, {"target_field": "api_version", "secret_key_ref": "store:X", "secret_key": "v"}), {"key", "api_version"}),
    ("bedrock", PAIR, {"aws_access_key_id", "aws_secret_access_key"}),
    ("bedrock", (*PAIR, {"target_field": "aws_region", "secret_reference_id": "aws"}),
     {"aws_access_key_id", "aws_secret_access_key", "aws_region_name"}),
    ("vertex_ai", ({"target_field": "configurations.vertex_service_account_json", "secret_reference_id": "g", "value_format": "json"},),
     {"vertex_credentials"}),
)  # fmt: skip


@pytest.mark.parametrize(("provider", "mappings", "fields"), TAKEN)
def test_a_mapping_fills_a_field_by_portkeys_or_our_name(provider: str, mappings: tuple[dict[str, Any], ...], fields: set[str]) -> None:
    assert target(*mappings, provider=provider).secret_fields.keys() == fields


REFUSED: tuple[tuple[str, tuple[dict[str, Any], ...], str], ...] = (
    ("openai", ({"secret_reference_id": "openai"},), "target_field"),
    ("openai", ({"target_field": "key"},), "exactly one of secret_reference_id and secret_key_ref"),
    ("openai", ({**KEY, "secret_key_ref": {"env": "X"}},), "exactly one of secret_reference_id and secret_key_ref"),
    ("openai", ({**KEY, "target_field": "configurations.key"},), "no such target_field"),
    ("openai", ({**KEY, "target_field": "model"},), "no such target_field"),
    ("openai", ({**KEY, "target_field": ""},), "at least 1 character"),
    ("openai", (KEY, KEY), "filled twice"),
    ("openai", (KEY, {**KEY, "target_field": "base_url"}, {**KEY, "target_field": "configurations.base_url"}), "filled twice"),
    ("openai", ({**KEY, "value_format": "yaml"},), "value_format"),
    ("openai", ({**KEY, "secret_key": ""},), "at least 1 character"),
    ("openai", ({**KEY, "secret_reference_id": "not a slug"},), "pattern"),
    ("openai", ({**KEY, "unknown": 1},), "unknown"),
    ("openai", ({**KEY, "target_field": "base_url"},), "no credential"),
    ("openai", PAIR, "takes no AWS credential"),
    ("bedrock", PAIR[:1], "aws_access_key_id and aws_secret_access_key"),
    ("bedrock", (*PAIR, KEY), "more than one credential"),
    ("openai", ({**KEY, "target_field": "vertex_credentials"},), "takes no vertex_credentials"),
)


@pytest.mark.parametrize(("provider", "mappings", "told"), REFUSED)
def test_a_mapping_that_makes_no_credential_is_refused(provider: str, mappings: tuple[dict[str, Any], ...], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        target(*mappings, provider=provider)


def test_a_secret_key_ref_beside_mappings_is_the_key() -> None:
    endpoint = {"target_field": "base_url", "secret_reference_id": "a"}
    assert target(endpoint, provider="azure", secret_key_ref={"ref": "k"}).secret_fields["key"].source.ref == "k"
    with pytest.raises(ValidationError, match="filled twice"):
        target(endpoint, KEY, provider="azure", secret_key_ref={"ref": "k"})


REGION = {"target_field": "aws_region", "secret_reference_id": "at"}
DOCUMENT: dict[str, Any] = {
    "targets": [
        {
            "id": "b",
            "provider": "bedrock",
            "model": "m",
            "secret_mappings": [*PAIR, {"target_field": "aws_region", "secret_reference_id": "at"}],
        },
    ],
    "models": {"m": {"targets": ["b"]}},
    "references": {
        "aws": {"manager_type": "env", "secret_path": "PAIR", "secret_key": "whole", "allowed_workspaces": ["default"]},
        "at": {"manager_type": "env", "secret_path": "PAIR"},
    },
}


def test_a_target_uses_every_reference_of_its_mappings() -> None:
    compiled = compile_references(Document.model_validate(DOCUMENT))
    parts = compiled.parts["b"]
    assert {name: (ref.slug, ref.secret_key, ref.announced) for name, ref in parts.items()} == {
        "aws_access_key_id": ("aws", "id", True),
        "aws_secret_access_key": ("aws", "secret", True),
        "aws_region_name": ("at", None, False),
    }
    assert parts["aws_access_key_id"].allowed_workspaces == ("default",)
    assert compiled.by_target["b"] == parts["aws_secret_access_key"]
    assert compiled.targets_of("at") == compiled.targets_of("aws") == ("b",)
    assert sorted((ref.slug, ref.secret_key or "") for ref in compiled.preflight()) == [("at", ""), ("aws", "id"), ("aws", "secret")]


def test_what_a_mapping_names_counts_as_used_and_what_nobody_declared_is_warned_of() -> None:
    document = Document.model_validate(DOCUMENT)
    assert (cross_faults(document), warnings_of(document)) == ((), ())
    lacking = Document.model_validate({**DOCUMENT, "references": {"aws": DOCUMENT["references"]["aws"]}})
    [fault] = warnings_of(lacking)
    assert fault.path == ("targets", 0, "secret_mappings", 2, "secret_reference_id")
