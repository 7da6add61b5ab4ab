"""1Password Connect: vaults, items and fields by name and by identifier, and which field is meant."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.clock import SystemClock
from pipeline.errors import ConfigError
from pipeline.vaults.model import SecretRef, Vault
from pipeline.vaults.registry import VaultContext, open_vault
from tests.pipeline.vaults.cloud_stages import connect_auth
from tests.pipeline.vaults.rig import fresh_value
from tests.pipeline.vaults.stages import hidden
from tests.pipeline.vaults.test_plain_https import refused
from tests.servers.onepassword import VAULT, ConnectServer, identifier


@pytest.fixture
def connect() -> Iterator[ConnectServer]:
    with ConnectServer() as server:
        yield server


def opened(server: ConnectServer, **changes: Any) -> Vault:
    context = VaultContext(SystemClock(), connect_timeout_s=10.0, read_timeout_s=10.0)
    return open_vault("onepassword", connect_auth(server, **changes), context)


def ref(path: str = f"{VAULT}/OpenAI", **changes: Any) -> SecretRef:
    return SecretRef(slug="openai-prod", manager_type="onepassword", secret_path=path, **changes)


def concealed(label: str, value: str, section: str | None = None) -> dict[str, Any]:
    place = {"section": {"id": f"id-of-{section}", "label": section}} if section else {}
    return {"id": f"id-of-{label}-{section}", "type": "CONCEALED", "label": label, "value": value} | place


@pytest.mark.parametrize(
    "form", ["{vault}/OpenAI", "op://{vault}/OpenAI", "{vault_id}/OpenAI", "{vault}/{item_id}", "op://{vault_id}/{item_id}/password"]
)
def test_an_item_is_found_by_name_and_by_identifier(connect: ConnectServer, form: str) -> None:
    value = fresh_value()
    item_id = connect.put("OpenAI", value)
    found = opened(connect).fetch(ref(form.format(vault=VAULT, vault_id=connect.vault_id, item_id=item_id)))
    assert (found.value, found.version) == (value, "1")
    assert found.created_us > 1_700_000_000_000_000


@pytest.mark.parametrize(
    ("path", "chosen"),
    [
        ("", 0),
        ("/password", 0),
        ("/token", 1),
        ("/eu/key", 2),
        ("/us/key", 3),
        ("/id-of-us/key", 3),
        ("/id-of-key-eu", 2),
    ],
)
def test_the_field_that_is_named_is_read(connect: ConnectServer, path: str, chosen: int) -> None:
    values = [fresh_value() for _ in range(4)]
    connect.put("OpenAI", values[0], concealed("token", values[1]), concealed("key", values[2], "eu"), concealed("key", values[3], "us"))
    assert opened(connect).fetch(ref(f"{VAULT}/OpenAI{path}")).value == values[chosen]


def test_without_a_password_the_only_concealed_field_is_meant(connect: ConnectServer) -> None:
    value = fresh_value()
    connect.write("OpenAI", [{"id": "notes", "type": "STRING", "label": "notes", "value": "x"}, concealed("credential", value)])
    assert opened(connect).fetch(ref()).value == value


@pytest.mark.parametrize(("path", "label"), [("", "other"), ("/key", "key")])
def test_a_field_that_is_not_told_apart_is_a_bad_value(connect: ConnectServer, path: str, label: str) -> None:
    connect.write("OpenAI", [concealed("key", fresh_value(), "eu"), concealed(label, fresh_value(), "us")])
    assert refused(opened(connect), ref(f"{VAULT}/OpenAI{path}")).reason == "bad_value"


def test_an_absent_field_is_not_found(connect: ConnectServer) -> None:
    connect.put("OpenAI", fresh_value())
    assert refused(opened(connect), ref(f"{VAULT}/OpenAI/absent")).reason == "not_found"


def test_secret_key_names_a_field_by_its_label(connect: ConnectServer) -> None:
    values = [fresh_value() for _ in range(2)]
    connect.put("OpenAI", values[0], concealed("token", values[1]))
    fields = json.loads(opened(connect).fetch(ref(secret_key="token")).value)
    assert (fields["password"], fields["token"]) == tuple(values)


def test_names_are_looked_up_once_and_again_when_the_item_was_made_anew(connect: ConnectServer) -> None:
    connect.put("OpenAI", fresh_value())
    vault = opened(connect)
    for _ in range(3):
        vault.fetch(ref())
    assert connect.requests.total() == 5
    connect.items.clear()
    value = fresh_value()
    connect.put("OpenAI", value)
    assert vault.fetch(ref()).value == value
    assert connect.requests.total() == 9


def test_a_pinned_version_that_is_no_longer_the_newest_is_gone(connect: ConnectServer) -> None:
    connect.put("OpenAI", fresh_value())
    vault = opened(connect)
    assert vault.fetch(ref(version="1")).version == "1"
    connect.put("OpenAI", fresh_value())
    assert refused(vault, ref(version="1")).reason == "version_gone"
    assert vault.fetch(ref()).version == "2"


def test_an_archived_item_is_gone(connect: ConnectServer) -> None:
    connect.items[connect.put("OpenAI", fresh_value())]["state"] = "ARCHIVED"
    assert refused(opened(connect), ref()).reason == "version_gone"


def test_a_vault_outside_the_tokens_scope_is_denied_by_identifier_and_absent_by_name(connect: ConnectServer) -> None:
    connect.put("OpenAI", fresh_value())
    assert refused(opened(connect), ref(f"{connect.hidden}/OpenAI")).reason == "denied"
    assert refused(opened(connect), ref("Other/OpenAI")).reason == "not_found"


def test_two_items_of_one_name_want_an_identifier(connect: ConnectServer) -> None:
    value = fresh_value()
    item_id = connect.put("OpenAI", value)
    other = identifier()
    connect.items[other] = connect.items[item_id] | {"id": other}
    failed = refused(opened(connect), ref())
    assert failed.reason == "misconfigured"
    assert "identifier" in failed.hint
    assert opened(connect).fetch(ref(f"{VAULT}/{item_id}")).value == value


@pytest.mark.parametrize("path", [VAULT, f'{VAULT}/a" or title eq "b', f"{VAULT}/a\\b", f"{VAULT}/ ", f"{VAULT}/a/b/c/d"])
def test_no_name_can_widen_the_question(connect: ConnectServer, path: str) -> None:
    assert refused(opened(connect), ref(path)).reason == "misconfigured"
    assert not connect.requests


def test_a_service_account_is_refused_when_it_is_configured() -> None:
    auth = {"op_service_account_token": hidden(fresh_value())}
    with pytest.raises(ConfigError, match="op_connect_host"):
        open_vault("onepassword", auth, VaultContext(SystemClock()))
