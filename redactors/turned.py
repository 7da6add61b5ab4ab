"""Long words read otherwise: backwards, and with letters thirteen places on (rot13).

Both keep the characters of a word, so only the rules can tell. Read are at most the last 512 characters of each run that may be an
encoding, with what follows it in the same word; so a stream need not hold more than that.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from redactors.detectors.marks import RUN_LENGTH
from redactors.later import compiled_later
from redactors.normalise import RUN_AT, View, is_hexadecimal

MOST: Final = 512
"""Characters before the end of a run that are read."""

_MORE: Final = 160
_WORD: Final = compiled_later(rf"({RUN_AT.pattern})[A-Za-z0-9+/_.=:~$-]{{0,{_MORE}}}")
"""A run and what follows it in the same word."""

_WORD_END: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_.=:~$-"
_LOWER: Final = "abcdefghijklmnopqrstuvwxyz"
_ROTATED: Final = str.maketrans(_LOWER + _LOWER.upper(), _LOWER[13:] + _LOWER[:13] + _LOWER[13:].upper() + _LOWER[:13].upper())


class Turned(NamedTuple):
    """A word as it is read otherwise, where it begins in the text, and which of the two readings this is."""

    word: str
    low: int
    backwards: bool


class Backwards(View):
    """A stretch of the original from its end to its beginning."""

    __slots__ = ("_end",)

    def __init__(self, text: str, end: int) -> None:
        super().__init__(text, [], loose=True)
        self._end = end

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """The same characters, counted from the other side."""
        return self._end - max(start, end), self._end - start

    def inward(self, place: int) -> int:
        """The first place: what lies before a place of the original stands at the end here."""
        return 0


def turned(text: str, starts: Iterable[int]) -> list[Turned]:
    """Both readings of each word in which a run begins at one of these places. Hexadecimal digits rotated are none."""
    readings: list[Turned] = []
    for start in starts:
        word = _WORD.match(text, start)
        if word is None:
            continue
        low = max(start, word.end(1) - MOST)
        plain = text[low : word.end()]
        readings.append(Turned(plain[::-1], low, True))
        if not is_hexadecimal(plain):
            readings.append(Turned(plain.translate(_ROTATED), low, False))
    return readings


def as_view(reading: Turned) -> View:
    """One of the readings that `turned` gave as a view of the text."""
    word, low, backwards = reading
    return Backwards(word, low + len(word)) if backwards else View(word, [(0, len(word), low, low + len(word), 1)], loose=True)


def open_word(text: str) -> int:
    """Where the stretch begins that may be read otherwise when the word at the end of the text goes on; the length when there is none."""
    size = len(text)
    tail = text[-MOST - 2 * _MORE :]
    word = len(tail) - len(tail.rstrip(_WORD_END))
    if word < RUN_LENGTH:
        return size
    first = size - word
    for run in RUN_AT.finditer(text, first):
        if run.end() + _MORE >= size:
            return max(run.start(), run.end() - MOST)
    return size
