"""Bytes as texts, trees and cuts: what a fuzzer mutates, read so that most bytes give something that the engine has an opinion about.

A text is a row of parts, each begun by one byte that says how the next ones are read: as they stand, as a sample of a rule, as a planted
live secret in one of its forms, as an odd piece, or as what stands already, again. Every byte string is a text.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any
from urllib.parse import quote

from redactors.rules.catalog import all_rules
from tests import planted
from tests.redactors.samples import PIECES, STRAYS, sample_text

LIVE = (planted.secret("virtual_key", Random(77)), 'Qu"ote\\d-Wärt/ue+9 %', planted.secret("github", Random(78)))
"""The live secrets of the fuzzed redactors."""

TERMS: tuple[dict[str, Any], ...] = ({"term": "zeppelin", "max_distance": 2}, {"term": "project mercury", "max_distance": 0})
PATTERNS = (r"EMP-\d{6}", r"zz+y")
MOST = 20_000
"""Characters of a text: repetitions end there."""

FORMS: tuple[Callable[[str], str], ...] = (
    lambda s: s,
    lambda s: json.dumps(s)[1:-1],
    lambda s: json.dumps(json.dumps(s)[1:-1])[1:-1],
    lambda s: quote(s, safe=""),
    lambda s: s.encode().hex(),
    lambda s: s.encode().hex().upper(),
    lambda s: base64.b64encode(s.encode()).decode(),
    lambda s: base64.urlsafe_b64encode(b"x" + s.encode()).decode(),
    lambda s: base64.b64encode(b"xy" + s.encode() + b"!").decode(),
    "\u200b".join,
    lambda s: "".join(f"\\u{ord(c):04x}" for c in s),
    lambda s: "".join(f"&#{ord(c)};" for c in s),
    lambda s: base64.b64encode(base64.b64encode(b"see " + s.encode() + b" ok")).decode(),
)


class Reader:
    """The bytes that are left."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return len(self._data) - self._at

    def byte(self) -> int:
        """The next byte; 0 behind the end."""
        return next(iter(self.take(1)), 0)

    def take(self, count: int) -> bytes:
        """The next bytes, as many as there are."""
        part = self._data[self._at : self._at + count]
        self._at += len(part)
        return part

    def sizes(self) -> list[int]:
        """Sizes of the pieces of a stream, of which the last repeats: one to 64 characters."""
        return [1 + self.byte() % 64 for _ in range(1 + self.byte() % 6)]

    def text(self) -> str:
        """A text of everything that is left."""
        parts: list[str] = []
        size = 0
        while self.left and size < MOST:
            parts.append(self._part(parts)[: MOST - size])
            size += len(parts[-1])
        return "".join(parts)

    def _part(self, before: list[str]) -> str:
        how = self.byte()
        match how % 8:
            case 0 | 1:
                return self.take(1 + how // 8).decode("utf-8", "surrogateescape")
            case 2 | 3:
                return _sample(self.byte() | self.byte() << 8, self.byte())
            case 4:
                return FORMS[self.byte() % len(FORMS)](LIVE[how // 8 % len(LIVE)])
            case 5:
                return PIECES[self.byte() % len(PIECES)]
            case 6:
                return STRAYS[how // 8 % len(STRAYS)] + " "[: how >> 7]
            case _:
                whole = before[-1] if how & 8 and before else "".join(before)
                return whole[self.byte() % 64 :] * (1 + self.byte() % 24)

    def tree(self, depth: int = 6) -> Any:
        """A JSON value."""
        how = self.byte()
        if not self.left or depth == 0 or how % 8 < 3:
            return self._leaf(how)
        count = 1 + how // 8 % 4
        match how % 8:
            case 3 | 4:
                return {Reader(self.take(self.byte() % 24)).text(): self.tree(depth - 1) for _ in range(count)}
            case 5 | 6:
                return [self.tree(depth - 1) for _ in range(count)]
            case _:
                return json.dumps(self.tree(depth - 1), ensure_ascii=how < 128, indent=1 if how & 64 else None)

    def _leaf(self, how: int) -> Any:
        match how % 16:
            case 0:
                return int.from_bytes(self.take(8), "big", signed=True)
            case 1:
                return (None, True, False, 0.5, "")[how // 16 % 5]
            case _:
                return Reader(self.take(self.byte())).text()


@cache
def _sample(number: int, seed: int) -> str:
    rules = all_rules()
    return sample_text(rules[number % len(rules)], Random(seed))


def seeds(count: int) -> list[bytes]:
    """Bytes to begin with: every rule's sample once, alone and between others, read as they stand."""
    rng = Random(9)
    found = [bytes((2, number & 255, number >> 8, 0)) for number in range(len(all_rules()))]
    for _ in range(count):
        parts = [rng.choice(found) + bytes((rng.choice((4, 5, 6, 7, 12, 15, 20)), rng.randrange(256))) for _ in range(4)]
        found.append(rng.randbytes(8) + b"".join(parts))
    return found
