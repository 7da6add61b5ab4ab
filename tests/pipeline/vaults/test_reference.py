"""The written forms of a reference."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.errors import ConfigError
from pipeline.vaults.model import Secret, SecretRef
from pipeline.vaults.reference import is_reference, parse_reference, revision_of, with_revision
from tests.pipeline.vaults.rig import fresh_value

DECLARED = {"openai-prod": SecretRef(slug="openai-prod", manager_type="aws_sm", secret_path="prod/openai", cache_ttl_s=60)}


@pytest.mark.parametrize(
    ("kind", "manager_type", "name"),
    [
        ("env", "env", "OPENAI_API_KEY"),
        ("file", "file", "/run/secrets/openai"),
        ("file", "file", "C:/odd:name"),
        ("store", "local", "openai.prod-1"),
        ("keychain", "keychain", "openai"),
    ],
)
def test_every_form_of_a_reference_means_the_same(kind: str, manager_type: str, name: str) -> None:
    forms = [f"{kind}:{name}", {kind: name}, {"secret_key_ref": {kind: name}}, {"secret_key_ref": f"{kind}:{name}"}]
    found = [parse_reference(form) for form in forms]
    assert found == [SecretRef(slug=f"{kind}:{name}", manager_type=manager_type, secret_path=name)] * 4
    assert all(is_reference(form) for form in (forms[0], forms[2], forms[3]))


@pytest.mark.parametrize("form", ["ref:openai-prod", {"ref": "openai-prod"}, {"secret_key_ref": {"ref": "openai-prod"}}])
def test_a_declared_reference_is_found_by_its_slug(form: object) -> None:
    assert parse_reference(form, DECLARED) == DECLARED["openai-prod"]


def test_a_form_may_name_the_field_of_a_json_secret() -> None:
    assert parse_reference({"secret_key_ref": {"ref": "openai-prod", "secret_key": "api_key"}}, DECLARED).secret_key == "api_key"
    assert parse_reference({"secret_key_ref": {"env": "JSON", "secret_key": "api_key"}}).secret_key == "api_key"


@pytest.mark.parametrize("form", ["ref:unknown", {"ref": "unknown"}])
def test_a_slug_that_is_not_declared_is_refused(form: object) -> None:
    with pytest.raises(ConfigError, match="unknown"):
        parse_reference(form, DECLARED)


@pytest.mark.parametrize(
    "shape",
    [
        "{0}",
        "env:{0}",
        "env={0}",
        "store:{0} x",
        ["{0}"],
        {"value": "{0}"},
        {"env": "{0}", "file": "x"},
        {"secret_key_ref": {"env": ["{0}"]}},
        {"env": "-{0}"},
        5,
        None,
        {},
    ],
    ids=str,
)
def test_a_literal_is_refused_with_help_and_never_quoted(shape: object) -> None:
    value = f"sk-{fresh_value()}"

    def fill(part: object) -> object:
        if isinstance(part, str):
            return part.replace("{0}", value)
        if isinstance(part, list):
            return [fill(item) for item in part]
        return {key: fill(item) for key, item in part.items()} if isinstance(part, dict) else part

    with pytest.raises(ConfigError) as refused:
        parse_reference(fill(shape), where="targets[0].secret_key_ref")
    said = f"{refused.value} {refused.value.hint}"
    assert "targets[0].secret_key_ref" in said
    assert refused.value.hint
    assert value not in said


def test_a_long_path_has_a_short_slug() -> None:
    ref = parse_reference("file:/" + "a" * 1_000)
    assert len(ref.slug) <= 255
    assert ref.secret_path == "/" + "a" * 1_000


@pytest.mark.parametrize("text", ["https://vault:8200", "plain", "", None, 5, {"a": 1}])
def test_other_values_are_not_taken_for_references(text: object) -> None:
    assert not is_reference(text)


@pytest.mark.parametrize(
    "change",
    [
        {"secret_path": "x"},
        {"auth_config": {"a": 1}},
        {"auth_config": {"a": {"b": 2}}},
        {"allowed_workspaces": ("w",)},
        {"cache_ttl_s": 5},
        {"version": "2"},
    ],
    ids=str,
)
def test_any_edit_changes_the_revision(change: dict[str, object]) -> None:
    ref = DECLARED["openai-prod"]
    assert revision_of(replace(ref, **change)) != revision_of(ref)  # type: ignore[arg-type]
    assert with_revision(ref).revision == revision_of(with_revision(ref))


def test_a_secret_in_the_auth_config_enters_the_revision_by_fingerprint() -> None:
    refs = [
        replace(DECLARED["openai-prod"], auth_config={"vault_token": Secret("v", reference="r", fingerprint=mark)})
        for mark in ("a", "a", "b")
    ]
    assert revision_of(refs[0]) == revision_of(refs[1]) != revision_of(refs[2])
