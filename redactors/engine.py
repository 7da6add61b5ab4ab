"""The one engine: a `Redactor` finds with every detector, asks its policy, and replaces, for texts, trees and streams."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from redactors import operators, walk
from redactors.blocks import BLOCK, in_blocks
from redactors.detection import Detection, holders
from redactors.detectors.engines import Engine
from redactors.detectors.keyname import LABEL as KEY_NAME
from redactors.detectors.keyname import is_value, names_secret
from redactors.detectors.known import KnownScanner, KnownSecrets
from redactors.detectors.pattern import PatternSet, compile_patterns
from redactors.detectors.recognizer import Recognizer
from redactors.detectors.subject import Label, Scanner, Span, Subject
from redactors.detectors.terms import KIND as TERM_KIND
from redactors.detectors.terms import Term, TermScanner
from redactors.model import Action, Clean, Detector, Direction, Finding, Json, RedactionError, Remark, Verdict, seal
from redactors.normalise import may_be_escaped
from redactors.patience import GoOn, Patience, endless
from redactors.policy import (
    CompiledPolicy,
    Policy,
    UnsafeAllowAll,
    compile_policy,
    custom_pattern,
    custom_term,
    mask_everything,
    verdict_of,
)
from redactors.rules.model import Rule
from redactors.seams import GLUE, is_seamless, is_seamless_behind
from redactors.skim import Shapes, skim
from redactors.spans import Applied, Judged, Region, merge, unshielded
from redactors.stream import StreamRedactor

MAX_TEXT: Final = walk.MAX_TEXT
_SHORT: Final = 48
_MOST_SILENT: Final = 4096
_MANY: Final = 8
"""A list of so many trees is worth a first look."""

_ESCAPED: Final = frozenset('nrtbfu"\\/')


class Redactor:
    """Redacts under one policy in one direction. Safe for several threads at once; see `build_redactor`."""

    def __init__(
        self,
        detection: Detection,
        policy: Policy,
        *,
        kinds: Iterable[str],
        key: bytes,
        recognizers: Sequence[Detector | Recognizer] = (),
        dump: Callable[[], bytes] = bytes,
        generation: Callable[[], int] = int,
    ) -> None:
        self._detection = detection
        self._policy = policy
        self._kinds = frozenset(kinds)
        self._keys = operators.Keys(key, key)
        self._operators = operators.operators(self._keys)
        self._recognizers = tuple(recognizers)
        self._dump = dump
        self._generation = generation
        self._begin: Callable[[], GoOn] = _endlessly
        self._silent: list[tuple[int, set[str], Shapes]] = [
            (-1, set(), Shapes())
        ]  # one entry; a list, so that copies with other keys share it

    def __repr__(self) -> str:
        return f"Redactor(kinds={len(self._kinds)})"

    @property
    def recognizes(self) -> bool:
        """Whether a text or tree may wait for a recognizer: an event loop must not be the one that waits."""
        return bool(self._recognizers)

    @property
    def cache(self) -> bytes:
        """The compiled rules, for `build_redactor(cache=…)`: no secret is in it. Empty for the fallback engine."""
        return self._dump()

    def text(self, raw: str) -> Clean[str]:
        """Redact a text. Never raises because of what it finds; raises RedactionError for a text too long to be looked at."""
        outcome = self._redacted(raw, None, self._recognized([raw])[0] if self._recognizers else (), self._begin())
        if outcome is None:
            return seal(raw)
        return seal(outcome.value, outcome.remarks, outcome.verdict)

    def tree(self, raw: Json) -> Clean[Json]:
        """Redact every text of a JSON tree: values, keys, JSON inside strings, and values under secret key names.

        A tree in which nothing was found comes back as the same object. Raises RedactionError for a tree too deep, too large, or not JSON.
        """
        silent, shapes = self._remembered()
        if type(raw) is str and raw in silent:
            return seal(raw)
        go_on = self._begin()
        if type(raw) is list and len(raw) >= _MANY and not self._recognizers:
            return self._list(raw, silent, shapes, go_on)
        return self._tree(raw, silent, go_on)

    def _list(self, raw: list[Json], silent: set[str], shapes: Shapes, go_on: GoOn) -> Clean[Json]:
        """Redact a list of many trees: those that a first look passes are not walked."""
        texts, owners, walked = skim(raw, silent, shapes)
        places = set(walked)
        for index in sorted(self._spoken(texts, silent, go_on)):
            if owners[index] not in places:
                go_on()
                if self._redacted(texts[index], None, (), go_on) is not None:
                    places.add(owners[index])
        if not places:
            return seal(raw)
        # What passed is nothing in the list that is walked, so that the others stay in their places.
        thin = [node if place in places else None for place, node in enumerate(raw)]
        clean = self._tree(thin, silent, go_on)
        if not clean.remarks:
            return seal(raw)
        return clean.map(lambda walked: raw if walked is thin else _merged(raw, walked, places))

    def _tree(self, raw: Json, silent: set[str], go_on: GoOn) -> Clean[Json]:
        found, keys = walk.texts(raw)
        outcomes = self._outcomes(found, keys, silent, go_on)
        if not outcomes:
            if type(raw) is str and _is_memorable(raw):
                silent.add(raw)
            return seal(raw)
        remarks: list[Remark] = []
        verdicts = [Verdict.ALLOW]
        count = -1

        def change(text: str, place: walk.Place) -> str:
            nonlocal count
            count += 1
            outcome = outcomes.get(count)
            if outcome is None:
                return text
            path = place.path if not place.is_key or outcome.value == text else _renamed(place.path, outcome.value)
            remarks.extend(_at(remark, path) for remark in outcome.remarks)
            verdicts.append(outcome.verdict)
            return outcome.value

        clean = walk.changed(raw, change)
        if count + 1 != len(found):
            raise RedactionError("the value's texts could not be told apart")  # another place would have been cut out
        return seal(clean, remarks, max(verdicts))

    def keyed(self, keys: operators.Keys) -> Redactor:
        """The same redactor with keys of its own for hashes and pseudonyms; everything else is shared."""
        other = copy.copy(self)
        other._keys = keys
        other._operators = operators.operators(keys)
        return other

    def noting(self, names: dict[str, str]) -> Redactor:
        """The same redactor, which also notes in `names` which value each pseudonym stands for (`redactors.restore`)."""
        other = copy.copy(self)
        other._operators = operators.operators(self._keys, names)
        return other

    def patient(self, patience: Patience) -> Redactor:
        """The same redactor, which gives up on a text or tree (RedactionError) that costs more. Streams are as long as they are."""
        other = copy.copy(self)
        other._begin = patience.begin
        return other

    def stream(self) -> StreamRedactor:
        """A redactor of one text that comes in pieces. NER does not run in streams; everything else gives the same as `text`."""
        return StreamRedactor(self._detection, self.apply)

    def _outcomes(self, found: list[str], keys: list[str], silent: set[str], go_on: GoOn) -> dict[int, Applied]:
        """What is to be done, by index, with those of a tree's texts about which anything is to be said; `silent` learns of the others."""
        recognized = self._recognized(found)
        indices = sorted(self._suspicious(found, keys, silent, go_on).union(index for index, spans in enumerate(recognized) if spans))
        outcomes: dict[int, Applied] = {}
        for index in indices:
            text, key = found[index], keys[index]
            whole = KEY_NAME if key and names_secret(key) and is_value(text) else None
            if whole is None and not recognized[index] and text in silent:
                continue
            go_on()
            outcome = self._redacted(text, whole, recognized[index], go_on)
            if outcome is not None:
                outcomes[index] = outcome
            elif whole is None and _is_memorable(text):
                silent.add(text)
        return outcomes

    def _remembered(self) -> tuple[set[str], Shapes]:
        """Short texts about which nothing was to be said (field names, addresses, ids), as long as no other live secret is announced.

        The generation is read before any text is looked at, and a verdict goes into the set of that generation: one that was reached
        with the secrets of before an announcement is never found after it.
        """
        if self._recognizers:
            return set(), Shapes()  # they may fail and be passed over, and remember by themselves what they read
        generation = self._generation()
        known, silent, shapes = self._silent[0]
        if known != generation or len(silent) >= _MOST_SILENT:
            if known != generation or shapes.size >= _MOST_SILENT // 2:
                shapes = Shapes()
            silent = shapes.kept()  # most of what is silent never comes again
            self._silent[0] = (generation, silent, shapes)
        return silent, shapes

    def _suspicious(self, found: list[str], keys: list[str], silent: set[str], go_on: GoOn) -> set[int]:
        """Which texts have to be looked at one by one: one scan over all that are not known to be silent decides, and `silent` learns."""
        return {index for index, key in enumerate(keys) if key and names_secret(key)} | self._spoken(found, silent, go_on)

    def _spoken(self, found: Sequence[str], silent: set[str], go_on: GoOn) -> set[int]:
        """The same by what the texts say, whatever they stand under."""
        suspicious: set[int] = set()
        fresh = [index for index, text in enumerate(found) if text not in silent]
        if not fresh:
            return suspicious
        texts = [found[index] for index in fresh]
        if sum(map(len, texts)) > MAX_TEXT:
            raise RedactionError("the value holds more text than may be redacted at once")
        for first, last in _blocks(texts):
            go_on()
            if len(texts[first]) > BLOCK:
                suspicious.add(fresh[first])
            else:
                self._suspect(fresh[first:last], texts[first:last], suspicious)
        silent.update(text for index, text in zip(fresh, texts, strict=True) if index not in suspicious and _is_memorable(text))
        return suspicious

    def _suspect(self, fresh: Sequence[int], texts: Sequence[str], suspicious: set[int]) -> None:
        """Add the indices of those texts, of a block together, that have to be looked at."""
        joined = "\n".join(texts)
        subject = Subject(joined)
        places, escaped = self._detection.suspects(subject)
        if not subject.plain or escaped:
            suspicious.update(
                index for index, text in zip(fresh, texts, strict=True) if not text.isascii() or "=" in text or may_be_escaped(text)
            )
        if places:
            suspicious.update(fresh[index] for index in holders(texts, places))

    def _recognized(self, texts: Sequence[str]) -> list[list[Span]]:
        """What the recognizers find, text by text."""
        spans: list[list[Span]] = [[] for _ in texts]
        for recognizer in self._recognizers:
            found = recognizer.find_all(texts) if isinstance(recognizer, Recognizer) else map(recognizer.find, texts)
            for index, findings in enumerate(found):
                spans[index].extend(map(_span_of, findings))
        return spans

    def _redacted(self, text: str, whole: Label | None, recognized: Sequence[Span], go_on: GoOn) -> Applied | None:
        """Redact one text; None when nothing is to be said about it. Remarks have no path yet."""
        if len(text) > MAX_TEXT:
            raise RedactionError("the text is longer than may be redacted at once")
        if len(text) > BLOCK:
            return self._redacted_long(text, whole, recognized, go_on)
        spans = [*self._detection.find(text), *recognized]
        if whole is not None:
            spans.append(Span(0, len(text), 0, len(text), whole))
        if not spans:
            return None
        applied = self.apply(text, spans, Region(0, len(text)))
        return applied if applied.remarks else None

    def _redacted_long(self, text: str, whole: Label | None, recognized: Sequence[Span], go_on: GoOn) -> Applied | None:
        """The same for a text of more than a block."""
        applied = in_blocks(text, self._detection, self.apply, recognized, go_on=go_on)
        if whole is not None and self._policy.action(whole) not in (None, Action.ALLOW):
            replaced = self.apply(text, [Span(0, len(text), 0, len(text), whole)], Region(0, len(text)))
            applied = Applied(replaced.value, replaced.remarks, max(applied.verdict, replaced.verdict), replaced.fresh)
        return applied if applied.remarks else None

    def apply(self, text: str, spans: Sequence[Span], region: Region) -> Applied:
        """Replace what the policy says in a region of the text, of which no span lies only partly inside."""
        begin, end = region.begin, region.end
        shields = operators.replacements(text, self._kinds)
        judged: list[Judged] = []
        for span in spans:
            action = self._policy.action(span.label) if span.start >= begin and span.end <= end else None
            if action is None:
                continue
            parts = unshielded(span, shields) if shields and span.label.detector != "known" else ((span.start, span.end),)
            for part in parts:
                low, high = _whole_escapes(text, *part, begin)
                if high > low and (not shields or any(character.isalnum() for character in text[low:high])):
                    judged.append(Judged(low, high, span.label, action, span.continues))
        allowed = {(one.start, one.end, one.label) for one in judged if one.action is Action.ALLOW}
        remarks = [_remark(low, high, region, label, Action.ALLOW) for low, high, label in sorted(allowed, key=_order)]
        pieces: list[str] = []
        actions: list[Action] = []
        at, fresh = begin, region.fresh
        for one in merge(one for one in judged if one.action is not Action.ALLOW):
            if one.start > at:
                pieces += _between(text, at, one.start, fresh=fresh)
                if is_seamless(text, one.start):
                    pieces.append(GLUE)
            elif not fresh and one.start > 0 and is_seamless(text, one.start):
                pieces.append(GLUE)
            if not one.continues:
                pieces.append(self._operators[one.action](one.label.kind, text[one.start : one.end]))
            remarks.append(_remark(one.start, one.end, region, one.label, one.action))
            actions.append(one.action)
            at, fresh = one.end, True
        pieces += _between(text, at, end, fresh=fresh)
        return Applied("".join(pieces), remarks, verdict_of(actions), fresh and at == end)


