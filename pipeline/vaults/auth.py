"""The fields of `auth_config`: which exist for each vault and mode, which are sensitive, and how an adapter reads them.

Names and modes are Portkey's (`secrets.md` 1.3) with ours beside them (`secrets.md` 9.1). Sensitive fields hold an inner
reference (`{"secret_key_ref": {...}}` or `env:NAME`); what adapters get has those resolved to `Secret` values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pipeline.errors import ConfigError
from pipeline.vaults.model import Secret, SecretRef
from pipeline.vaults.reference import is_reference, parse_reference, slug_of

SENSITIVE: Final = frozenset(
    {
        "aws_access_key_id",
        "aws_secret_access_key",
        "aws_session_token",
        "aws_role_arn",
        "aws_external_id",
        "vault_token",
        "vault_secret_id",
        "vault_jwt",
        "azure_entra_client_secret",
        "gcp_service_account_json",
        "doppler_token",
        "infisical_client_secret",
        "op_connect_token",
        "op_service_account_token",
    }
)
"""Fields that are masked when shown."""

CREDENTIALS: Final = SENSITIVE - {"aws_access_key_id", "aws_role_arn", "aws_external_id"}
"""Fields that are never written down in clear: an inner reference, or a `Secret` (from the encrypted store), and nothing else."""


@dataclass(frozen=True, slots=True)
class Mode:
    """The fields of one way to authenticate."""

    required: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Shape:
    """The `auth_config` of one manager type: the field that names the mode ("": there is but one), and the modes.

    `place` are the fields that say which backend it is: those that share it share threads, deadline and circuit.
    """

    selector: str
    modes: Mapping[str, Mode]
    default: str = ""
    place: tuple[str, ...] = ()


_AWS_KEYS: Final = frozenset({"aws_access_key_id", "aws_secret_access_key"})
_AWS_ENDPOINT: Final = frozenset({"aws_endpoint_url"})
_AWS_ROLE: Final = frozenset({"aws_role_session_name", "aws_session_duration", "aws_sts_endpoint_url"})
_KV: Final = frozenset({"vault_namespace", "vault_mount", "vault_kv_version", "vault_ca_cert"})
_AZURE: Final = frozenset({"azure_ca_cert", "azure_authority_host"})
_ENTRA: Final = frozenset({"azure_entra_tenant_id", "azure_entra_client_id"})
_GCP: Final = frozenset({"gcp_project_id", "gcp_location", "gcp_endpoint_url", "gcp_ca_cert"})
_DOPPLER: Final = frozenset({"doppler_project", "doppler_config", "doppler_api_host", "doppler_ca_cert"})
_AWS_CHAIN: Final = Mode(optional=_AWS_ENDPOINT | {"aws_region", "aws_profile_name"})
_AWS: Final = Shape(
    "aws_auth_type",
    {
        "accessKey": Mode(_AWS_KEYS | {"aws_region"}, _AWS_ENDPOINT | {"aws_session_token"}),
        "assumedRole": Mode(
            frozenset({"aws_role_arn", "aws_region"}),
            _AWS_ENDPOINT | _AWS_ROLE | _AWS_KEYS | {"aws_external_id", "aws_session_token", "aws_profile_name"},
        ),
        "webIdentity": Mode(frozenset({"aws_role_arn", "aws_region", "aws_web_identity_token_file"}), _AWS_ENDPOINT | _AWS_ROLE),
        "serviceRole": _AWS_CHAIN,
        "default": _AWS_CHAIN,
    },
    "default",
    ("aws_region", "aws_endpoint_url"),
)

SHAPES: Final[Mapping[str, Shape]] = {
    "env": Shape("", {"": Mode()}),
    "file": Shape("", {"": Mode(optional=frozenset({"unsafe_allow_world_readable"}))}),
    "local": Shape("", {"": Mode()}),
    "keychain": Shape("", {"": Mode(optional=frozenset({"keychain_service"}))}),
    "aws_sm": _AWS,
    "aws_ssm": _AWS,
    "hashicorp_vault": Shape(
        "vault_auth_type",
        {
            "token": Mode(frozenset({"vault_addr", "vault_token"}), _KV),
            "approle": Mode(
                frozenset({"vault_addr", "vault_role_id", "vault_secret_id"}), _KV | {"vault_auth_mount", "vault_secret_id_wrapped"}
            ),
            "kubernetes": Mode(frozenset({"vault_addr", "vault_role"}), _KV | {"vault_auth_mount", "vault_jwt_file"}),
            "jwt": Mode(frozenset({"vault_addr"}), _KV | {"vault_auth_mount", "vault_role", "vault_jwt", "vault_jwt_file"}),
            "cert": Mode(frozenset({"vault_addr", "vault_client_cert"}), _KV | {"vault_auth_mount", "vault_role", "vault_client_key"}),
        },
        "token",
        ("vault_addr",),
    ),
    "azure_kv": Shape(
        "azure_auth_mode",
        {
            "entra": Mode(_ENTRA | {"azure_vault_url", "azure_entra_client_secret"}, _AZURE),
            "workload": Mode(frozenset({"azure_vault_url"}), _AZURE | _ENTRA | {"azure_federated_token_file"}),
            "managed": Mode(frozenset({"azure_vault_url"}), frozenset({"azure_ca_cert", "azure_managed_client_id"})),
            "default": Mode(frozenset({"azure_vault_url"}), _AZURE),
        },
        "default",
        ("azure_vault_url",),
    ),
    "gcp_sm": Shape(
        "gcp_auth_mode",
        {
            "serviceAccount": Mode(frozenset({"gcp_service_account_json"}), _GCP),
            "workload": Mode(frozenset({"gcp_credential_config_file"}), _GCP),
            "metadata": Mode(optional=_GCP),
            "default": Mode(optional=_GCP),
        },
        "default",
        ("gcp_location", "gcp_endpoint_url"),
    ),
    "doppler": Shape(
        "doppler_auth_mode",
        {
            "serviceToken": Mode(frozenset({"doppler_token"}), _DOPPLER),
            "identity": Mode(frozenset({"doppler_identity_id", "doppler_oidc_token_file"}), _DOPPLER),
        },
        "serviceToken",
        ("doppler_api_host",),
    ),
    "infisical": Shape(
        "infisical_auth_mode",
        {
            "universal": Mode(
                frozenset({"infisical_client_id", "infisical_client_secret", "infisical_project_id", "infisical_environment"}),
                frozenset({"infisical_site_url", "infisical_ca_cert"}),
            )
        },
        "universal",
        ("infisical_site_url",),
    ),
    "onepassword": Shape(
        "op_auth_mode",
        {
            "connect": Mode(frozenset({"op_connect_host", "op_connect_token"}), frozenset({"op_ca_cert"})),
            "serviceAccount": Mode(frozenset({"op_service_account_token"})),
        },
        "connect",
        ("op_connect_host",),
    ),
}
"""Every built-in manager type. A plug-in checks its own `auth_config` when it is opened."""

ALIASES: Final[Mapping[str, str]] = {"openbao": "hashicorp_vault", "store": "local"}
"""Other names under which a built-in manager type may be asked for."""


def check_auth(manager_type: str, auth_config: Mapping[str, Any]) -> None:
    """Refuse an `auth_config` with unknown, missing or contradicting fields; ConfigError names fields, never values.

    Pure: inner references may be resolved or not. Manager types that are not built in pass.
    """
    shape = SHAPES.get(ALIASES.get(manager_type, manager_type))
    if shape is None:
        return
    chosen = auth_config.get(shape.selector, shape.default) if shape.selector else ""
    mode = shape.modes.get(chosen) if isinstance(chosen, str) else None
    if mode is None:
        raise ConfigError(f"auth_config.{shape.selector} of {manager_type} must be one of: {', '.join(sorted(shape.modes))}.")
    for name in sorted(CREDENTIALS & auth_config.keys()):
        value = auth_config[name]
        if not (value is None or isinstance(value, Secret) or is_reference(value)):
            raise ConfigError(
                f"auth_config.{name} of {manager_type} is a literal value.",
                hint="Write a reference: {secret_key_ref: {env: NAME}} or file, store, keychain.",
            )
    present = {name for name, value in auth_config.items() if value is not None and value != ""} - {shape.selector}
    missing = mode.required - present
    if missing:
        raise ConfigError(f"auth_config of {manager_type} lacks: {', '.join(sorted(missing))}.")
    unknown = present - mode.required - mode.optional
    if unknown:
        where = f"{shape.selector}={chosen}" if shape.selector else manager_type
        allowed = ", ".join(sorted(mode.required | mode.optional)) or "none"
        raise ConfigError(
            f"auth_config of {manager_type} has {len(unknown)} field(s) that {where} does not know.", hint=f"Known fields: {allowed}."
        )


def mode_of(manager_type: str, auth_config: Mapping[str, Any]) -> str:
    """The chosen way to authenticate, after `check_auth`."""
    shape = SHAPES[manager_type]
    return str(auth_config.get(shape.selector, shape.default))


def text_of(auth_config: Mapping[str, Any], name: str) -> str | None:
    """Read one field, revealing it when it is a secret; None when absent or empty. Called where the adapter spends it."""
    value = auth_config.get(name)
    if isinstance(value, Secret):
        return value.reveal()
    return str(value) if value is not None and value != "" else None


MAX_DEPTH: Final = 3
"""How many vaults may stand behind one another: the credential of each in the next."""


def inner_references(auth_config: Mapping[str, Any], references: Mapping[str, SecretRef] | None = None) -> dict[str, SecretRef]:
    """Find the fields of an `auth_config` that are references, parsed. ConfigError when they run in a circle or too deep.

    Without `references` (while they are still being read) the forms `ref:SLUG` are left out, as nothing can be said of them yet.
    """
    found = _inner(auth_config, references)
    for name, inner in found.items():
        _walk(name, inner, references or {}, (inner.slug,))
    return found


def _walk(name: str, ref: SecretRef, references: Mapping[str, SecretRef], trail: tuple[str, ...]) -> None:
    """Follow the credential of the field `name` to the vault that needs none. `trail` are the slugs passed, `ref`'s the last."""
    for inner in _inner(ref.auth_config, references).values():
        if inner.slug in trail:
            circle = " -> ".join((*trail[trail.index(inner.slug) :], inner.slug))
            raise ConfigError(
                f"auth_config.{name} runs in a circle: {circle}.",
                hint="Keep one of these vaults' credentials in env, file, store or keychain.",
            )
        if len(trail) >= MAX_DEPTH:
            raise ConfigError(
                f"auth_config.{name} leads through more than {MAX_DEPTH} vaults.", hint="Keep the credential nearer: each may fail."
            )
        _walk(name, inner, references, (*trail, inner.slug))


def _inner(auth_config: Mapping[str, Any], references: Mapping[str, SecretRef] | None) -> dict[str, SecretRef]:
    found: dict[str, SecretRef] = {}
    for name, value in auth_config.items():
        if isinstance(value, Mapping) or (name in SENSITIVE and is_reference(value)):
            if references is None and slug_of(value) is not None:
                continue
            found[name] = parse_reference(value, references, where=f"auth_config.{name}")
    return found
