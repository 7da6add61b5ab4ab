"""Tells from where on a rule may still match when more text comes: what a stream must hold back.

Every match begins with its rule's *opener*, a part with a literal in it. So something is open where (1) the end of the text is a
beginning of an opener, or (2) an opener stands in the text and everything behind it is still a beginning of its rule. (1) is one match
of one expression against the reversed end of the text; (2) is one scan for openers, and one match against the reversed end for each rule
whose opener was seen. Rules without a literal are in (1) as a whole: they are few and small.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from redactors.detectors.derived import beginnings, head, loosened
from redactors.detectors.hyper import HyperScan
from redactors.detectors.linear import Measure, compile_linear, measure_prefix
from redactors.detectors.literals import opener
from redactors.detectors.prefilter import KeywordScan
from redactors.detectors.syntax import Node, SyntaxRefused, parse, render
from redactors.rules.model import Rule

TAIL: Final = 512
"""How far back, in code points, beginnings of ordinary rules are looked for."""

_ANYTHING: Final = r"[\s\S]{1,512}"


@dataclass(frozen=True, slots=True)
class OpeningPlan:
    """Derived from the rules once and cached: expressions to match against reversed text, and openers with the rules that own them."""

    loose: str
    partial: str
    openers: tuple[tuple[str, bool], ...]
    owners: tuple[tuple[int, ...], ...]

    def as_json(self) -> dict[str, Any]:
        """The plan as plain data."""
        return {"loose": self.loose, "partial": self.partial, "openers": self.openers, "owners": self.owners}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> OpeningPlan:
        """The plan behind `as_json`. Raises KeyError, TypeError or ValueError for anything else."""
        openers = tuple((str(text), bool(ignores_case)) for text, ignores_case in data["openers"])
        return cls(str(data["loose"]), str(data["partial"]), openers, tuple(tuple(map(int, owners)) for owners in data["owners"]))


def plan_openings(rules: Sequence[Rule]) -> OpeningPlan:
    """Derive openers and beginnings from rules."""
    loose: list[str] = []
    partial: list[str] = []
    owners: dict[tuple[str, bool], list[int]] = {}
    for index, rule in enumerate(rules):
        tree = tree_of(rule)
        first = opener(tree) if tree is not None else None
        if first is None:
            loose.append(rule_beginnings(rule))
            continue
        # The scan needs a superset only; the beginnings are read from the exact opener.
        expression = render(head(loosened(first)))
        opened = owners.setdefault((expression, rule.case_insensitive), [])
        opened.append(index)
        partial.append(_cased(beginnings(first), rule))
    return OpeningPlan(
        "|".join(dict.fromkeys(loose)),
        "|".join(dict.fromkeys(partial)),
        tuple(owners),
        tuple(tuple(indices) for indices in owners.values()),
    )


def tree_of(rule: Rule) -> Node | None:
    """The pattern as a tree; None for the constructs that RE2 has and the tree has not."""
    try:
        return parse(rule.pattern)
    except SyntaxRefused:
        return None


def rule_beginnings(rule: Rule) -> str:
    """The expression of a rule's beginnings read backwards; for a pattern without a tree anything may be one."""
    tree = tree_of(rule)
    return _ANYTHING if tree is None else _cased(beginnings(tree), rule)


def _cased(expression: str, rule: Rule) -> str:
    return f"(?i:{expression})" if rule.case_insensitive else f"(?:{expression})"


def prefilter_openers(plan: OpeningPlan) -> KeywordScan | None:
    """The same scan where hyperscan has no wheel."""
    if not plan.openers:
        return None
    return KeywordScan([(text, ignores_case, TAIL) for text, ignores_case in plan.openers])


class Openings:
    """The openings of a rule set. Safe for several threads."""

    def __init__(self, rules: Sequence[Rule], plan: OpeningPlan, scan: HyperScan | KeywordScan | None) -> None:
        self._rules = tuple(rules)
        self._plan = plan
        self._scan = scan
        self._closings: list[Measure | None] = [None] * len(rules)
        self._closures: list[Any] = [None] * len(rules)
        self._far = max((rule.longest for rule in rules), default=TAIL)

    @cached_property
    def union(self) -> Any:
        """One expression of all beginnings of matches and of openers, read backwards; None when there are none.

        Compiled on first use: it is as large as everything else that is compiled, and only streams ask for it.
        """
        union = "|".join(part for part in (self._plan.loose, self._plan.partial) if part)
        return compile_linear(union, longest=True) if union else None

    @cached_property
    def measure(self) -> Measure:
        """How many bytes at the end of a text, which is given backwards with its size, are the beginning of a match or of an opener."""
        return _nothing if self.union is None else measure_prefix(self.union)

    def open_from(self, text: str, begin: int) -> int:
        """The earliest code point, not before `begin`, from which on the text is the beginning of a match; the length when none."""
        low = max(0, begin - 1)
        tail = text[low:]
        backwards = _Backwards(tail)
        reach = 0
        if (union := self.union) is not None:
            reach = backwards.reach(union, TAIL)
            if reach >= TAIL and self._far > TAIL:
                reach = backwards.reach(union, self._far)
        for index in self._seen(tail[-self._far - 1 :]):  # an opener further back belongs to no match that reaches the end
            reach = max(reach, backwards.reach(self._closure(index), max(TAIL, self._rules[index].longest)))
        return max(begin, len(text) - reach)

    @property
    def openers(self) -> int:
        """How many openers the scan looks for; what it sees beyond them is not asked about here."""
        return len(self._plan.openers)

    def closing(self, seen: Iterable[int], backwards: bytes) -> int:
        """The same for the rules whose openers were seen, whole."""
        owners, reach, size = self._plan.owners, 0, len(backwards)
        for rule in {rule for index in seen if index < len(owners) for rule in owners[index]}:
            reach = max(reach, self._closing(rule)(backwards, size))
        return reach

    def _closing(self, rule: int) -> Measure:
        measure = self._closings[rule]
        if measure is None:
            measure = self._closings[rule] = measure_prefix(self._closure(rule))
        return measure

    def _seen(self, tail: str) -> set[int]:
        """The rules whose opener stands in the text."""
        if self._scan is None:
            return set()
        hits = self._scan.hits(tail.encode("utf-8", "replace"))
        if not hits:
            return set()
        owners = self._plan.owners
        return {rule for index in {index for index, _ in hits} if index < len(owners) for rule in owners[index]}

    def _closure(self, index: int) -> Any:
        """The expression of one rule's beginnings, compiled on first use; twice in two threads is harmless."""
        closure = self._closures[index]
        if closure is None:
            closure = self._closures[index] = compile_linear(rule_beginnings(self._rules[index]), longest=True)
        return closure


def _nothing(backwards: bytes, size: int) -> int:
    return 0


class _Backwards:
    """A text reversed, as bytes of as many code points as are asked for."""

    __slots__ = ("_data", "_plain", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._plain = text.isascii()
        self._data: dict[int, bytes] = {}

    def reach(self, beginnings_backwards: Any, limit: int) -> int:
        """How many code points at the end of the text are a beginning."""
        limit = min(limit, len(self._text))
        data = self._data.get(limit)
        if data is None:
            reversed_text = self._text[len(self._text) - limit :][::-1]
            data = self._data[limit] = reversed_text.encode("utf-8", "replace")
        match = beginnings_backwards.match(data)
        if match is None:
            return 0
        end: int = match.end()
        return end if self._plain else len(data[:end].decode("utf-8", "replace"))
