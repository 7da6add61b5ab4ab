"""Interval arithmetic: overlaps become one, the strictest names it."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from redactors.detectors.subject import Label, Span
from redactors.model import Action
from redactors.spans import CLUSTER, Judged, merge, settled_before, unshielded


def judged(start: int, end: int, action: Action = Action.MASK, rule: str = "r") -> Judged:
    return Judged(start, end, Label(rule, rule, "secrets"), action)


def span(start: int, end: int, outer_start: int | None = None, outer_end: int | None = None, detector: str = "secrets") -> Span:
    return Span(
        start, end, start if outer_start is None else outer_start, end if outer_end is None else outer_end, Label("r", "k", detector)
    )  # type: ignore[arg-type]


def test_overlaps_become_one_named_by_the_strictest() -> None:
    (one,) = merge([judged(0, 10, Action.MASK, "long"), judged(5, 12, Action.BLOCK, "strict")])
    assert (one.start, one.end, one.label.rule, one.action) == (0, 12, "strict", Action.BLOCK)


def test_of_equally_strict_ones_the_longest_names_it() -> None:
    (one,) = merge([judged(0, 4, rule="short"), judged(2, 12, rule="long")])
    assert one.label.rule == "long"


def test_neighbors_stay_apart() -> None:
    assert len(merge([judged(0, 4), judged(4, 8)])) == 2


def test_an_endless_chain_is_cut() -> None:
    merged = merge(judged(at, at + 20) for at in range(0, CLUSTER * 2, 10))
    assert len(merged) == 3
    assert merged[0].end == merged[1].start


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20), st.sampled_from([Action.MASK, Action.HASH, Action.BLOCK]))))
def test_merged_spans_are_disjoint_and_cover_everything(raw: list[tuple[int, int, Action]]) -> None:
    given_spans = [judged(start, start + size, action) for start, size, action in raw]
    merged = merge(given_spans)
    assert all(one.end <= other.start for one, other in itertools.pairwise(merged))
    covered = {at for one in merged for at in range(one.start, one.end)}
    assert covered == {at for one in given_spans for at in range(one.start, one.end)}
    for one in given_spans:
        (around,) = [other for other in merged if other.start <= one.start < other.end]
        assert around.action >= one.action


def test_a_settled_place_lies_in_no_match() -> None:
    spans = [span(5, 9, 0, 9), span(8, 20), span(30, 40)]
    assert [settled_before(spans, place) for place in (25, 20, 15, 9, 35, 0)] == [25, 20, 0, 0, 30, 0]


def test_a_match_around_a_replacement_is_dealt_with() -> None:
    assert unshielded(span(10, 20, 0, 20), [(4, 8)]) == []
    assert unshielded(span(10, 20), [(10, 20)]) == []
    assert unshielded(span(10, 20), [(30, 40)]) == [(10, 20)]


def test_nobody_keeps_a_value_by_writing_a_replacement_into_it() -> None:
    assert unshielded(span(10, 40), [(20, 30)]) == [(10, 20), (30, 40)]
