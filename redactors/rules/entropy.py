"""How random a text looks: Shannon entropy and the cheap shape counts that decide when entropy alone misleads.

They are asked about every candidate, also in texts that are made of nothing else, so they count without a step of Python per character.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from math import log2

from redactors.later import compiled_later

_HUMPS = compiled_later(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_CLASSES = (re.compile("[a-z]").search, re.compile("[A-Z]").search, re.compile("[0-9]").search, re.compile("[^A-Za-z0-9]").search)
_ASCII = [chr(code) for code in range(128)]
_KINDS = bytes(ord("d" if c.isdigit() else "u" if c.isupper() else "l") for c in _ASCII) + bytes(range(128, 256))
_NEITHER = bytes(ord(c) for c in _ASCII if not c.isalnum())
_TURNS = (b"lu", b"ul", b"ld", b"dl", b"ud", b"du")
_NEXT = bytes(range(1, 256)) + b"\0"
_WRAPS = (b"90", b"9a", b"9A", b"zA", b"Z0", b"z0")


def shannon(text: str) -> float:
    """Entropy of the characters of `text` in bits per character; 0.0 for an empty text.

    Source: C. E. Shannon, A Mathematical Theory of Communication (1948), H = -sum p log2 p, here as log2 n - (sum c log2 c) / n.
    """
    total = len(text)
    if not total:
        return 0.0
    return log2(total) - sum([count * log2(count) for count in Counter(text).values() if count > 1]) / total


def classes(text: str) -> int:
    """How many of the four classes occur: lower case, upper case, digits, everything else (0 to 4)."""
    if text.isascii():
        return sum([search(text) is not None for search in _CLASSES])
    lower = upper = digit = other = 0
    for character in text:
        if character.islower():
            lower = 1
        elif character.isupper():
            upper = 1
        elif character.isdigit():
            digit = 1
        else:
            other = 1
    return lower + upper + digit + other


def switches(text: str) -> int:
    """How often neighbors change between letters and digits; random tokens switch often, words with a number once."""
    kinds = _kinds(text).replace(b"u", b"l")
    return kinds.count(b"dl") + kinds.count(b"ld")


def turns(text: str) -> int:
    """How often neighbors change between lower case, upper case and digits; random base62 turns at two of three places, names rarely."""
    kinds = _kinds(text)
    return sum([kinds.count(pair) for pair in _TURNS])


def _kinds(text: str) -> bytes:
    """The letters and digits of a text: `u` for each capital, `d` for each digit, `l` for the others."""
    if text.isascii():
        return text.encode().translate(_KINDS, _NEITHER)
    return b"".join([b"d" if c.isdigit() else b"u" if c.isupper() else b"l" for c in text if c.isalnum()])


def reads_as_names(text: str) -> bool:
    """Whether letters alone make up words joined in camel case: three letters and more between capitals, on average."""
    parts = _HUMPS.findall(text)
    return len(parts) > 0 and sum(map(len, parts)) >= 3 * len(parts)


def longest_run(text: str) -> int:
    """Length of the longest stretch of one repeated character; 0 for an empty text."""
    best = run = 0
    previous = ""
    for character in text:
        run = run + 1 if character == previous else 1
        previous = character
        best = max(best, run)
    return best


def ascending(text: str) -> float:
    """Share of neighbors that follow each other in the alphabet or in counting (`abcdef`, `123456`), 0.0 to 1.0."""
    if len(text) < 2:
        return 0.0
    if text.isascii():
        data = text.encode()
        # A zero byte where a character is the one that follows the character before it.
        unlike = int.from_bytes(data.translate(_NEXT)[:-1], "big") ^ int.from_bytes(data[1:], "big")
        steps = unlike.to_bytes(len(data) - 1, "big").count(0) + sum([data.count(pair) for pair in _WRAPS])
    else:
        steps = sum(ord(b) - ord(a) == 1 or (a + b).encode("utf-8", "replace") in _WRAPS for a, b in pairwise(text))
    return steps / (len(text) - 1)
