"""Passwords as people choose them and as generators make them."""

# ruff: noqa: E501
# Tables and samples are read whole.
from __future__ import annotations

from random import Random

from tests.evaluation.draws import ALPHABETS, draw

_WORDS = (
    "Sommer", "winter", "Monkey", "dragon", "Berlin", "Madrid", "purple", "Hamster", "rocket", "coffee", "Bayern", "tiger", "Lakers", "gitarre",
    "falcon", "Pumpkin", "trinity", "zeppelin", "Marseille", "kartoffel", "welcome", "Liverpool", "sakura", "polska", "orchid", "Voyager",
    "velvet", "cactus", "harbor", "thunder", "pickle", "saturn", "nebula", "walrus", "biscuit", "lantern",
)  # fmt: skip
_SYMBOLS = "!#*$%+?&-_.@"
_LEET = str.maketrans({"a": "4", "e": "3", "i": "1", "o": "0", "s": "5"})


def word_and_number(rng: Random) -> str:
    """`Sommer2024!`: what password rules make people write."""
    return rng.choice(_WORDS) + rng.choice(
        (str(rng.randint(10, 2026)), str(rng.randint(1, 9)) + rng.choice("!#*?"), f"{rng.randint(1960, 2026)}!")
    )


def leet(rng: Random) -> str:
    """`Z3pp3l1n#7`."""
    return rng.choice(_WORDS).translate(_LEET) + rng.choice("!#*$") + str(rng.randint(0, 99))


def joined(rng: Random) -> str:
    """`velvet-Cactus-71-harbor`."""
    joint = rng.choice("-_.")
    parts = [rng.choice(_WORDS) for _ in range(3)]
    parts.insert(rng.randint(1, 3), str(rng.randint(2, 99)))
    return joint.join(parts)


def generated(rng: Random) -> str:
    """Twelve to twenty-four characters of a password manager."""
    body = draw(rng, ALPHABETS["w"] + "!#*+-_?.=^~", rng.randint(12, 24))
    return body if any(c in "!#*+?=^~" for c in body) else body[:5] + rng.choice("!#*+?") + body[5:]


def plain_generated(rng: Random) -> str:
    """Letters and digits alone, ten to thirty-two."""
    return draw(rng, ALPHABETS["w"], rng.choice((10, 12, 14, 16, 20, 24, 32)))


def one_word(rng: Random) -> str:
    """A word and nothing else; only its name says what it is."""
    return rng.choice(_WORDS)


def nasty(rng: Random) -> str:
    """Symbols that formats have to escape."""
    return (
        draw(rng, ALPHABETS["w"], 5)
        + rng.choice(('"', "'", "&", "<", "@", "/", ":", "\\", "%", "#", ";", ","))
        + draw(rng, ALPHABETS["w"] + "!#*", 7)
    )


def spoken(rng: Random) -> str:
    """What is written into sentences."""
    return rng.choice((word_and_number, word_and_number, leet, joined, generated, generated, plain_generated))(rng)


def written(rng: Random) -> str:
    """What stands in files without quotes."""
    return rng.choice((word_and_number, leet, joined, generated, plain_generated, generated))(rng)


def quoted(rng: Random) -> str:
    """What stands in quotes."""
    return rng.choice((word_and_number, leet, joined, generated, plain_generated, generated, one_word, nasty))(rng)
