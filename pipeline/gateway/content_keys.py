"""The keys that stored content is sealed with: derived from the secret of a reference, or from the local store's key.

Each is HKDF-SHA256 (RFC 5869) of its own use, so that no other key opens it. A key has a name, which stands beside what it sealed:
`store:ID`, or `ref:FINGERPRINT:VERSION` of the secret. What was sealed before a rotation opens while the vault still has that version.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from pipeline.errors import ConfigError, SecretError
from pipeline.gateway.kept import hkdf_sha256
from pipeline.vaults.local_keys import LocalKeys
from pipeline.vaults.model import Secret, SecretRef
from pipeline.vaults.reference import with_revision
from pipeline.vaults.resolver import SYSTEM, Resolver

MIN_CHARACTERS: Final = 32
"""A shorter secret is no key."""
_USE: Final = b"lockgate:stored-content:seal:v1"


@dataclass(frozen=True, slots=True)
class SealKey:
    """A key by name, 32 bytes."""

    name: str
    key: bytes = field(repr=False)


class ContentKeys:
    """Gives the key to seal with and those to open with. `reference` is the document's, None for the local store's key."""

    def __init__(self, local: LocalKeys, resolver: Resolver, reference: Callable[[], SecretRef | None]) -> None:
        self._local = {f"store:{name}": hkdf_sha256(key, _USE) for name, key in local.keys.items()}
        self._current = f"store:{local.current}"
        self._resolver = resolver
        self._reference = reference

    async def current(self) -> SealKey:
        """The key to seal with now. SecretError when its reference does not resolve, ConfigError when what it names is too short."""
        ref = self._reference()
        return SealKey(self._current, self._local[self._current]) if ref is None else await self.of(ref)

    async def of(self, ref: SecretRef) -> SealKey:
        """The key that a reference names."""
        secret = await self._resolver.resolve(ref, SYSTEM)
        value = secret.reveal()
        if len(value) < MIN_CHARACTERS:
            del value
            raise ConfigError(
                f"The key of stored content has fewer than {MIN_CHARACTERS} characters.",
                hint="Make one: openssl rand -base64 32",
            )
        return SealKey(_name(secret), hkdf_sha256(value.encode(), _USE))

    async def named(self, name: str) -> SealKey | None:
        """The key of a name; None when it cannot be had any more."""
        if name in self._local:
            return SealKey(name, self._local[name])
        ref = self._reference()
        if ref is None:
            return None
        _, _, version = name.removeprefix("ref:").partition(":")
        pinned = (with_revision(replace(ref, version=version)),) if version else ()
        for one in (ref, *pinned):
            try:
                key = await self.of(one)
            except (SecretError, ConfigError):
                continue
            if key.name == name:
                return key
        return None


def _name(secret: Secret) -> str:
    return f"ref:{secret.fingerprint}:{secret.version}"[:255]
