"""Which adapter stands behind a manager type: the built-in ones, and plug-ins by the entry point group `lockgate.vaults`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pipeline.clock import Clock
from pipeline.errors import ConfigError
from pipeline.vaults.auth import ALIASES, check_auth
from pipeline.vaults.model import Vault

if TYPE_CHECKING:
    from pipeline.vaults.local import LocalRows
    from pipeline.vaults.local_keys import LocalKeys

ENTRY_POINTS: Final = "lockgate.vaults"
"""The group; an entry point's name is the manager type, its object an `OpenVault`."""


@dataclass(frozen=True, slots=True)
class VaultContext:
    """What bootstrap gives to adapters: the start-up environment, the folders of file secrets, the local store, time-outs in seconds.

    `file_base` is where relative file paths stand (None: only absolute ones). `local_rows` and `local_keys` are None when
    there is no local store.
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


OpenVault = Callable[[Mapping[str, Any], VaultContext], Vault]
"""Makes an adapter from an `auth_config` whose inner references are resolved to `Secret`. May import an SDK; makes no call."""


def open_vault(manager_type: str, auth_config: Mapping[str, Any], context: VaultContext) -> Vault:
    """Open the adapter of a manager type. Blocking (it may import an SDK). ConfigError for an unknown type or wrong fields."""
    name = ALIASES.get(manager_type, manager_type)
    check_auth(name, auth_config)
    return _opener(name)(auth_config, context)


def _opener(name: str) -> OpenVault:
    match name:
        case "env":
            from pipeline.vaults.env import open_env

            return open_env
        case "file":
            from pipeline.vaults.file import open_file

            return open_file
        case "local":
            from pipeline.vaults.local import open_local

            return open_local
        case "keychain":
            from pipeline.vaults.keychain import open_keychain

            return open_keychain
        case "hashicorp_vault":
            from pipeline.vaults.hashicorp import open_hashicorp

            return open_hashicorp
        case "aws_sm":
            from pipeline.vaults.aws import open_aws

            return open_aws
        case _:
            return _plug_in(name)


def _plug_in(name: str) -> OpenVault:
    from importlib.metadata import entry_points

    found = tuple(entry_points(group=ENTRY_POINTS, name=name))
    if len(found) != 1:
        how_many = "no" if not found else "more than one"
        raise ConfigError(
            f"There is {how_many} vault adapter for manager_type {name!r}.",
            hint="Built in: env, file, store (local), keychain, hashicorp_vault, aws_sm; others come as plug-ins.",
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