def _is_memorable(text: str) -> bool:
    """Whether a text that is silent may be passed by when it comes again. As a key, or where it stands too deep, JSON is read as a text."""
    return len(text) <= _SHORT and not walk.may_be_json(text)


def _merged(raw: list[Json], walked: Any, places: set[int]) -> Json:
    """The trees of a list, those in some places as they came from the walk."""
    return [walked[place] if place in places else node for place, node in enumerate(raw)]


def _endlessly() -> GoOn:
    return endless


def _blocks(texts: Sequence[str]) -> list[tuple[int, int]]:
    """Ranges of texts that are a block together, or one longer text each."""
    ranges: list[tuple[int, int]] = []
    first = size = 0
    for index, text in enumerate(texts):
        size += len(text) + 1
        if size > BLOCK and index > first:
            ranges.append((first, index))
            first, size = index, len(text) + 1
    ranges.append((first, len(texts)))
    return ranges


def _between(text: str, at: int, end: int, *, fresh: bool) -> list[str]:
    """The text up to the next replacement; `fresh` says that one has just been put in front of it."""
    if at >= end:
        return []
    return [GLUE, text[at:end]] if fresh and is_seamless_behind(text, at) else [text[at:end]]


def _order(one: tuple[int, int, Label]) -> tuple[int, int, str]:
    return one[0], one[1], one[2].rule


