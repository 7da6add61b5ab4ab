"""What the export gate remembers between records: labels that proved silent, and the key for hashing foreign ids."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

_MAX_SEEN: Final = 4096


class Verdicts:
    """Short labels on which the detectors were silent before (`silent`), and the key that hashes foreign ids."""

    def __init__(self, hash_key: bytes) -> None:
        self._key = hash_key
        self.silent: set[str] = set()

    def learn(self, label: str) -> None:
        """Remember a label that came back unchanged; a full memory starts again."""
        if len(self.silent) >= _MAX_SEEN:
            self.silent.clear()
        self.silent.add(label)

    def forget(self) -> None:
        """Forget everything, because the detectors changed."""
        self.silent.clear()

    def hashed(self, foreign: str) -> str:
        """A keyed hash in place of an id that does not look like one: `hmac:` and 16 hex digits."""
        return "hmac:" + hmac.new(self._key, foreign.encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:16]
