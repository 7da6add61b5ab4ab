"""Finds what rules describe: one set scan over the text, then each hit confirmed (`redactors.detectors.confirm`).

The same scan sees where a text may be read otherwise (`redactors.detectors.marks`).
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

from redactors.detectors.bytewise import coarse, spelled_in_bytes
from redactors.detectors.confirm import Form, confirm, go_on, run_of
from redactors.detectors.derived import ended_once, head, led, loosened, shortened, trimmed, width
from redactors.detectors.engines import SLOWER, Engine, engine_here
from redactors.detectors.glance import LOOK, Glance, compile_sights, sights
from redactors.detectors.hyper import Expression, Hits, HyperScan, compile_set, is_importable, library_version, load
from redactors.detectors.linear import compile_linear
from redactors.detectors.marks import MARKS, ONCE, Marks, marks_of
from redactors.detectors.narrow import from_literal, merged, split
from redactors.detectors.openings import OpeningPlan, Openings, plan_openings, prefilter_openers, tree_of
from redactors.detectors.prefilter import KeywordScan
from redactors.detectors.subject import Span, Subject
from redactors.detectors.syntax import EMPTY, Node, parse, render
from redactors.detectors.witnessed import witnessed
from redactors.rules.model import Rule
from redactors.spelled import compile_spelled, least_runs


@dataclass(frozen=True, slots=True)
class Outline:
    """What is derived from the rules once and kept in the cache: heads for the scan with the rules that own them, and the plan of openings.

    `starts` are, rule by rule, the heads with all that may stand before them, and `backs` tells how far before its end one may begin.
    """

    heads: tuple[str, ...]
    owners: tuple[tuple[int, ...], ...]
    starts: tuple[str, ...]
    backs: tuple[int, ...]
    openings: OpeningPlan


class Scans(NamedTuple):
    """What is compiled of a set: the heads, the sights of a stream's end, and what is spelled out (`redactors.spelled`)."""

    heads: HyperScan | KeywordScan
    openers: HyperScan | KeywordScan | None
    spelled: HyperScan | None = None


class PatternSet:
    """A set of rules, compiled. Safe for several threads at once."""

    def __init__(self, rules: Sequence[Rule], outline: Outline, scans: Scans, marks: Sequence[str] = MARKS) -> None:
        self._forms = tuple(Form(*parts) for parts in zip(rules, outline.backs, outline.starts, strict=True))
        self._by_rule = {rule.id: form for rule, form in zip(rules, self._forms, strict=True)}
        self._outline = outline
        self._scans = scans
        self._scan, self._openers, self.spelled = scans
        self._owners = outline.owners
        self._rules_end = len(outline.owners)
        self._personal = frozenset(
            index for index, owners in enumerate(outline.owners) if all(rules[owner].detector == "pii" for owner in owners)
        )
        self._marks = tuple(marks)
        self._openings = Openings(rules, outline.openings, self._openers)
        heads = len(_unled(rules, outline))
        self.glance = Glance(self._openings, self._openers, heads, self.find) if isinstance(self._openers, HyperScan) else _look

    @property
    def engine(self) -> Engine:
        """Which engine scans."""
        return "hyperscan" if isinstance(self._scan, HyperScan) else "fallback"

    @property
    def kinds(self) -> frozenset[str]:
        """Every kind that these rules can report."""
        return frozenset(form.label.kind for form in self._forms)

    @property
    def rule_ids(self) -> frozenset[str]:
        """The ids of these rules."""
        return frozenset(self._by_rule)

    @property
    def scanned(self) -> dict[str, tuple[HyperScan, list[Expression]]]:
        """The compiled sets with the expressions in them: what a text is looked for, and a stream's end. Empty for the fallback engine."""
        if not (isinstance(self._scan, HyperScan) and isinstance(self._openers, HyperScan)):
            return {}
        rules = tuple(form.rule for form in self._forms)
        plan = self._outline.openings
        return {
            "heads": (self._scan, _expressions(rules, self._outline, self._marks)),
            "sights": (self._openers, sights(plan, _unled(rules, self._outline))),
        }

    def dump(self) -> bytes:
        """The compiled set for `compile_patterns(cache=…)`: no secret is in it. Empty for the fallback engine."""
        if not isinstance(self._scan, HyperScan):
            return b""
        scans = [scan.dump() if isinstance(scan, HyperScan) else b"" for scan in self._scans]
        front = {
            "key": _key(tuple(form.rule for form in self._forms)),
            "heads": self._outline.heads,
            "owners": self._outline.owners,
            "starts": self._outline.starts,
            "backs": self._outline.backs,
            "openings": self._outline.openings.as_json(),
            "sizes": list(map(len, scans)),
        }
        told = json.dumps(front, separators=(",", ":")).encode()
        # The library keeps a checksum in each scan.
        return b"\n".join((hashlib.sha256(told).hexdigest().encode(), told, b"".join(scans)))

    def hits(self, data: bytes) -> Hits:
        """The raw answer of the scan: ends of heads, and the marks that the text may be read otherwise, for `marks`."""
        return self._scan.hits(data)

    def marks(self, hits: Hits) -> Marks:
        """What is marked in a text, of what `hits` gave for it."""
        return marks_of(hits, self._rules_end)

    def suspects(self, data: bytes) -> list[int]:
        """Ends of heads, or of literals."""
        return self.places(data)[0]

    def places(self, data: bytes) -> tuple[list[int], Marks]:
        """`suspects` and `marks` of a text."""
        places, _, marks = self.told(data)
        return places, marks

    def told(self, data: bytes) -> tuple[list[int], list[int], Marks]:
        """`suspects` of a text, those among them that are not of personal data only, and its `marks`."""
        if isinstance(self._scan, KeywordScan):
            suspects = self._scan.suspects(data)
            return suspects, suspects, self.marks(self._scan.marked(data))
        hits = self._scan.hits(data)
        heads = [one for one in hits if one[0] < self._rules_end]
        return [end for _, end in heads], [end for index, end in heads if index not in self._personal], self.marks(hits)

    def find(self, subject: Subject, begin: int = 0, hits: Hits | None = None) -> list[Span]:
        """Everything that the rules find at or behind `begin`, rule by rule."""
        found = self._scan.hits(subject.data) if hits is None else hits
        if not found:
            return []
        owners, last = self._owners, self._rules_end
        ends: dict[int, list[int]] = {}
        for index, end in found:
            if index < last:
                for owner in owners[index]:
                    ends.setdefault(owner, []).append(end)
        spans: list[Span] = []
        start = subject.offset(begin)
        for index in sorted(ends):
            confirm(self._forms[index], subject, ends[index], start, spans)
        return spans

    def resume(self, subject: Subject, begin: int, rules: Collection[str]) -> list[Span]:
        """The continuations at `begin` of matches that were cut at their bound there."""
        spans: list[Span] = []
        at = subject.offset(begin)
        for rule in rules:
            form = self._by_rule.get(rule)
            if form is not None:
                go_on(form.label, subject, at, run_of(form), spans)
        return spans

    def open_from(self, text: str, begin: int = 0) -> int:
        """Where the earliest beginning of a match stands, at or behind `begin`, that reaches the end of the text."""
        return self._openings.open_from(text, begin)


