"""The credential with which a target is tried: its own reference, or all its parts, read from their vaults now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from pipeline.errors import SecretError
from pipeline.routing.mapping import applied, composed
from pipeline.routing.model import Target
from pipeline.vaults.cache import CacheKey, key_of
from pipeline.vaults.model import Asker, Secret, SecretRef
from pipeline.vaults.resolver import Resolver


class TargetReferences(Protocol):
    """What the credential of each target is made of, by its id."""

    @property
    def by_target(self) -> Mapping[str, SecretRef]:
        """The reference of a target's one secret, or of the first of its parts."""
        ...

    @property
    def parts(self) -> Mapping[str, Mapping[str, SecretRef]]:
        """All parts, by field, of a credential that has several."""
        ...


@dataclass(frozen=True, slots=True)
class Keyed:
    """A target as it is asked, and what it is asked with; None where that does not resolve or does not fit together."""

    target: Target
    key: Secret | None


async def keys_for(
    targets: Iterable[Target],
    references: TargetReferences,
    resolver: Resolver,
    asker: Asker,
    *,
    known: Iterable[tuple[SecretRef, Secret]] = (),
) -> list[Keyed]:
    """Read the credential of every target, each place once; on nobody's behalf, so without scope, but not past the kill switch.

    `known` was read just now and is not read again.
    """
    read: dict[CacheKey, Secret | None] = {key_of(ref): secret for ref, secret in known}

    async def secret_of(ref: SecretRef) -> Secret | None:
        key = key_of(ref)
        if key not in read:
            read[key] = (await resolver.probe(ref, asker)).secret
        return read[key]

    found = []
    for target in targets:
        fields = references.parts.get(target.id)
        ref = references.by_target.get(target.id)
        if fields is None:
            found.append(Keyed(target, await secret_of(ref) if ref is not None else None))
            continue
        parts = {name: await secret_of(part) for name, part in fields.items()}
        whole = {name: part for name, part in parts.items() if part is not None}
        found.append(_together(target, whole) if len(whole) == len(fields) else Keyed(target, None))
    return found


def _together(target: Target, parts: Mapping[str, Secret]) -> Keyed:
    try:
        key = composed(parts)
    except SecretError:  # a setting that is none: said without its value where the target is called
        return Keyed(target, None)
    return Keyed(applied(target, key), key)
