"""What is done about findings: find × do. A written policy (data) is compiled into a running one.

A policy that says nothing about a finding leaves it in the text and does not count it; `allow` leaves and counts it. Of several rules
for one finding the one that names its kind beats the ones that name only its family; among equals the strictest wins.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, get_args

from redactors.detectors.derived import width
from redactors.detectors.linear import compile_linear
from redactors.detectors.subject import Label
from redactors.detectors.syntax import SyntaxRefused, parse
from redactors.detectors.terms import MAX_DISTANCE, Term
from redactors.later import compiled_later
from redactors.model import Action, DetectorName, Direction, Finding, Verdict
from redactors.rules.model import Rule

DETECTORS: Final[tuple[str, ...]] = get_args(DetectorName)
DIRECTIONS: Final[tuple[str, ...]] = get_args(Direction)
_ACTIONS: Final = {action.label: action for action in Action}
_FIELDS: Final = frozenset({"detect", "kinds", "blocked_terms", "fuzzy_matching", "max_distance", "detect_patterns", "action", "restore"})
_SLUG: Final = compiled_later(r"[^a-z0-9]+")


class PolicyError(ValueError):
    """A policy, a term or a pattern that cannot be used. The message says which and why; it quotes names, not patterns."""


class Policy(Protocol):
    """Decides about findings, one by one and together."""

    def action(self, label: Label) -> Action | None:
        """What is done about a finding of this label; None when the policy does not look for it."""
        ...

    def judge(self, findings: Sequence[Finding]) -> Verdict:
        """What follows for the whole value; the strictest finding decides, and none is no reason to redact."""
        ...


@dataclass(frozen=True, slots=True)
class CompiledPolicy:
    """One direction of a written policy, ready to be asked. `terms` and `patterns` are what it adds to the detectors."""

    by_rule: Mapping[str, Action] = field(default_factory=dict)
    by_kind: Mapping[tuple[str, str], Action] = field(default_factory=dict)
    by_detector: Mapping[str, Action] = field(default_factory=dict)
    terms: tuple[tuple[str, tuple[Term, ...]], ...] = ()
    patterns: tuple[Rule, ...] = ()

    def action(self, label: Label) -> Action | None:
        """The action of the most specific rule: for this rule's id, this kind, this family."""
        found = self.by_rule.get(label.rule)
        if found is None:
            found = self.by_kind.get((label.detector, label.kind))
        return self.by_detector.get(label.detector) if found is None else found

    def judge(self, findings: Sequence[Finding]) -> Verdict:
        """BLOCK when one finding blocks, REDACT when one is changed, else ALLOW."""
        actions = [self.action(Label(finding.rule, finding.kind, finding.detector)) for finding in findings]
        return verdict_of(action for action in actions if action is not None)


@dataclass(frozen=True, slots=True)
class Restorable:
    """Whose pseudonyms the caller may read as the values that it sent itself: families of detectors, or single kinds of them."""

    families: frozenset[str] = frozenset()
    kinds: frozenset[tuple[str, str]] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.families or self.kinds)

    def allows(self, detector: str, kind: str) -> bool:
        """Whether what this detector found of this kind may be restored."""
        return detector in self.families or (detector, kind) in self.kinds


class UnsafeAllowAll:
    """Lets everything pass unchanged and uncounted. Written as `unsafe_allow_all` in place of a direction's rules."""

    terms: tuple[tuple[str, tuple[Term, ...]], ...] = ()
    patterns: tuple[Rule, ...] = ()

    def action(self, label: Label) -> Action | None:
        """Nothing is looked for."""
        return None

    def judge(self, findings: Sequence[Finding]) -> Verdict:
        """Always ALLOW."""
        return Verdict.ALLOW


def verdict_of(actions: Iterable[Action]) -> Verdict:
    """The verdict that a set of actions amounts to."""
    strictest = max(actions, default=Action.ALLOW)
    if strictest is Action.BLOCK:
        return Verdict.BLOCK
    return Verdict.ALLOW if strictest is Action.ALLOW else Verdict.REDACT


def mask_everything(terms: Sequence[tuple[str, tuple[Term, ...]]] = (), patterns: Sequence[Rule] = ()) -> CompiledPolicy:
    """The policy of a redactor that was given none: whatever any detector finds is masked."""
    return CompiledPolicy(by_detector=dict.fromkeys(DETECTORS, Action.MASK), terms=tuple(terms), patterns=tuple(patterns))


