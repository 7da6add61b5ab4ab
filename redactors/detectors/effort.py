"""What a rule may spend on candidates that begin inside one another, so that no text makes it look at the same places again and again."""

from __future__ import annotations

from typing import Final

CROWD: Final = 512
"""Refused candidates in a row, each begun inside the one before, of which the last is a match: no text that means anything has that."""

_BRIEF: Final = 64
"""Bytes of a candidate that are cheap to look at again, as often as it may be: tables of numbers are full of them."""

_AGAIN_AT_FIRST: Final = 1 << 14
"""Bytes that a rule may look at again in any text; in a longer one, half as many more as it has."""


class Effort:
    """What one rule has spent in a text on long candidates that begin inside the one before."""

    __slots__ = ("begin", "spent")

    def __init__(self, begin: int) -> None:
        self.begin = begin
        self.spent = 0

    def is_too_much(self, at: int, size: int, chain: int) -> bool:
        """Whether with one more it is out of proportion to the text up to a place: then the candidate is a match, checked or not.

        So it is when it is the last of a long `chain` of refused ones.
        """
        self.spent += max(0, size - _BRIEF)
        return chain >= CROWD or self.spent > (at - self.begin) // 2 + _AGAIN_AT_FIRST
