"""The vault of references that do not exist: a target names a slug that is neither in the document nor was made by REST."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.vaults import failures
from pipeline.vaults.model import Fetched, SecretRef
from pipeline.vaults.registry import VaultContext


class AbsentVault:
    """Has nothing. Preflight asks it; a call never does, because an absent reference is allowed to no workspace."""

    def fetch(self, ref: SecretRef) -> Fetched:
        """SecretNotFound."""
        raise failures.not_found(ref.slug, "Declare it under `references`, or make it: POST /v1/secret-references.").error()


def open_absent(_auth_config: Mapping[str, Any], _context: VaultContext) -> AbsentVault:
    """Make the adapter."""
    return AbsentVault()
