"""`env`: secrets from the environment as it was at start-up. The snapshot is passed in; nothing here reads the environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.vaults import failures
from pipeline.vaults.model import Fetched, SecretRef
from pipeline.vaults.registry import VaultContext


class EnvVault:
    """Looks a variable up by name (`secret_path`). There are no versions: what the process started with is what there is."""

    def __init__(self, snapshot: Mapping[str, str]) -> None:
        self._snapshot = snapshot

    def fetch(self, ref: SecretRef) -> Fetched:
        """Read the variable; SecretNotFound when it was not set at start-up (an empty one is refused as a bad value later)."""
        if ref.secret_path not in self._snapshot:
            hint = f"Set the environment variable {ref.secret_path} and start Lockgate again."
            raise failures.not_found(ref.slug, hint).error()
        return Fetched(self._snapshot[ref.secret_path])


def open_env(_auth_config: Mapping[str, Any], context: VaultContext) -> EnvVault:
    """Make the adapter over the start-up snapshot."""
    return EnvVault(context.environment)
