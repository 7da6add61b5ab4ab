"""Looks at candidates of a scan: what matches a rule there, in a window bounded on both sides, and passes its checks.

What a rule finds is defined without the scan, so that every engine and every chunking of a stream gives the same: the
match at a start is RE2's preferred match within `longest` bytes; from left to right the first start whose match passes
the rule's checks is taken, and the search goes on behind it. The scan only tells where starts may be.
"""

from __future__ import annotations

import re
from typing import Final

from redactors.detectors.derived import backwards
from redactors.detectors.effort import Effort
from redactors.detectors.linear import Finder, compile_linear, finders
from redactors.detectors.subject import Label, Span, Subject
from redactors.detectors.syntax import parse
from redactors.later import compiled_later
from redactors.rules.entropy import shannon
from redactors.rules.model import Rule

_GROUPED: Final = 4096
_WINDOW: Final = 512
_CROWD: Final = 512
"""Matches of one rule in a text, and candidates that follow, from which on the latter are no longer looked at one by one."""
_FEW: Final = 8
"""Candidates that follow one another closely, up to which it is worth finding out where they begin."""
_BEFORE: Final = 48
"""Bytes before a value that may speak against it; a stream keeps more."""
_CLOSE: Final = 24
"""Bytes between the ends of neighboring candidates of a crowd."""
_BLOCK: Final = 512
_GOES_ON: Final = compiled_later(rb"[A-Za-z0-9+/=_.~-]{1,512}")
_ARMOR_GOES_ON: Final = compiled_later(rb"[A-Za-z0-9+/=_\\\r\n-]{1,512}")


class Form:
    """A rule ready for confirming: its expression (compiled on first use), how far its beginning reaches back, and its checks."""

    __slots__ = ("_backwards", "_finders", "_start", "back", "check", "group", "label", "longest", "rule")

    def __init__(self, rule: Rule, back: int, start: str) -> None:
        self.rule = rule
        self.label = Label(rule.id, rule.kind, rule.detector)
        self.group = rule.group
        self.longest = rule.longest
        self.back = back
        self.check = (rule.validate, rule.min_entropy)
        self._start = start
        self._finders: tuple[Finder, Finder] | None = None
        self._backwards: Finder | None = None

    @property
    def finders(self) -> tuple[Finder, Finder]:
        """How the expression searches and matches. Compiling twice in two threads is harmless."""
        if self._finders is None:
            self._finders = finders(compile_linear(self.rule.pattern, ignores_case=self.rule.case_insensitive))
        return self._finders

    def reach(self, subject: Subject, end: int) -> int:
        """How far before an end of the scan the first match begins whose head ends there; 0 where the end is another rule's."""
        if not self._start:
            return self.back
        match = self._backwards
        if match is None:
            expression = backwards(parse(self._start))
            backward = compile_linear(expression, ignores_case=self.rule.case_insensitive, longest=True, in_bytes=True)
            match = self._backwards = finders(backward)[1]
        data = subject.backwards
        start = len(data) - end
        found = match(data, start, min(len(data), start + self.back))
        return 0 if found is None else found[0][1] - start

    def accepts(self, value: str) -> bool:
        """Whether entropy and validator agree that this is the thing."""
        rule = self.rule
        if rule.min_entropy and shannon(value) < rule.min_entropy:
            return False
        return rule.validate is None or rule.validate(value)


def confirm(form: Form, subject: Subject, ends: list[int], begin: int, spans: list[Span]) -> None:
    """Look at every start that one of the ends may belong to, each once, from left to right."""
    longest, back = form.longest, form.back
    at, index, count, taken = begin, 0, len(ends), 0
    effort = Effort(begin)
    # The same value is a candidate again and again: for rules that check alike, in other readings, in repetitive text. Checks cost most.
    judged = subject.judged.setdefault(form.check, {})
    while index < count:
        first = last = ends[index]
        begun = index
        index += 1
        while index < count and ends[index] - last <= longest and ends[index] - first <= _GROUPED:
            last = ends[index]
            index += 1
        low = first - back
        if index - begun <= _FEW:
            reaches = [(end, reach) for end in ends[begun:index] if (reach := form.reach(subject, end))]
            if not reaches:
                continue
            low = min(end - reach for end, reach in reaches)
        before = len(spans)
        at = _examine(form, subject, max(at, low), last, judged, effort, spans)
        taken += len(spans) - before
        if taken >= _CROWD:
            at, index = _crowd(form, subject, at, ends, index, spans)


