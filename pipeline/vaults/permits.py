"""What a reference that was made by REST may name, checked when it is written and again whenever the document or it changes.

An admin key could otherwise send any variable, file or stored secret of the gateway to any host. So such a reference takes one of two
ways: a connection of the document (`vault: NAME`), or addresses that the vendor fixes with literals that came with the request. Whatever
else it names (another host, a credential that is here already, a place on this machine) the document must allow under `reference_api`.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pipeline.errors import ConfigError
from pipeline.vaults.addresses import Address, HostRule, NameRule, read_address
from pipeline.vaults.auth import ALIASES, SENSITIVE, SHAPES
from pipeline.vaults.hashicorp_login import SERVICE_ACCOUNT_TOKEN
from pipeline.vaults.model import Secret, SecretRef
from pipeline.vaults.reference import KINDS, REFUSED, is_reference, named_place, revision_of

CONNECTION: Final = "vault"
"""The one field of an `auth_config` that names a connection of the document instead."""

ADDRESSES: Final[Mapping[str, tuple[str, ...]]] = {
    "vault_addr": (),
    "op_connect_host": (),
    "aws_endpoint_url": (),
    "aws_sts_endpoint_url": (),
    "azure_vault_url": ("vault.azure.net", "vault.azure.cn", "vault.usgovcloudapi.net"),
    "azure_authority_host": ("=login.microsoftonline.com", "=login.microsoftonline.us", "=login.partner.microsoftonline.cn"),
    "gcp_endpoint_url": ("=secretmanager.googleapis.com",),
    "doppler_api_host": ("=api.doppler.com",),
    "infisical_site_url": ("=app.infisical.com", "=us.infisical.com", "=eu.infisical.com"),
}
"""The fields that are addresses, with what the vendor fixes: with `=` that host, else one label below. All on port 443."""

FILES: Final = frozenset(
    {
        "aws_web_identity_token_file",
        "azure_federated_token_file",
        "gcp_credential_config_file",
        "doppler_oidc_token_file",
        "vault_jwt_file",
        "vault_client_cert",
        "vault_client_key",
        "vault_ca_cert",
        "azure_ca_cert",
        "gcp_ca_cert",
        "doppler_ca_cert",
        "infisical_ca_cert",
        "op_ca_cert",
    }
)
"""The fields that are paths on this machine."""

DOCUMENTS_ONLY: Final = frozenset({"unsafe_allow_world_readable", "keychain_service"})
"""Switches of this machine's own places: they stand in the document."""

IN_HOST: Final = frozenset({"aws_region", "gcp_location", "azure_entra_tenant_id"})
"""Fields that become a part of a host or of the path of a login."""

PLAIN: Final = frozenset(
    {
        "aws_auth_type", "aws_role_session_name", "aws_session_duration", "aws_profile_name",
        "azure_auth_mode", "azure_entra_client_id", "azure_managed_client_id",
        "vault_auth_type", "vault_role_id", "vault_role", "vault_namespace", "vault_mount", "vault_kv_version", "vault_auth_mount",
        "vault_secret_id_wrapped", "gcp_auth_mode", "gcp_project_id",
        "doppler_auth_mode", "doppler_identity_id", "doppler_project", "doppler_config",
        "infisical_auth_mode", "infisical_client_id", "infisical_project_id", "infisical_environment", "op_auth_mode",
    }
)  # fmt: skip
"""The fields that choose within a vault and nothing outside it."""

_PART: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,126}")
_TENANT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,126}")
_AZURE_OWN: Final = frozenset({"managed", "default"})
_TOKEN_URIS: Final = frozenset({"https://oauth2.googleapis.com/token", "https://accounts.google.com/o/oauth2/token"})
_ONEPASSWORD: Final = ("1password.com", "1password.eu", "1password.ca", "ent.1password.com")
_PLACES: Final[Mapping[str, str]] = {manager_type: kind for kind, manager_type in KINDS.items()}


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection of the document. `revision` is another after every edit of it."""

    manager_type: str
    auth_config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    revision: str = field(init=False)

    def __post_init__(self) -> None:
        named = revision_of(SecretRef(slug="", manager_type=self.manager_type, secret_path="", auth_config=self.auth_config))
        object.__setattr__(self, "revision", named)  # once for the many references through it


@dataclass(frozen=True, slots=True)
class Permits:
    """What the document lets references made by REST name: hosts, credentials of vaults, places on this machine, its connections."""

    hosts: tuple[HostRule, ...] = ()
    credentials: tuple[NameRule, ...] = ()
    secrets: tuple[NameRule, ...] = ()
    connections: Mapping[str, Connection] = field(default_factory=dict)


NOTHING_ELSE: Final = Permits()
"""What a document allows that says nothing of it."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a reference may not be used: the field, what is the matter with it, and what would mend it. Quotes no value."""

    param: str
    what: str
    hint: str


