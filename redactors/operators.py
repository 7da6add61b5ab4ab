"""What takes the place of something found: a mask, a constant, a keyed hash, a consistent pseudonym, or nothing.

Replacements hold no quote, backslash or control character, so that they keep JSON valid, and have one grammar, by which a second
redaction knows them and leaves them alone.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Collection
from typing import Final

from redactors.model import Action

CONSTANT: Final = "[REDACTED]"
LONGEST: Final = 96
"""No replacement is longer, in characters."""

_KIND: Final = "[a-z0-9_]{1,48}"
_GRAMMAR: Final = re.compile(rf"x?\[(?:REDACTED(?::({_KIND}))?|(?:HASHED|PSEUDONYM):({_KIND}):[0-9a-f]{{16}})\]x?")
_UNFINISHED: Final = re.compile(
    r"\[(?:R(?:E(?:D(?:A(?:C(?:T(?:E(?:D(?::[a-z0-9_]{0,48})?)?)?)?)?)?)?)?|(?:H(?:A(?:S(?:H(?:E(?:D(?::[a-z0-9_:]{0,66})?)?)?)?)?)?)?"
    r"|(?:P(?:S(?:E(?:U(?:D(?:O(?:N(?:Y(?:M(?::[a-z0-9_:]{0,66})?)?)?)?)?)?)?)?)?)?)\Z"
)

Operator = Callable[[str, str], str]
"""Makes the replacement from (kind, matched text)."""


def mask(kind: str, value: str) -> str:
    """`[REDACTED:<kind>]` for the whole value, prefix included."""
    return f"[REDACTED:{kind}]"


def replace(kind: str, value: str) -> str:
    """A constant that does not even say what stood there."""
    return CONSTANT


def remove(kind: str, value: str) -> str:
    """Nothing."""
    return ""


def hashed(key: bytes) -> Operator:
    """`[HASHED:<kind>:<16 hex>]`, HMAC-SHA-256 of the value under `key`: equal values can be counted, not guessed without the key."""

    def operator(kind: str, value: str) -> str:
        return f"[HASHED:{kind}:{_digest(key, b'hash', kind, value)}]"

    return operator


def pseudonym(key: bytes) -> Operator:
    """`[PSEUDONYM:<kind>:<16 hex>]`: the same value has the same name wherever `key` is the same, whatever its case."""

    def operator(kind: str, value: str) -> str:
        return f"[PSEUDONYM:{kind}:{_digest(key, b'pseudonym', kind, value.strip().casefold())}]"

    return operator


def _digest(key: bytes, purpose: bytes, kind: str, value: str) -> str:
    message = purpose + b"\0" + kind.encode() + b"\0" + value.encode("utf-8", "surrogatepass")
    return hmac.new(key, message, hashlib.sha256).hexdigest()[:16]


def operators(key: bytes) -> dict[Action, Operator]:
    """The operator of every action that replaces. What blocks is masked too, because the value may still be recorded."""
    return {
        Action.PSEUDONYMIZE: pseudonym(key),
        Action.HASH: hashed(key),
        Action.MASK: mask,
        Action.REPLACE: replace,
        Action.REMOVE: remove,
        Action.BLOCK: mask,
    }


def replacements(text: str, kinds: Collection[str]) -> list[tuple[int, int]]:
    """Where a text already holds replacements of these kinds, in order, with the letters that join them to words (`redactors.seams`)."""
    if "[" not in text or ("[REDACTED" not in text and "[HASHED:" not in text and "[PSEUDONYM:" not in text):
        return []
    return [
        match.span()
        for match in _GRAMMAR.finditer(text)
        if (match.group(1) or match.group(2)) is None or (match.group(1) or match.group(2)) in kinds
    ]


def unfinished(text: str) -> int:
    """Where a replacement begins that the end of the text cuts; the length when none does."""
    size = len(text)
    at = text.rfind("[", max(0, size - LONGEST))
    return at if at >= 0 and _UNFINISHED.match(text, at) is not None else size
