"""The peppers: secret keys of the HMAC by which tokens are stored. Several at a time, so that they can be rotated.

The file is JSON, `{"current": "p1", "peppers": {"p1": "<32 bytes, base64>"}}`, owner-only. New tokens are hashed with the
current one; older ones still prove tokens that were made with them. A digest is HMAC-SHA256(pepper, token), 64 hex characters.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from pipeline.errors import ConfigError

PEPPER_BYTES: Final = 32

RandomBytes = Callable[[int], bytes]
"""Gives that many unpredictable bytes (`os.urandom`)."""


@dataclass(frozen=True, slots=True)
class Peppers:
    """The peppers by id, and the id of the one for new tokens. Never printed."""

    current: str
    peppers: Mapping[str, bytes] = field(repr=False)

    def digest(self, token: str) -> tuple[str, str]:
        """Hash a new token: the pepper's id and the digest."""
        return self.current, _digest(self.peppers[self.current], token)

    def candidates(self, token: str) -> tuple[str, ...]:
        """The digests under which a token could be stored, the current pepper's first."""
        first = _digest(self.peppers[self.current], token)
        if len(self.peppers) == 1:
            return (first,)
        return first, *(_digest(pepper, token) for name, pepper in self.peppers.items() if name != self.current)


def derived_key(peppers: Peppers, label: str) -> bytes:
    """A key of its own for one use (`fingerprint`, `telemetry`), 32 bytes. Rotating the pepper rotates it too."""
    return hashlib.sha256(f"{label}:{peppers.digest(label)[1]}".encode()).digest()


def make_peppers(random_bytes: RandomBytes, pepper_id: str = "p1") -> Peppers:
    """Make a first pepper."""
    return Peppers(pepper_id, {pepper_id: random_bytes(PEPPER_BYTES)})


def add_pepper(peppers: Peppers, random_bytes: RandomBytes) -> Peppers:
    """Add a pepper and make it the current one; tokens of the others keep working until those are removed."""
    number = len(peppers.peppers) + 1
    while f"p{number}" in peppers.peppers:
        number += 1
    return Peppers(f"p{number}", {**peppers.peppers, f"p{number}": random_bytes(PEPPER_BYTES)})


def dump_peppers(peppers: Peppers) -> str:
    """Write the file's text."""
    encoded = {name: base64.b64encode(pepper).decode() for name, pepper in peppers.peppers.items()}
    return json.dumps({"current": peppers.current, "peppers": encoded})


def parse_peppers(text: str) -> Peppers:
    """Read the file's text; ConfigError, without quoting it, when it is anything else."""
    peppers = _parsed(text)
    if peppers is None:
        raise ConfigError("The pepper file is damaged.", hint="Restore it from a backup; without it no virtual key can be proven.")
    return peppers


def _parsed(text: str) -> Peppers | None:
    try:
        tree = json.loads(text)
        peppers = {str(name): base64.b64decode(pepper, validate=True) for name, pepper in tree["peppers"].items()}
        current = str(tree["current"])
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    whole = current in peppers and all(len(pepper) == PEPPER_BYTES for pepper in peppers.values())
    return Peppers(current, peppers) if whole else None


def _digest(pepper: bytes, token: str) -> str:
    # 'surrogatepass': a header can carry any byte, and hashing must not be what fails.
    return hmac.digest(pepper, token.encode("utf-8", "surrogatepass"), "sha256").hex()
