"""The contract suite's stages of the vendors whose stand-ins are in `tests/servers`."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.clock import SystemClock
from pipeline.vaults.model import SecretRef, Vault
from pipeline.vaults.registry import VaultContext
from tests.pipeline.vaults.stages import Stage, hidden
from tests.servers.azure import TENANT, AzureServer
from tests.servers.doppler import DopplerServer
from tests.servers.gcp import PROJECT, GcpServer
from tests.servers.infisical import ENVIRONMENT, InfisicalServer
from tests.servers.infisical import PROJECT as INFISICAL_PROJECT
from tests.servers.loopback import Loopback
from tests.servers.onepassword import VAULT, ConnectServer

CLOUD_STAGES = ("azure-entra", "gcp-service-account", "gcp-workload", "doppler", "infisical", "infisical-v3", "onepassword")
CLOUD_VERSIONED = ("azure-entra", "gcp-service-account", "infisical", "infisical-v3")
PATIENT = {"connect_timeout_s": 10.0, "read_timeout_s": 10.0}


SWITCHES: dict[str, dict[str, Any]] = {
    "denied": {"status": 403},
    "throttled": {"status": 429},
    "sealed": {"status": 503},
    "broken-json": {"broken": True},
}
"""Faults of the contract that are a switch of every stand-in; no vendor here has a clock that could be skewed."""


def cloud_faults_of(name: str) -> tuple[str, ...]:
    """The faults of the contract that can happen to a stage: Doppler and Infisical have no version that could be gone."""
    gone = () if name.startswith(("doppler", "infisical")) else ("deleted-version",)
    return (*SWITCHES, "slow", "wrong-tls", "expired-token", *gone)


class CloudStage(Stage):
    """A stage over a stand-in. `asked` is where its secrets are asked for, and not its tokens."""

    server: Any = None
    asked = ""

    def take_down(self) -> None:
        assert isinstance(self.server, Loopback)
        self.server.status = 503

    def fail(self, fault: str, name: str) -> tuple[Vault, SecretRef]:
        vault, ref = self.open(), self.ref(name)
        match fault:
            case "deleted-version":
                self.delete(self.path(name))
            case "expired-token":
                self.end_credential()
            case "wrong-tls":
                self.auth_config = {field: value for field, value in self.auth_config.items() if not field.endswith("_ca_cert")}
                return self.open(), ref
            case "slow":
                self.context = replace(self.context, read_timeout_s=0.3)
                vault = self.open()
                self.server.latency_s = 30.0
            case _:
                self.server.faulty = self.asked
                for switch, setting in SWITCHES[fault].items():
                    setattr(self.server, switch, setting)
        return vault, ref

    def delete(self, path: str) -> None:
        """Take the newest version away, as the vendor's users do."""
        raise NotImplementedError

    def end_credential(self) -> None:
        """Let the credential, and every token that it was given, be good no longer."""
        raise NotImplementedError


class AzureStage(CloudStage):
    def path(self, name: str) -> str:
        return name.replace("_", "-")

    def put(self, name: str, value: str) -> None:
        self.server.put(self.path(name), value)

    def delete(self, path: str) -> None:
        self.server.secrets[path][-1].attributes["enabled"] = False

    def end_credential(self) -> None:
        self.server.tokens.clear()
        self.server.app.secrets.clear()


class PlainStage(CloudStage):
    """Where a secret is written under its name."""

    def put(self, name: str, value: str) -> None:
        self.server.put(name, value)


class GcpStage(PlainStage):
    asked = "/v1/projects"

    def delete(self, path: str) -> None:
        self.server.secrets[path][-1].state = "DESTROYED"

    def end_credential(self) -> None:
        self.server.tokens.clear()
        self.server.subjects.clear()
        self.server.email = "another account"


class DopplerStage(PlainStage):
    def end_credential(self) -> None:
        self.server.bound.clear()


class InfisicalStage(PlainStage):
    def end_credential(self) -> None:
        self.server.tokens.clear()
        self.server.client_secret = "another"


def gcp_auth(server: GcpServer, **changes: Any) -> dict[str, Any]:
    """The `auth_config` of the stand-in's service account."""
    account = {
        "gcp_auth_mode": "serviceAccount",
        "gcp_project_id": PROJECT,
        "gcp_endpoint_url": server.url,
        "gcp_ca_cert": server.ca,
        "gcp_service_account_json": hidden(server.service_account()),
    }
    return {name: value for name, value in (account | changes).items() if value is not None}


