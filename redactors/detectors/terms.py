"""Finds blocked terms, also misspelled ones, at word borders and whatever the case.

A text within `distance` edits of a term contains at least one of `distance + 1` pieces of it unchanged (pigeonhole), so the pieces
are looked for as literals in one pass; around each hit the words that may begin the term are compared with it by Myers'
bit-parallel edit distance (G. Myers, A fast bit-vector algorithm for approximate string matching, 1999), which is linear.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from redactors.detectors.engines import Engine, scan_literals
from redactors.detectors.subject import Label, Span, Subject
from redactors.later import compiled_later
from redactors.model import Finding

MAX_DISTANCE = 8
MAX_LENGTH = 256
KIND = "blocked_term"


_WORD = compiled_later(r"(?<![0-9A-Za-z])[^\s\x1c-\x1f]|[^\s\x1c-\x1f0-9A-Za-z]")
"""Where a word may begin in a text of ASCII: no letter or digit is on both sides (`is_border`)."""


@dataclass(frozen=True, slots=True)
class Term:
    """A blocked term and how many insertions, deletions and substitutions still count as it (0 to 8).

    At most one edit in four characters is allowed whatever `max_distance` says: beyond that a short term is any word.
    """

    text: str
    max_distance: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be looked for."""
        if not self.text.strip() or len(self.text) > MAX_LENGTH:
            raise ValueError(f"a blocked term has 1 to {MAX_LENGTH} characters and is not blank")
        if not 0 <= self.max_distance <= MAX_DISTANCE:
            raise ValueError(f"max_distance is 0 to {MAX_DISTANCE}")


class _Folded:
    """A term ready for comparing: folded, with its bit masks."""

    __slots__ = ("distance", "label", "length", "masks", "text")

    def __init__(self, term: Term, label: Label) -> None:
        self.text = fold(" ".join(term.text.split()))
        self.length = len(self.text)
        self.distance = min(term.max_distance, self.length // 4)
        self.label = label
        self.masks: dict[str, int] = {}
        for place, character in enumerate(self.text):
            self.masks[character] = self.masks.get(character, 0) | 1 << place

    def pieces(self) -> list[tuple[str, int]]:
        """The pieces with their places in the term."""
        count = self.distance + 1
        cuts = [self.length * number // count for number in range(count + 1)]
        return [(self.text[low:high], low) for low, high in pairwise(cuts)]

    def best_end(self, text: str, start: int) -> int | None:
        """Where the term ends when it begins at `start`, at a word border and with the fewest edits; None when it does not."""
        full, high_bit = (1 << self.length) - 1, 1 << (self.length - 1)
        plus, minus, score = full, 0, self.length
        best: tuple[int, int] | None = None
        masks, allowed = self.masks, self.distance
        stop = min(len(text), start + self.length + allowed)
        for at in range(start, stop):
            equal = masks.get(text[at], 0)
            across = equal | minus
            diagonal = (((equal & plus) + plus) ^ plus) | equal
            up = minus | (~(diagonal | plus) & full)
            down = plus & diagonal
            if up & high_bit:
                score += 1
            elif down & high_bit:
                score -= 1
            up = (up << 1 | 1) & full
            down = (down << 1) & full
            plus = down | (~(across | up) & full)
            minus = up & across
            if score <= allowed and (best is None or score < best[0]) and is_border(text, at + 1):
                best = (score, at + 1)
        return None if best is None else best[1]


def fold(text: str) -> str:
    """Lower the case character by character, so that every place stays where it is."""
    if text.isascii():
        return text.lower()
    folded = text.casefold()
    if len(folded) == len(text):
        return folded
    return "".join(low if len(low := character.casefold()) == 1 else character for character in text)


def is_border(text: str, at: int) -> bool:
    """Whether a word may begin or end between two characters: not between two letters or digits."""
    if at <= 0 or at >= len(text):
        return True
    return not (joins(text[at - 1]) and joins(text[at]))


def joins(character: str) -> bool:
    """Whether a character makes one word with its neighbors: a letter or digit of a script that has blanks between words."""
    return character.isalnum() and not "\u3000" <= character <= "\u9fff" and not "\uac00" <= character <= "\ud7a3"


class TermScanner:
    """A list of blocked terms, compiled. Safe for several threads. `engine` forces one."""

    def __init__(self, groups: Sequence[tuple[str, Iterable[Term]]], engine: Engine | None = None) -> None:
        self._terms: list[_Folded] = []
        pieces: dict[bytes, list[tuple[int, int]]] = {}
        for rule, terms in groups:
            for term in terms:
                folded = _Folded(term, Label(rule, KIND, "terms"))
                for piece, place in folded.pieces():
                    pieces.setdefault(piece.encode("utf-8", "replace"), []).append((len(self._terms), place))
                self._terms.append(folded)
        if not self._terms:
            raise ValueError("a list of blocked terms is empty")
        self._reach = max(term.length + term.distance for term in self._terms) + 1
        self._pieces = tuple((len(piece), tuple(owners)) for piece, owners in pieces.items())
        self._scan = scan_literals(tuple(pieces), engine)

    def find(self, subject: Subject, begin: int = 0) -> list[Span]:
        """Every term at or behind `begin`."""
        hits = self._scan.hits(subject.data.lower() if subject.plain else fold(subject.text).encode("utf-8", "replace"))
        if not hits:
            return []
        folded = Subject(fold(subject.text))
        text = folded.text
        tried: set[tuple[int, int]] = set()
        spans: list[Span] = []
        for index, end in hits:
            size, owners = self._pieces[index]
            place = folded.point(end - size)
            for number, offset in owners:
                term = self._terms[number]
                guess = place - offset
                for start in range(max(begin, guess - term.distance), guess + term.distance + 1):
                    if (number, start) in tried or start >= len(text):
                        continue
                    tried.add((number, start))
                    if not text[start].isalnum() and text[start] != term.text[0]:
                        continue
                    if is_border(text, start) and (stop := term.best_end(text, start)) is not None:
                        spans.append(Span(start, stop, start, stop, term.label))
        return spans

    def resume(self, subject: Subject, begin: int, rules: Collection[str]) -> list[Span]:
        """Terms are never cut."""
        return []

    def glance(self, text: str, data: bytes, begin: int, end: int) -> int:
        """The first word within reach of the end, or -1 when a term stands in the text."""
        place = self.open_from(text, begin)
        return place if place <= begin else -1 if self.find(Subject(text), begin) else place

    def open_from(self, text: str, begin: int = 0) -> int:
        """The first word within reach of the end: any word there may still become a term."""
        size = len(text)
        if text.isascii():
            word = _WORD.search(text, max(begin, size - self._reach))
            return size if word is None else word.start()
        return next((at for at in range(max(begin, size - self._reach), size) if is_border(text, at) and not text[at].isspace()), size)

    def suspects(self, data: bytes) -> list[int]:
        """Ends of pieces, which are inside of every term. Folding may change the length of characters, so they are counted back."""
        if data.isascii():
            return [end for _, end in self._scan.hits(data.lower())]
        original = Subject(data.decode("utf-8", "replace"))
        folded = Subject(fold(original.text))
        return [original.offset(folded.point(end)) for _, end in self._scan.hits(folded.data)]

    def find_all(self, text: str) -> list[Finding]:
        """Every term in a text, as findings."""
        return [Finding(span.start, span.end, span.label.rule, span.label.kind, "terms") for span in self.find(Subject(text))]
