"""The texts that redaction is timed on: chat prompts of prose, code and logs, the same full of key words, with secrets, and hostile ones.

Everything is drawn from a seeded source. A benign text holds nothing that a redactor should find; a dense one is full of the words beside
which secrets stand, and of values that look a little like them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from types import MappingProxyType

from tests import planted

_VOCABULARY = """
the service restarts at night and nobody minds please review this function before we merge it into the release branch because the latency of
the second call went up by a third after the migration which we measured on two machines with warm caches while users asked for a summary of
their documents in plain language without losing the numbers that matter most to them
"""
_WORDS = _VOCABULARY.split()
_TOPICS = """
load parse order invoice total cache index retry batch window queue worker result page filter group render
"""
_NAMES = _TOPICS.split()
_KEY_WORDS = ["password", "token", "secret", "key", "credentials", "api_key:", "authorization:", "login", "session", "cookie"]


def prose(rng: Random, size: int) -> str:
    """Benign English of about `size` characters."""
    parts: list[str] = []
    length = 0
    while length < size:
        sentence = " ".join(rng.choice(_WORDS) for _ in range(rng.randint(5, 14))).capitalize() + rng.choice([".", "!", "?"]) + " "
        parts.append(sentence)
        length += len(sentence)
    return "".join(parts)[:size]


def _code(rng: Random) -> str:
    one, two, three = (rng.choice(_NAMES) for _ in range(3))
    number = rng.randint(2, 900)
    return rng.choice(
        (
            f"def {one}_{two}({three}: list[int], limit: int = {number}) -> dict[str, int]:\n"
            f'    """Return the {two} of each {three}."""\n'
            f"    found = {{}}\n    for index, item in enumerate({three}):\n        if item > limit:\n            continue\n"
            f'        found[f"{{item}}-{{index}}"] = item * {number}\n    return found\n',
            f"const {one} = await {two}.map(({three}) => ({{ ...{three}, size: {number} }}));\n"
            f"if ({one}.length === 0) throw new Error('no {three}');\n",
            f"SELECT {one}_id, count(*) AS {two}s FROM {three}s WHERE size > {number} GROUP BY {one}_id ORDER BY 2 DESC;\n",
            f"export function use{one.title()}<T>(props: {{ {two}: T; limit?: number }}): T[] {{\n  return props.{two} ?? [];\n}}\n",
        )
    )


def _log(rng: Random) -> str:
    at = f"2026-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}T{rng.randint(0, 23):02}:{rng.randint(0, 59):02}:{rng.randint(0, 59):02}"
    one, two = rng.choice(_NAMES), rng.choice(_NAMES)
    return rng.choice(
        (
            f"{at}.{rng.randint(0, 999):03}Z INFO {one}.{two} request={rng.getrandbits(64):016x} status=200 ms={rng.randint(1, 900)}\n",
            f"{at} WARN [{one}-{rng.randint(1, 32)}] {two} queue is {rng.randint(50, 99)} % full, {rng.randint(100, 9999)} waiting\n",
            f'{{"ts":"{at}Z","level":"info","msg":"{one} done","commit":"{rng.getrandbits(160):040x}","ms":{rng.randint(1, 5000)}}}\n',
            f"  at {one}.{two} (/srv/app/lib/{one}.js:{rng.randint(1, 900)}:{rng.randint(1, 80)})\n",
        )
    )


def _mixed(rng: Random, size: int, sentence: Callable[[], str]) -> str:
    """Of about `size` characters, 60 % sentences, the rest code and logs, in blocks as in a chat."""
    parts: list[str] = []
    written = of_prose = 0
    while written < size:
        if of_prose <= 0.6 * written:
            part = "".join(sentence() for _ in range(rng.randint(2, 5))) + "\n\n"
            of_prose += len(part)
        else:
            piece = rng.choice((_code, _log))
            part = "".join(piece(rng) for _ in range(rng.randint(1, 4))) + "\n"
        parts.append(part)
        written += len(part)
    return "".join(parts)[:size]


def benign(rng: Random, size: int) -> str:
    """A prompt of prose (60 %), code and logs without anything to find."""
    return _mixed(rng, size, lambda: prose(rng, rng.randint(60, 120)))


def dense(rng: Random, size: int) -> str:
    """The same mixture with a key word in every sentence, and often something behind it that is no secret."""

    def sentence() -> str:
        word = rng.choice(_KEY_WORDS)
        behind = rng.choice(
            (
                rng.choice(_WORDS),
                f"{rng.choice(_WORDS)} is required, ",
                "= os.environ['API_KEY']; ",
                "<YOUR_KEY> ",
                f"= config.{rng.choice(_NAMES)}.{rng.choice(_NAMES)} ",
                f"(max {rng.randint(8, 64)} characters) ",
                f"{rng.getrandbits(48):012x} tokens/s ",
            )
        )
        return f"{prose(rng, rng.randint(30, 60))} {word} {behind} "

    return _mixed(rng, size, sentence)


def telling(rng: Random, size: int) -> str:
    """The same mixture with a secret or a mail address in every third sentence."""
    kinds = planted.kinds()

    def sentence() -> str:
        return rng.choice(
            (
                lambda: prose(rng, 90),
                lambda: f"the key is {planted.secret(rng.choice(kinds), rng)} ",
                lambda: f"ask {planted.secret('email', rng)} for the password. ",
            )
        )()

    return _mixed(rng, size, sentence)


def wordy(rng: Random, size: int) -> str:
    """Prose full of the words beside which secrets stand."""
    return " ".join(f"{prose(rng, 40)} {rng.choice(_KEY_WORDS)} {rng.choice(_WORDS)}" for _ in range(size // 60 + 1))[:size]


HOSTILE: Mapping[str, str] = MappingProxyType(
    {
        "digits and dots": "1.2.",
        "digits": "1",
        "one letter": "a",
        "quotes": '"',
        "brackets": "[",
        "password=": "password=",
        "quoted passwords": 'password="x',
        "escapes": "\\u0041",
        "backslashes": "\\\n",
        "base64": "QUJD",
        "empty lines": "\n",
        "prefixes": "sk-",
        "mail": "a@b.co ",
        "addresses": "https://a:b@c ",
        "zero width": "a\u200b",
        "titles": "Mr A ",
    }
)
"""Units that are repeated to a text which keeps some redactor busy."""


def hostile(unit: str, size: int) -> str:
    """A unit repeated to at most `size` characters."""
    return unit * (size // len(unit))