def compile_policy(document: Mapping[str, Any], direction: Direction, *, kinds: Collection[str] = ()) -> CompiledPolicy | UnsafeAllowAll:
    """Compile one direction of a policy of the YAML document: direction to a list of rules.

    A rule is `{detect: [...], kinds?: [...], action, restore?}`, `{blocked_terms: [...], fuzzy_matching?, max_distance?, action}` or
    `{detect_patterns: [...], action}`. `kinds` are the kinds that detectors know; a rule that names another is refused. Raises PolicyError
    for a direction that is missing or empty, and for whatever is misspelled.
    """
    if direction not in DIRECTIONS:
        raise PolicyError(f"{direction!r} is not a direction; there are {', '.join(DIRECTIONS)}")
    unknown = sorted(set(document) - set(DIRECTIONS))
    if unknown:
        raise PolicyError(f"a policy has the directions {', '.join(DIRECTIONS)}, not {', '.join(map(repr, unknown))}")
    rules = document.get(direction)
    if rules == "unsafe_allow_all":
        return UnsafeAllowAll()
    if not isinstance(rules, list | tuple) or not rules:
        raise PolicyError(f"the policy says nothing about {direction}: list rules, or write unsafe_allow_all to let everything pass")
    draft = _Draft(direction, kinds)
    for number, rule in enumerate(rules, 1):
        draft.add(number, rule)
    return draft.compiled()


def restorable(document: Mapping[str, Any]) -> Restorable:
    """What the answer's rules of a policy (that compiles) allow to be restored: those with `restore: true`."""
    rules = document.get("answer")
    granting = [rule for rule in rules if rule.get("restore")] if isinstance(rules, list | tuple) else []
    return Restorable(
        frozenset(detector for rule in granting if not rule.get("kinds") for detector in rule["detect"]),
        frozenset((detector, kind) for rule in granting for detector in rule["detect"] for kind in rule.get("kinds") or ()),
    )


class _Draft:
    """A policy being compiled."""

    def __init__(self, direction: str, kinds: Collection[str]) -> None:
        self._direction = direction
        self._kinds = kinds
        self._by_rule: dict[str, Action] = {}
        self._by_kind: dict[tuple[str, str], Action] = {}
        self._by_detector: dict[str, Action] = {}
        self._terms: list[tuple[str, tuple[Term, ...]]] = []
        self._patterns: list[Rule] = []

    def add(self, number: int, rule: Any) -> None:
        where = f"rule {number} of {self._direction}"
        if not isinstance(rule, Mapping):
            raise PolicyError(f"{where} is not a mapping")
        unknown = sorted(str(name) for name in set(rule) - _FIELDS)
        if unknown:
            raise PolicyError(f"{where} has the unknown field {unknown[0]!r}")
        action = _ACTIONS.get(str(rule.get("action")))
        if action is None:
            raise PolicyError(f"{where} needs an action: {', '.join(_ACTIONS)}")
        subjects = [name for name in ("detect", "blocked_terms", "detect_patterns") if rule.get(name)]
        if len(subjects) != 1:
            raise PolicyError(f"{where} needs exactly one of detect, blocked_terms, detect_patterns, and something in it")
        entries = rule[subjects[0]]
        if not isinstance(entries, list | tuple):
            raise PolicyError(f"{where}: {subjects[0]} is a list")
        if action is Action.ALLOW and subjects[0] == "detect" and "known" in entries:
            raise PolicyError(f"{where}: a live secret is never allowed to pass; rules that do not name known mask it")
        self._restore(where, subjects[0], entries, rule.get("restore", False))
        if subjects[0] == "detect":
            self._detect(where, entries, rule.get("kinds") or (), action)
        elif subjects[0] == "blocked_terms":
            self._block(where, number, entries, rule, action)
        else:
            self._look_for(where, number, entries, action)

    def _restore(self, where: str, subject: str, entries: Sequence[Any], restore: Any) -> None:
        if not isinstance(restore, bool):
            raise PolicyError(f"{where}: restore is true or false")
        if restore and (self._direction != "answer" or subject != "detect"):
            raise PolicyError(f"{where}: restore goes with detect, in the answer's rules")
        if restore and "known" in entries:
            raise PolicyError(f"{where}: a live secret is never restored; give known a rule of its own")

    def _detect(self, where: str, detectors: Sequence[Any], kinds: Sequence[Any], action: Action) -> None:
        for detector in detectors:
            if detector not in DETECTORS:
                raise PolicyError(f"{where}: {detector!r} is not a detector; there are {', '.join(DETECTORS)}")
            if not kinds:
                self._by_detector[detector] = max(action, self._by_detector.get(detector, action))
            for kind in kinds:
                if self._kinds and kind not in self._kinds:
                    raise PolicyError(f"{where}: no rule reports the kind {kind!r}")
                self._by_kind[detector, kind] = max(action, self._by_kind.get((detector, kind), action))

    def _block(self, where: str, number: int, entries: Sequence[Any], rule: Mapping[str, Any], action: Action) -> None:
        distance = rule.get("max_distance")
        if distance is None:
            distance = 1 if rule.get("fuzzy_matching") else 0
        if not isinstance(distance, int) or isinstance(distance, bool) or not 0 <= distance <= MAX_DISTANCE:
            raise PolicyError(f"{where}: max_distance is a whole number from 0 to {MAX_DISTANCE}")
        name = f"blocked-terms-{number}"
        terms = tuple(_term(where, entry, distance if rule.get("fuzzy_matching", True) else 0) for entry in entries)
        self._terms.append((name, terms))
        self._by_rule[name] = action

    def _look_for(self, where: str, number: int, entries: Sequence[Any], action: Action) -> None:
        for place, entry in enumerate(entries, 1):
            pattern = custom_pattern(entry, f"{number}-{place}", where=where)
            self._patterns.append(pattern)
            self._by_rule[pattern.id] = action

    def compiled(self) -> CompiledPolicy:
        # Live secrets leave on no path: rules that say nothing about them mask them.
        self._by_detector.setdefault("known", Action.MASK)
        return CompiledPolicy(self._by_rule, self._by_kind, self._by_detector, tuple(self._terms), tuple(self._patterns))


