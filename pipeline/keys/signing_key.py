"""The key that signs checkpoints and bundles, from the reference that the document names."""

from __future__ import annotations

from pipeline.ledger.signing import Signer, signer_of
from pipeline.vaults.model import SecretRef
from pipeline.vaults.resolver import SYSTEM, Resolver


async def signer_by(ref: SecretRef | None, resolver: Resolver) -> Signer | None:
    """The signer in force; None when no key is named. Raises SecretError when it cannot be had, KeyUnusable when it is no key."""
    return None if ref is None else signer_of((await resolver.resolve(ref, SYSTEM)).reveal())
