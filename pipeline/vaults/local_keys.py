"""The keys of the local encrypted store and the cipher: AES-256-GCM, bound to name and version.

The key file is JSON, `{"current": "k1", "keys": {"k1": "<32 bytes, base64>"}}`, so that a new key can be added while old
rows still open. It lives in `LOCKGATE_HOME`, owner-only, or wherever a bootstrap reference says.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from pipeline.errors import ConfigError

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
_DOMAIN: Final = b"lockgate:local-secret:v1"

Sealed = tuple[str, bytes, bytes]
"""Key id, nonce, and ciphertext with its tag."""

RandomBytes = Callable[[int], bytes]
"""Gives that many unpredictable bytes (`os.urandom`)."""


@dataclass(frozen=True, slots=True)
class LocalKeys:
    """The keys by id, and the id of the one that new rows are sealed with. Never printed."""

    current: str
    keys: Mapping[str, bytes] = field(repr=False)


def make_keys(random_bytes: RandomBytes, key_id: str = "k1") -> LocalKeys:
    """Make a first key."""
    return LocalKeys(key_id, {key_id: random_bytes(KEY_BYTES)})


def dump_keys(keys: LocalKeys) -> str:
    """Write the key file's text."""
    return json.dumps({"current": keys.current, "keys": {name: base64.b64encode(key).decode() for name, key in keys.keys.items()}})


def parse_keys(text: str) -> LocalKeys:
    """Read the key file's text; ConfigError, without quoting it, when it is anything else."""
    keys = _parsed(text)
    if keys is None:
        raise ConfigError(
            "The key file of the local store is damaged.", hint="Restore it from a backup; without it the local store cannot be opened."
        )
    return keys


def _parsed(text: str) -> LocalKeys | None:
    try:
        tree = json.loads(text)
        keys = {str(name): base64.b64decode(key, validate=True) for name, key in tree["keys"].items()}
        current = str(tree["current"])
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    whole = current in keys and all(len(key) == KEY_BYTES for key in keys.values())
    return LocalKeys(current, keys) if whole else None


def seal(keys: LocalKeys, name: str, version: int, value: str, random_bytes: RandomBytes) -> Sealed:
    """Encrypt a value for one name and version. NIST SP 800-38D, 96-bit random nonce."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = random_bytes(NONCE_BYTES)
    return keys.current, nonce, AESGCM(keys.keys[keys.current]).encrypt(nonce, value.encode(), _bound_to(name, version))


def unseal(keys: LocalKeys, sealed: Sealed, name: str, version: int) -> str | None:
    """Decrypt; None when the key is not ours or anything was changed, moved to another name or to another version."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    key_id, nonce, ciphertext = sealed
    key = keys.keys.get(key_id)
    if key is None:
        return None
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, _bound_to(name, version)).decode()
    except (InvalidTag, ValueError):
        return None


def _bound_to(name: str, version: int) -> bytes:
    return b"\0".join((_DOMAIN, name.encode(), str(version).encode()))
