"""A cheap look at the growing end of a stream: may the rules find anything there, and from where on is something open.

One scan for openers, for heads of rules without an opener, for encoded runs and for whatever is written otherwise; one match of all
beginnings against the reversed end. Only where the scan saw something are rules asked, on the few characters that are not settled.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final

from redactors.detectors.bytewise import spelled_in_bytes
from redactors.detectors.hyper import Expression, HyperScan, compile_set
from redactors.detectors.linear import Measure
from redactors.detectors.marks import ESCAPED, RUN, SPELLED
from redactors.detectors.openings import TAIL, OpeningPlan, Openings
from redactors.detectors.subject import Span, Subject
from redactors.detectors.syntax import parse, render
from redactors.later import compiled_later
from redactors.normalise import LONGEST_ESCAPE

LOOK: Final = -1
"""The answer of a glance where only the engine can tell."""

READ_OTHERWISE: Final = rf"\\|\[[RHP]|{ESCAPED}"
"""What may be an escape (`redactors.normalise`), any backslash, and replacements."""

CUT: Final = -2
"""The answer where the end of the text cuts an escape or a sign of its like (`cut_at`)."""

_CUT_READ: Final = (
    r"(?:%[0-9a-fA-F]?|&[#0-9a-zA-Z]{0,9}|=\r?|\[|[\"'][ \t]{0,4}[+.&]?[ \t]{0,4}(?:\r|\r?\n[ \t]{0,16})?"
    r"|0(?:x(?:[2-7][0-9a-fA-F]?)?)?|\r?\n|\r)\z"
)
"""The beginning of one of these at the end of the text."""

_CUT: Final = compiled_later(_CUT_READ.replace(r"\z", r"\Z"))
_MARKS: Final = (RUN, READ_OTHERWISE, *SPELLED, _CUT_READ)
"""What is looked for beside openers and heads; the cut is the last of them."""


def cut_at(text: str) -> int:
    """Where begins what the end of the text cuts; the length when it cuts nothing."""
    found = _CUT.search(text, max(0, len(text) - LONGEST_ESCAPE))
    return len(text) if found is None else found.start()


def compile_sights(plan: OpeningPlan, heads: Sequence[Expression]) -> HyperScan:
    """The scan of a glance: the plan's openers, heads, and marks. Raises ValueError when the library refuses one."""
    return compile_set(sights(plan, heads))


def sights(plan: OpeningPlan, heads: Sequence[Expression]) -> list[Expression]:
    """The expressions of that scan, as `compile_set` takes them."""
    openers = (
        Expression(render(spelled_in_bytes(parse(text), ignores_case=ignores_case)), ignores_case) for text, ignores_case in plan.openers
    )
    return [*openers, *heads, *(Expression(mark, once=True) for mark in _MARKS)]


class Glance:
    """The glance of one rule set; `find` is the set's own search. Safe for several threads."""

    __slots__ = ("_cut", "_find", "_heads", "_hits", "_measure", "_openings")

    def __init__(self, openings: Openings, scan: HyperScan, heads: int, find: Callable[[Subject, int], list[Span]]) -> None:
        self._openings = openings
        self._hits = scan.hits
        self._measure: Measure | None = None
        self._heads = openings.openers + heads
        self._cut = self._heads + len(_MARKS) - 1
        self._find = find

    def __call__(self, text: str, data: bytes, begin: int, end: int) -> int:
        """See `Scanner.glance`; CUT where more has to be asked about the text, everybody, because its end cuts what is read otherwise."""
        hits = self._hits(data)
        if not hits:
            size = len(data)
            if size != len(text):
                return self._open_from(text, ())
            # The usual case, in which nothing is called that need not be.
            reach = (self._measure or self._measured())(data[::-1], size)
            return size - reach if reach < TAIL else LOOK
        seen = {index for index, _ in hits}
        if self._cut in seen and seen.isdisjoint(range(self._heads, self._cut)):
            return CUT
        return self._answer(text, seen, begin)

    def _measured(self) -> Measure:
        """The measure of beginnings, whose large expression is compiled when the first stream asks; twice in two threads is harmless."""
        measure = self._measure = self._openings.measure
        return measure

    def uncut(self, text: str, data: bytes, begin: int, end: int) -> int:
        """The same of a text of which it is known whether it is cut."""
        return self._answer(text, {index for index, _ in self._hits(data)}, begin)

    def _answer(self, text: str, seen: set[int], begin: int) -> int:
        seen.discard(self._cut)
        if seen and (max(seen) >= self._heads or self._find(Subject(text), begin)):
            return LOOK
        return self._open_from(text, seen)

    def _open_from(self, text: str, seen: Collection[int]) -> int:
        """Where the earliest beginning of a match stands that reaches the end of the text."""
        backwards = text[::-1].encode("utf-8", "replace")
        reach = (self._measure or self._measured())(backwards, len(backwards))
        if seen:
            reach = max(reach, self._openings.closing(seen, backwards))
        if reach >= TAIL:
            return LOOK
        if reach and len(backwards) != len(text):
            reach = len(backwards[:reach].decode("utf-8", "replace"))
        return len(text) - reach
