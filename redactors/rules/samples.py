"""Texts for the proofs of rules: random bodies, and the surroundings in which people and programs write secrets."""

from __future__ import annotations

import base64
from collections.abc import Callable
from random import Random

LOWER = "abcdefghijklmnopqrstuvwxyz"
UPPER = LOWER.upper()
DIGITS = "0123456789"
HEX = "0123456789abcdef"
UPPER_HEX = "0123456789ABCDEF"
ALNUM = DIGITS + UPPER + LOWER
LOWER_ALNUM = DIGITS + LOWER
UPPER_ALNUM = DIGITS + UPPER
URLSAFE = ALNUM + "-_"
WORD = ALNUM + "_"
BASE64 = ALNUM + "+/"
BASE32 = UPPER + "234567"
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

Draw = Callable[[Random], str]
"""Makes one secret from a random source."""

Text = Callable[[Random], tuple[str, str]]
"""Makes a whole text and the secret inside it."""

_PLAIN = (
    "{s}",
    "I tried it with {s} and it still fails",
    "it was {s}, thanks",
    "we used ({s}).",
    "run it with `{s}` please",
    "see **{s}** above",
    '["{s}", 4]',
    "line 17\n{s}\nline 19",
    "我用的是{s}，但是不行",
    "「{s}」を使いました。",
    "'{s}'; next",
    "from the log: {s}. What now?",
    "col1\t{s}\tcol3",
    "first line\\n{s}\\nlast line",
)


def draw(rng: Random, chars: str, length: int) -> str:
    """`length` characters of `chars`, the first one never a dash or underscore so that the body has a visible start."""
    head = rng.choice([c for c in chars if c not in "-_+/."] or chars)
    return head + "".join(rng.choice(chars) for _ in range(length - 1))


def ending(rng: Random, chars: str, length: int) -> str:
    """Like `draw`, and the last character is a letter or digit too."""
    tail = rng.choice([c for c in chars if c.isalnum()])
    return draw(rng, chars, length - 1) + tail


def mixed(rng: Random, chars: str, length: int) -> str:
    """Like `ending`, with at least one letter and two digits, so that shape checks see what real keys nearly always have."""
    while True:
        body = ending(rng, chars, length)
        if not any(c.isdigit() for c in chars) or not any(c.isalpha() for c in chars):
            return body
        if sum(c.isdigit() for c in body) >= 2 and any(c.isalpha() for c in body):
            return body


def b64(rng: Random, size: int, *, urlsafe: bool = False, padding: bool = True) -> str:
    """Base64 of `size` random bytes, with two digits or more when there is room for them."""
    while True:
        raw = rng.randbytes(size)
        text = (base64.urlsafe_b64encode(raw) if urlsafe else base64.b64encode(raw)).decode()
        if size < 16 or sum(c.isdigit() for c in text) >= 2:
            return text if padding else text.rstrip("=")


def password_sample(rng: Random) -> str:
    """A password as a generator makes it: letters, digits and a symbol that is safe in an address."""
    return f"{mixed(rng, ALNUM, rng.randint(7, 14))}{rng.choice('!*~$')}{draw(rng, ALNUM, 3)}"


def weak_password(rng: Random) -> str:
    """A password as a person makes it: a word, a number, perhaps a symbol."""
    words = ("Sommer", "hunter", "dragon", "Welcome", "Liverpool", "letmein", "P@ssw0rd", "qwerty", "Kaffee", "tr0ub4dor")
    return rng.choice(words) + str(rng.randint(1, 2030)) + rng.choice(("", "!", "#", "&3"))


def uuid(rng: Random) -> str:
    """A random UUID of version 4."""
    from uuid import UUID  # only proofs draw one

    return str(UUID(int=rng.getrandbits(128), version=4))


def in_plain(secret: Draw) -> Text:
    """Surroundings that say nothing about a secret, so that only the secret's own form can give it away."""

    def text(rng: Random) -> tuple[str, str]:
        value = secret(rng)
        return rng.choice(_PLAIN).replace("{s}", value), value

    return text


def within(*frames: str) -> Callable[[Draw], Text]:
    """Surroundings given as frames with `{s}` where the secret stands; one is drawn each time."""

    def place(secret: Draw) -> Text:
        def text(rng: Random) -> tuple[str, str]:
            value = secret(rng)
            return rng.choice(frames).replace("{s}", value), value

        return text

    return place


def fixed(text: str) -> Draw:
    """A text that needs no randomness."""

    def same(_: Random) -> str:
        return text

    return same


def either(*texts: str) -> Draw:
    """One of several fixed texts."""

    def one(rng: Random) -> str:
        return rng.choice(texts)

    return one
