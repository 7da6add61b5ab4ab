"""LiteLLM's `key_management_system`: which vault its `os.environ/NAME` really reads, as a connection and references of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pipeline.config.importers.draft import Draft, mapping, plain, sequence, slug_of

VAULT: Final = "litellm-vault"

_ONLY_OUTSIDE: Final = "the {} stands only in the environment ({}): write it under environment_variables and import again"

_UNSUPPORTED: Final = {
    "aws_kms": "values encrypted in the environment are not supported; keep them in a vault",
    "google_kms": "values encrypted in the environment are not supported; keep them in a vault",
    "cyberark": "Conjur is not supported; `env` and `file` references read what its agents write",
    "custom": "code of one's own is not imported; a vault plug-in can be named in manager_type",
}


@dataclass(frozen=True, slots=True)
class Keys:
    """How a name after `os.environ/` is found: in the environment, or in the vault that LiteLLM asks first.

    `hosted` names what the vault has (empty: everything); `primary` is the one JSON secret that holds all of them.
    """

    draft: Draft
    vault: str = ""
    hosted: frozenset[str] = field(default_factory=frozenset)
    primary: str = ""
    prefix: str = ""
    secret_key: str | None = None

    def form(self, name: str) -> dict[str, str]:
        """The reference for one name; declares it under `references` when it is in the vault."""
        if not self.vault or (self.hosted and name not in self.hosted):
            return {"env": name}
        found: dict[str, Any] = {"vault": self.vault, "secret_path": self.primary or f"{self.prefix}{name}"}
        part = name if self.primary else self.secret_key
        if part:
            found["secret_key"] = part
        wish = slug = slug_of(name.lower().replace("_", "-"))
        number = 2
        while self.draft.references.setdefault(slug, found) != found:  # another name that makes the same slug
            slug, number = f"{wish}-{number}", number + 1
        return {"ref": slug}


def read_key_management(draft: Draft, general: Mapping[str, Any], environment: Mapping[str, Any]) -> Keys:
    """The vault of `general_settings`, and how names are read from it. Addresses that stand only in the environment are refused."""
    system = general.get("key_management_system")
    if not isinstance(system, str) or system == "local":
        return Keys(draft)
    place = "general_settings.key_management_system"
    settings = mapping(general.get("key_management_settings"))
    hosted = frozenset(str(name) for name in sequence(settings.get("hosted_keys")))
    primary = settings.get("primary_secret_name")
    if settings.get("store_virtual_keys"):
        draft.ignored("general_settings.key_management_settings.store_virtual_keys", "virtual keys are kept as keyed hashes, in no vault")
    if system in _UNSUPPORTED or system not in _READERS:
        draft.refused(place, _UNSUPPORTED.get(system, "this vault is not known"))
        return Keys(draft)
    found = _READERS[system](settings, environment)
    if isinstance(found, str):
        draft.refused(place, found)
        return Keys(draft)
    manager_type, auth_config, more = found
    draft.vaults[VAULT] = {"manager_type": manager_type, "auth_config": auth_config}
    draft.mapped(place, f"vaults.{VAULT} ({manager_type}); names after os.environ/ are references into it")
    for name in settings.keys() - {"hosted_keys", "primary_secret_name", "store_virtual_keys", *_USED}:
        draft.ignored(f"general_settings.key_management_settings.{plain(name)}", "Lockgate only reads from a vault")
    return Keys(draft, VAULT, hosted, str(primary) if primary else "", **more)


_USED: Final = frozenset(
    {"aws_region_name", "aws_role_name", "aws_session_name", "aws_external_id", "aws_profile_name", "aws_sts_endpoint"}
)


def _aws(settings: Mapping[str, Any], environment: Mapping[str, Any]) -> tuple[str, dict[str, Any], dict[str, Any]] | str:
    region = settings.get("aws_region_name") or environment.get("AWS_REGION_NAME")
    auth: dict[str, Any] = {"aws_auth_type": "default"}
    if region:
        auth["aws_region"] = str(region)
    if settings.get("aws_role_name"):
        if not region:
            return "an assumed role needs key_management_settings.aws_region_name"
        auth |= {"aws_auth_type": "assumedRole", "aws_role_arn": str(settings["aws_role_name"])}
        for theirs, ours in (
            ("aws_external_id", "aws_external_id"),
            ("aws_session_name", "aws_role_session_name"),
            ("aws_sts_endpoint", "aws_sts_endpoint_url"),
        ):
            if settings.get(theirs):
                auth[ours] = str(settings[theirs])
    if settings.get("aws_profile_name"):
        auth["aws_profile_name"] = str(settings["aws_profile_name"])
    return "aws_sm", auth, {}


def _hashicorp(_settings: Mapping[str, Any], environment: Mapping[str, Any]) -> tuple[str, dict[str, Any], dict[str, Any]] | str:
    address = environment.get("HCP_VAULT_ADDR")
    if not address or str(address).startswith("os.environ/"):
        return _ONLY_OUTSIDE.format("vault's address", "HCP_VAULT_ADDR")
    auth: dict[str, Any] = {"vault_addr": str(address)}
    if environment.get("HCP_VAULT_APPROLE_ROLE_ID"):
        auth |= {
            "vault_auth_type": "approle",
            "vault_role_id": str(environment["HCP_VAULT_APPROLE_ROLE_ID"]),
            "vault_secret_id": {"secret_key_ref": {"env": "HCP_VAULT_APPROLE_SECRET_ID"}},
        }
        if environment.get("HCP_VAULT_APPROLE_MOUNT_PATH"):
            auth["vault_auth_mount"] = str(environment["HCP_VAULT_APPROLE_MOUNT_PATH"])
    else:
        auth |= {"vault_auth_type": "token", "vault_token": {"secret_key_ref": {"env": "HCP_VAULT_TOKEN"}}}
    if environment.get("HCP_VAULT_NAMESPACE"):
        auth["vault_namespace"] = str(environment["HCP_VAULT_NAMESPACE"])
    mount = str(environment.get("HCP_VAULT_MOUNT_NAME") or "secret").strip("/")
    prefix = str(environment.get("HCP_VAULT_PATH_PREFIX") or "").strip("/")
    return "hashicorp_vault", auth, {"prefix": f"{mount}/{prefix + '/' if prefix else ''}", "secret_key": "key"}


def _azure(_settings: Mapping[str, Any], environment: Mapping[str, Any]) -> tuple[str, dict[str, Any], dict[str, Any]] | str:
    address = environment.get("AZURE_KEY_VAULT_URI")
    if not address or str(address).startswith("os.environ/"):
        return _ONLY_OUTSIDE.format("vault's address", "AZURE_KEY_VAULT_URI")
    return "azure_kv", {"azure_auth_mode": "default", "azure_vault_url": str(address)}, {}


def _google(_settings: Mapping[str, Any], environment: Mapping[str, Any]) -> tuple[str, dict[str, Any], dict[str, Any]] | str:
    project = environment.get("GOOGLE_SECRET_MANAGER_PROJECT_ID")
    if not project or str(project).startswith("os.environ/"):
        return _ONLY_OUTSIDE.format("project", "GOOGLE_SECRET_MANAGER_PROJECT_ID")
    return "gcp_sm", {"gcp_auth_mode": "default", "gcp_project_id": str(project)}, {}


_READERS: Final = {"aws_secret_manager": _aws, "hashicorp_vault": _hashicorp, "azure_key_vault": _azure, "google_secret_manager": _google}