def compile_patterns(
    rules: Sequence[Rule], *, cache: bytes | None = None, engine: Engine | None = None, marks: Sequence[str] = MARKS
) -> PatternSet:
    """Compile rules into a set. `cache` is what `dump` gave for the same rules, library and processor; anything else is ignored.

    A set beside the main one looks for no `marks`. `engine` forces one; None takes hyperscan where it can be imported, and warns once
    where it cannot. Raises PatternRefused for a pattern that RE2 refuses.
    """
    chosen = engine or engine_here()
    if chosen == "fallback":
        if engine is None:
            warnings.warn(SLOWER, RuntimeWarning, stacklevel=1)  # this line, so that Python says it once in a process
        bounds = tuple(rule.longest for rule in rules)
        owners = tuple((index,) for index in range(len(rules)))
        outline = Outline(tuple(rule.pattern for rule in rules), owners, ("",) * len(rules), bounds, plan_openings(rules))
        keywords = KeywordScan([(rule.pattern, rule.case_insensitive, rule.longest) for rule in rules], marks)
        return PatternSet(rules, outline, Scans(keywords, prefilter_openers(outline.openings)), marks)
    cached = load_patterns(rules, cache) if cache else None
    if cached is not None:
        return cached
    for rule in rules:
        compile_linear(rule.pattern, ignores_case=rule.case_insensitive)
    outline, scan = _compile_scan(rules, _outline(rules), marks)
    sight = compile_sights(outline.openings, _unled(rules, outline))
    return PatternSet(rules, outline, Scans(scan, sight, compile_spelled() if marks else None), marks)


@cache
def _derivation() -> str:
    """What stands for the code of this package: a cache that another version of it made is not used."""
    digest = hashlib.sha256()
    package = os.path.dirname(__file__)
    for name in sorted(os.listdir(package)):
        if name.endswith(".py"):
            with open(os.path.join(package, name), "rb") as file:
                digest.update(file.read())
    return digest.hexdigest()