def _term(where: str, entry: Any, distance: int) -> Term:
    if not isinstance(entry, str):
        raise PolicyError(f"{where}: a blocked term is a string")
    try:
        return Term(entry, distance)
    except ValueError as error:
        raise PolicyError(f"{where}: {error}") from None


def custom_term(entry: Term | str | Mapping[str, Any] | tuple[str, int]) -> Term:
    """A term given as itself, a string (exact), a pair, or `{"term", "max_distance"}`. Raises PolicyError."""
    if isinstance(entry, Term):
        return entry
    if isinstance(entry, Mapping):
        entry = (entry.get("term", ""), entry.get("max_distance", 0))
    text, distance = (entry, 0) if isinstance(entry, str) else entry
    if not isinstance(distance, int) or isinstance(distance, bool):
        raise PolicyError("max_distance is a whole number")
    return _term("a blocked term", text, distance)


def custom_pattern(entry: Rule | str | Mapping[str, Any], name: str, *, where: str = "a custom pattern") -> Rule:
    """A user's pattern as a rule: an expression, or `{"name", "pattern", "group"?}`.

    RE2's syntax only, because it runs in linear time. Raises PolicyError with the reason.
    """
    if isinstance(entry, Rule):
        return entry
    if not isinstance(entry, str | Mapping):
        raise PolicyError(f"{where} ({name}) is a text, or has name, pattern and group")
    fields: Mapping[str, Any] = {"pattern": entry} if isinstance(entry, str) else entry
    unknown = sorted(str(field) for field in set(fields) - {"name", "pattern", "group"})
    expression, group = fields.get("pattern"), fields.get("group", 0)
    slug = _SLUG.sub("-", str(fields.get("name", name)).lower()).strip("-")[:40] or name
    if unknown or not isinstance(expression, str) or not expression:
        raise PolicyError(f"{where} ({slug}) has name, pattern and group, and its pattern is not empty")
    if len(expression) > 2000:
        raise PolicyError(f"{where} ({slug}) is longer than 2,000 characters")
    try:
        compiled = compile_linear(expression)
    except ValueError as error:
        raise PolicyError(
            f"{where} ({slug}) is not in RE2's syntax, which runs in linear time: {error}; instead of a look-around or a back-reference "
            "match the words around the value too, and say with group which part it is"
        ) from None
    if not isinstance(group, int) or isinstance(group, bool) or not 0 <= group <= compiled.groups:
        raise PolicyError(f"{where} ({slug}) has no group {group!r}")
    if compiled.match(b"") is not None:
        raise PolicyError(f"{where} ({slug}) matches the empty text, so it would match everywhere")
    kind = _SLUG.sub("_", slug)
    about = "A pattern of the configuration."
    return Rule(f"pattern-{slug}", kind, about, expression, "configuration", "", "patterns", group, longest=_longest(expression))


def _longest(expression: str) -> int:
    """The window of a custom pattern in bytes: what it can match at most, between 64 and 512; 512 when it has no end."""
    try:
        most = width(parse(expression))[1]
    except SyntaxRefused:
        return 512
    return 512 if most is None else min(512, max(64, most * 4))
