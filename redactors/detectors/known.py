"""Finds the exact values of live secrets, in every form in which they travel.

Values are announced when they are resolved and retired when they were replaced. The set is a tuple of immutable segments
swapped in one assignment, so scanning never waits; small segments are merged, so that there are few of them. A segment is
never serialised, and nothing here prints or pickles.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from redactors.detectors.encoded_forms import forms
from redactors.detectors.engines import Engine, scan_literals
from redactors.detectors.subject import Label, Span, Subject
from redactors.model import Finding
from redactors.normalise import BASE64

LEAST = 8
"""Shorter values are not looked for: they would damage text."""

KIND = "live_secret"

_HEAD = 8
_WORD = BASE64.encode()
_STEPS = 16
_MERGE = 4

_EVERYDAY = frozenset(
    {
        "password", "passwords", "passwort", "username", "postgres", "postgresql", "localhost", "changeme", "administrator",
        "administrators", "production", "development", "staging", "database", "internal", "external", "testtest", "test1234",
        "12345678", "123456789", "1234567890", "87654321", "11111111", "00000000", "qwertyui", "password1", "password123",
        "undefined", "anonymous", "disabled", "required", "optional", "redacted", "placeholder", "secretkey", "mysecret",
        "mypassword", "supersecret", "example", "example.com", "https://", "anything", "everyone",
        "sunshine", "football", "baseball", "princess", "superman", "computer", "internet",
    }
)  # fmt: skip


def is_distinctive(value: str) -> bool:
    """Whether a value can be looked for without damaging ordinary text: long enough, no everyday word, no repetition."""
    if len(value) < LEAST or len(set(value)) < 4 or value.casefold() in _EVERYDAY:
        return False
    if value.isalpha() and len(value) < 12 and value[1:].islower():
        return False
    return not (value.isdigit() and len(value) < 10) and bool(value.strip())


class _Segment:
    """An immutable set of values with its scans. `owners` tells which value a form belongs to."""

    __slots__ = ("_forms", "_head_scan", "_heads", "_least", "_longest", "_owners", "_scan", "_starts", "_words", "values")

    def __init__(self, values: Mapping[str, str], engine: Engine | None) -> None:
        self.values = dict(values)
        owners: dict[bytes, Label] = {}
        for name, value in self.values.items():
            label = Label(f"known:{name}", KIND, "known")
            for form in forms(value, LEAST):
                owners.setdefault(form, label)
        self._forms = tuple(owners)
        self._owners = tuple(owners.values())
        self._longest = max(map(len, self._forms))
        heads: dict[bytes, list[bytes]] = {}
        for form in self._forms:
            heads.setdefault(form[:_HEAD], []).append(form)
        self._heads = tuple(heads.items())
        self._starts = frozenset(head[:size] for head in heads for size in range(1, _HEAD + 1))
        self._scan = scan_literals(self._forms, engine)
        self._head_scan = scan_literals(tuple(heads), engine)
        words = tuple(dict.fromkeys(_first_word(form) for form in self._forms))
        self._least = min(map(len, words))
        self._words = scan_literals(words, engine) if self._least else None

    def any(self, data: bytes) -> bool:
        return self._scan.hits_anything(data)

    def ends(self, data: bytes) -> list[int]:
        return [end for _, end in self._scan.hits(data)]

    def find(self, subject: Subject, begin: int, spans: list[Span]) -> None:
        for index, end in self._scan.hits(subject.data):
            start, stop = subject.point(end - len(self._forms[index])), subject.point(end)
            if start >= begin:
                spans.append(Span(start, stop, start, stop, self._owners[index]))

    def is_far(self, data: bytes, begin: int) -> bool:
        """Whether no form stands behind `begin`, or begins there and before the last word and may go on."""
        return self._words is not None and (len(data) - begin < self._least or not self._words.hits_anything(data))

    def glance(self, data: bytes, begin: int, end: int) -> int:
        starts = self._starts
        if end - begin > _STEPS:
            if self._head_scan.hits(data):
                return -1
            begin = max(begin, len(data) - _HEAD + 1)
        for at in range(begin, end):
            if data[at : at + _HEAD] in starts:
                return at if len(data) - at < _HEAD else -1
        return end

    def reach(self, text: str) -> int:
        """How many code points at the end of the text are the beginning of a form."""
        tail = text[-self._longest :]
        data = tail.encode("utf-8", "replace")
        size = len(data)
        reach = next((count for count in range(min(_HEAD - 1, size), 0, -1) if data[size - count :] in self._starts), 0)
        for index, end in self._head_scan.hits(data):
            head, completions = self._heads[index]
            start = end - len(head)
            if size - start > reach and any(len(form) > size - start and form.startswith(data[start:]) for form in completions):
                reach = size - start
        return reach if len(data) == len(tail) else len(data[size - reach :].decode("utf-8", "replace"))


def _first_word(form: bytes) -> bytes:
    """What stands of a form in front of the last word of every text in which it is whole there, or begins there and goes on.

    That is its first word with the character that ends it, or all of it when it is one word; nothing when it does not begin with one.
    """
    rest = form.lstrip(_WORD)
    return b"" if len(rest) == len(form) else form[: len(form) - len(rest) + 1]


class KnownSecrets:
    """The live secrets of this process, shared by every redactor. Safe for several threads. `engine` forces one."""

    __slots__ = ("_engine", "_generation", "_lock", "_segments")

    def __init__(self, values: Iterable[str] = (), engine: Engine | None = None) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._segments: tuple[_Segment, ...] = ()
        self._generation = 0
        first = {f"value-{number}": value for number, value in enumerate(values, 1) if is_distinctive(value)}
        if first:
            self._segments = (_Segment(first, engine),)

    @property
    def generation(self) -> int:
        """A number that changes with every announcement and retirement; caches of verdicts compare it."""
        return self._generation

    def __len__(self) -> int:
        return sum(len(segment.values) for segment in self._segments)

    def __repr__(self) -> str:
        return f"KnownSecrets({len(self)} values)"

    def __reduce__(self) -> Any:
        raise TypeError("live secrets are not pickled")

    def announce(self, value: str, label: str) -> bool:
        """Look for `value` from the return of this call on; `label` (a reference's name, safe to show) stands in remarks.

        The same label again replaces its value. Answers False, and keeps nothing, when the value is too short or too common.
        Takes about a millisecond and now and then some more, so it is called off the event loop.
        """
        with self._lock:
            current = self._without(label)
            if not is_distinctive(value):
                self._swap(current)
                return False
            merged = {label: value}
            kept = []
            # Log-structured: a segment no larger than a few times what is being added is compiled into it.
            for segment in sorted(current, key=lambda segment: len(segment.values)):
                if len(segment.values) <= _MERGE * len(merged):
                    merged.update(segment.values)
                else:
                    kept.append(segment)
            self._swap((*kept, _Segment(merged, self._engine)))
            return True

    def retire(self, label: str) -> None:
        """Stop looking for the value of a label (or for a value itself) and forget it. Unknown ones are no error."""
        with self._lock:
            self._swap(self._without(label))

    def _without(self, label: str) -> tuple[_Segment, ...]:
        kept = []
        for segment in self._segments:
            rest = {name: value for name, value in segment.values.items() if label not in (name, value)}
            if len(rest) == len(segment.values):
                kept.append(segment)
            elif rest:
                kept.append(_Segment(rest, self._engine))
        return tuple(kept)

    def _swap(self, segments: tuple[_Segment, ...]) -> None:
        self._segments = segments
        self._generation += 1

    def contains(self, data: bytes) -> bool:
        """Whether bytes about to leave hold a live secret in any form: the last look before the socket."""
        return any(segment.any(data) for segment in self._segments)

    def find(self, text: str) -> list[Finding]:
        """Every form of every live secret in a text."""
        spans = self.spans(Subject(text), 0)
        return [Finding(span.start, span.end, span.label.rule, span.label.kind, "known") for span in spans]

    def spans(self, subject: Subject, begin: int) -> list[Span]:
        """The same as labelled spans, for the engine."""
        spans: list[Span] = []
        for segment in self._segments:
            segment.find(subject, begin, spans)
        return spans

    def suspects(self, data: bytes) -> list[int]:
        """Ends of forms."""
        return [end for segment in self._segments for end in segment.ends(data)]

    def glance(self, text: str, data: bytes, begin: int, end: int) -> int:
        """The first place between the two where a form may have begun; -1 when one may be whole, `end` when there is none.

        `end` is not behind the beginning of the last word.
        """
        plain = len(data) == len(text)
        for segment in self._segments:
            if segment.is_far(data, begin):
                continue
            if plain:
                end = segment.glance(data, begin, end)
            else:
                end = -1 if segment.any(data) else min(end, len(text) - segment.reach(text[begin:]))
            if end <= begin:
                break
        return end

    def open_from(self, text: str, begin: int = 0) -> int:
        """Where the earliest beginning of a form stands, at or behind `begin`, that reaches the end of the text."""
        held = text[begin:]
        return len(text) - max((segment.reach(held) for segment in self._segments), default=0)


class KnownScanner:
    """The live secrets as one of the engine's detectors."""

    def __init__(self, known: KnownSecrets) -> None:
        self._known = known
        self.glance = known.glance

    def find(self, subject: Subject, begin: int) -> list[Span]:
        """Every form at or behind `begin`."""
        return self._known.spans(subject, begin)

    def resume(self, subject: Subject, begin: int, rules: Collection[str]) -> list[Span]:
        """Literals are never cut."""
        return []

    def open_from(self, text: str, begin: int) -> int:
        """Where a form may have begun."""
        return self._known.open_from(text, begin)

    def suspects(self, data: bytes) -> list[int]:
        """Ends of forms."""
        return self._known.suspects(data)
