"""Finds what rules describe: one set scan over the text, then each hit confirmed in a window bounded on both sides.

What a rule finds is defined without the scan, so that every engine and every chunking of a stream gives the same: the
match at a start is RE2's preferred match within `longest` bytes; from left to right the first start whose match passes
the rule's checks is taken, and the search goes on behind it. The scan only tells where starts may be.
"""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

from redactors.detectors.bytewise import coarse, spelled_in_bytes
from redactors.detectors.derived import backwards, ended_once, head, led, loosened, shortened, trimmed, width
from redactors.detectors.effort import Effort
from redactors.detectors.engines import SLOWER, Engine, engine_here
from redactors.detectors.glance import LOOK, Glance, compile_sights, sights
from redactors.detectors.hyper import Hits, HyperScan, compile_set, is_importable, library_version, load
from redactors.detectors.linear import Finder, compile_linear, finders
from redactors.detectors.narrow import from_literal, merged, split
from redactors.detectors.openings import OpeningPlan, Openings, plan_openings, prefilter_openers, tree_of
from redactors.detectors.prefilter import KeywordScan
from redactors.detectors.subject import Label, Span, Subject
from redactors.detectors.syntax import EMPTY, Node, parse, render
from redactors.detectors.witnessed import witnessed
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
_GOES_ON: Final = re.compile(rb"[A-Za-z0-9+/=_.~-]{1,512}")
_ARMOR_GOES_ON: Final = re.compile(rb"[A-Za-z0-9+/=_\\\r\n-]{1,512}")
_RUN: Final = "(?:^|[^A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{20}"
_RUN_LENGTH: Final = 20


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


class PatternSet:
    """A set of rules, compiled. Safe for several threads at once."""

    def __init__(
        self, rules: Sequence[Rule], outline: Outline, scan: HyperScan | KeywordScan, openers: HyperScan | KeywordScan | None
    ) -> None:
        self._forms = tuple(Form(*parts) for parts in zip(rules, outline.backs, outline.starts, strict=True))
        self._by_rule = {rule.id: form for rule, form in zip(rules, self._forms, strict=True)}
        self._outline = outline
        self._scan = scan
        self._openers = openers
        self._owners = outline.owners
        self._run = len(outline.owners)
        self._openings = Openings(rules, outline.openings, openers)
        heads = len(_unled(rules, outline))
        self.glance = Glance(self._openings, openers, heads, self.find) if isinstance(openers, HyperScan) else _look

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
    def scanned(self) -> dict[str, tuple[HyperScan, list[tuple[str, bool]]]]:
        """The compiled sets with the expressions in them: what a text is looked for, and a stream's end. Empty for the fallback engine."""
        if not (isinstance(self._scan, HyperScan) and isinstance(self._openers, HyperScan)):
            return {}
        rules = tuple(form.rule for form in self._forms)
        plan = self._outline.openings
        return {
            "heads": (self._scan, _expressions(rules, self._outline)),
            "sights": (self._openers, sights(plan, _unled(rules, self._outline), _RUN)),
        }

    def dump(self) -> bytes:
        """The compiled set for `compile_patterns(cache=…)`: no secret is in it. Empty for the fallback engine."""
        if not isinstance(self._scan, HyperScan):
            return b""
        scan, openers = self._scan.dump(), self._openers.dump() if isinstance(self._openers, HyperScan) else b""
        front = {
            "key": _key(tuple(form.rule for form in self._forms)),
            "heads": self._outline.heads,
            "owners": self._outline.owners,
            "starts": self._outline.starts,
            "backs": self._outline.backs,
            "openings": self._outline.openings.as_json(),
            "scan": len(scan),
        }
        dumped = json.dumps(front, separators=(",", ":")).encode() + b"\n" + scan + openers
        return hashlib.sha256(dumped).hexdigest().encode() + b"\n" + dumped

    def hits(self, data: bytes) -> Hits:
        """The raw answer of the scan; the index behind the last rule says where runs begin that may be encodings."""
        return self._scan.hits(data)

    def run_starts(self, subject: Subject, hits: Hits) -> list[int]:
        """Where twenty or more characters in a row begin that may be an encoding."""
        return [subject.point(end - _RUN_LENGTH) for index, end in hits if index == self._run]

    def heads(self, data: bytes) -> list[int]:
        """Ends of heads."""
        return [end for index, end in self._scan.hits(data) if index != self._run]

    def suspects(self, data: bytes) -> list[int]:
        """Ends of heads, and of runs."""
        return self._scan.suspects(data)

    def find(self, subject: Subject, begin: int = 0, hits: Hits | None = None) -> list[Span]:
        """Everything that the rules find at or behind `begin`, rule by rule."""
        found = self._scan.hits(subject.data) if hits is None else hits
        if not found:
            return []
        owners, run = self._owners, self._run
        ends: dict[int, list[int]] = {}
        for index, end in found:
            if index != run:
                for owner in owners[index]:
                    ends.setdefault(owner, []).append(end)
        spans: list[Span] = []
        start = subject.offset(begin)
        for index in sorted(ends):
            _confirm(self._forms[index], subject, ends[index], start, spans)
        return spans

    def resume(self, subject: Subject, begin: int, rules: Collection[str]) -> list[Span]:
        """The continuations at `begin` of matches that were cut at their bound there."""
        spans: list[Span] = []
        at = subject.offset(begin)
        for rule in rules:
            form = self._by_rule.get(rule)
            if form is not None:
                _go_on(form.label, subject, at, _run_of(form), spans)
        return spans

    def open_from(self, text: str, begin: int = 0) -> int:
        """Where the earliest beginning of a match stands, at or behind `begin`, that reaches the end of the text."""
        return self._openings.open_from(text, begin)


