"""A cheap look at the growing end of a stream: may the rules find anything there, and from where on is something open.

One scan for openers, for heads of rules without an opener, for encoded runs and for whatever is written otherwise; one match of all
beginnings against the reversed end. Only where the scan saw something are rules asked, on the few characters that are not settled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from redactors.detectors.bytewise import spelled_in_bytes
from redactors.detectors.hyper import HyperScan, compile_set
from redactors.detectors.linear import Measure
from redactors.detectors.openings import TAIL, OpeningPlan, Openings
from redactors.detectors.subject import Span, Subject
from redactors.detectors.syntax import parse, render

LOOK: Final = -1
"""The answer of a glance where only the engine can tell."""

READ_OTHERWISE: Final = (
    r"\\|%(?:[0-9A-Fa-f]|\z)|&(?:[#A-Za-z]|\z)|=(?:[\r\n]|\z)|\[(?:[RHP]|\z)"
    r"|[\"'][ \t]{0,4}(?:[+.&\r\n]|\z)|0(?:x|\z)|\r|\n(?:>|\z)"
)
"""Escapes, continued lines, sums of strings, numbers of bytes, quoted lines and replacements, also cut ones."""


def compile_sights(plan: OpeningPlan, heads: Sequence[tuple[str, bool]], run: str) -> HyperScan:
    """The scan of a glance, in this order: the plan's openers, heads (each with whether it ignores case), runs, what is read otherwise.

    Raises ValueError when the library refuses one.
    """
    return compile_set(sights(plan, heads, run))


def sights(plan: OpeningPlan, heads: Sequence[tuple[str, bool]], run: str) -> list[tuple[str, bool]]:
    """The expressions of that scan, as `compile_set` takes them."""
    openers = ((render(spelled_in_bytes(parse(text), ignores_case=ignores_case)), ignores_case) for text, ignores_case in plan.openers)
    return [*openers, *heads, (run, False), (READ_OTHERWISE, False)]


class Glance:
    """The glance of one rule set; `find` is the set's own search. Safe for several threads."""

    __slots__ = ("_find", "_heads", "_hits", "_measure", "_openings")

    def __init__(self, openings: Openings, scan: HyperScan, heads: int, find: Callable[[Subject, int], list[Span]]) -> None:
        self._openings = openings
        self._hits = scan.hits
        self._measure: Measure | None = None
        self._heads = openings.openers + heads
        self._find = find

    def __call__(self, text: str, data: bytes, begin: int, end: int) -> int:
        """See `Scanner.glance`."""
        hits = self._hits(data)
        size, length = len(data), len(text)
        backwards = data[::-1] if size == length else text[::-1].encode("utf-8", "replace")
        measure = self._measure
        if measure is None:
            measure = self._measure = self._openings.measure
        reach = measure(backwards, size)
        if hits:
            seen = {index for index, _ in hits}
            if max(seen) >= self._heads or self._find(Subject(text), begin):
                return LOOK
            reach = max(reach, self._openings.closing(seen, backwards))
        if reach >= TAIL:
            return LOOK
        if size != length and reach:
            reach = len(backwards[:reach].decode("utf-8", "replace"))
        return length - reach