def permitted(ref: SecretRef, permits: Permits) -> SecretRef | Refusal:
    """The reference as it is resolved, its connection filled in, or why it may not be."""
    auth = ref.auth_config
    if CONNECTION in auth:
        return _connected(ref, permits)
    name = ALIASES.get(ref.manager_type, ref.manager_type)
    if name not in SHAPES:
        return Refusal(
            "manager_type",
            "nobody here knows which fields of a plug-in are addresses or credentials",
            "Declare a connection of it under `vaults` in the document, and send vault: NAME.",
        )
    return next(_faults(name, ref, permits), None) or ref


def measured(ref: SecretRef, permits: Permits) -> SecretRef:
    """The reference as it is resolved; one that may not be is refused whenever it is used, and says why."""
    found = permitted(ref, permits)
    if isinstance(found, SecretRef):
        return found
    told = {"param": found.param, "what": found.what, "hint": found.hint}
    return replace(ref, manager_type=REFUSED, auth_config=told, revision=f"{ref.revision}-refused")


def _connected(ref: SecretRef, permits: Permits) -> SecretRef | Refusal:
    """A reference through a connection of the document."""
    name = ref.auth_config[CONNECTION]
    connection = permits.connections.get(name) if isinstance(name, str) else None
    if len(ref.auth_config) > 1:
        return Refusal("auth_config", "it names a connection of the document and fields of its own", "Send vault: NAME alone.")
    if connection is None:
        return Refusal(CONNECTION, "the document has no such connection", "Name one that stands under `vaults` in the document.")
    if ALIASES.get(ref.manager_type, ref.manager_type) != ALIASES.get(connection.manager_type, connection.manager_type):
        return Refusal(CONNECTION, "the connection is to another kind of vault", "Make another reference; leave manager_type out.")
    fault = next(_place(ALIASES.get(connection.manager_type, connection.manager_type), ref, permits), None)
    return fault or replace(ref, auth_config=connection.auth_config, vault=name, revision=f"{ref.revision}-{connection.revision}")


def _faults(name: str, ref: SecretRef, permits: Permits) -> Iterator[Refusal]:
    """Everything that a reference with an `auth_config` of its own names and may not."""
    yield from _place(name, ref, permits)
    for field_name, value in sorted(ref.auth_config.items()):
        param = f"auth_config.{field_name}"
        if field_name in ADDRESSES:
            yield from _address(param, value, ADDRESSES[field_name], permits)
        elif field_name in DOCUMENTS_ONLY:
            yield Refusal(
                param, "it is a switch of the machine's own", "Declare a connection with it under `vaults`, and send vault: NAME."
            )
        elif field_name in FILES | IN_HOST and not isinstance(value, str):
            yield Refusal(param, "it is no text", "Write it itself: what it names cannot be seen otherwise.")
        elif isinstance(value, Mapping) or (field_name in SENSITIVE and is_reference(value)):
            yield from _credential(param, *_named(value), permits)
        elif field_name in FILES:
            yield from _credential(param, "file", value, permits)
        elif field_name in IN_HOST:
            if not (_TENANT if field_name == "azure_entra_tenant_id" else _PART).fullmatch(value):
                yield Refusal(param, "it is no such name", "Write letters, digits and hyphens, as the vendor does.")
        elif field_name == "gcp_service_account_json":
            yield from _token_uri(param, value)
        elif field_name == "op_service_account_token":
            yield from _sign_in(param, value)
    yield from _identity(name, ref, permits)