def _confirm(form: Form, subject: Subject, ends: list[int], begin: int, spans: list[Span]) -> None:
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
    return _go_on(form.label, subject, high, _run_of(form), spans), stop


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
            at = _go_on(form.label, subject, end, _run_of(form), spans) if cut else max(high, at)
    return max(at, last)


def _run_of(form: Form) -> re.Pattern[bytes]:
    """What a match of the form goes on with behind its bound."""
    return _GOES_ON if form.longest < _GROUPED else _ARMOR_GOES_ON


def _go_on(label: Label, subject: Subject, at: int, run: re.Pattern[bytes], spans: list[Span]) -> int:
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


def compile_patterns(rules: Sequence[Rule], *, cache: bytes | None = None, engine: Engine | None = None) -> PatternSet:
    """Compile rules into a set. `cache` is what `dump` gave for the same rules, library and processor; anything else is ignored.

    `engine` forces one; None takes hyperscan where it can be imported, and warns once where it cannot. Raises PatternRefused for a pattern
    that RE2 refuses.
    """
    chosen = engine or engine_here()
    if chosen == "fallback":
        if engine is None:
            warnings.warn(SLOWER, RuntimeWarning, stacklevel=1)  # this line, so that Python says it once in a process
        bounds = tuple(rule.longest for rule in rules)
        owners = tuple((index,) for index in range(len(rules)))
        outline = Outline(tuple(rule.pattern for rule in rules), owners, ("",) * len(rules), bounds, plan_openings(rules))
        keywords = KeywordScan([(rule.pattern, rule.case_insensitive, rule.longest) for rule in rules], _RUN)
        return PatternSet(rules, outline, keywords, prefilter_openers(outline.openings))
    cached = load_patterns(rules, cache) if cache else None
    if cached is not None:
        return cached
    for rule in rules:
        compile_linear(rule.pattern, ignores_case=rule.case_insensitive)
    outline, scan = _compile_scan(rules, _outline(rules))
    return PatternSet(rules, outline, scan, compile_sights(outline.openings, _unled(rules, outline), _RUN))


@cache
def _derivation() -> str:
    """What stands for the code of this package: a cache that another version of it made is not used."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _key(rules: Sequence[Rule]) -> str:
    """What a cached set belongs to: the expressions and bounds of its rules, the library, and the code by which heads are derived."""
    parts: list[Any] = [_derivation(), library_version(), _RUN]
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
        if cache[: begin - 1] != hashlib.sha256(whole[begin:]).hexdigest().encode():
            return None
        fields: Mapping[str, Any] = json.loads(cache[begin:body])
        if fields["key"] != _key(rules):
            return None
        openings = OpeningPlan.from_json(fields["openings"])
        owners = tuple(map(tuple, fields["owners"]))
        outline = Outline(tuple(fields["heads"]), owners, tuple(fields["starts"]), tuple(fields["backs"]), openings)
        middle = body + fields["scan"]
        openers = load(bytes(whole[middle:])) if middle < len(cache) else None
        return PatternSet(rules, outline, load(bytes(whole[body:middle])), openers)
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


def _compile_scan(rules: Sequence[Rule], outline: Outline) -> tuple[Outline, HyperScan]:
    """Compile the heads; those that hyperscan refuses are shortened until it takes them."""
    if "" not in outline.heads:
        try:
            return outline, compile_set(_expressions(rules, outline))
        except ValueError:
            pass
    backs, starts = list(outline.backs), list(outline.starts)
    heads = []
    for text, owners in zip(outline.heads, outline.owners, strict=True):
        heads.append(accepted := _accepted_head(rules[owners[0]], text))
        for owner in owners if accepted != text else ():
            backs[owner], starts[owner] = rules[owner].longest, ""
    outline = replace(outline, heads=tuple(heads), starts=tuple(starts), backs=tuple(backs))
    return outline, compile_set(_expressions(rules, outline))


def _unled(rules: Sequence[Rule], outline: Outline) -> list[tuple[str, bool]]:
    """The heads of the rules that have no opener."""
    led_rules = {index for owners in outline.openings.owners for index in owners}
    return [
        (text, rules[owners[0]].case_insensitive)
        for text, owners in zip(outline.heads, outline.owners, strict=True)
        if not led_rules.issuperset(owners)
    ]


def _look(text: str, data: bytes, begin: int, end: int) -> int:
    """The glance where hyperscan has no wheel: the engine looks."""
    return LOOK


def _expressions(rules: Sequence[Rule], outline: Outline) -> list[tuple[str, bool]]:
    heads = zip(outline.heads, outline.owners, strict=True)
    return [*((text, rules[owners[0]].case_insensitive) for text, owners in heads), (_RUN, False)]


def _accepted_head(rule: Rule, text: str) -> str:
    """The longest head of a head that hyperscan takes alone; any byte when there is none (then every place is confirmed)."""
    node = parse(text) if text else EMPTY
    while node != EMPTY:
        try:
            compile_set([(render(node), rule.case_insensitive)])
        except ValueError:
            node = shortened(node)
        else:
            return render(node)
    return r"[\s\S]"
