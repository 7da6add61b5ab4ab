"""Texts that cost a redactor as much as texts can: of every rule, and of no rule in particular.

Each is of as many characters as asked for and grows by more of the same, so that what one costs can be compared with what half of it costs.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Final

from redactors.rules.model import Rule

Text = Callable[[int], str]
"""Makes a text of so many characters."""

_DRAWS: Final = 24
_JUNK: Final = 2048


def repeated(unit: str) -> Text:
    """The same again and again."""
    return lambda size: (unit * (size // len(unit) + 1))[:size]


def in_turn(units: Sequence[str]) -> Text:
    """Several in turn."""
    return repeated("".join(units))


def worst_texts(rule: Rule) -> Iterator[tuple[str, Text]]:
    """What costs most where this rule looks: what it catches, nearly catches, and begins to catch; with what each is called."""
    rng = Random(zlib.crc32(rule.id.encode()))
    draws = [rule.must[0].text(rng) for _ in range(_DRAWS)]
    text, secret = draws[0]
    opener = text[: text.index(secret)]
    middle = len(secret) // 2
    yield "samples", in_turn([f"{text}\n" for text, _ in draws])
    yield "one sample", repeated(text + " ")
    yield "values", in_turn([f"{secret} " for _, secret in draws])
    yield "one value, joined", repeated(secret)
    yield "near misses", in_turn([text.replace(secret, _missed(secret)) + " " for text, secret in draws])
    yield "cut short", repeated(opener + secret[: max(1, middle)])
    yield "beginning and junk", repeated(opener + secret[:4] + "a" * min(_JUNK, rule.longest))
    yield "first characters", repeated(secret[:4])
    if opener:
        yield "opener", repeated(opener)
        yield "opener and words", repeated(opener + "Ab1 " * 20)


def _missed(secret: str) -> str:
    """The value with its last and its middle letter or digit replaced by the next one: checks fail late."""
    middle = len(secret) // 2
    return secret[:middle] + _next(secret[middle]) + secret[middle + 1 : -1] + _next(secret[-1])


def _next(character: str) -> str:
    for first, last in ("09", "az", "AZ"):
        if first <= character < last:
            return chr(ord(character) + 1)
        if character == last:
            return first
    return character


def _drawn(seed: int, unit: Callable[[Random, int], str]) -> Text:
    def text(size: int) -> str:
        rng = Random(seed)
        parts: list[str] = []
        length = 0
        while length < size:
            parts.append(unit(rng, len(parts)))
            length += len(parts[-1])
        return "".join(parts)[:size]

    return text


def _encoded(rng: Random, count: int) -> str:
    return base64.b64encode(rng.randbytes(count)).decode()


def _twice(text: str) -> str:
    return base64.b64encode(base64.b64encode(text.encode())).decode()


UNITS: Final = {
    "backslashes": "\\",
    "one letter": "a",
    "quotes": '"',
    "empty lines": "\n",
    "brackets": "[",
    "encoded": "QUJDREVGR0hJSktM",
    "encoded words": "QUJDREVGR0hJSktMQUJDREVGR0hJSktM ",
    "passwords": 'password="x',
    "key names": "password=",
    "said": "my password is ",
    "logins": "sa:",
    "addresses": "https://a:b@c ",
    "mail": "a@b.co ",
    "at signs": "a@",
    "escapes": "\\u0041",
    "escapes of escapes": "\\\\u005cu0041",
    "percent": "%41",
    "entities": "&#65;",
    "hexadecimal bytes": "0x41, ",
    "continued lines": "\\\n",
    "soft breaks": "=\n",
    "sums of strings": "'a' + ",
    "quoted lines": "\n> ",
    "zero width": "a\u200b",
    "look-alikes": "а",
    "full width": "ａ",
    "digits and dots": "1.2.",
    "digits": "1",
    "digit groups": "4 ",
    "colons": "::",
    "prefixes": "sk-",
    "access keys": "AKIA",
    "tokens": "eyJ",
    "web tokens": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc ",
    "accounts": "DE89 3704 0044 0532 0130 00 ",
    "cards": "4111 1111 1111 1111 ",
    "hosts": "8.8.8.8 ",
    "streets": "address: ",
    "names": "Mr A ",
    "armor": "-----BEGIN RSA PRIVATE KEY-----\n",
    "replacements": "[REDACTED:email] ",
    "tags": "<a b='c'>",
}
"""Short texts that are dear when they are repeated."""

FAMILIES: Final[dict[str, Text]] = {
    **{name: repeated(unit) for name, unit in UNITS.items()},
    "different mail": _drawn(1, lambda rng, number: f"u{number:x}@ex{rng.randrange(97)}.com "),
    "different hosts": _drawn(2, lambda rng, _: ".".join(str(rng.randint(1, 223)) for _ in range(4)) + " "),
    "different numbers": _drawn(3, lambda rng, _: f"{rng.randrange(10**16):016d} "),
    "random base64": _drawn(4, lambda rng, _: _encoded(rng, 3000)),
    "random base64 in words": _drawn(5, lambda rng, _: _encoded(rng, 18) + " "),
    "base64 of base64": _drawn(6, lambda rng, number: _twice(f"line {number} of a text {rng.random()}") + " "),
    "random hexadecimal": _drawn(7, lambda rng, _: rng.randbytes(2000).hex()),
    "random digests": _drawn(8, lambda rng, _: rng.randbytes(20).hex() + "\n"),
    "passwords of all kinds": _drawn(9, lambda rng, _: f"{rng.choice(['password', 'pwd', 'secret', 'token'])}: {_encoded(rng, 9)}\n"),
    "random characters": _drawn(10, lambda rng, _: "".join(map(chr, rng.choices(range(0x20, 0x7F), k=1000)))),
    "random letters beyond ASCII": _drawn(11, lambda rng, _: "".join(map(chr, rng.choices(range(0xA0, 0x2FFF), k=1000)))),
}
"""Texts that belong to no single rule."""