def gcp_federated(server: GcpServer, folder: Path) -> dict[str, Any]:
    """The `auth_config` of workload identity federation, with its two files in `folder`."""
    subject, config = folder / "subject", folder / "credential.json"
    subject.write_text(f"eyJ.{secrets.token_hex(8)}")
    server.subjects.add(subject.read_text())
    config.write_text(server.external_account(subject))
    return gcp_auth(server, gcp_auth_mode="workload", gcp_service_account_json=None, gcp_credential_config_file=str(config))


class ConnectStage(PlainStage):
    def path(self, name: str) -> str:
        return f"{VAULT}/{name}"

    def delete(self, path: str) -> None:
        title = path.removeprefix(f"{VAULT}/")
        next(each for each in self.server.items.values() if each["title"] == title)["state"] = "ARCHIVED"

    def end_credential(self) -> None:
        self.server.token = "another"


def doppler_auth(server: DopplerServer, **changes: Any) -> dict[str, Any]:
    """The `auth_config` of the stand-in's service token."""
    told = {"doppler_token": hidden(server.token), "doppler_api_host": server.url, "doppler_ca_cert": server.ca or None}
    return {name: value for name, value in (told | changes).items() if value is not None}


def infisical_auth(server: InfisicalServer, **changes: Any) -> dict[str, Any]:
    """The `auth_config` of the stand-in's machine identity."""
    told = {
        "infisical_client_id": server.client_id,
        "infisical_client_secret": hidden(server.client_secret),
        "infisical_project_id": INFISICAL_PROJECT,
        "infisical_environment": ENVIRONMENT,
        "infisical_site_url": server.url,
        "infisical_ca_cert": server.ca or None,
    }
    return {name: value for name, value in (told | changes).items() if value is not None}


def connect_auth(server: ConnectServer, **changes: Any) -> dict[str, Any]:
    """The `auth_config` of the stand-in's access token."""
    told = {"op_connect_host": server.url, "op_connect_token": hidden(server.token), "op_ca_cert": server.ca or None}
    return {name: value for name, value in (told | changes).items() if value is not None}


def azure_auth(server: AzureServer, **changes: Any) -> dict[str, Any]:
    """The `auth_config` of the stand-in's application."""
    entra = {
        "azure_auth_mode": "entra",
        "azure_vault_url": server.url,
        "azure_authority_host": server.url,
        "azure_ca_cert": server.ca,
        "azure_entra_tenant_id": TENANT,
        "azure_entra_client_id": server.app.client_id,
        "azure_entra_client_secret": hidden(server.client_secret),
    }
    return {name: value for name, value in (entra | changes).items() if value is not None}


@contextmanager
def cloud_staged(name: str, tmp_path: Path) -> Iterator[Stage]:
    """Set the stage of that name."""
    context = VaultContext(SystemClock(), file_roots=(tmp_path,), **PATIENT)  # type: ignore[arg-type]
    stage: CloudStage
    with ExitStack() as stack:
        match name:
            case "azure-entra":
                azure = stack.enter_context(AzureServer(tmp_path / "azure"))
                stage = AzureStage("azure_kv", context, azure_auth(azure), versions=True, absent_version="0" * 32)
                stage.server = azure
            case "gcp-service-account" | "gcp-workload":
                gcp = stack.enter_context(GcpServer(tmp_path / "gcp"))
                auth = gcp_auth(gcp) if name == "gcp-service-account" else gcp_federated(gcp, tmp_path)
                stage = GcpStage("gcp_sm", context, auth, versions=True)
                stage.server = gcp
            case "doppler":
                doppler = stack.enter_context(DopplerServer(tmp_path / "doppler"))
                stage = DopplerStage("doppler", context, doppler_auth(doppler))
                stage.server = doppler
            case "infisical" | "infisical-v3":
                infisical = stack.enter_context(InfisicalServer(tmp_path / "infisical"))
                infisical.has_v4 = name == "infisical"
                stage = InfisicalStage("infisical", context, infisical_auth(infisical), versions=True)
                stage.asked = "/api/v4" if infisical.has_v4 else "/api/v3"
                stage.server = infisical
            case "onepassword":
                connect = stack.enter_context(ConnectServer(tmp_path / "connect"))
                stage = ConnectStage("onepassword", context, connect_auth(connect), versions=True)
                stage.server = connect
            case _:
                raise ValueError(name)
        yield stage
