"""Opening adapters by manager type, and what auth_config may hold."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ConfigError
from pipeline.vaults.auth import CREDENTIALS, SENSITIVE, SHAPES, check_auth, inner_references
from pipeline.vaults.auth_fields import MEANINGS
from pipeline.vaults.model import Secret, SecretRef
from pipeline.vaults.registry import VaultContext, open_vault
from tests.pipeline.vaults.rig import Clock, fresh_value


def test_an_unknown_manager_type_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="acme_kv") as refused:
        open_vault("acme_kv", {}, VaultContext(Clock()))
    assert "hashicorp_vault" in refused.value.hint


def plug_in(folder: Path, name: str, code: str) -> None:
    """Install a distribution with one entry point, the way an installer leaves it."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[lockgate.vaults]\n{name} = {name}_module:open_it\n")
    (folder / f"{name}_module.py").write_text(code)


def test_a_plug_in_is_found_by_its_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "from pipeline.vaults.model import Fetched\n"
        "class It:\n"
        "    def fetch(self, ref):\n"
        "        return Fetched('from-the-plug-in')\n"
        "def open_it(auth_config, context):\n"
        "    return It()\n"
    )
    plug_in(tmp_path, "acme", code)
    monkeypatch.syspath_prepend(str(tmp_path))
    ref = SecretRef(slug="r", manager_type="acme", secret_path="p")
    assert open_vault("acme", {"anything": "goes"}, VaultContext(Clock())).fetch(ref).value == "from-the-plug-in"


