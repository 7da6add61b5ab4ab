"""What takes the place of something found: a mask, a constant, a keyed hash, a consistent pseudonym, or nothing.

Replacements hold no quote, backslash or control character, so that they keep JSON valid, and have one grammar, by which a second
redaction knows them and leaves them alone.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from redactors.later import compiled_later
from redactors.model import Action

CONSTANT: Final = "[REDACTED]"
LONGEST: Final = 96
"""No replacement is longer, in characters."""

_KIND: Final = "[a-z0-9_]{1,48}"
_GRAMMAR: Final = compiled_later(rf"x?\[(?:REDACTED(?::({_KIND}))?|(?:HASHED|PSEUDONYM):({_KIND}):[0-9a-f]{{16}})\]x?")
_UNFINISHED: Final = compiled_later(
    r"\[(?:R(?:E(?:D(?:A(?:C(?:T(?:E(?:D(?::[a-z0-9_]{0,48})?)?)?)?)?)?)?)?|(?:H(?:A(?:S(?:H(?:E(?:D(?::[a-z0-9_:]{0,66})?)?)?)?)?)?)?"
    r"|(?:P(?:S(?:E(?:U(?:D(?:O(?:N(?:Y(?:M(?::[a-z0-9_:]{0,66})?)?)?)?)?)?)?)?)?)?)\Z"
)

_PSEUDONYM: Final = compiled_later(r"\[PSEUDONYM:([a-z0-9_]{1,48}):[0-9a-f]{16}\]")
_CUT_PSEUDONYM: Final = compiled_later(
    r"\[(?:P(?:S(?:E(?:U(?:D(?:O(?:N(?:Y(?:M(?::[a-z0-9_]{0,48}(?::[0-9a-f]{0,16})?)?)?)?)?)?)?)?)?)?)?\Z"
)

Operator = Callable[[str, str], str]
"""Makes the replacement from (kind, matched text)."""


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """What keyed replacements are made with: one key for hashes, another for pseudonyms, because those change from time to time."""

    hashes: bytes
    pseudonyms: bytes


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


def pseudonym(key: bytes, names: dict[str, str] | None = None) -> Operator:
    """`[PSEUDONYM:<kind>:<16 hex>]`: the same value has the same name wherever `key` is the same, whatever its case.

    `names` is told which value each name stands for, as it was first spelled.
    """

    def operator(kind: str, value: str) -> str:
        name = f"[PSEUDONYM:{kind}:{_digest(key, b'pseudonym', kind, value.strip().casefold())}]"
        if names is not None:
            names.setdefault(name, value)
        return name

    return operator


def pseudonyms(text: str) -> list[tuple[int, int, str]]:
    """Where a text holds pseudonyms, in order: start, end, kind."""
    return [(*match.span(), match.group(1)) for match in _PSEUDONYM.finditer(text)] if "[PSEUDONYM:" in text else []


def cut_pseudonym(text: str) -> int:
    """Where a pseudonym begins that the end of the text cuts; the length when none does."""
    size = len(text)
    at = text.rfind("[", max(0, size - LONGEST))
    return at if at >= 0 and _CUT_PSEUDONYM.match(text, at) is not None else size


def _digest(key: bytes, purpose: bytes, kind: str, value: str) -> str:
    message = purpose + b"\0" + kind.encode() + b"\0" + value.encode("utf-8", "surrogatepass")
    return hmac.new(key, message, hashlib.sha256).hexdigest()[:16]


def operators(keys: Keys, names: dict[str, str] | None = None) -> dict[Action, Operator]:
    """The operator of every action that replaces. What blocks is masked too, because the value may still be recorded."""
    return {
        Action.PSEUDONYMIZE: pseudonym(keys.pseudonyms, names),
        Action.HASH: hashed(keys.hashes),
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
