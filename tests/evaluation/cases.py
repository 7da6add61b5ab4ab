"""What a case of the evaluation is, and how an answer to it is judged."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil

_WORD = re.compile(r"[^\W\d_]{3,}")

Spans = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Case:
    """A text and what in it has to vanish. `label` names what it is made of, never the value; an empty `hidden` is a negative.

    `hidden` are the pieces as they are spelled in the text. A piece has vanished when no third of it is left anywhere.
    """

    label: str
    text: str
    hidden: tuple[str, ...] = ()
    spans: Spans = field(default=())


@dataclass(frozen=True, slots=True)
class Answer:
    """What a contender made of a text. `found` are its findings in the places of the text; `crashed` when it made nothing."""

    output: str
    found: Spans
    crashed: bool = False


def places(text: str, part: str) -> Spans:
    """Every place of a part in a text."""
    found: list[tuple[int, int]] = []
    at = text.find(part)
    while at >= 0:
        found.append((at, at + len(part)))
        at = text.find(part, at + len(part))
    return tuple(found)


def case(label: str, text: str, spelled: str, hidden: Sequence[str] = ()) -> Case:
    """A case whose secret is spelled like this in the text; `hidden` are the pieces of it that nobody can know."""
    found = places(text, spelled)
    assert found, label
    return Case(label, text, tuple(hidden) or (spelled,), found)


def leaked(one: Case, output: str) -> bool:
    """Whether a third of a hidden piece, and at least four characters, is left in the output. What the frame has anyway does not count."""
    assert one.spans, one.label
    frame = _without(one)
    for piece in one.hidden:
        width = min(len(piece), max(4, ceil(len(piece) * 0.3)))
        for start in range(len(piece) - width + 1):
            window = piece[start : start + width]
            if window in output and window not in frame and len(set(window)) > 1:
                return True
    return False


def _without(one: Case) -> str:
    parts: list[str] = []
    at = 0
    for start, end in sorted(one.spans):
        parts.append(one.text[at:start])
        at = max(at, end)
    parts.append(one.text[at:])
    return "\0".join(parts)


def words(one: Case, output: str) -> tuple[int, int]:
    """(words beside the secret, words of them that are lost)."""
    wanted = Counter(_WORD.findall(_without(one)))
    there = Counter(_WORD.findall(output))
    return wanted.total(), sum((wanted - there).values())


def span_counts(one: Case, found: Spans) -> tuple[int, int, int]:
    """(true spans found, findings in vain, true spans missed): a span is found when nine tenths of it are covered.

    A finding is in vain when less than half of it is secret.
    """
    covered = _merged(found)
    hit = sum(_overlap(span, covered) >= 0.9 * (span[1] - span[0]) for span in one.spans)
    vain = sum(_overlap(span, one.spans) < 0.5 * (span[1] - span[0]) for span in covered)
    return hit, vain, len(one.spans) - hit


def _overlap(span: tuple[int, int], others: Spans) -> int:
    return sum(max(0, min(span[1], end) - max(span[0], start)) for start, end in others)


def _merged(spans: Spans) -> Spans:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


def masked(text: str, found: Spans) -> str:
    """The text with every finding replaced: how the findings of a contender without a mask of its own are judged."""
    parts: list[str] = []
    at = 0
    for start, end in _merged(found):
        parts += (text[at:start], "[MASKED]")
        at = end
    parts.append(text[at:])
    return "".join(parts)