def test_a_plug_in_that_does_not_load_is_a_config_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(tmp_path, "broken", "raise RuntimeError('on import')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError) as refused:
        open_vault("broken", {}, VaultContext(Clock()))
    assert refused.value.__context__ is None


GOOD: dict[str, dict[str, Any]] = {
    "accessKey": {"aws_auth_type": "accessKey", "aws_access_key_id": "AKIA", "aws_secret_access_key": "env:S", "aws_region": "r"},
    "assumedRole": {"aws_auth_type": "assumedRole", "aws_role_arn": "arn:aws:iam::1:role/r", "aws_region": "r", "aws_external_id": None},
    "serviceRole": {"aws_auth_type": "serviceRole"},
    "webIdentity": {
        "aws_auth_type": "webIdentity",
        "aws_role_arn": "arn:aws:iam::1:role/r",
        "aws_region": "r",
        "aws_web_identity_token_file": "/t",
    },
    "token": {
        "vault_auth_type": "token",
        "vault_addr": "https://v",
        "vault_token": {"secret_key_ref": {"file": "/t"}},
        "vault_namespace": "n",
    },
    "approle": {"vault_auth_type": "approle", "vault_addr": "https://v", "vault_role_id": "r", "vault_secret_id": "keychain:s"},
    "kubernetes": {"vault_auth_type": "kubernetes", "vault_addr": "https://v", "vault_role": "r", "vault_namespace": "n"},
    "jwt": {"vault_auth_type": "jwt", "vault_addr": "https://v", "vault_role": "r", "vault_jwt": "file:/j"},
    "cert": {"vault_auth_type": "cert", "vault_addr": "https://v", "vault_client_cert": "c.pem", "vault_client_key": "k.pem"},
    "entra": {
        "azure_auth_mode": "entra",
        "azure_entra_tenant_id": "t",
        "azure_entra_client_id": "c",
        "azure_entra_client_secret": {"secret_key_ref": {"store": "AZURE"}},
        "azure_vault_url": "https://v",
    },
    "managed": {"azure_auth_mode": "managed", "azure_vault_url": "https://v", "azure_managed_client_id": "c"},
    "serviceAccount": {"gcp_auth_mode": "serviceAccount", "gcp_service_account_json": "file:/sa.json", "gcp_project_id": "p"},
    "serviceToken": {"doppler_auth_mode": "serviceToken", "doppler_token": "env:D", "doppler_project": "p", "doppler_config": "prd"},
    "identity": {"doppler_auth_mode": "identity", "doppler_identity_id": "i", "doppler_oidc_token_file": "/t"},
    "universal": {
        "infisical_client_id": "i",
        "infisical_client_secret": "store:INFISICAL",
        "infisical_project_id": "p",
        "infisical_environment": "prod",
    },
    "connect": {"op_connect_host": "https://connect", "op_connect_token": {"secret_key_ref": {"ref": "op-token"}}},
    "onepassword:serviceAccount": {"op_auth_mode": "serviceAccount", "op_service_account_token": "env:OP"},
}
"""By mode; where two kinds of vault have one of the same name, with the kind before it."""


def manager_of(mode: str) -> str:
    kind, _, _ = mode.rpartition(":")
    return kind or next(name for name, shape in SHAPES.items() if mode in shape.modes)


@pytest.mark.parametrize("mode", GOOD)
def test_portkeys_fields_are_accepted_as_they_are(mode: str) -> None:
    check_auth(manager_of(mode), GOOD[mode])


@pytest.mark.parametrize(
    ("mode", "field"),
    [
        (mode, field)
        for mode, auth in GOOD.items()
        for field in auth
        if field in SHAPES[manager_of(mode)].modes[mode.rpartition(":")[2]].required
    ],
)
def test_a_missing_required_field_is_named(mode: str, field: str) -> None:
    auth = {name: value for name, value in GOOD[mode].items() if name != field}
    with pytest.raises(ConfigError, match=field):
        check_auth(manager_of(mode), auth)


@pytest.mark.parametrize("mode", GOOD)
def test_an_unknown_field_is_refused_without_quoting_it(mode: str) -> None:
    value = fresh_value()
    with pytest.raises(ConfigError) as refused:
        check_auth(manager_of(mode), GOOD[mode] | {value: value})
    assert value not in f"{refused.value} {refused.value.hint}"


@pytest.mark.parametrize("field", sorted(CREDENTIALS))
def test_a_literal_credential_is_refused_without_quoting_it(field: str) -> None:
    value = fresh_value()
    mode = next(mode for mode, auth in GOOD.items() if field in auth or field == "aws_session_token")
    with pytest.raises(ConfigError, match=field) as refused:
        check_auth(manager_of(mode), GOOD[mode] | {field: value})
    assert value not in f"{refused.value} {refused.value.hint}"


def test_every_credential_is_masked_when_shown() -> None:
    assert CREDENTIALS <= SENSITIVE


def test_every_field_that_is_known_has_its_meaning() -> None:
    known = {field for shape in SHAPES.values() for mode in shape.modes.values() for field in mode.required | mode.optional}
    assert known == set(MEANINGS)


@pytest.mark.parametrize("manager_type", SHAPES)
def test_every_manager_type_has_an_adapter_that_opens(manager_type: str) -> None:
    good = next(
        (auth for mode, auth in GOOD.items() if mode in SHAPES[manager_type].modes and mode not in ("serviceRole", "serviceAccount")), {}
    )
    resolved = {name: Secret("x", reference="t") if name in CREDENTIALS else value for name, value in good.items()}
    if manager_type == "local":
        with pytest.raises(ConfigError):
            open_vault(manager_type, resolved, VaultContext(Clock()))
    else:
        assert callable(open_vault(manager_type, resolved, VaultContext(Clock())).fetch)


@pytest.mark.parametrize("mode", ["accessKey", "token", "approle"])
def test_inner_references_are_found_in_any_form(mode: str) -> None:
    assert [ref.manager_type for ref in inner_references(GOOD[mode]).values()] == [
        {"accessKey": "env", "token": "file", "approle": "keychain"}[mode]
    ]


def test_an_inner_form_that_names_a_slug_waits_until_the_references_are_known() -> None:
    auth = GOOD["token"] | {"vault_token": "ref:vault-token"}
    assert inner_references(auth) == {}
    declared = SecretRef(slug="vault-token", manager_type="file", secret_path="/t")
    assert inner_references(auth, {"vault-token": declared}) == {"vault_token": declared}
    with pytest.raises(ConfigError):
        inner_references(auth, {})


def test_importing_every_adapter_loads_no_sdk_and_reads_no_environment() -> None:
    modules = sorted(
        path.stem for path in Path("pipeline/vaults").glob("*.py") if path.stem != "__init__" and not path.stem.endswith("_sql")
    )
    code = (
        "import os, sys\n"
        "os.environ = None\n"
        f"for name in {modules!r}: __import__('pipeline.vaults.' + name)\n"
        "heavy = {'hvac', 'boto3', 'botocore', 'requests', 'keyring', 'cryptography', 'sqlalchemy', 'socket'}\n"
        "print(sorted(heavy & (set(sys.modules) - {'socket'})))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
