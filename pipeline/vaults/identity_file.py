"""A token that the platform puts into a file and renews there (Kubernetes service account, web identity): read anew at each login.

Only from the folders that secrets may come from, whatever `auth_config` says: the token is sent to the address that the same
`auth_config` names, so a free choice of both would let whoever writes references read any file of this machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import SecretError
from pipeline.vaults import failures
from pipeline.vaults.failures import Failure
from pipeline.vaults.file import FileVault
from pipeline.vaults.model import SecretRef
from pipeline.vaults.registry import VaultContext


@dataclass(frozen=True, slots=True)
class IdentityFile:
    """One such file. A projected token is world-readable in its own container, which is no fault of it."""

    path: str
    roots: tuple[Path, ...]
    base: Path | None

    def token(self, slug: str) -> str | Failure:
        """What the file holds now; `unauthenticated` (the reference `slug`'s) when it holds nothing or may not be read."""
        place = SecretRef(slug=slug, manager_type="file", secret_path=self.path)
        try:
            found = FileVault(self.roots, self.base, unsafe_allow_world_readable=True).fetch(place).value.strip()
        except SecretError as error:
            return failures.unauthenticated(slug, f"The identity token is read from a file, and there: {error.message} {error.hint}")
        return found or failures.unauthenticated(slug, "The file that should hold the identity token is empty.")


def identity_file(path: str, context: VaultContext) -> IdentityFile:
    """The file at `path`, which relative begins beside the document."""
    return IdentityFile(path, context.file_roots, context.file_base)
