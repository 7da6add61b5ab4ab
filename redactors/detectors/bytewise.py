r"""Patterns of characters as patterns of their UTF-8 bytes, for a scan that knows bytes only.

A scan compiled for characters keeps an automaton of its own busy at every byte, and hyperscan 5.4 overlooks matches in sets where many
expressions are. The spelling in bytes may see too much (the scan only tells where to look), but nothing less: where a pattern matches,
the spelling ends behind the start of the match and not behind its end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import groupby, pairwise
from typing import Final

from redactors.detectors.derived import positions
from redactors.detectors.linear import compile_linear
from redactors.detectors.syntax import Char, Choice, Group, Mark, Node, Repeat, Sequence, is_wide

_MOST_SEQUENCES: Final = 32
"""Byte sequences that a class is spelled as, from which on only lead bytes are told apart."""
_MANY: Final = 100
"""Places of an automaton that optional words take, from which on they are not told apart."""
_ASTRAL: Final = "\U0001f600"
_EDGES: Final = (0x7F, 0x7FF, 0xFFFF, 0x10FFFF)
"""The last code points of one, two, three and four bytes (RFC 3629)."""

Pairs = tuple[tuple[int, int], ...]
"""Ranges of bytes, both ends included, one after another: a sequence of bytes."""


def spelled_in_bytes(node: Node, *, ignores_case: bool = False) -> Node:
    """The pattern with every character beyond ASCII, and every class that has such characters, as bytes.

    Not looked for are the two characters beyond ASCII that RE2 folds to `k` and `s`, as nowhere in rules of ASCII.
    """
    return _spelled(node, "i" if ignores_case else "", last=True)


def _spelled(node: Node, flags: str, *, last: bool) -> Node:
    match node:
        case Char(text):
            return node if _is_narrow(text) else _one(text, flags)
        case Mark():
            return node
        case Group(item, captures, own):
            return Group(_spelled(item, flags + own, last=last), captures, own)
        case Sequence(items):
            return Sequence(tuple(_spelled(item, flags, last=last and at == len(items)) for at, item in enumerate(items, 1)))
        case Choice(options):
            return Choice(tuple(_spelled(option, flags, last=last) for option in options))
        case Repeat(Char(text), low, high) if not _is_narrow(text) and _members(text, flags) != ():
            # A run of any of the bytes: an automaton counts those cheaply, and sequences not at all.
            sequences = _members(text, flags)
            longest = max(map(len, sequences))
            if not low and high is not None and high > 1:
                return _counted(sequences, high)
            if last and low:
                high = low
            elif high is not None:
                high *= longest
            return Repeat(Char(_class(_bytes_of(sequences))), low, high)
        case Repeat(item, low, high, lazy):
            return Repeat(_spelled(item, flags, last=False), low, high, lazy)


def _counted(sequences: tuple[Pairs, ...], high: int) -> Node:
    """As many characters at most; from the first one beyond ASCII on any number, because their bytes are not worth counting."""
    every = _bytes_of(sequences)
    beyond = Sequence((Char(_class([pair for pair in every if pair[1] > 0x7F])), Repeat(Char(_class(every)), 0, None)))
    single = _class([pairs[0] for pairs in sequences if len(pairs) == 1])
    more = Repeat(Group(beyond), 0, 1)
    return Group(Sequence((Repeat(Char(single), 0, high), more))) if single else Group(more)


def coarse(node: Node, *, ignores_case: bool = False) -> Node:
    """The same pattern with any run of their characters where one of many words may stand, so that it takes few places of an automaton."""
    return _coarse(node, "i" if ignores_case else "")


def _coarse(node: Node, flags: str) -> Node:
    match node:
        case Char() | Mark():
            return node
        case Group(item, captures, own):
            return Group(_coarse(item, flags + own), captures, own)
        case Sequence(items):
            return Sequence(tuple(_coarse(item, flags) for item in items))
        case Choice(options):
            return Choice(tuple(_coarse(option, flags) for option in options))
        case Repeat(item, 0, high) if not isinstance(item, Char) and positions(item) * (high or 1) >= _MANY:
            sequences = tuple(pairs for text in dict.fromkeys(characters(item)) for pairs in _members(text, flags))
            return Repeat(Char(_class(_bytes_of(sequences))), 0, None) if all(len(pairs) == 1 for pairs in sequences) else node
        case Repeat(item, low, high, lazy):
            return Repeat(_coarse(item, flags), low, high, lazy)


def characters(node: Node) -> Iterator[str]:
    """Every character, class and escape of a pattern, as it is spelled."""
    match node:
        case Char(text):
            yield text
        case Mark():
            return
        case Group(item) | Repeat(item):
            yield from characters(item)
        case Sequence(items) | Choice(items):
            for item in items:
                yield from characters(item)


def _is_narrow(text: str) -> bool:
    """Whether an item of a pattern matches nothing but single bytes."""
    return text.isascii() and text != "." and not (len(text) > 1 and is_wide(text))


def _one(text: str, flags: str) -> Node:
    """One character of a class, or one beyond ASCII in every case where case does not matter."""
    sequences = _members(text, flags)
    single = _class([pairs[0] for pairs in sequences if len(pairs) == 1])
    options: list[Node] = [Char(single)] if single else []
    options += [Sequence(tuple(Char(_class([pair])) for pair in pairs)) for pairs in sequences if len(pairs) > 1]
    return Group(Choice(tuple(options)) if len(options) > 1 else options[0])


@cache
def _members(text: str, flags: str) -> tuple[Pairs, ...]:
    """What a class, an escape or a single character matches, as sequences of byte ranges."""
    source = f"(?{''.join(sorted(set(flags) & set('is')))}:{text})" if set(flags) & set("is") else f"(?:{text})"
    ranges: list[tuple[int, int]] = []
    for match in compile_linear(source + "+", ignores_case=False).finditer(_plane()):
        ranges += _consecutive(match.group().decode())
    sequences = [pairs for low, high in ranges for pairs in _sequences(low, high)]
    if compile_linear(source, ignores_case=False).match(_ASTRAL.encode()) is not None:
        sequences.append(((0xF0, 0xF4), (0x80, 0xBF), (0x80, 0xBF), (0x80, 0xBF)))
    wide = [pairs for pairs in sequences if len(pairs) > 1]
    if len(wide) > _MOST_SEQUENCES:
        wide = _by_lead(wide)
    return tuple(pairs for pairs in sequences if len(pairs) == 1) + tuple(wide)


@cache
def _plane() -> bytes:
    """Every character of the basic plane."""
    return "".join(map(chr, (*range(0xD800), *range(0xE000, 0x10000)))).encode()


def _consecutive(run: str) -> Iterator[tuple[int, int]]:
    """The ranges of code points that a stretch of the plane is."""
    start = ord(run[0])
    for one, other in pairwise(map(ord, run)):
        if other != one + 1:
            yield start, one
            start = other
    yield start, ord(run[-1])


def _sequences(low: int, high: int) -> Iterator[Pairs]:
    """A range of code points as sequences of byte ranges."""
    for edge in _EDGES:
        if low <= edge < high:
            yield from _sequences(low, edge)
            yield from _sequences(edge + 1, high)
            return
    # Cut where a trailing byte would not run over its whole range.
    for shift in (6, 12, 18):
        mask = (1 << shift) - 1
        if high > 0x7F and low & ~mask != high & ~mask:
            if low & mask:
                yield from _sequences(low, low | mask)
                yield from _sequences((low | mask) + 1, high)
                return
            if high & mask != mask:
                yield from _sequences(low, (high & ~mask) - 1)
                yield from _sequences(high & ~mask, high)
                return
    yield tuple(zip(chr(low).encode(), chr(high).encode(), strict=True))


def _by_lead(sequences: list[Pairs]) -> list[Pairs]:
    """Fewer sequences that match at least the same: any trailing bytes behind the lead bytes of each length."""
    fewer = []
    for length, group in groupby(sorted(sequences, key=len), key=len):
        for low, high in _merged([pairs[0] for pairs in group]):
            fewer.append(((low, high), *[(0x80, 0xBF)] * (length - 1)))
    return fewer


def _bytes_of(sequences: tuple[Pairs, ...]) -> list[tuple[int, int]]:
    return [pair for pairs in sequences for pair in pairs]


def _merged(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(pairs):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged


def _class(pairs: list[tuple[int, int]]) -> str:
    """A class of bytes; empty for none."""
    merged = _merged(pairs)
    if len(merged) == 1 and merged[0][0] == merged[0][1]:
        return _byte(merged[0][0])
    return "[" + "".join(_byte(low) if low == high else f"{_byte(low)}-{_byte(high)}" for low, high in merged) + "]" if merged else ""


def _byte(number: int) -> str:
    character = chr(number)
    return character if number < 0x80 and re.fullmatch(r"[A-Za-z0-9 ]", character) else f"\\x{number:02x}"