def _crowd(form: Form, subject: Subject, at: int, ends: list[int], index: int, spans: list[Span]) -> tuple[int, int]:
    """Where a rule has matched very often, take close candidates that follow as one match; answers from where and with which end to go on.

    It reaches from the earliest start that the first of them may have to the furthest end that the last may have.
    """
    stop = index + 1
    while stop < len(ends) and ends[stop] - ends[stop - 1] <= _CLOSE:
        stop += 1
    if stop - index < _CROWD:
        return at, index
    data = subject.data
    at = _whole(data, max(at, ends[index] - form.back))
    high = _whole(data, min(len(data), ends[stop - 1] + form.longest))
    goes_on = False
    while at < high:
        # In pieces, so that a block may end between them, and at the same places for every rule.
        end = _whole(data, min(high, (at // _BLOCK + 1) * _BLOCK))
        spans.append(_span(subject, at, end, at, end, form.label, more=True, continues=goes_on))
        at, goes_on = end, True
    return go_on(form.label, subject, high, run_of(form), spans), stop


def _whole(data: bytes, at: int) -> int:
    """The place itself, or behind the character that it would cut."""
    while at < len(data) and data[at] & 0xC0 == 0x80:
        at += 1
    return at


def _examine(form: Form, subject: Subject, at: int, last: int, judged: dict[bytes, bool], effort: Effort, spans: list[Span]) -> int:
    """Take what matches from `at` on with a start before `last`; answers from where to go on."""
    data, longest, group = subject.data, form.longest, form.group
    search, match_at = form.finders
    size = len(data)
    window = max(_WINDOW, longest)
    chain = covered = 0
    begun = False
    while at < last:
        # Short windows, because a match is looked for as far as the window reaches.
        stop = min(last, at + window)
        limit = min(size, stop + longest)
        # Where candidates are few, the first of them begins here: to match is cheaper than to search.
        match = (None if begun else match_at(data, at, limit)) or search(data, at, limit)
        begun = True
        if match is None or (start := match[0][0]) >= stop:
            at = stop
            continue
        end = match[0][1]
        if end - start > longest:
            match = match_at(data, start, start + longest)
            end = match[0][1] if match is not None else start
        at = start + 1
        if match is None or end <= start:
            continue
        low, high = match[group]
        if low < 0:
            low, high = start, end
        value = data[low:high]
        accepted = judged.get(value)
        if accepted is None:
            accepted = judged[value] = high > low and form.accepts(value.decode("utf-8", "replace"))
        if accepted and form.rule.against is not None:
            accepted = not form.rule.against(data[max(0, low - _BEFORE) : low].decode("utf-8", "replace"))
        chain = chain + 1 if start < covered and not accepted else 0
        if start < covered and effort.is_too_much(start, end - start, chain):
            accepted, high = True, end
        covered = end
        if accepted:
            cut = high == end and end - start >= longest
            spans.append(_span(subject, low, high, start, end, form.label, more=cut))
            at = go_on(form.label, subject, end, run_of(form), spans) if cut else max(high, at)
    return max(at, last)


def run_of(form: Form) -> re.Pattern[bytes]:
    """What a match of the form goes on with behind its bound."""
    return _GOES_ON if form.longest < _GROUPED else _ARMOR_GOES_ON


def go_on(label: Label, subject: Subject, at: int, run: re.Pattern[bytes], spans: list[Span]) -> int:
    """Follow a match that was cut at its bound, block by block, to where its run of characters ends."""
    while (match := run.match(subject.data, at)) is not None:
        whole = match.end() - at == _BLOCK
        spans.append(_span(subject, at, match.end(), at, match.end(), label, more=whole, continues=True))
        at = match.end()
        if not whole:
            break
    return at


def _span(
    subject: Subject, low: int, high: int, start: int, end: int, label: Label, *, more: bool = False, continues: bool = False
) -> Span:
    if subject.plain:
        return Span(low, high, start, end, label, more, continues)
    point = subject.point
    return Span(point(low), point(high), point(start), point(end), label, more, continues)
