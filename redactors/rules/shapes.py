"""Builders of rules: most vendors' keys are a prefix and a random body, or a random body beside the vendor's name."""

from __future__ import annotations

import re
from random import Random

from redactors.rules.checks import Check, drawn, token
from redactors.rules.model import Must, MustNot, Rule
from redactors.rules.samples import (
    ALNUM,
    BASE32,
    BASE58,
    BASE64,
    DIGITS,
    HEX,
    LOWER,
    LOWER_ALNUM,
    UPPER_ALNUM,
    UPPER_HEX,
    URLSAFE,
    WORD,
    Draw,
    fixed,
    in_plain,
    mixed,
    within,
)

LEAD = r"(?:\b|_|\\[nrtbf]|%[0-9A-Fa-f]{2})"
"""What may stand before a key: a word boundary, an underscore, or the escape of a line end, tab or byte."""

DATED = "2026-11"
"""When the formats of this catalog were last checked against their sources."""

CLASSES = {
    ALNUM: "A-Za-z0-9",
    LOWER_ALNUM: "a-z0-9",
    UPPER_ALNUM: "A-Z0-9",
    HEX: "a-f0-9",
    UPPER_HEX: "A-F0-9",
    URLSAFE: "A-Za-z0-9_-",
    WORD: "A-Za-z0-9_",
    BASE64: "A-Za-z0-9+/",
    BASE32: "A-Z2-7",
    BASE58: "1-9A-HJ-NP-Za-km-z",
    DIGITS: "0-9",
    LOWER: "a-z",
}
"""The expression of each alphabet that samples are drawn from."""


def literal(text: str) -> str:
    """The expression that matches exactly `text`; understood by RE2 and hyperscan alike."""
    return re.escape(text)


def prefixed(
    id: str,  # noqa: A002 - the field's name in Rule
    kind: str,
    about: str,
    prefixes: str | tuple[str, ...],
    chars: str,
    length: int | tuple[int, int],
    *,
    source: str,
    least: int | None = None,
    accepts: str | None = None,
    tail: str = "",
    tail_sample: Draw | None = None,
    lead: bool = True,
    validate: Check = token,
    against: Check | None = None,
    min_entropy: float = 0.0,
    longest: int | None = None,
    must_not: tuple[MustNot, ...] = (),
    dated: str = DATED,
) -> Rule:
    """A rule for keys that are a prefix and a random body.

    `chars` is the vendor's alphabet and `length` the vendor's length (or range), from which samples are drawn; `least` is
    the shortest body accepted (default three quarters of the shortest) and the body has no upper end, so that a vendor who lengthens
    the key is still covered. `accepts` widens the alphabet of the pattern; `tail` is an expression after the body.
    """
    firsts = (prefixes,) if isinstance(prefixes, str) else prefixes
    low, high = (length, length) if isinstance(length, int) else length
    shortest = least if least is not None else max(8, low * 3 // 4)
    alternatives = "|".join(literal(p) for p in firsts)
    head = alternatives if len(firsts) == 1 else f"(?:{alternatives})"
    times = "*" if shortest == 0 else f"{{{shortest},}}"
    body = f"[{accepts or CLASSES[chars]}]{times}"

    def secret(rng: Random) -> str:
        size = rng.randint(low, high)
        return rng.choice(firsts) + mixed(rng, chars, size) + (tail_sample(rng) if tail_sample else "")

    filler = "x" if "x" in chars else "0"
    samples = (
        MustNot(fixed(f"set it to {firsts[0]}{filler * low} first"), "a body of one filler character is a sample"),
        MustNot(fixed(f"keys start with {firsts[0]} and then random text"), "the prefix alone is not a key"),
    )
    return Rule(
        id=id,
        kind=kind,
        about=about,
        pattern=f"{LEAD}({head}{body}{tail})" if lead else f"{head}{body}{tail}",
        group=1 if lead else 0,
        source=source,
        dated=dated,
        keywords=tuple(sorted({p.lower() for p in firsts})),
        longest=longest or max(160, high * 2 + 64),
        min_entropy=min_entropy,
        validate=validate,
        against=against,
        must=(Must(in_plain(secret)),),
        must_not=samples + must_not,
    )


def beside(
    id: str,  # noqa: A002 - the field's name in Rule
    kind: str,
    about: str,
    names: tuple[str, ...],
    chars: str,
    length: int | tuple[int, int],
    *,
    source: str,
    validate: Check = drawn,
    words: str = "key|token|secret|password|credential|auth|pat",
    body: str | None = None,
    sample: Draw | None = None,
    must_not: tuple[MustNot, ...] = (),
    dated: str = DATED,
) -> Rule:
    """A rule for keys without a prefix: the vendor's name, a word for a key within 24 characters, then the body within 20.

    `names` are lower-case literals; `body` replaces the expression that follows from `chars` and `length`. The gap holds no line
    end, so that a vendor named in one line does not color the next.
    """
    low, high = (length, length) if isinstance(length, int) else length
    shape = body or (f"[{CLASSES[chars]}]{{{low}}}" if low == high else f"[{CLASSES[chars]}]{{{low},{high}}}")
    name = names[0] if len(names) == 1 else f"(?:{'|'.join(literal(n) for n in names)})"

    def secret(rng: Random) -> str:
        return sample(rng) if sample else mixed(rng, chars, rng.randint(low, high))

    label, word = names[0], words.split("|", maxsplit=1)[0]
    end = "" if shape.endswith(("=", "?", "=}")) else r"\b"
    return Rule(
        id=id,
        kind=kind,
        about=about,
        pattern=rf"{name}[\t -~]{{0,24}}?(?:{words})[\t -~]{{0,20}}?\b({shape}){end}",
        group=1,
        source=source,
        dated=dated,
        keywords=tuple(sorted(names)),
        longest=high + 160,
        validate=validate,
        case_insensitive=True,
        must=(
            Must(
                within(
                    f"the {label} {word} (prod) {{s}} works",
                    f"{label.upper()}_{word.upper()}_PROD <- {{s}}",
                    f"{label} {word}, see `{{s}}`",
                )(secret)
            ),
        ),
        must_not=(
            MustNot(fixed(f"{label} key: your-key-here, see the docs"), "a placeholder beside the vendor's name"),
            MustNot(fixed(f"{label} is down since 2.31.4 and the key was rotated yesterday"), "the vendor's name and the word, but no key"),
            *must_not,
        ),
    )
