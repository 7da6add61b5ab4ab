r"""Marks that a text may be read otherwise, looked for in the same pass as the rules: a text without any costs nothing more.

A mark only says that somebody has to look (`redactors.normalise`, `redactors.spelled`). Each is looser than what it stands for: in every
text that holds that, the mark is seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final, NamedTuple

from redactors.detectors.hyper import Expression, Hits, HyperScan, compile_set, is_importable
from redactors.detectors.linear import compile_linear

RUN_LENGTH: Final = 20
"""Characters in a row from which on a run is read as an encoding."""

WORD: Final = "[A-Za-z0-9+/_.-]"
"""Of what groups and broken lines are made."""

GROUP: Final = 4
"""Characters of a group."""

RUN: Final = rf"[A-Za-z0-9+/_-]{{{RUN_LENGTH}}}"
"""A run that may be an encoding."""

ESCAPED: Final = (
    r"\\[ux0-3nrt\"'/_*.#~+\r\n-]|%[0-7c-fC-F][0-9A-Fa-f]|&(?:#[0-9xX]|[a-z]{2,8};)|=\r?\n|\n>|0x[2-7][0-9a-fA-F][, \t]"
    r"|[\"'][ \t]{0,4}(?:[+.&][ \t]{0,4}(?:\r?\n[ \t]{0,12})?|\r?\n[ \t]{0,16})[\"']"
)
"""Escapes, continued lines, sums of strings, numbers of bytes, quoted lines."""

_BETWEEN: Final = r"(?:, ?|[ :.\n-])"
_SHORT: Final = "|".join(
    (
        r"[!-~](?:(?:, |[ .\n-])[!-~]){11}",
        rf"[2-7][0-9A-Fa-f](?:{_BETWEEN}[2-7][0-9A-Fa-f]){{7}}",
        r"[0-9]{2,3}(?:(?:, ?|[ -])[0-9]{2,3}){7}",
        r"[01][0-7][0-7](?:(?:, ?| )[01][0-7][0-7]){7}",
        r"[01]{7}(?:, ?|[ \n])[01]{8}(?:, ?|[ \n])[01]{8}",
        r"['\"][!-~]['\"](?:,[ \n]{0,8}['\"][!-~]['\"]){7}",
    )
)
_ANY: Final = rf"{WORD}{{{GROUP}}}"
_NO_LETTER: Final = "[0-9+/_.-]"
_NO_SMALL_LETTER: Final = "[A-Z0-9+/_.-]"
_ODD: Final = "|".join(WORD * at + (_NO_SMALL_LETTER if at else _NO_LETTER) + WORD * (GROUP - 1 - at) for at in range(GROUP))
_GROUPS: Final = f"(?:(?:{_ODD}) {_ANY} {_ANY}|{_ANY} (?:{_ODD}) {_ANY}|{_ANY} {_ANY} (?:{_ODD})) {_ANY} {_ANY}"
FOUR_GROUPS: Final = rf"(?:{_ANY} ){{4}}"
"""Four groups with blanks between and behind them."""

LINE: Final = rf"{WORD}{{16}}={{0,2}}\r?\n"
"""The end of a line that may be broken."""

SPELLED: Final = (_SHORT, _GROUPS, LINE)
"""Characters and numbers of characters one by one, groups of characters of which an early one is no plain word, lines of one word."""

ONCE: Final = (RUN, ESCAPED, _SHORT)
"""Those of which only is asked whether they are there: they may be everywhere."""

MARKS: Final = (*ONCE, LINE)
"""All of them, in the order of their indices behind the rules."""


class Marks(NamedTuple):
    """What is marked in a text: that it may hold runs, escapes, characters one by one; and where lines of one word end."""

    runs: bool
    escaped: bool
    short: bool
    lines: Sequence[int] = ()


UNMARKED: Final = Marks(runs=False, escaped=False, short=False)
"""Nothing is."""


def marks_of(hits: Hits, first: int) -> Marks:
    """The marks among the hits of a set in which `first` expressions stand before them."""
    if not hits or max(hits)[0] < first:
        return UNMARKED
    seen = {index - first for index, _ in hits}
    lines = first + len(ONCE)
    return Marks(0 in seen, 1 in seen, 2 in seen, [end for index, end in hits if index == lines])


class Ends:
    """Finds where an expression ends, by itself: for what is asked for seldom, or would hold up the scan for rules. Safe for threads."""

    __slots__ = ("_scan",)

    def __init__(self, expression: str) -> None:
        self._scan: Any = compile_set([Expression(expression)]) if is_importable() else compile_linear(f"(?m){expression}")

    def find(self, data: bytes) -> list[int]:
        """The byte offsets, also of matches that overlap."""
        if isinstance(self._scan, HyperScan):
            return [end for _, end in self._scan.hits(data)]
        ends: list[int] = []
        match = self._scan.search(data)
        while match is not None:
            ends.append(match.end())
            match = self._scan.search(data, match.start() + 1)
        return ends


@cache
def run_beginnings() -> Ends:
    """Finds where runs have gone on for `RUN_LENGTH` characters."""
    return Ends(rf"(?:^|[^A-Za-z0-9+/_-]){RUN}")


@cache
def four_groups() -> Ends:
    """Finds `FOUR_GROUPS`."""
    return Ends(FOUR_GROUPS)
