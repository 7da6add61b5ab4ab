"""Sensitive fields of a stored auth_config: sealed to their place, opened as Secret, shown as a mask, merged without being seen."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from pipeline.vaults.local_keys import LocalKeys, make_keys
from pipeline.vaults.model import Secret
from pipeline.vaults.sealing import (
    hold_literals,
    literals_of,
    masked,
    masked_fields,
    merged_auth,
    opened_auth,
    sealed_auth,
    shown_auth,
    static_credentials,
)
from tests.pipeline.vaults.rig import fresh_value

ADDRESS = {"vault_addr": "http://127.0.0.1:9"}


@pytest.fixture
def keys() -> LocalKeys:
    return make_keys(os.urandom)


def revealed(config: dict[str, Any]) -> dict[str, Any]:
    return {name: value.reveal() if isinstance(value, Secret) else value for name, value in config.items()}


def test_what_is_sealed_opens_in_its_place_and_stands_nowhere_in_clear(keys: LocalKeys) -> None:
    value = fresh_value()
    held = hold_literals({**ADDRESS, "vault_token": value}, "slug")
    stored = json.loads(json.dumps(sealed_auth(keys, "id-1", held, os.urandom)))
    assert value not in json.dumps(stored)
    assert stored["vault_addr"] == ADDRESS["vault_addr"]
    assert revealed(opened_auth(keys, "id-1", "slug", stored)) == {**ADDRESS, "vault_token": value}


@pytest.mark.parametrize("change", ["reference", "field", "key", "ciphertext"])
def test_what_was_moved_or_changed_does_not_open_and_is_left_out(keys: LocalKeys, change: str) -> None:
    stored = sealed_auth(keys, "id-1", hold_literals({"vault_token": fresh_value()}, "slug"), os.urandom)
    ident, field = "id-1", "vault_token"
    if change == "reference":
        ident = "id-2"
    elif change == "field":
        stored, field = {"vault_secret_id": stored["vault_token"]}, "vault_secret_id"
    elif change == "key":
        keys = make_keys(os.urandom)
    else:
        stored["vault_token"]["sealed"][2] = "AAAA" + stored["vault_token"]["sealed"][2][4:]
    assert field not in opened_auth(keys, ident, "slug", {**ADDRESS, **stored})


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("", "****"),
        ("x" * 19, "****"),
        ("canary" + "x" * 10 + "1234", "****1234"),
        ("arn:aws:iam::123456789012:role/reader", "arn:aws:iam::****ader"),
        ("hvs." + "x" * 20 + "1234", "hvs.****1234"),
    ],
)
def test_a_mask_never_shows_more_than_a_public_prefix_and_four_characters(value: str, shown: str) -> None:
    assert masked(value) == shown


def test_a_reference_in_a_sensitive_field_is_neither_held_nor_masked() -> None:
    for form in ("env:TOKEN", {"secret_key_ref": {"file": "/run/token"}}):
        held = hold_literals({"vault_token": form}, "slug")
        assert held == shown_auth(held) == {"vault_token": form}
        assert not literals_of(held)
        assert not static_credentials(held)


def test_a_literal_is_shown_under_another_name_and_warned_of() -> None:
    held = hold_literals({**ADDRESS, "vault_token": fresh_value(), "aws_role_arn": "arn:aws:iam::1:role/r"}, "slug")
    assert shown_auth(held).keys() == {"vault_addr", "masked_vault_token", "masked_aws_role_arn"}
    assert literals_of(held).keys() == {"vault_token"}, "the name of a role is masked, but looked for nowhere"
    assert static_credentials(held) == ("vault_token",)


def test_masks_that_come_back_are_found_by_name_and_by_value() -> None:
    value = fresh_value()
    stored = hold_literals({"vault_token": value}, "slug")
    assert masked_fields({"masked_vault_token": masked(value)}, stored) == ["masked_vault_token"]
    assert masked_fields({"vault_token": masked(value)}, stored) == ["vault_token"]
    assert masked_fields({"vault_token": "****"}, {}) == ["vault_token"]
    assert masked_fields({"vault_token": fresh_value(), "vault_addr": "http://a"}, stored) == []


def test_another_mode_takes_the_fields_of_the_former_one_away_and_null_takes_one() -> None:
    stored = {"vault_auth_type": "token", **ADDRESS, "vault_token": "env:T", "vault_namespace": "n"}
    merged = merged_auth("hashicorp_vault", stored, {"vault_auth_type": "approle", "vault_role_id": "r", "vault_secret_id": "env:S"})
    assert merged == {"vault_auth_type": "approle", **ADDRESS, "vault_namespace": "n", "vault_role_id": "r", "vault_secret_id": "env:S"}
    assert merged_auth("hashicorp_vault", stored, {"vault_namespace": None}) == {name: stored[name] for name in list(stored)[:3]}
    assert merged_auth("plug-in", {"a": 1}, {"b": 2}) == {"a": 1, "b": 2}
