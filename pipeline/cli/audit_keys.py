"""The public keys that an auditor trusts, from files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.ledger.verify_checkpoints import Check


def trusted_keys(paths: Sequence[Path]) -> dict[str, Check]:
    """What checks signatures, by key id. BadRequest names a file that is no Ed25519 public key."""
    from pipeline.errors import BadRequest
    from pipeline.ledger.signing import KeyUnusable, public_key

    found = {}
    for path in paths:
        try:
            ident, check = public_key(path.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, KeyUnusable) as error:
            raise BadRequest(f"{path} is not a public key that can be read ({type(error).__name__}).", hint="Ed25519, PEM.") from None
        found[ident] = check
    return found
