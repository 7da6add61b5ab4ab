"""All detectors over one text and every other way to read it: what is found, and from where on something may still be open."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Sequence
from itertools import accumulate
from typing import Final

from redactors.detectors.glance import CUT, Glance, cut_at
from redactors.detectors.marks import RUN_LENGTH, UNMARKED, run_beginnings
from redactors.detectors.pattern import PatternSet
from redactors.detectors.subject import Label, Memory, Scanner, Span, Subject
from redactors.normalise import (
    BASE64,
    LONGEST_RUN,
    STRETCH,
    Stretch,
    View,
    decoded,
    folded,
    is_hexadecimal,
    is_packed,
    may_be_escaped,
    open_runs,
    run_at_end,
    unescaped,
    unfinished,
)
from redactors.spelled import CONTEXT, SpelledOut
from redactors.turned import Turned, as_view, open_word, turned

DEPTH: Final = 3
"""How many disguises around one another are taken off. A view is no longer than its text, so this bounds the bytes too."""

_TOGETHER: Final = 1 << 14
"""Decoded characters that are scanned together."""

LEAST: Final = 23
"""Shorter texts spell nothing out."""

TOO_DEEP: Final = Label("nested-encoding", "encoded", "secrets")


_USER_INFO: Final = frozenset({"url-password", "url-password-slash", "url-user-token"})


def _without_hosts(spans: list[Span]) -> list[Span]:
    """Without what begins inside the password of an address and goes on into its host: `password@host` is no mail address and no key."""
    inside = sorted({(span.start, span.end) for span in spans if span.label.rule in _USER_INFO})
    if not inside:
        return spans
    starts = [start for start, _ in inside]
    # How far those reach that begin at or before each: further back than to where that is no more than a place nobody has to look.
    reaches = list(accumulate((end for _, end in inside), max))
    return [span for span in spans if not _goes_on_behind(span, inside, starts, reaches)]


def _goes_on_behind(span: Span, inside: list[tuple[int, int]], starts: list[int], reaches: list[int]) -> bool:
    """Whether the span begins inside one of the stretches, in order, and ends behind it."""
    at = bisect_right(starts, span.start) - 1
    while at >= 0 and reaches[at] > span.start:
        if span.start < inside[at][1] < span.end:
            return True
        at -= 1
    return False


def _add(view: View, found: Iterable[Span], begin: int, spans: list[Span], text: str | None = None) -> None:
    """Add what is found in a view, in places of the original `text` where that is given."""
    for span in found:
        if span.continues or (view.decoded and span.end - span.start < STRETCH) or (view.loose and span.label.detector == "pii"):
            continue
        start, end = view.origin(span.start, span.end)
        if span.label is TOO_DEEP and text is not None and text[start:end] == view.text[span.start : span.end]:
            # The view took nothing off here, so an escape somewhere else must not count as a depth: it is read without the view.
            continue
        outer_start, outer_end = view.origin(span.outer_start, span.outer_end)
        if outer_start >= begin and end > start:
            spans.append(Span(start, end, min(start, outer_start), max(end, outer_end), span.label))


def holders(texts: Iterable[str], places: Iterable[int]) -> set[int]:
    """The indices of those texts that hold one of the places, which are of all the texts in lines."""
    ends = list(accumulate(len(text) + 1 for text in texts))
    return {bisect_left(ends, place) for place in places}


class Detection:
    """The detectors of one redactor. `patterns` is the main rule set, whose scan also sees encoded runs; `others` are scanned beside it."""

    def __init__(self, patterns: PatternSet, others: Sequence[Scanner] = ()) -> None:
        self._patterns = patterns
        self._others = tuple(others)
        self._runs = run_beginnings()
        self._spelled = SpelledOut(patterns.spelled)
        self._glances = (patterns.glance, self._spelled.glance, *(scanner.glance for scanner in others))
        self._uncut = [glance.uncut if isinstance(glance, Glance) else glance for glance in self._glances]

    def find(self, text: str, begin: int = 0, resumed: Collection[str] = ()) -> list[Span]:
        """Everything found that begins at or behind `begin`, in places of `text`; `resumed` rules were cut at `begin` and go on there."""
        spans = _without_hosts(self._level(text, begin, DEPTH, 0, Memory()))
        if resumed:
            subject = Subject(text)
            for scanner in (self._patterns, *self._others):
                spans += scanner.resume(subject, begin, resumed)
        return spans

    def _level(self, text: str, begin: int, depth: int, decodings: int, memory: Memory, *, as_it_stands: bool = False) -> list[Span]:
        """What is found in a text and behind it; words are not turned in a text that is taken `as_it_stands`: escaped ones are long."""
        subject = Subject(text, memory.judged)
        patterns = self._patterns
        hits = patterns.hits(subject.data)
        spans, marks = (_without_hosts(patterns.find(subject, begin, hits)), patterns.marks(hits)) if hits else ([], UNMARKED)
        for scanner in self._others:
            spans += scanner.find(subject, begin)
        if not subject.plain and (view := folded(text)) is not None:
            self._through(view, begin, depth, decodings, memory, spans, text)
        if marks.escaped and (view := unescaped(text)) is not None:
            self._through(view, begin, depth, decodings, memory, spans, text)
        if marks.runs:
            starts = [subject.point(end - RUN_LENGTH) for end in self._runs.find(subject.data)]
            self._behind_runs(text, starts, begin, depth, decodings, memory, spans, turn=depth > 0 and not as_it_stands)
        if len(text) >= LEAST:
            self._each(self._spelled.views(subject, marks), begin, depth, decodings, memory, spans)
        return spans

    def _behind_runs(
        self, text: str, starts: Sequence[int], begin: int, depth: int, decodings: int, memory: Memory, spans: list[Span], *, turn: bool
    ) -> None:
        """Add what is found behind the runs that begin at these places: decoded, and where words are to `turn` also in those."""
        self._each(decoded(text, starts, memory.blank), begin, depth, decodings, memory, spans, turned(text, starts) if turn else ())

    def _each(
        self,
        views: Iterable[View],
        begin: int,
        depth: int,
        decodings: int,
        memory: Memory,
        spans: list[Span],
        readings: Sequence[Turned] = (),
    ) -> None:
        """Add what is found in many small views, and in words read otherwise."""
        waiting: list[View] = []
        size = 0
        for view in views:
            if depth == 0:
                self._through(view, begin, depth, decodings, memory, spans)
                continue
            waiting.append(view)
            size += len(view.text) + 1
            if size >= _TOGETHER:
                self._among(waiting, (), begin, depth, decodings, memory, spans)
                waiting, size = [], 0
        if waiting or readings:
            self._among(waiting, readings, begin, depth, decodings, memory, spans)

    def _among(
        self,
        views: Sequence[View],
        readings: Sequence[Turned],
        begin: int,
        depth: int,
        decodings: int,
        memory: Memory,
        spans: list[Span],
    ) -> None:
        """Add what is found in views without anything beyond ASCII, and in words read otherwise: one scan over all says where to look.

        Words are looked at as they stand then: nothing is decoded behind them.
        """
        texts = [*(view.text for view in views), *(reading.word for reading in readings)]
        data = "\n".join(texts).encode("utf-8", "replace")
        # No rule finds anything in digests and the like without a word beside them.
        bare = not views and all(is_hexadecimal(reading.word) for reading in readings)
        places, loose, marks = ([], [], UNMARKED) if bare else self._patterns.told(data)
        beside = [place for scanner in self._others for place in scanner.suspects(data)]
        running: set[int] = set()
        if views:
            if marks.runs:
                running = holders(texts, self._runs.find(data))
            # Where one text ends and the next begins, no line was broken.
            borders = set(accumulate(len(text) + 1 for text in texts))
            beside += [place for place in self._spelled.suspects(data, marks) if place not in borders]
        telling, loosely = holders(texts, [*places, *beside]), holders(texts, [*loose, *beside])
        for index, view in enumerate(views):
            if index in (loosely if view.loose else telling) or (marks.escaped and may_be_escaped(view.text)):
                self._through(view, begin, depth, decodings, memory, spans)
            elif index in running:
                # Nothing else stands in it, so only what is behind its runs is looked at.
                found: list[Span] = []
                starts = [end - RUN_LENGTH for end in self._runs.find(view.text.encode())]
                turn = depth > 1 and isinstance(view, Stretch)
                self._behind_runs(view.text, starts, view.inward(begin), depth - 1, decodings + view.decoded, memory, found, turn=turn)
                _add(view, found, begin, spans)
        for index in sorted(telling):
            if index >= len(views):
                self._in_word(as_view(readings[index - len(views)]), begin, memory, spans)

    def _in_word(self, view: View, begin: int, memory: Memory, spans: list[Span]) -> None:
        subject = Subject(view.text, memory.judged)
        found = self._patterns.find(subject)
        for scanner in self._others:
            found += scanner.find(subject, 0)
        _add(view, found, begin, spans)

    def _through(
        self, view: View, begin: int, depth: int, decodings: int, memory: Memory, spans: list[Span], text: str | None = None
    ) -> None:
        """Add what is found in a view, in places of the original; `text` is the original of a view that leaves most of it as it is."""
        if depth == 0:
            if view.decoded and decodings:
                # Encodings around encodings beyond the depth: nobody looked inside, so it does not pass.
                low, high = view.origin(0, len(view.text))
                if low >= begin:
                    spans.append(Span(low, high, low, high, TOO_DEEP))
            return
        inward = view.inward(begin)
        if text is None:
            stands = not isinstance(view, Stretch)
            found = self._level(view.text, inward, depth - 1, decodings + view.decoded, memory, as_it_stands=stands)
        else:
            # Two disguises taken off in one order or the other mostly leave the same text.
            read = (view.text, inward, depth, decodings)
            seen = memory.read.get(read)
            found = self._level(view.text, inward, depth - 1, decodings, memory, as_it_stands=True) if seen is None else seen
            memory.read[read] = found
        _add(view, found, begin, spans, text)

    def open_from(self, text: str, begin: int = 0) -> int:
        """The earliest place, not before `begin`, from which on more text could change what is found, or the length."""
        skipped = max(0, begin - CONTEXT)
        return skipped + self._open(text[skipped:], begin - skipped, DEPTH, 0)

    def _open(self, text: str, begin: int, depth: int, decodings: int, *, as_it_stands: bool = False) -> int:
        size = len(text)
        opened = self._opened_by_scanners(text, begin)
        if begin >= size:
            return opened
        if depth == 0:
            # A run that nobody looks into is found as a whole, so it is held as a whole.
            return max(begin, min(opened, size - run_at_end(text))) if decodings else opened
        cut = unfinished(text)
        whole = text
        if cut < size:
            whole = text[:cut]
            opened = min(opened, max(cut, begin), self._opened_by_scanners(whole, min(begin, cut)))
        if not text.isascii() and (view := folded(whole)) is not None:
            opened = min(opened, self._opened_in(view, begin, depth, decodings, size))
        if (view := unescaped(whole)) is not None:
            opened = min(opened, self._opened_in(view, begin, depth, decodings, size))
        for part in (text, whole) if cut < size else (text,):
            opened = min(opened, self._opened_otherwise(part, begin, depth, decodings, size))
            if not as_it_stands and (place := open_word(part)) < len(part):
                opened = min(opened, place)
        length = min(run_at_end(text), LONGEST_RUN)
        if length >= RUN_LENGTH:
            opened = min(opened, size - 8 if not is_packed(text[-length:]) else size - length)
            for stretch in open_runs(text, length):
                if len(stretch.text) < STRETCH:
                    opened = min(opened, stretch.origin(0, 0)[0])
                else:
                    opened = min(opened, self._opened_in(stretch, begin, depth, decodings, size))
        elif length:
            opened = min(opened, size - length)
        return max(opened, begin)

    def _opened_otherwise(self, text: str, begin: int, depth: int, decodings: int, size: int) -> int:
        """The same for what is spelled out; `size` is the answer for nothing."""
        place = self._spelled.open_from(text)
        opened = place if place < len(text) else size
        if len(text) >= LEAST:
            for view in self._spelled.open_views(Subject(text)):
                opened = min(opened, self._opened_in(view, begin, depth, decodings, size))
        return opened

    def _opened_by_scanners(self, text: str, begin: int) -> int:
        opened = self._patterns.open_from(text, begin)
        for scanner in self._others:
            opened = min(opened, scanner.open_from(text, begin))
        return opened

    def _opened_in(self, view: View, begin: int, depth: int, decodings: int, size: int) -> int:
        place = self._open(view.text, view.inward(begin), depth - 1, decodings + view.decoded, as_it_stands=not isinstance(view, Stretch))
        return view.origin(place, place)[0] if place < len(view.text) else size

    def glance(self, tail: str, begin: int, end: int) -> int:
        """`open_from` at a fraction of its cost where nothing is found and nothing is written in a disguise; -1 where somebody has to look.

        `tail` is a text from `begin` characters (one, or none at its beginning) before the place on at which nothing is open; the character
        before that place ends no escape and no invisible stretch, and no run goes on across it. `end` is where the tail's last word
        begins, which is always held; answers with no more than that.
        """
        if tail.isascii():
            data = tail.encode()
        elif folded(tail) is None:
            data = tail.encode("utf-8", "replace")
        else:
            return -1
        for glance in self._glances:
            place = glance(tail, data, begin, end)
            if place < end:
                if place <= begin:
                    return place if place != CUT else self._glance_cut(tail, begin, end)
                end = place
        return end

    def _glance_cut(self, tail: str, begin: int, end: int) -> int:
        """The same where the end of the tail may be read as something else, or as nothing, so that the text before it goes on."""
        cut = cut_at(tail)
        before = tail[:cut]
        end = min(end, cut)
        for text in (tail, before) if cut < len(tail) else (tail,):
            data = text.encode("utf-8", "replace")
            end = min(end, len(text.rstrip(BASE64)))
            for glance in self._uncut:
                end = min(end, glance(text, data, begin, end))
                if end <= begin:
                    return end
        return end

    def runs_across(self, text: str, place: int) -> bool:
        """Whether something that is spelled out goes on across a place, so that what comes cannot be read without what was."""
        return self._spelled.covers(text, place)

    def suspects(self, subject: Subject) -> tuple[list[int], bool]:
        """Places near everything that may be found: each finding has one inside it (behind its start, not behind its end).

        With them, whether something may be escaped: what is found in that is found elsewhere.
        """
        places, marks = self._patterns.places(subject.data)
        if marks.runs:
            places += self._runs.find(subject.data)
        places += self._spelled.suspects(subject.data, marks)
        for scanner in self._others:
            places += scanner.suspects(subject.data)
        return places if subject.plain else [subject.point(place) for place in places], marks.escaped
