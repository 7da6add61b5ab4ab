"""Identifiers: ULIDs for rows and requests, UUIDs for secret references, `lgk_…` for virtual keys.

ULID: 48 bits of milliseconds and 80 random bits in Crockford's base 32, 26 characters (github.com/ulid/spec).
UUID: version 7, the same milliseconds and 74 random bits (RFC 9562, 5.7); Portkey's clients expect UUIDs.
Virtual key: `lgk_` and 43 base 62 characters, which hold 256 random bits.
"""

from __future__ import annotations

import secrets

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
KEY_LENGTH = 43
_PAIRS = tuple(high + low for high in _CROCKFORD for low in _CROCKFORD)
_SHIFTS = tuple(range(120, -1, -10))


def ulid(now_us: int, entropy: int | None = None) -> str:
    """Make a ULID for a time (epoch microseconds) and 80 bits of entropy (random when not given)."""
    random_bits = secrets.randbits(80) if entropy is None else entropy
    number = ((now_us // 1_000) << 80) | random_bits
    return "".join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])


def is_ulid(text: str) -> bool:
    """Whether a text is written like a ULID."""
    return len(text) == 26 and all(letter in _CROCKFORD for letter in text)


def uuid7(now_us: int, entropy: int | None = None) -> str:
    """Make a UUID of version 7 for a time (epoch microseconds) and 74 bits of entropy (random when not given)."""
    random_bits = secrets.randbits(74) if entropy is None else entropy
    number = ((now_us // 1_000) << 80) | (7 << 76) | ((random_bits >> 62) << 64) | (2 << 62) | (random_bits & ((1 << 62) - 1))
    digits = f"{number:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def token(prefix: str, entropy: int | None = None) -> str:
    """Make a bearer token: the prefix (`lgk`, `lgc`, `lgs`, …), an underscore, and 256 bits in 43 base 62 characters."""
    number = secrets.randbits(256) if entropy is None else entropy
    digits = []
    for _ in range(KEY_LENGTH):
        number, digit = divmod(number, 62)
        digits.append(_BASE62[digit])
    return f"{prefix}_" + "".join(reversed(digits))
