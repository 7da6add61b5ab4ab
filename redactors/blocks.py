"""Redacts a long text block by block, with the same result as in one piece and without ever holding all that is found in it.

The interpreter runs one thread at a time, and a single long call into C keeps every other one waiting: the event loop too. So no step
here sees more than a few blocks. What is settled, and why a block may be cut there, is told in `redactors.stream`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Final

from redactors import operators
from redactors.detection import TOO_DEEP, Detection
from redactors.detectors.subject import Span
from redactors.model import Remark, Verdict
from redactors.patience import GoOn, endless
from redactors.spans import Applied, Region, settled_before

BLOCK: Final = 1 << 17
"""Longer texts are redacted in blocks of as many characters."""

CONTEXT: Final = 128
"""Settled characters before a block that are looked at again: word borders, escapes and replacements are read across its beginning."""

_BACKSLASHES: Final = 64
"""Of more backslashes at the end only these can belong to an escape."""

_MOST_OPEN: Final = 1.5
"""A chain of matches of more than so many blocks is replaced as a whole: no text that means anything has one."""

Apply = Callable[[str, Sequence[Span], Region], Applied]
"""`Redactor.apply`."""


def in_blocks(
    text: str, detection: Detection, apply: Apply, recognized: Sequence[Span] = (), *, block: int = BLOCK, go_on: GoOn = endless
) -> Applied:
    """Redact a text of any length. `recognized` are spans that were found in it otherwise; `block` is how many characters a step adds.

    Raises what `go_on` raises, which is asked before each block.
    """
    size = len(text)
    beside = sorted(recognized)
    starts = [span.start for span in beside]
    pieces: list[str] = []
    remarks: list[Remark] = []
    verdict, fresh, resumed = Verdict.ALLOW, False, frozenset[str]()
    settled = stop = 0
    while settled < size:
        go_on()
        stop = min(size, stop + block)
        low = max(0, settled - CONTEXT)
        window, begin = text[low:stop], settled - low
        spans = detection.find(window, begin, resumed)
        spans += [_moved(span, low) for span in beside[bisect_left(starts, settled) : bisect_left(starts, stop)]]
        border = len(window) if stop == size else _border(window, begin, spans, detection)
        if border <= begin and stop - settled > block * _MOST_OPEN:
            border = len(window)
            spans = [Span(begin, border, begin, border, TOO_DEEP)]
        if border <= begin:
            continue
        if spans or fresh:
            applied = apply(window, spans, Region(begin, border, "", low, fresh))
            pieces.append(applied.value)
            remarks += applied.remarks
            verdict, fresh = max(verdict, applied.verdict), applied.fresh
        else:
            pieces.append(window[begin:border])
        resumed = frozenset(span.label.rule for span in spans if span.more and span.outer_end == border)
        settled = low + border
    return Applied("".join(pieces), remarks, verdict, fresh)


def _moved(span: Span, by: int) -> Span:
    return span._replace(start=span.start - by, end=span.end - by, outer_start=span.outer_start - by, outer_end=span.outer_end - by)


def _border(window: str, begin: int, spans: Sequence[Span], detection: Detection) -> int:
    """How far a block is settled: nothing is open there, and no match, no escape and no replacement is cut."""
    opened = min(detection.open_from(window, begin), operators.unfinished(window))
    if window.endswith("\\"):
        opened = min(opened, max(len(window.rstrip("\\")), len(window) - _BACKSLASHES))
    for span in spans:
        if span.continues and not span.more and span.end == len(window):
            opened = min(opened, span.start)
    border = settled_before(spans, max(opened, begin))
    while border and window[border - 1] == "\\" and (border - len(window[:border].rstrip("\\"))) % 2:
        border = settled_before(spans, border - 1)
    return border
