"""Random material of the evaluation: alphabets, and a small notation for the formats of keys.

A format is a text with drawn pieces in braces: `{36:w}` stands for 36 characters of base62. Everything outside the braces is public:
whoever knows the vendor knows it, so only the drawn pieces have to vanish.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random

DIGITS = "0123456789"
LOWER = "abcdefghijklmnopqrstuvwxyz"
UPPER = LOWER.upper()

ALPHABETS = {
    "w": DIGITS + UPPER + LOWER,
    "u": DIGITS + UPPER + LOWER + "-_",
    "b": DIGITS + UPPER + LOWER + "+/",
    "a": DIGITS + LOWER,
    "A": DIGITS + UPPER,
    "h": DIGITS + "abcdef",
    "H": DIGITS + "ABCDEF",
    "d": DIGITS,
    "l": LOWER,
    "L": UPPER,
    "m": LOWER + UPPER,
    "t": LOWER + "234567",
    "T": UPPER + "234567",
    "p": "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz",
    "q": "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
}
"""One letter for each alphabet: `w` base62, `u` URL-safe, `b` base64, `a` lower-case alphanumeric, `h` hexadecimal, `d` digits, …"""

_PIECE = re.compile(r"\{(\d+)(?:-(\d+))?:(\w)\}|\{uuid\}")


@dataclass(frozen=True, slots=True)
class Secret:
    """A value and the pieces of it that nobody can know."""

    value: str
    pieces: tuple[str, ...]


def draw(rng: Random, alphabet: str, size: int) -> str:
    """Random characters that begin and end with a letter or digit; digits and letters both where the alphabet has them."""
    mixed = size >= 10 and any(c.isdigit() for c in alphabet) and any(c.isalpha() for c in alphabet)
    while True:
        text = "".join(rng.choice(alphabet) for _ in range(size))
        if text[0].isalnum() and text[-1].isalnum() and (not mixed or any(c.isdigit() for c in text)):
            return text


def uuid(rng: Random) -> str:
    """A random UUID of version 4 (RFC 9562)."""
    raw = draw(rng, ALPHABETS["h"], 30)
    return f"{raw[:8]}-{raw[8:12]}-4{raw[12:15]}-{rng.choice('89ab')}{raw[15:18]}-{raw[18:30]}"


def filled(rng: Random, form: str) -> Secret:
    """One value of a format in the notation of this module."""
    pieces: list[str] = []

    def piece(match: re.Match[str]) -> str:
        if match.group(1) is None:
            text = uuid(rng)
        else:
            low = int(match.group(1))
            text = draw(rng, ALPHABETS[match.group(3)], rng.randint(low, int(match.group(2) or low)))
        pieces.append(text)
        return text

    value = _PIECE.sub(piece, form)
    hidden = tuple(text for text in pieces if len(text) >= 8) or (max(pieces, key=len),)
    return Secret(value, hidden)