def _address(param: str, value: Any, fixed: tuple[str, ...], permits: Permits) -> Iterator[Refusal]:
    address = read_address(value) if isinstance(value, str) else None
    if address is None:
        yield Refusal(param, "it is not plainly https://HOST[:PORT]", "Write the address itself, without user, query or reference.")
    elif not (_is_fixed(address, fixed) or any(rule.admits(address) for rule in permits.hosts)):
        reason = "the document does not allow this host" if address.secure or address.is_loopback else "it is not https"
        yield Refusal(param, reason, "Add the host to reference_api.allowed_hosts, or declare a connection and send vault: NAME.")


def _is_fixed(address: Address, fixed: tuple[str, ...]) -> bool:
    if not address.secure or address.port != 443:
        return False
    return any(address.host == host[1:] if host.startswith("=") else address.host.partition(".")[2] == host for host in fixed)


def _credential(param: str, kind: str, name: str, permits: Permits) -> Iterator[Refusal]:
    if not any(rule.admits(kind, name) for rule in permits.credentials):
        yield Refusal(
            param,
            "the document does not allow what it names",
            f"Add it to reference_api.allowed_credentials as {kind}:…, send the credential itself, or declare a connection.",
        )


def _named(value: Any) -> tuple[str, str]:
    """Kind and name of an inner reference; nothing that a rule admits for what is none."""
    try:
        return named_place(value)
    except ConfigError:
        return "", ""


def _place(name: str, ref: SecretRef, permits: Permits) -> Iterator[Refusal]:
    """What is read on this machine itself."""
    kind = _PLACES.get(name)
    if kind is not None and not any(rule.admits(kind, ref.secret_path) for rule in permits.secrets):
        yield Refusal("secret_path", "the document does not allow reading it", f"Add it to reference_api.allowed_secrets as {kind}:….")


def _identity(name: str, ref: SecretRef, permits: Permits) -> Iterator[Refusal]:
    """What the machine itself is to a cloud or a cluster, where the mode or a missing field means that."""
    auth, shape = ref.auth_config, SHAPES[name]
    mode = auth.get(shape.selector, shape.default) if shape.selector else ""
    cloud = ""
    if name in ("aws_sm", "aws_ssm"):
        own = mode in ("serviceRole", "default") or (mode == "assumedRole" and "aws_secret_access_key" not in auth)
        cloud = "aws" if own or "aws_profile_name" in auth else ""
    elif name == "azure_kv":
        cloud = "azure" if mode in _AZURE_OWN or (mode == "workload" and "azure_federated_token_file" not in auth) else ""
    elif name == "gcp_sm":
        cloud = "gcp" if mode in ("metadata", "default") else ""
    elif name == "hashicorp_vault" and mode == "kubernetes" and "vault_jwt_file" not in auth:
        yield from _credential(f"auth_config.{shape.selector}", "file", SERVICE_ACCOUNT_TOKEN, permits)
    if cloud:
        yield from _credential(f"auth_config.{shape.selector}", "identity", cloud, permits)


def _sign_in(param: str, value: Any) -> Iterator[Refusal]:
    """A service account's token of 1Password names its server itself: `ops_` and base64url of JSON with `signInAddress`."""
    encoded = value.reveal().removeprefix("ops_") if isinstance(value, Secret) else ""
    try:
        told = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    except (ValueError, RecursionError):
        told = None
    server = told.get("signInAddress") if isinstance(told, dict) else None
    address = read_address(f"https://{server}") if isinstance(server, str) else None
    if address is None or not _is_fixed(address, _ONEPASSWORD):
        yield Refusal(param, "it is no token of a service account at 1Password's own servers", "Send the token as 1Password shows it.")


def _token_uri(param: str, value: Any) -> Iterator[Refusal]:
    """Google's client may ask for tokens where the key's JSON says."""
    try:
        told = json.loads(value.reveal()) if isinstance(value, Secret) else {}
    except (ValueError, RecursionError):
        told = {}  # what it is otherwise, the vault's adapter says
    if isinstance(told, dict) and (told.get("token_uri") or next(iter(_TOKEN_URIS))) not in _TOKEN_URIS:
        yield Refusal(param, "its token_uri is not Google's", "Send the key's JSON as Google makes it.")
