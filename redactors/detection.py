"""All detectors over one text and every other way to read it: what is found, and from where on something may still be open."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from redactors.detectors.pattern import PatternSet
from redactors.detectors.subject import Label, Scanner, Span, Subject
from redactors.normalise import LONGEST_ESCAPE, RUN, STRETCH, View, decoded, folded, open_runs, run_at_end, unescaped, unfinished

DEPTH: Final = 3
"""How many disguises around one another are taken off. A view is no longer than its text, so this bounds the bytes too."""

_TOO_DEEP: Final = Label("nested-encoding", "encoded", "secrets")


class Detection:
    """The detectors of one redactor. `patterns` is the main rule set, whose scan also sees encoded runs; `others` are scanned beside it."""

    def __init__(self, patterns: PatternSet, others: Sequence[Scanner] = ()) -> None:
        self._patterns = patterns
        self._others = tuple(others)

    def find(self, text: str, begin: int = 0, resumed: Collection[str] = ()) -> list[Span]:
        """Everything found that begins at or behind `begin`, in places of `text`; `resumed` rules were cut at `begin` and go on there."""
        spans = self._level(text, begin, DEPTH, 0)
        if resumed:
            subject = Subject(text)
            for scanner in (self._patterns, *self._others):
                spans += scanner.resume(subject, begin, resumed)
        return spans

    def _level(self, text: str, begin: int, depth: int, decodings: int) -> list[Span]:
        subject = Subject(text)
        patterns = self._patterns
        hits = patterns.hits(subject.data)
        spans = patterns.find(subject, begin, hits) if hits else []
        for scanner in self._others:
            spans += scanner.find(subject, begin)
        if not subject.plain and (view := folded(text)) is not None:
            self._through(view, begin, depth, decodings, spans)
        if (view := unescaped(text)) is not None:
            self._through(view, begin, depth, decodings, spans)
        if hits and (starts := patterns.run_starts(subject, hits)):
            for stretch in decoded(text, starts):
                self._through(stretch, begin, depth, decodings, spans)
        return spans

    def _through(self, view: View, begin: int, depth: int, decodings: int, spans: list[Span]) -> None:
        """Add what is found in a view, in places of the original."""
        if depth == 0:
            if view.decoded and decodings:
                # Encodings around encodings beyond the depth: nobody looked inside, so it does not pass.
                low, high = view.origin(0, len(view.text))
                if low >= begin:
                    spans.append(Span(low, high, low, high, _TOO_DEEP))
            return
        for span in self._level(view.text, view.inward(begin), depth - 1, decodings + view.decoded):
            if span.continues or (view.decoded and span.end - span.start < STRETCH):
                continue
            start, end = view.origin(span.start, span.end)
            outer_start, outer_end = view.origin(span.outer_start, span.outer_end)
            if outer_start >= begin and end > start:
                spans.append(Span(start, end, min(start, outer_start), max(end, outer_end), span.label))

    def open_from(self, text: str, begin: int = 0) -> int:
        """The earliest place, not before `begin`, from which on more text could change what is found, or the length."""
        skipped = max(0, begin - LONGEST_ESCAPE)
        return skipped + self._open(text[skipped:], begin - skipped, DEPTH, 0)

    def _open(self, text: str, begin: int, depth: int, decodings: int) -> int:
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
        length = run_at_end(text)
        if length >= RUN:
            opened = min(opened, size - 3)
            for stretch in open_runs(text, length):
                if len(stretch.text) < STRETCH:
                    opened = min(opened, stretch.origin(0, 0)[0])
                else:
                    opened = min(opened, self._opened_in(stretch, begin, depth, decodings, size))
        elif length:
            opened = min(opened, size - length)
        return max(opened, begin)

    def _opened_by_scanners(self, text: str, begin: int) -> int:
        opened = self._patterns.open_from(text, begin)
        for scanner in self._others:
            opened = min(opened, scanner.open_from(text, begin))
        return opened

    def _opened_in(self, view: View, begin: int, depth: int, decodings: int, size: int) -> int:
        place = self._open(view.text, view.inward(begin), depth - 1, decodings + view.decoded)
        return view.origin(place, place)[0] if place < len(view.text) else size

    def suspects(self, subject: Subject) -> list[int]:
        """Places near everything that may be found: each finding has one inside it (behind its start, not behind its end)."""
        places = self._patterns.suspects(subject.data)
        for scanner in self._others:
            places += scanner.suspects(subject.data)
        return places if subject.plain else [subject.point(place) for place in places]
