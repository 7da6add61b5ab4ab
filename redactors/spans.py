"""Interval arithmetic over what was found: overlaps are merged before anything is replaced."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from redactors.detectors.subject import Label, Span
from redactors.model import Action, Remark, Verdict

CLUSTER = 8192
"""A chain of overlaps longer than this many code points is cut, so that a stream need not wait for its end."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A span with what the policy says about it."""

    start: int
    end: int
    label: Label
    action: Action
    continues: bool = False


@dataclass(frozen=True, slots=True)
class Region:
    """The part of a text that is being written out: `shift` moves remarks, `fresh` says that a replacement stands right before it."""

    begin: int
    end: int
    path: str = ""
    shift: int = 0
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Applied:
    """A region written out, with what was done to it; `fresh` says that it ends with a replacement."""

    value: str
    remarks: list[Remark]
    verdict: Verdict
    fresh: bool


def merge(judged: Iterable[Judged]) -> list[Judged]:
    """Disjoint spans in order: what overlaps becomes one, named by its strictest, then longest, then first member.

    Spans that only touch stay apart. `continues` survives only where every member continues an earlier match.
    """
    merged: list[Judged] = []
    low = high = -1
    leader: Judged | None = None
    for one in sorted(judged, key=lambda one: (one.start, -one.end)):
        start = one.start
        if leader is not None and start < high:
            if one.end <= high and not _leads(one, leader):
                continue
            if max(high, one.end) - low <= CLUSTER:
                high = max(high, one.end)
                leader = one if _leads(one, leader) else leader
                continue
            start = high
            if one.end <= start:
                continue
        if leader is not None:
            merged.append(Judged(low, high, leader.label, leader.action, leader.continues))
        low, high, leader = start, one.end, one
    if leader is not None:
        merged.append(Judged(low, high, leader.label, leader.action, leader.continues))
    return merged


def _leads(one: Judged, other: Judged) -> bool:
    if one.action != other.action:
        return one.action > other.action
    if one.continues != other.continues:
        return other.continues
    return one.end - one.start > other.end - other.start


def settled_before(spans: Sequence[Span], point: int) -> int:
    """The last place not behind `point` that lies inside no span; merged chains count as their parts do."""
    for span in sorted(spans, key=lambda span: -span.outer_end):
        if span.outer_start < point < span.outer_end or span.start < point < span.end:
            point = min(span.outer_start, span.start)
    return point


def unshielded(span: Span, shields: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """What is still to be replaced of a span where the text already holds replacements (`shields`, in order).

    A match whose context holds a replacement, or whose value begins with one, has found that, and a term that holds one is none. A value
    that holds one further on is replaced around it: nobody may keep a value in the text by writing a replacement into it.
    """
    parts: list[tuple[int, int]] = []
    at = span.start
    for low, high in shields:
        if high <= span.outer_start or low >= span.outer_end:
            continue
        if low <= span.start or low >= span.end or span.label.detector == "terms":
            return []
        if low > at:
            parts.append((at, low))
        at = max(at, high)
    if at < span.end:
        parts.append((at, span.end))
    return parts