def _remark(start: int, end: int, region: Region, label: Label, action: Action) -> Remark:
    return Remark(region.path, start + region.shift, end + region.shift, label.rule, label.kind, label.detector, action)


def _at(remark: Remark, path: str) -> Remark:
    return Remark(path, remark.start, remark.end, remark.rule, remark.kind, remark.detector, remark.action)


def _renamed(path: str, name: str) -> str:
    return f"{path.rpartition('/')[0]}/{name.replace('~', '~0').replace('/', '~1')}"


def _span_of(finding: Finding) -> Span:
    return Span(finding.start, finding.end, finding.start, finding.end, Label(finding.rule, finding.kind, finding.detector))


def _whole_escapes(text: str, low: int, high: int, begin: int) -> tuple[int, int]:
    r"""Move borders that would cut a JSON escape: `\n` before the span goes with it, `\` before a quote behind it stays."""
    if low > begin and text[low - 1] == "\\" and text[low] in _ESCAPED and _backslashes(text, low) % 2:
        low -= 1
    if high < len(text) and text[high - 1] == "\\" and text[high] in _ESCAPED and _backslashes(text, high) % 2:
        high -= 1
    return low, high


def _backslashes(text: str, end: int) -> int:
    start = max(0, end - 64)
    return end - start - len(text[start:end].rstrip("\\"))


