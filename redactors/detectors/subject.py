"""What detectors work on and answer with inside the engine: a text with its bytes, and labelled stretches of it."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Collection
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple, Protocol

from redactors.model import DetectorName

Judged = dict[object, dict[bytes, bool]]
"""What each check said about each value."""


class Memory:
    """What turned out about parts of a text, for as long as it is looked at: its other readings mostly hold the same parts.

    `blank` are runs of characters that decode to nothing that could be read, `read` is what was found in whole other readings.
    """

    __slots__ = ("blank", "judged", "read")

    def __init__(self) -> None:
        self.blank: set[str] = set()
        self.judged: Judged = {}
        self.read: dict[tuple[str, int, int, int], list[Span]] = {}


_STEP = 1024
_CONTINUATION = bytes(range(0x80, 0xC0))
_BEGINS = bytes(byte & 0xC0 != 0x80 for byte in range(256))
_OFTEN = 64
"""Where more than one place in so many bytes is asked for, all of them are counted once."""


class Subject:
    """One text as code points and as UTF-8, with the way back from byte offsets.

    A lone surrogate is one `?` in the bytes, so that the bytes are always valid and every code point keeps its place. `judged` is what
    the checks of rules said about values so far: other readings of one text share it, because they mostly hold the same values.
    """

    __slots__ = ("_asked", "_backwards", "_marks", "_points", "data", "judged", "plain", "text")

    def __init__(self, text: str, judged: Judged | None = None) -> None:
        self.text = text
        self.judged: Judged = {} if judged is None else judged
        self.plain = text.isascii()
        self.data = text.encode() if self.plain else text.encode("utf-8", "replace")
        self._marks: list[int] | None = None
        self._points: array[int] | None = None
        self._asked = 0
        self._backwards: bytes | None = None

    @property
    def backwards(self) -> bytes:
        """The bytes from the last to the first, for expressions that are matched backwards."""
        if self._backwards is None:
            self._backwards = self.data[::-1]
        return self._backwards

    def point(self, offset: int) -> int:
        """The code point that begins at a byte offset."""
        if self.plain:
            return offset
        if self._points is not None:
            return self._points[offset]
        self._asked += _OFTEN
        if self._asked > len(self.data):
            self._points = array("I", accumulate(self.data.translate(_BEGINS), initial=0))
            return self._points[offset]
        if self._marks is None:
            self._marks = _marks(self.data)
        block = offset // _STEP
        return self._marks[block] + _begun(self.data[block * _STEP : offset])

    def offset(self, point: int) -> int:
        """The byte offset at which a code point begins."""
        if self.plain:
            return point
        if self._marks is None:
            self._marks = _marks(self.data)
        block = bisect_right(self._marks, point) - 1
        at, count = block * _STEP, self._marks[block]
        while at < len(self.data) and (count < point or self.data[at] & 0xC0 == 0x80):
            count += self.data[at] & 0xC0 != 0x80
            at += 1
        return at


def _begun(part: bytes) -> int:
    return len(part.translate(None, _CONTINUATION))


def _marks(data: bytes) -> list[int]:
    marks, total = [0], 0
    for at in range(0, len(data), _STEP):
        total += _begun(data[at : at + _STEP])
        marks.append(total)
    return marks


@dataclass(frozen=True, slots=True)
class Label:
    """What a detector calls a thing: the rule's id, what the replacement says, the policy's name of the family."""

    rule: str
    kind: str
    detector: DetectorName


class Span(NamedTuple):
    """A stretch found in a text, in code points, half open.

    `start` and `end` are the sensitive part, `outer_start` and `outer_end` the whole match with its context. `more` says that
    the match was cut at its rule's bound and goes on behind `end`; `continues` that this is such a continuation.
    """

    start: int
    end: int
    outer_start: int
    outer_end: int
    label: Label
    more: bool = False
    continues: bool = False


class Scanner(Protocol):
    """One detector as the engine drives it: over whole texts and over the growing end of a stream."""

    def find(self, subject: Subject, begin: int) -> list[Span]:
        """Everything found that begins at or behind the code point `begin`."""
        ...

    def resume(self, subject: Subject, begin: int, rules: Collection[str]) -> list[Span]:
        """The continuation, at `begin`, of matches of these rules that were cut there."""
        ...

    def open_from(self, text: str, begin: int) -> int:
        """The earliest code point, not before `begin`, at which something begins that more text may complete, or the length."""
        ...

    def glance(self, text: str, data: bytes, begin: int, end: int) -> int:
        """A cheap look at the end of a stream, in which nothing is open before `begin` (0, or 1 behind one character of context).

        `data` is the text as a `Subject` has it. Answers with the first code point that may begin something (`begin` or less when all may),
        with `end` or more when none before that does, and with -1 when something may be whole, so that `find` has to be asked.
        """
        ...

    def suspects(self, data: bytes) -> list[int]:
        """Byte offsets such that every finding has one of them behind its start and not behind its end; cheap, may be too many."""
        ...
