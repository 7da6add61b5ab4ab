r"""Texts spelled out piece by piece: `s k - a b c`, `73 6b 2d`, `[115, 107, 45]`, `'s', 'k', '-'`, groups of four, wrapped lines.

Each way of spelling is a run of units with one separator between them, from so many units on. A run depends on its own characters and on
one before it only, and reading may begin at any of its units, so a stream sees the same runs as a whole text. The least run of every
spelling is shorter than the context that a stream keeps (128 characters).
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Final

from redactors.detectors.derived import beginnings
from redactors.detectors.hyper import Expression, HyperScan, compile_set
from redactors.detectors.linear import Measure, compile_linear, measure_prefix
from redactors.detectors.marks import FOUR_GROUPS, LINE, Marks, four_groups
from redactors.detectors.marks import GROUP as _GROUP
from redactors.detectors.marks import WORD as _WORD
from redactors.detectors.subject import Subject
from redactors.detectors.syntax import parse
from redactors.later import compiled_later
from redactors.normalise import View

CONTEXT: Final = 128
"""Characters before a place of which none has to be known to read what is spelled behind it."""

_LONGEST_LINE: Final = 120
_REACH: Final = 320
_LEADING: Final = 2
"""So many words may stand in front of grouped characters and look like groups."""


class Units(View):
    """A reading in which every character is written by one unit: the arrays tell where units begin and end in the original."""

    __slots__ = ("_begins", "_ends")

    def __init__(self, text: str, begins: array[int], ends: array[int], *, whole: bool) -> None:
        super().__init__(text, [], decoded=whole, loose=not whole)
        self._begins, self._ends = begins, ends

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """From the beginning of the first unit to the end of the last one."""
        begins, ends = self._begins, self._ends
        first = begins[start] if start < len(begins) else ends[-1]
        return first, ends[end - 1] if end > start else first

    def inward(self, place: int) -> int:
        """The first unit that begins at or behind a place of the original."""
        return bisect_left(self._begins, place)


@dataclass(frozen=True, slots=True)
class Spelling:
    """A way to spell a text. `least` is the shortest run for the scan, `run` a whole run, `read` what a unit says.

    `whole` says that units are codes of characters: what they say is then read like any encoding, and not only searched for secrets.
    `single` units are the characters themselves.
    """

    least: str
    run: re.Pattern[str]
    unit: re.Pattern[str]
    read: Callable[[str], str]
    whole: bool = True
    single: bool = False


def _codes(unit: str, separators: tuple[str, ...], base: int) -> Spelling:
    """Numbers of printable characters, from eight on."""
    written = f"(?:{unit})"
    least = "|".join(f"{written}(?:{one}{written}){{7}}" for one in separators)
    return Spelling(
        rf"\b(?:{least})",
        compiled_later(rf"(?<![A-Za-z0-9_]){written}(?P<sep>{'|'.join(separators)}){written}(?:(?P=sep){written}(?![A-Za-z0-9])){{6,}}+"),
        compiled_later(unit),
        lambda number: chr(int(number, base)),
    )


def _characters(separators: tuple[str, ...]) -> Spelling:
    """Single characters, the first two of which are letters or digits."""
    least = "|".join(f"[A-Za-z0-9]{one}[A-Za-z0-9](?:{one}[!-~]){{10}}" for one in separators)
    one = f"(?P<sep>{'|'.join(separators)})"
    return Spelling(
        rf"\b(?:{least})",
        compiled_later(rf"(?<![A-Za-z0-9_])[A-Za-z0-9]{one}[A-Za-z0-9](?:(?P=sep)[!-~](?![A-Za-z0-9])){{10,}}+"),
        compiled_later(r"[!-~]"),
        str,
        whole=False,
        single=True,
    )


def _quoted() -> Spelling:
    """Single characters in quotes, as the elements of a list."""
    unit = r"(?:'[!-~]'|\"[!-~]\")"
    return Spelling(
        rf"{unit}(?:,[ \n]{{0,8}}{unit}){{7}}",
        compiled_later(rf"{unit}(?:,[ \n]{{0,8}}{unit}){{7,}}+"),
        compiled_later(unit),
        lambda written: written[1],
        whole=False,
    )


@cache
def _spellings() -> tuple[Spelling, ...]:
    """All of them but groups and lines, which keep more than one character in a unit."""
    return (
        _characters((", ", " ", "-", r"\.", r"\n")),
        _codes("[2-7][0-9A-Fa-f]", (", ", " ", ":", "-", ",", r"\n"), 16),
        _codes("3[2-9]|[4-9][0-9]|1[01][0-9]|12[0-6]", (", ", " ", ",", "-"), 10),
        _codes("0[4-7][0-7]|1[0-7][0-7]", (", ", " ", ","), 8),
        _codes("0[01]{7}", (", ", " ", ",", r"\n"), 2),
        _quoted(),
    )


_LEAST_GROUPED: Final = 5 * _GROUP + 4
_PLAIN: Final = rf"[A-Za-z][a-z]{{{_GROUP - 1}}}"
_GROUPED: Final = compiled_later(
    rf"(?<!{_WORD})(?:{_PLAIN} ){{0,{_LEADING}}}+(?!{_PLAIN}){_WORD}{{{_GROUP}}}(?!{_WORD})"
    rf"(?: {_WORD}{{{_GROUP}}}(?!{_WORD}))*+(?: {_WORD}{{1,{_GROUP - 1}}}(?!{_WORD}))?"
)
"""Groups, of which one is no plain word and stands behind two such words at most: `Then they went home` is no run."""
_LINES: Final = compiled_later(
    rf"(?<!{_WORD}){_WORD}{{16,{_LONGEST_LINE}}}+={{0,2}}"
    rf"(?:\r?\n[ \t]{{0,16}}+(?=[A-Za-z0-9+/_.-]{{0,{_LONGEST_LINE}}}(?:[0-9][+/_.-]*[A-Za-z]|[A-Za-z][+/_.-]*[0-9]|[a-z][+/_.-]*[A-Z]))"
    rf"{_WORD}{{4,{_LONGEST_LINE}}}+={{0,2}}(?=[\s\"'`,;)\]}}<>&]|\Z))++"
)
"""A word at the end of a line, and lines that are one word each, of mixed characters: what is left when a program breaks a long one."""

_LINE: Final = compiled_later(r"[^\s]+")
_OPEN_LINES: Final = rf"(?:{_WORD}{{0,{_LONGEST_LINE}}}[ \t]{{0,16}}\n)?\r?={{0,2}}{_WORD}{{16,{_LONGEST_LINE}}}"
"""Two broken lines read backwards, the second one as far as it is there."""


@cache
def least_runs() -> tuple[str, ...]:
    """The expressions of the scan, in the order of the spellings, groups and lines; the last ones say no more than where to look."""
    return (*(spelling.least for spelling in _spellings()), FOUR_GROUPS, LINE)


Run = tuple[int, int, Callable[[], Iterable[View]]]
"""Where a run begins and ends, and what makes its readings."""


class SpelledOut:
    """Finds what is spelled out, with the scan of `compile_spelled` where there is one. Safe for several threads."""

    __slots__ = ("_groups", "_scan")

    def __init__(self, scan: HyperScan | None) -> None:
        self._groups = four_groups()
        self._scan = scan

    def views(self, subject: Subject, marks: Marks) -> Iterable[View]:
        """Every reading of what is spelled out in a text with these marks."""
        ends = self._ends(subject, marks)
        return (view for _, _, readings in _runs(subject.text, ends) for view in readings()) if ends else ()

    def open_views(self, subject: Subject) -> Iterator[View]:
        """The readings of runs that reach the end of the text or the units that are not settled there."""
        low = len(subject.text) - _REACH
        for _, end, readings in _runs(subject.text, self._ends(subject, None)):
            if end >= low:
                yield from readings()

    def covers(self, text: str, place: int) -> bool:
        """Whether a run stands on both sides of a place."""
        return any(start < place <= end for start, end, _ in _runs(text, self._ends(Subject(text), None)))

    def open_from(self, text: str) -> int:
        """Where the last units at the end of the text begin, from which on a run may begin or go on."""
        tail = text[-_REACH:][::-1]
        data = tail.encode("utf-8", "replace")
        reach = _measure()(data, len(data))
        return len(text) - (reach if len(data) == len(tail) else len(data[:reach].decode("utf-8", "replace")))

    def glance(self, text: str, data: bytes, begin: int, end: int) -> int:
        """See `Scanner.glance`."""
        return min(end, self.open_from(text))

    def suspects(self, data: bytes, marks: Marks) -> list[int]:
        """Offsets inside everything that is spelled out in a text with these marks."""
        if not marks.short:
            return [*self._telling_groups(data), *marks.lines]
        if self._scan is not None:
            return [end for _, end in self._scan.hits(data)]
        text = data.decode("utf-8", "replace")
        return [len(text[:end].encode()) for _, end, _ in _runs(text, self._ends(Subject(text), None))]

    def _telling_groups(self, data: bytes) -> list[int]:
        """Ends of four groups, but those of plain words: of a run, one of the first groups is no word."""
        return [end for end in self._groups.find(data) if not _are_words(data[end - 5 * _GROUP : end])]

    def _ends(self, subject: Subject, marks: Marks | None) -> dict[int, Sequence[int] | None]:
        """Ends of least runs for every spelling that may stand in a text; None where nobody looked for them."""
        if marks is not None and not marks.short:
            grouped = self._telling_groups(subject.data)
            if not grouped and not marks.lines:
                return {}
            groups = len(_spellings())
            ends = {groups: grouped, groups + 1: marks.lines}
            return {index: [subject.point(end) for end in places] for index, places in ends.items() if places}
        if self._scan is None:
            return dict.fromkeys(range(len(_spellings()) + 2))
        found: dict[int, list[int]] = {}
        for index, end in self._scan.hits(subject.data):
            found.setdefault(index, []).append(subject.point(end))
        return {**found}


def _runs(text: str, ends: Mapping[int, Sequence[int] | None]) -> Iterator[Run]:
    """Every run of a text that stands at ends of least runs, by spelling."""
    kinds = _spellings()
    for index, places in ends.items():
        if index < len(kinds):
            for match in _matches(kinds[index].run, text, places):
                yield *match.span(), partial(_unit_views, kinds[index], match)
        elif index == len(kinds):
            for match in _matches(_GROUPED, text, places):
                if match.end() - match.start() >= _LEAST_GROUPED:
                    yield *match.span(), partial(_group_views, match)
        else:
            for match in _matches(_LINES, text, places):
                yield *match.span(), partial(_line_views, match)


def _are_words(groups: bytes) -> bool:
    letters = groups.replace(b" ", b"")
    return letters.isalpha() and (letters[1:4] + letters[5:8] + letters[9:12] + letters[13:16]).islower()


def _matches(run: re.Pattern[str], text: str, places: Sequence[int] | None) -> Iterator[re.Match[str]]:
    """Every run, from left to right; `places` are ends of least runs, one in every run, or None when nobody looked for them."""
    if places is None:
        yield from run.finditer(text)
        return
    done = 0
    for place in places:
        while done < place:
            found = run.search(text, max(done, place - CONTEXT - _LONGEST_LINE), place + CONTEXT)
            match = run.match(text, found.start()) if found is not None else None
            if match is None:
                break
            done = match.end()
            yield match


def _unit_views(spelling: Spelling, match: re.Match[str]) -> Iterable[View]:
    separator = len(match["sep"]) if "sep" in match.re.groupindex else 0
    at, end = match.span()
    if spelling.single:
        step = 1 + separator
        starts, stops = range(at, end, step), range(at + 1, end + 1, step)
        return (Units(match.string[at:end:step], array("I", starts), array("I", stops), whole=spelling.whole),)
    begins, ends = array("I"), array("I")
    plain = []
    while at < end and (unit := spelling.unit.match(match.string, at)) is not None:
        begins.append(unit.start())
        ends.append(unit.end())
        plain.append(spelling.read(unit.group()))
        at = unit.end() + separator if separator else _next_quote(match.string, unit.end(), end)
    return (Units("".join(plain), begins, ends, whole=spelling.whole),)


def _next_quote(text: str, at: int, end: int) -> int:
    while at < end and text[at] not in "\"'":
        at += 1
    return at


def _group_views(match: re.Match[str]) -> Iterable[View]:
    """The groups joined; and once more behind each word in front that may be none of them."""
    text, (start, end), size = match.string, match.span(), _GROUP
    for _ in range(_LEADING):
        yield _joined([(at, min(end, at + size)) for at in range(start, end, size + 1)], text)
        if not text[start : start + size].isalpha():
            break
        start += size + 1


def _line_views(match: re.Match[str]) -> Iterable[View]:
    return (_joined([word.span() for word in _LINE.finditer(match.string, *match.span())], match.string),)


def _joined(parts: list[tuple[int, int]], text: str) -> View:
    pieces: list[tuple[int, int, int, int, int]] = []
    size = 0
    for start, end in parts:
        pieces.append((size, size + end - start, start, end, 1))
        size += end - start
    return View("".join([text[start:end] for start, end in parts]), pieces, loose=True)


def compile_spelled() -> HyperScan:
    """The scan for least runs."""
    return compile_set([Expression(expression) for expression in least_runs()])


@cache
def _measure() -> Measure:
    """How many bytes of a reversed text are the beginning of a run, or units at its end."""
    spelled = [beginnings(parse(spelling.least)) for spelling in _spellings()]
    # Of a longer run, this is where its last groups are cut by a settled place at the latest.
    telling = "|".join(rf"[A-Za-z][a-z]{{{at}}}[A-Z0-9+/_.-]{_WORD}{{{_GROUP - 2 - at}}}" for at in range(_GROUP - 1))
    few = rf"(?:{_PLAIN} ){{0,{_LEADING}}}(?:[0-9+/_.-]{_WORD}{{{_GROUP - 1}}}|{telling})(?: {_WORD}{{{_GROUP}}}){{0,4}}"
    groups = f"{beginnings(parse(few))}(?:[^A-Za-z0-9+/_.-]|\\z)"
    return measure_prefix(compile_linear("|".join([*spelled, groups, _OPEN_LINES]), longest=True))