def build_redactor(
    known: KnownSecrets | Iterable[str] = (),
    terms: Iterable[Term | str | Mapping[str, Any] | tuple[str, int]] = (),
    patterns: Iterable[Rule | str | Mapping[str, Any]] = (),
    policy: Mapping[str, Any] | Policy | None = None,
    direction: Direction = "telemetry",
    cache: bytes | None = None,
    *,
    rules: Sequence[Rule] | None = None,
    pattern_set: PatternSet | None = None,
    key: bytes | None = None,
    recognizers: Sequence[Detector | Recognizer] = (),
    engine: Engine | None = None,
) -> Redactor:
    """Build a redactor bound to one policy and direction.

    `known` are live secrets (values, or a `KnownSecrets` that others announce to); `terms` are blocked terms (strings, or `{"term",
    "max_distance"}`); `patterns` are RE2 expressions (or `{"name", "pattern", "group"?}`). `policy` is one policy of the YAML document;
    None masks whatever any detector finds, and values, terms and patterns that are given here are masked too where a policy does not
    mention them. `cache` is `Redactor.cache` of an earlier process: without it the rules are compiled, which takes seconds; `pattern_set`
    shares one compiled set between redactors instead. `rules` replaces the built-in rules. `key` keys hashes and pseudonyms; without it
    they hold for this redactor only. `recognizers` also see whole texts and trees, but no streams; one whose labels the policy does
    nothing about is not asked. `engine` forces one for everything that is compiled here (`redactors.detectors.engines`). Raises
    PolicyError.
    """
    if pattern_set is None:
        pattern_set = compile_patterns(_rules() if rules is None else rules, cache=cache, engine=engine)
    given_terms = tuple(custom_term(entry) for entry in terms)
    given_patterns = tuple(custom_pattern(entry, str(number)) for number, entry in enumerate(patterns, 1))
    kinds = pattern_set.kinds | {"live_secret", "secret_value", "encoded", TERM_KIND} | {rule.kind for rule in given_patterns}
    kinds |= {label.kind for recognizer in recognizers if isinstance(recognizer, Recognizer) for label in recognizer.labels}
    given = {"terms", "patterns"} if isinstance(known, KnownSecrets) else {"terms", "patterns", "known"}
    running = _running(policy, direction, kinds, given)
    added: CompiledPolicy | UnsafeAllowAll = running if isinstance(running, CompiledPolicy) else UnsafeAllowAll()
    all_patterns = (*given_patterns, *added.patterns)
    live = known if isinstance(known, KnownSecrets) else KnownSecrets(known, engine)
    others: list[Scanner] = [KnownScanner(live)]
    groups = [*added.terms, ("blocked-terms", given_terms)] if given_terms else list(added.terms)
    if groups:
        others.append(TermScanner(groups, engine))
    if all_patterns:
        others.append(compile_patterns(all_patterns, engine=engine or pattern_set.engine, marks=()))
    return Redactor(
        Detection(pattern_set, others),
        running,
        kinds=kinds | {rule.kind for rule in added.patterns},
        key=_drawn_key() if key is None else key,
        recognizers=[one for one in recognizers if not isinstance(one, Recognizer) or any(map(running.action, one.labels))],
        dump=pattern_set.dump,
        generation=lambda: live.generation,
    )


def _drawn_key() -> bytes:
    import secrets  # programs that give a key need none of its imports

    return secrets.token_bytes(32)


def _rules() -> tuple[Rule, ...]:
    from redactors.rules.catalog import all_rules

    return all_rules()


def _running(policy: Mapping[str, Any] | Policy | None, direction: Direction, kinds: frozenset[str], given: Iterable[str]) -> Policy:
    """The policy to ask. What was `given` beside a written policy (values, terms, patterns) is masked when it says nothing about that."""
    if policy is None:
        return mask_everything()
    if not isinstance(policy, Mapping):
        return policy
    compiled = compile_policy(policy, direction, kinds=kinds)
    if isinstance(compiled, UnsafeAllowAll):
        return compiled
    families = {**dict.fromkeys(given, Action.MASK), **compiled.by_detector}
    return CompiledPolicy(compiled.by_rule, compiled.by_kind, families, compiled.terms, compiled.patterns)
