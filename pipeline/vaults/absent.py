"""The vaults of references that do not exist, and of those that exist and that the document does not admit.

A target may name a slug that is neither in the document nor was made by REST; and what was made by REST may name what the document
does not allow (any more).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class RefusedVault:
    """Gives nothing and says why: which field of the reference the document does not allow."""

    param: str
    what: str
    hint: str

    def fetch(self, ref: SecretRef) -> Fetched:
        """SecretForbidden `reference_not_permitted`."""
        raise failures.not_permitted(ref.slug, f"{self.param}: {self.what}", self.hint).error()


def open_refused(auth_config: Mapping[str, Any], _context: VaultContext) -> RefusedVault:
    """Make the adapter of what `permits.measured` refused."""
    return RefusedVault(*(str(auth_config.get(name, "")) for name in ("param", "what", "hint")))
