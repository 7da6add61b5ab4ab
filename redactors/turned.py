"""Long words read otherwise: backwards, and with letters thirteen places on (rot13).

Both keep the characters of a word, so only the rules can tell. Read are at most the last 512 characters of each run that may be an
encoding, with what follows it in the same word; so a stream need not hold more than that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from redactors.normalise import RUN, RUN_AT, View

MOST: Final = 512
"""Characters before the end of a run that are read."""

_MORE: Final = 160
_REST: Final = re.compile(rf"[A-Za-z0-9+/_.=:~$-]{{0,{_MORE}}}")
_WORD_END: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_.=:~$-"
_LOWER: Final = "abcdefghijklmnopqrstuvwxyz"
_ROTATED: Final = str.maketrans(_LOWER + _LOWER.upper(), _LOWER[13:] + _LOWER[:13] + _LOWER[13:].upper() + _LOWER[:13].upper())


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


def turned(text: str, starts: Iterable[int]) -> Iterator[View]:
    """Both readings of each word in which a run begins at one of these places."""
    for start in starts:
        run = RUN_AT.match(text, start)
        if run is None:
            continue
        rest = _REST.match(text, run.end())
        low, high = max(start, run.end() - MOST), rest.end() if rest is not None else run.end()
        word = text[low:high]
        yield Backwards(word[::-1], high)
        yield View(word.translate(_ROTATED), [(0, high - low, low, high, 1)], loose=True)


def open_word(text: str) -> int:
    """Where the stretch begins that may be read otherwise when the word at the end of the text goes on; the length when there is none."""
    size = len(text)
    tail = text[-MOST - 2 * _MORE :]
    word = len(tail) - len(tail.rstrip(_WORD_END))
    if word < RUN:
        return size
    first = size - word
    for run in RUN_AT.finditer(text, first):
        if run.end() + _MORE >= size:
            return max(run.start(), run.end() - MOST)
    return size
