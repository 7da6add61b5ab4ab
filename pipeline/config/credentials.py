"""What a vault's own credential should rather be: warnings of those that are static, and who uses which reference for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pipeline.config.document import Document
from pipeline.vaults.auth import ALIASES, SENSITIVE
from pipeline.vaults.reference import is_reference, slug_of

_STATIC: Final = ("env", "store", "keychain")
"""Where a value stays until somebody changes it. A file is often written anew by an agent or by Kubernetes, a `ref` has its own vault."""

_BETTER: Final[Mapping[str, tuple[str, str, str]]] = {
    "hashicorp_vault": (
        "vault_token",
        "a static Vault token",
        "Prefer vault_auth_type kubernetes, jwt, cert, or approle with vault_secret_id_wrapped.",
    ),
    "aws_sm": ("aws_secret_access_key", "a static AWS access key", "Prefer aws_auth_type webIdentity or default (a role of the machine)."),
    "azure_kv": ("azure_entra_client_secret", "a client secret of Entra ID", "Prefer azure_auth_mode workload or managed."),
    "gcp_sm": ("gcp_service_account_json", "a service account's key", "Prefer gcp_auth_mode workload or metadata."),
    "doppler": ("doppler_token", "a Doppler service token", "Prefer doppler_auth_mode identity."),
}


def connections(document: Document) -> Iterator[tuple[tuple[str, ...], str, Mapping[str, Any]]]:
    """Every place where a document connects to a vault: its path, the manager type, its `auth_config`."""
    for name, vault in document.vaults.items():
        yield ("vaults", name, "auth_config"), vault.manager_type, vault.auth_config
    for slug, reference in document.references.items():
        if reference.manager_type is not None:
            yield ("references", slug, "auth_config"), reference.manager_type, reference.auth_config


def static_credentials(document: Document) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """The connections whose credential is good until somebody thinks of it: path, what is the matter, what would be better."""
    for path, manager_type, auth_config in connections(document):
        name = ALIASES.get(manager_type, manager_type)
        field, what, better = _BETTER.get("aws_sm" if name == "aws_ssm" else name, ("", "", ""))
        if field and _kind(auth_config.get(field)) in _STATIC and not auth_config.get("aws_session_token"):
            yield (*path, field), f"{what} opens this vault, for whoever has it and for as long as nobody changes it", better


def inner_slugs(document: Document) -> frozenset[str]:
    """The references that hold a vault's own credential."""
    return frozenset(
        slug
        for _, _, auth_config in connections(document)
        for name, value in auth_config.items()
        if (isinstance(value, Mapping) or (name in SENSITIVE and is_reference(value))) and (slug := slug_of(value)) is not None
    )


def _kind(form: object) -> str:
    """Which kind of reference this is; "" for none."""
    inner = form.get("secret_key_ref", form) if isinstance(form, Mapping) else form
    if isinstance(inner, Mapping):
        return next((kind for kind in inner if kind != "secret_key"), "")
    return inner.partition(":")[0] if isinstance(inner, str) else ""
