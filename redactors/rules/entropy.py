"""How random a text looks: Shannon entropy and the cheap shape counts that decide when entropy alone misleads."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from math import log2

_HUMPS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def shannon(text: str) -> float:
    """Entropy of the characters of `text` in bits per character; 0.0 for an empty text.

    Source: C. E. Shannon, A Mathematical Theory of Communication (1948), H = -sum p log2 p.
    """
    total = len(text)
    if not total:
        return 0.0
    return -sum(count / total * log2(count / total) for count in Counter(text).values())


def classes(text: str) -> int:
    """How many of the four classes occur: lower case, upper case, digits, everything else (0 to 4)."""
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
    kinds = [character.isdigit() for character in text if character.isalnum()]
    return sum(a != b for a, b in pairwise(kinds))


def turns(text: str) -> int:
    """How often neighbors change between lower case, upper case and digits; random base62 turns at two of three places, names rarely."""
    kinds = ["d" if c.isdigit() else "u" if c.isupper() else "l" for c in text if c.isalnum()]
    return sum(a != b for a, b in pairwise(kinds))


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
    steps = sum(ord(b) - ord(a) == 1 or a + b in {"90", "9a", "9A", "zA", "Z0", "z0"} for a, b in pairwise(text))
    return steps / (len(text) - 1)
