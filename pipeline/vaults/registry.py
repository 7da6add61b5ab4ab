"""Which adapter stands behind a manager type: the built-in ones, and plug-ins by the entry point group `lockgate.vaults`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pipeline.clock import Clock
from pipeline.errors import ConfigError
from pipeline.vaults.auth import ALIASES, SHAPES, check_auth
from pipeline.vaults.model import Vault
from pipeline.vaults.reference import ABSENT, REFUSED

if TYPE_CHECKING:
    from pipeline.vaults.local import LocalRows
    from pipeline.vaults.local_keys import LocalKeys

ENTRY_POINTS: Final = "lockgate.vaults"
"""The group; an entry point's name is the manager type, its object an `OpenVault`."""


@dataclass(frozen=True, slots=True)
class VaultContext:
    """What bootstrap gives to adapters: the start-up environment, the folders of file secrets, the local store, time-outs in seconds.

    `file_base` is where relative file paths stand (None: only absolute ones). `local_rows` and `local_keys` are None when
    there is no local store. `may_use_up` False: what is good for one use (a wrapped secret id) is looked at and not used, as
    `lockgate check` must not take it from the gateway.
    """

    clock: Clock
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    file_roots: tuple[Path, ...] = ()
    file_base: Path | None = None
    local_rows: LocalRows | None = None
    local_keys: LocalKeys | None = field(default=None, repr=False)
    keychain_service: str = "lockgate"
    connect_timeout_s: float = 1.0
    read_timeout_s: float = 2.0
    may_use_up: bool = True


OpenVault = Callable[[Mapping[str, Any], VaultContext], Vault]
"""Makes an adapter from an `auth_config` whose inner references are resolved to `Secret`. May import an SDK; makes no call."""


_BUILT_IN: Final[Mapping[str, str]] = {
    ABSENT: "pipeline.vaults.absent:open_absent",
    REFUSED: "pipeline.vaults.absent:open_refused",
    "env": "pipeline.vaults.env:open_env",
    "file": "pipeline.vaults.file:open_file",
    "local": "pipeline.vaults.local:open_local",
    "keychain": "pipeline.vaults.keychain:open_keychain",
    "hashicorp_vault": "pipeline.vaults.hashicorp:open_hashicorp",
    "aws_sm": "pipeline.vaults.aws:open_aws",
    "aws_ssm": "pipeline.vaults.aws_ssm:open_aws_ssm",
    "azure_kv": "pipeline.vaults.azure:open_azure",
    "gcp_sm": "pipeline.vaults.gcp:open_gcp",
    "doppler": "pipeline.vaults.doppler:open_doppler",
    "infisical": "pipeline.vaults.infisical:open_infisical",
    "onepassword": "pipeline.vaults.onepassword:open_onepassword",
}
"""Where each manager type's `OpenVault` stands, loaded when it is first needed. What its `auth_config` may hold is in `auth.SHAPES`."""


def open_vault(manager_type: str, auth_config: Mapping[str, Any], context: VaultContext) -> Vault:
    """Open the adapter of a manager type. Blocking (it may import an SDK). ConfigError for an unknown type or wrong fields."""
    name = ALIASES.get(manager_type, manager_type)
    check_auth(name, auth_config)
    built_in = _BUILT_IN.get(name)
    return (_plug_in(name) if built_in is None else _loaded(built_in))(auth_config, context)


def can_open(manager_type: str) -> bool:
    """Whether there is an adapter here: a built-in one, by its own or another name, or a plug-in that is installed."""
    if manager_type in SHAPES or manager_type in ALIASES:
        return True
    from importlib.metadata import entry_points

    return bool(entry_points(group=ENTRY_POINTS, name=manager_type))


def _loaded(where: str) -> OpenVault:
    module, _, function = where.partition(":")
    opener: OpenVault = getattr(import_module(module), function)
    return opener


def _plug_in(name: str) -> OpenVault:
    from importlib.metadata import entry_points

    found = tuple(entry_points(group=ENTRY_POINTS, name=name))
    if len(found) != 1:
        how_many = "no" if not found else "more than one"
        raise ConfigError(
            f"There is {how_many} vault adapter for manager_type {name!r}.",
            hint=f"Built in: {', '.join(SHAPES)}; others come as plug-ins.",
        )
    try:
        opener: OpenVault = found[0].load()
    except Exception:  # noqa: BLE001 - boundary: whatever a plug-in does while it loads, start-up stops with a message of ours
        opener_failed = True
    else:
        opener_failed = False
    if opener_failed:
        raise ConfigError(
            f"The plug-in for manager_type {name!r} does not load.", hint="Reinstall it, or remove the references that use it."
        )
    return opener