def _key(rules: Sequence[Rule]) -> str:
    """What a cached set belongs to: the expressions and bounds of its rules, the library, and the code by which heads are derived."""
    parts: list[Any] = [_derivation(), library_version(), least_runs()]
    parts += [[rule.id, rule.pattern, rule.case_insensitive, rule.longest, rule.group, repr(rule.witness)] for rule in rules]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def load_patterns(rules: Sequence[Rule], cache: bytes) -> PatternSet | None:
    """The compiled set that `PatternSet.dump` gave, or None when it is of other rules, another library version, or damaged."""
    if not is_importable():
        return None
    # A view, because each part is large and the library copies it once more.
    whole = memoryview(cache)
    begin = cache.find(b"\n") + 1
    body = cache.find(b"\n", begin) + 1
    try:
        if cache[: begin - 1] != hashlib.sha256(whole[begin : body - 1]).hexdigest().encode():
            return None
        fields: Mapping[str, Any] = json.loads(cache[begin:body])
        if fields["key"] != _key(rules):
            return None
        openings = OpeningPlan.from_json(fields["openings"])
        owners = tuple(map(tuple, fields["owners"]))
        outline = Outline(tuple(fields["heads"]), owners, tuple(fields["starts"]), tuple(fields["backs"]), openings)
        ends = list(accumulate(fields["sizes"], initial=body))
        if ends[-1] != len(cache):
            return None
        heads, openers, spelled = (load(bytes(whole[low:high])) if high > low else None for low, high in pairwise(ends))
        return None if heads is None else PatternSet(rules, outline, Scans(heads, openers, spelled))
    except (KeyError, TypeError, ValueError):
        return None


def _outline(rules: Sequence[Rule]) -> Outline:
    parts: list[tuple[Node, bool, int]] = []
    starts, backs = [], []
    for index, rule in enumerate(rules):
        tree = tree_of(rule)
        start, sought = _head(tree, rule) if tree is not None else (EMPTY, EMPTY)
        parts += [(part, rule.case_insensitive, index) for part in split(from_literal(led(sought)))]
        starts.append(render(spelled_in_bytes(start, ignores_case=rule.case_insensitive)))
        backs.append(_back(start, rule))
    together = merged(parts)
    texts = tuple(render(spelled_in_bytes(node, ignores_case=rules[owners[0]].case_insensitive)) for node, owners in together)
    return Outline(texts, tuple(owners for _, owners in together), tuple(starts), tuple(backs), plan_openings(rules))


def _head(tree: Node, rule: Rule) -> tuple[Node, Node]:
    """The head of a rule from where its matches begin, and as it is looked for; both end at the same places."""
    known = witnessed(tree, rule)
    if known is None:
        start = ended_once(trimmed(head(loosened(tree))))
        return start, start
    return (head(loosened(tree)) if known.comes_first else known.head), coarse(known.head, ignores_case=rule.case_insensitive)


def _back(start: Node, rule: Rule) -> int:
    """How many bytes before its end a head may begin."""
    most = width(start)[1] if start != EMPTY else None
    return rule.longest if most is None else min(rule.longest, most * 4)


def _compile_scan(rules: Sequence[Rule], outline: Outline, marks: Sequence[str]) -> tuple[Outline, HyperScan]:
    """Compile the heads; those that hyperscan refuses are shortened until it takes them."""
    if "" not in outline.heads:
        try:
            return outline, compile_set(_expressions(rules, outline, marks))
        except ValueError:
            pass
    backs, starts = list(outline.backs), list(outline.starts)
    heads = []
    for text, owners in zip(outline.heads, outline.owners, strict=True):
        heads.append(accepted := _accepted_head(rules[owners[0]], text))
        for owner in owners if accepted != text else ():
            backs[owner], starts[owner] = rules[owner].longest, ""
    outline = replace(outline, heads=tuple(heads), starts=tuple(starts), backs=tuple(backs))
    return outline, compile_set(_expressions(rules, outline, marks))


def _unled(rules: Sequence[Rule], outline: Outline) -> list[Expression]:
    """The heads of the rules that have no opener."""
    led_rules = {index for owners in outline.openings.owners for index in owners}
    return [
        Expression(text, rules[owners[0]].case_insensitive)
        for text, owners in zip(outline.heads, outline.owners, strict=True)
        if not led_rules.issuperset(owners)
    ]


def _look(text: str, data: bytes, begin: int, end: int) -> int:
    """The glance where hyperscan has no wheel: the engine looks."""
    return LOOK


def _expressions(rules: Sequence[Rule], outline: Outline, marks: Sequence[str]) -> list[Expression]:
    heads = zip(outline.heads, outline.owners, strict=True)
    written = [Expression(text, rules[owners[0]].case_insensitive) for text, owners in heads]
    return [*written, *(Expression(mark, once=mark in ONCE) for mark in marks)]


def _accepted_head(rule: Rule, text: str) -> str:
    """The longest head of a head that hyperscan takes alone; any byte when there is none (then every place is confirmed)."""
    node = parse(text) if text else EMPTY
    while node != EMPTY:
        try:
            compile_set([Expression(render(node), rule.case_insensitive)])
        except ValueError:
            node = shortened(node)
        else:
            return render(node)
    return r"[\s\S]"
