"""The vocabulary of redaction: what was found, what is done about it, and the type that says it is clean.

`Clean[T]` is the house's proof of redaction: only this package constructs it, so a function that asks for
`Clean[Json]` cannot be handed a raw prompt without a type error, and `is_clean` says so at run time too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, Generic, Literal, Protocol, TypeVar, final

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
U = TypeVar("U")

Json = None | bool | int | float | str | list[Any] | dict[str, Any]
"""A parsed JSON value. Containers are only ever read; redaction builds new ones."""

Direction = Literal["prompt", "answer", "telemetry"]
"""Where the text is going: to the provider, to the caller, or to whatever records it."""

DetectorName = Literal["secrets", "known", "pii", "terms", "patterns", "keynames"]


class Action(IntEnum):
    """What is done about a finding, mildest first, so that `max` is the strictest."""

    ALLOW = 0
    PSEUDONYMIZE = 1
    HASH = 2
    MASK = 3
    REPLACE = 4
    REMOVE = 5
    BLOCK = 6

    @property
    def label(self) -> str:
        """The spelling used in YAML, audit and metrics, such as `mask` or `block`."""
        return self.name.lower()


class Verdict(IntEnum):
    """What a policy says about a whole value; the strictest finding decides."""

    ALLOW = 0
    REDACT = 1
    BLOCK = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """A stretch of text that a detector recognised. It never carries the text itself.

    `start` and `end` are code points of the examined string, half open. `rule` is the id of the rule
    (`openai-project-key`), `kind` what the replacement says (`openai_key`), `detector` the policy's name for its family.
    """

    start: int
    end: int
    rule: str
    kind: str
    detector: DetectorName


@dataclass(frozen=True, slots=True)
class Remark:
    """What was done at one place; safe to store and to show.

    `path` is a JSON pointer into the tree ("" for plain text), offsets are code points of that string as it came in.
    """

    path: str
    start: int
    end: int
    rule: str
    kind: str
    detector: DetectorName
    action: Action


Totals = dict[tuple[str, str, str, str], int]
"""How often each (detector, rule, kind, action label) was applied."""


def tally(remarks: Iterable[Remark]) -> Totals:
    """Count remarks. A long text may have hundreds of thousands: then off the event loop."""
    totals: Totals = {}
    for remark in remarks:
        key = (remark.detector, remark.rule, remark.kind, remark.action.label)
        totals[key] = totals.get(key, 0) + 1
    return totals


class Detector(Protocol):
    """Finds one family of things in a text, in time linear in its length."""

    def find(self, text: str) -> Iterable[Finding]:
        """Yield offsets only (code points), in any order; overlaps are merged by the engine."""
        ...


class RedactionError(Exception):
    """Redaction could not be done; the value must not leave. The message never quotes the value."""


_SEAL: Final = object()


@final
class Clean(Generic[T]):
    """A value that went through redaction, with the remarks about what was done to it.

    Constructed only inside `redactors` (an architecture test lists every call of `seal`). Everyone else uses `map`,
    whose function may pick and reorder what is in the value but gets no other source of text.
    """

    __slots__ = ("remarks", "value", "verdict")

    value: T
    remarks: tuple[Remark, ...]
    verdict: Verdict

    def __init__(self, value: T, remarks: tuple[Remark, ...], verdict: Verdict, *, proof: object) -> None:
        if proof is not _SEAL:
            raise TypeError("Clean values are made by a Redactor; use Redactor.text, .tree or .stream")
        object.__setattr__(self, "value", value)
        object.__setattr__(self, "remarks", remarks)
        object.__setattr__(self, "verdict", verdict)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("Clean values are frozen")

    def __repr__(self) -> str:
        return f"Clean({self.value!r}, remarks={len(self.remarks)}, verdict={self.verdict.name})"

    def map(self, pick: Callable[[T], U]) -> Clean[U]:
        """Apply `pick`, which may select and reorder but brings no text of its own. Remarks travel along."""
        return Clean(pick(self.value), self.remarks, self.verdict, proof=_SEAL)

    @property
    def counts(self) -> dict[tuple[str, str, str], int]:
        """How often each (rule, kind, action label) was applied: what audit and metrics record."""
        totals: dict[tuple[str, str, str], int] = {}
        for remark in self.remarks:
            key = (remark.rule, remark.kind, remark.action.label)
            totals[key] = totals.get(key, 0) + 1
        return totals


class ForCaller(Protocol[T_co]):
    """What may be sent to the caller: a `Clean` value, or one with the caller's own values put back (`redactors.restore`).

    The latter is not `Clean`: nothing may record it.
    """

    @property
    def value(self) -> T_co:
        """The value as the caller may see it."""
        ...

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """What was redacted."""
        ...

    @property
    def verdict(self) -> Verdict:
        """What the policy says about the whole."""
        ...

    def map(self, pick: Callable[[T_co], Any]) -> ForCaller[Any]:
        """Apply `pick`, which may select and reorder but brings no text of its own."""
        ...


class StreamForCaller(Protocol):
    """One text of an answer in pieces; see `redactors.stream.StreamRedactor`."""

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """What was redacted so far."""
        ...

    @property
    def redactions(self) -> int:
        """How often the text was changed so far."""
        ...

    @property
    def verdict(self) -> Verdict:
        """What the policy says about the text so far."""
        ...

    @property
    def held(self) -> int:
        """How many characters are held back now."""
        ...

    def take_remarks(self) -> tuple[Remark, ...]:
        """What was redacted since this was last asked, which is then forgotten."""
        ...

    def feed(self, piece: str) -> str:
        """Take a piece and return what may be sent now. Raises RedactionError."""
        ...

    def close(self) -> ForCaller[str]:
        """End the text: the value is what was not yet released."""
        ...


class AnswerRedactor(Protocol):
    """What the gateway screens an answer with: a `Redactor`, or one that also restores."""

    def text(self, raw: str) -> ForCaller[str]:
        """Redact a text."""
        ...

    def tree(self, raw: Json) -> ForCaller[Json]:
        """Redact a JSON tree."""
        ...

    def stream(self) -> StreamForCaller:
        """Redact one text that comes in pieces."""
        ...


def seal(value: T, remarks: Sequence[Remark] = (), verdict: Verdict = Verdict.ALLOW) -> Clean[T]:
    """Declare a value clean. Only modules of this package may call it, after they redacted every text in it."""
    return Clean(value, tuple(remarks), verdict, proof=_SEAL)


def is_clean(value: object) -> bool:
    """Whether the value carries the proof of redaction; the run-time half of the type."""
    return type(value) is Clean
