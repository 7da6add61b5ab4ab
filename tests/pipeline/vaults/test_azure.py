"""Azure Key Vault by Microsoft's own client against a stand-in: every mode, every way to refuse, and what it keeps to itself."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.clock import SystemClock
from pipeline.errors import ConfigError, SecretError
from pipeline.vaults.model import SecretRef, Vault
from pipeline.vaults.registry import VaultContext, open_vault
from tests.pipeline.vaults.cloud_stages import azure_auth
from tests.pipeline.vaults.rig import fresh_value
from tests.pipeline.vaults.stages import hidden
from tests.servers.azure import TENANT, AzureServer

ENTRA_FIELDS = ("azure_authority_host", "azure_entra_tenant_id", "azure_entra_client_id", "azure_entra_client_secret")


@pytest.fixture
def azure(tmp_path: Path) -> Iterator[AzureServer]:
    with AzureServer(tmp_path / "azure") as server:
        yield server


def opened(
    server: AzureServer,
    *,
    patience_s: float = 10.0,
    environment: dict[str, str] | None = None,
    roots: tuple[Path, ...] = (),
    **changes: Any,
) -> Vault:
    context = VaultContext(
        SystemClock(), environment=environment or {}, file_roots=roots, connect_timeout_s=patience_s, read_timeout_s=patience_s
    )
    return open_vault("azure_kv", azure_auth(server, **changes), context)


def ref(path: str = "openai", **changes: Any) -> SecretRef:
    return SecretRef(slug="openai-prod", manager_type="azure_kv", secret_path=path, **changes)


def refused(vault: Vault, reference: SecretRef) -> SecretError:
    with pytest.raises(SecretError) as failed:
        vault.fetch(reference)
    assert failed.value.__context__ is None
    assert failed.value.__cause__ is None
    return failed.value


SWITCHES: list[tuple[dict[str, Any], str]] = [
    ({"status": 429}, "throttled"),
    ({"status": 500}, "unavailable"),
    ({"status": 503}, "unavailable"),
    ({"status": 302}, "unavailable"),
    ({"status": 400}, "misconfigured"),
    ({"status": 403}, "denied"),
    ({"status": 404}, "not_found"),
    ({"broken": True}, "unavailable"),
    ({"drops": True}, "unavailable"),
    ({"latency_s": 5.0}, "unavailable"),
    ({"refusal": "ForbiddenByRbac"}, "denied"),
    ({"refusal": "ForbiddenByPolicy"}, "denied"),
    ({"refusal": "ForbiddenByFirewall"}, "denied"),
    ({"refusal": "SecretDisabled"}, "version_gone"),
    ({"refusal": "SecretNotYetValid"}, "version_gone"),
    ({"refusal": "SecretExpired"}, "version_gone"),
]


@pytest.mark.parametrize(("switch", "reason"), SWITCHES, ids=str)
def test_each_way_to_fail_has_its_reason(azure: AzureServer, switch: dict[str, Any], reason: str) -> None:
    azure.put("openai", fresh_value())
    vault = opened(azure)
    vault.fetch(ref())
    if "latency_s" in switch:
        vault = opened(azure, patience_s=0.3)
    for name, value in switch.items():
        setattr(azure, name, value)
    assert refused(vault, ref()).reason == reason


@pytest.mark.parametrize(
    ("switch", "reason"),
    [
        ({"status": 429, "fault": {"error": "temporarily_unavailable"}}, "throttled"),
        ({"status": 503, "fault": {"error": "temporarily_unavailable"}}, "unavailable"),
        ({"status": 503}, "unavailable"),
        ({"drops": True}, "unavailable"),
        ({"broken": True}, "unavailable"),
        ({"status": 400, "fault": {"error": "invalid_request"}}, "unauthenticated"),
    ],
    ids=str,
)
@pytest.mark.parametrize("place", ["token", ".well-known"])
def test_when_no_token_is_given_the_reason_is_that_of_entra_id(azure: AzureServer, switch: dict[str, Any], reason: str, place: str) -> None:
    azure.put("openai", fresh_value())
    azure.faulty = f"/{TENANT}/oauth2/v2.0/token" if place == "token" else f"/{TENANT}/v2.0"
    for name, value in switch.items():
        setattr(azure, name, value)
    assert refused(opened(azure), ref()).reason == reason


@pytest.mark.parametrize(
    "changes",
    [
        {"azure_entra_client_secret": hidden("wrong")},
        {"azure_entra_client_id": "22222222-2222-4333-8444-555555555555"},
        {"azure_entra_tenant_id": "99999999-2222-4333-8444-555555555555"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_credential_that_entra_id_refuses_is_unauthenticated(azure: AzureServer, changes: dict[str, Any]) -> None:
    azure.put("openai", fresh_value())
    assert refused(opened(azure, **changes), ref()).reason == "unauthenticated"


def test_a_disabled_secret_is_gone_and_an_older_version_of_it_is_not(azure: AzureServer) -> None:
    value = fresh_value()
    older = azure.put("openai", value)
    azure.put("openai", fresh_value(), enabled=False)
    vault = opened(azure)
    assert refused(vault, ref()).reason == "version_gone"
    assert vault.fetch(ref(version=older)).value == value


@pytest.mark.parametrize(("attribute", "offset_s"), [("nbf", 3_600), ("exp", -3_600)])
def test_a_secret_outside_its_dates_is_refused_though_key_vault_hands_it_out(azure: AzureServer, attribute: str, offset_s: int) -> None:
    azure.put("openai", fresh_value(), **{attribute: int(time.time()) + offset_s})
    failed = refused(opened(azure), ref())
    assert failed.reason == "version_gone"
    assert "date" in failed.hint
    inside = fresh_value()
    azure.put("openai", inside, **{attribute: int(time.time()) - offset_s})
    assert opened(azure).fetch(ref()).value == inside


def test_a_secret_tells_its_version_and_when_it_was_made(azure: AzureServer) -> None:
    version = azure.put("openai", fresh_value(), created=1_700_000_000)
    found = opened(azure).fetch(ref())
    assert (found.version, found.created_us) == (version, 1_700_000_000_000_000)


@pytest.mark.parametrize(
    "changes", [{"path": "a/b"}, {"path": "a_b"}, {"path": "a?b"}, {"path": "x" * 128}, {"version": "7"}, {"version": "../x"}], ids=str
)
def test_what_cannot_be_a_name_or_a_version_is_never_asked_for(azure: AzureServer, changes: dict[str, str]) -> None:
    assert refused(opened(azure), ref(**changes)).reason == "misconfigured"
    assert not azure.requests


def test_the_token_is_fetched_once_and_the_challenge_too(azure: AzureServer) -> None:
    azure.put("openai", fresh_value())
    vault = opened(azure)
    for _ in range(5):
        vault.fetch(ref())
    assert sum(count for call, count in azure.requests.items() if call.endswith("/token")) == 1
    assert azure.requests["GET /secrets/openai/"] == 6


def test_a_token_that_the_vault_no_longer_takes_is_fetched_anew(azure: AzureServer) -> None:
    value = fresh_value()
    azure.put("openai", value)
    vault = opened(azure)
    vault.fetch(ref())
    azure.tokens.clear()
    # Entra ID would give the same cached token until it ends; one that ends now is asked for again
    assert refused(vault, ref()).reason == "unauthenticated"
    azure.app.expires_in = 1
    fresh = opened(azure)
    assert [fresh.fetch(ref()).value for _ in range(3)] == [value] * 3
    assert sum(count for call, count in azure.requests.items() if call.endswith("/token")) > 2


def test_a_certificate_of_another_authority_is_refused_with_what_to_do(azure: AzureServer) -> None:
    failed = refused(opened(azure, azure_ca_cert=None), ref())
    assert failed.reason == "unavailable"
    assert "azure_ca_cert" in failed.hint


def test_a_token_for_another_resource_is_never_asked_for(azure: AzureServer) -> None:
    azure.put("openai", fresh_value())
    azure.resource = "https://vault.azure.net"
    failed = refused(opened(azure), ref())
    assert failed.reason == "misconfigured"
    assert "azure_vault_url" in failed.hint
    assert not azure.tokens


@pytest.mark.parametrize("from_environment", [False, True], ids=["fields", "environment"])
def test_workload_identity_shows_the_mounted_token(azure: AzureServer, tmp_path: Path, from_environment: bool) -> None:
    value, assertion = fresh_value(), f"eyJ.{fresh_value()}"
    azure.put("openai", value)
    azure.app.assertions.add(assertion)
    mounted = tmp_path / "token"
    mounted.write_text(assertion)
    changes: dict[str, Any] = {"azure_auth_mode": "workload", "azure_entra_client_secret": None}
    environment = {}
    if from_environment:  # as AKS's webhook sets it
        environment = {
            "AZURE_TENANT_ID": TENANT,
            "AZURE_CLIENT_ID": azure.app.client_id,
            "AZURE_FEDERATED_TOKEN_FILE": str(mounted),
            "AZURE_AUTHORITY_HOST": azure.url,
        }
        changes |= dict.fromkeys(ENTRA_FIELDS)
    else:
        changes["azure_federated_token_file"] = str(mounted)
    assert opened(azure, environment=environment, roots=(tmp_path,), **changes).fetch(ref()).value == value
    elsewhere = opened(azure, environment=environment, roots=(tmp_path / "azure",), **changes)
    assert refused(elsewhere, ref()).reason == "unauthenticated"


def test_workload_identity_without_a_mounted_token_is_a_config_error(azure: AzureServer) -> None:
    with pytest.raises(ConfigError, match="azure_federated_token_file"):
        opened(azure, azure_auth_mode="workload", azure_entra_client_secret=None)


@pytest.mark.parametrize("client_id", [None, "33333333-2222-4333-8444-555555555555"], ids=["system-assigned", "user-assigned"])
def test_a_managed_identity_gives_the_token(azure: AzureServer, client_id: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    value = fresh_value()
    azure.put("openai", value)
    azure.identities = {client_id or ""}
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{azure.url}/metadata/identity/app-service")
    monkeypatch.setenv("IDENTITY_HEADER", azure.identity_header)
    managed = {**dict.fromkeys(ENTRA_FIELDS), "azure_auth_mode": "managed"}
    assert opened(azure, **managed, azure_managed_client_id=client_id).fetch(ref()).value == value
    other = opened(azure, **managed, azure_managed_client_id="44444444-2222-4333-8444-555555555555")
    assert refused(other, ref()).reason == "unauthenticated"


def test_a_default_chain_that_finds_nothing_is_unauthenticated(azure: AzureServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{azure.url}/metadata/identity/app-service")
    monkeypatch.setenv("IDENTITY_HEADER", "another")
    monkeypatch.setenv("PATH", str(tmp_path))
    chain = {**dict.fromkeys(ENTRA_FIELDS), "azure_auth_mode": None}
    assert refused(opened(azure, **chain), ref()).reason == "unauthenticated"


def test_the_default_chain_takes_what_it_finds(azure: AzureServer, monkeypatch: pytest.MonkeyPatch) -> None:
    value = fresh_value()
    azure.put("openai", value)
    for name, setting in {"TENANT_ID": TENANT, "CLIENT_ID": azure.app.client_id, "CLIENT_SECRET": azure.client_secret}.items():
        monkeypatch.setenv(f"AZURE_{name}", setting)
    chain = {**dict.fromkeys(ENTRA_FIELDS), "azure_auth_mode": None, "azure_authority_host": azure.url}
    assert opened(azure, **chain).fetch(ref()).value == value


@pytest.mark.parametrize(
    "changes", [{"azure_vault_url": "http://vault.example"}, {"azure_authority_host": "http://login.example"}], ids=lambda c: next(iter(c))
)
def test_addresses_without_tls_are_refused(azure: AzureServer, changes: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        opened(azure, **changes)


@pytest.mark.parametrize("broken", [None, "credential", "vault"])
def test_microsofts_packages_log_neither_value_nor_credential(
    azure: AzureServer, broken: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    value = fresh_value()
    azure.put("openai", value)
    secret, wrong = azure.client_secret, fresh_value()
    azure.refusal = "ForbiddenByRbac" if broken == "vault" else ""
    with caplog.at_level(logging.DEBUG):
        vault = opened(azure, azure_entra_client_secret=hidden(secret if broken != "credential" else wrong))
        if broken is None:
            vault.fetch(ref())
        else:
            refused(vault, ref())
    assert not [told for told in (value, secret, wrong, *azure.tokens) if told in caplog.text]
    assert not [record for record in caplog.records if record.name.startswith(("azure", "msal"))]


def test_without_microsofts_packages_the_extra_is_named() -> None:
    code = (
        "import sys\n"
        "sys.modules['azure'] = None\n"
        "from pipeline.clock import SystemClock\n"
        "from pipeline.errors import ConfigError\n"
        "from pipeline.vaults.registry import VaultContext, open_vault\n"
        "try:\n"
        "    open_vault('azure_kv', {'azure_vault_url': 'https://v'}, VaultContext(SystemClock()))\n"
        "except ConfigError as error:\n"
        "    print(error.hint, error.__context__)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.strip() == "pip install 'lockgate[azure]' None", done.stderr
