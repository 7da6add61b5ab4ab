"""Pseudonyms of a prompt put back in its answer: the caller reads the values that it sent, and the provider never saw them.

Every request carries its whole conversation and the same value always has the same name, so the names of one request's prompt are all
that its answer can hold; nothing is kept between requests. A name that the prompt did not give is left as it is.

A value that is put back into JSON is escaped as often as JSON strings lie around it there, so that tool arguments stay valid. Whether
a text is JSON is told by how it begins, which a stream knows as early as a whole text does.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from redactors.later import compiled_later
from redactors.model import Action, AnswerRedactor, ForCaller, Json, Remark, StreamForCaller, Verdict
from redactors.operators import cut_pseudonym, pseudonyms
from redactors.policy import Restorable

T = TypeVar("T")
U = TypeVar("U")

_SPECIAL: Final = compiled_later(r'["\\]')
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_ANYTHING: Final = "x"
_MAX_NESTED: Final = 8
"""JSON inside strings of JSON is followed so deep; what is deeper is escaped as on this level."""


def permitted(names: Mapping[str, str], remarks: Iterable[Remark], restores: Restorable) -> dict[str, str]:
    """Of a prompt's names those that the answer's policy restores: every detector that reported their kind must be allowed."""
    reported = {(remark.detector, remark.kind) for remark in remarks if remark.action is Action.PSEUDONYMIZE}
    refused = {kind for detector, kind in reported if not restores.allows(detector, kind)}
    allowed = {kind for _, kind in reported} - refused
    return {name: value for name, value in names.items() if pseudonyms(name)[0][2] in allowed}


@dataclass(frozen=True, slots=True, repr=False)
class Restored(Generic[T]):
    """A redacted value with the caller's own values in it. It is not `Clean`, so that no sink and no event takes it."""

    value: T
    remarks: tuple[Remark, ...]
    verdict: Verdict

    def map(self, pick: Callable[[T], U]) -> Restored[U]:
        """Apply `pick`; remarks travel along."""
        return Restored(pick(self.value), self.remarks, self.verdict)


class Restoring:
    """A redactor of answers that puts `names` (pseudonym to value) back into what it has redacted. For one answer.

    `restored` counts by kind what was put back: that and never the values may be written down.
    """

    def __init__(self, redactor: AnswerRedactor, names: Mapping[str, str]) -> None:
        self._redactor = redactor
        self._names = names
        self._escapes = any(_escaped(value, 1) != value for value in names.values())
        self.restored: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"Restoring(names={len(self._names)})"

    def text(self, raw: str) -> ForCaller[str]:
        """Redact a text and put values back."""
        clean = self._redactor.text(raw)
        return Restored(self._text(clean.value), clean.remarks, clean.verdict)

    def tree(self, raw: Json) -> ForCaller[Json]:
        """Redact a tree and put values back into its texts and keys."""
        clean = self._redactor.tree(raw)
        return Restored(self._node(clean.value), clean.remarks, clean.verdict)

    def stream(self) -> RestoringStream:
        """Redact one text that comes in pieces, and put values back wherever the pieces are cut."""
        return RestoringStream(self._redactor.stream(), self)

    def put_back(self, text: str, place: JsonPlace | None) -> str:
        """A text with its values; `place` says where it stands in JSON, and is moved to its end."""
        found = pseudonyms(text)
        pieces: list[str] = []
        at = 0
        for start, end, kind in found:
            value = self._names.get(text[start:end])
            if value is None:
                continue
            if place is not None:
                place.move(text[at:start])
                pieces += (text[at:start], _escaped(value, place.depth))
                place.move(_ANYTHING)  # the value itself is not read: it might look like the begin of JSON
            else:
                pieces += (text[at:start], value)
            at = end
            self.restored[kind] += 1
        if place is not None:
            place.move(text[at:])
        return "".join((*pieces, text[at:])) if pieces else text

    def place(self) -> JsonPlace | None:
        """The beginning of a text; None when no value needs escaping."""
        return JsonPlace() if self._escapes else None

    def _text(self, text: str) -> str:
        return self.put_back(text, self.place()) if "[PSEUDONYM:" in text else text

    def _node(self, node: Any) -> Any:
        if type(node) is str:
            return self._text(node)
        if type(node) is dict:
            out: dict[str, Any] = {}
            for name, value in node.items():
                restored = self._text(name)
                out[name if restored in node or restored in out else restored] = self._node(value)
            return out
        if type(node) is list:
            return [self._node(value) for value in node]
        return node


class RestoringStream:
    """One text of an answer in pieces: redacted, then restored. A pseudonym that a piece cuts is held back."""

    def __init__(self, stream: StreamForCaller, restoring: Restoring) -> None:
        self._stream = stream
        self._restoring = restoring
        self._place = restoring.place()
        self._waiting = ""
        self._restored = 0

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """What was redacted so far."""
        return self._stream.remarks

    def take_remarks(self) -> tuple[Remark, ...]:
        """What was redacted since this was last asked, which is then forgotten."""
        return self._stream.take_remarks()

    @property
    def redactions(self) -> int:
        """How often the text was changed so far, by redacting or by putting back."""
        return self._stream.redactions + self._restored

    @property
    def verdict(self) -> Verdict:
        """What the policy says about the text so far."""
        return self._stream.verdict

    @property
    def held(self) -> int:
        """How many characters are held back now."""
        return self._stream.held + len(self._waiting)

    def feed(self, piece: str) -> str:
        """Take a piece and return what is safe now, with its values. Raises RedactionError when redaction fails."""
        text = self._waiting + self._stream.feed(piece)
        cut = cut_pseudonym(text)
        self._waiting = text[cut:]
        return self._put_back(text[:cut])

    def close(self) -> ForCaller[str]:
        """End the text: the value is what was not yet released."""
        rest = self._stream.close()
        text, self._waiting = self._waiting + rest.value, ""
        return Restored(self._put_back(text), rest.remarks, rest.verdict)

    def _put_back(self, text: str) -> str:
        if not text:
            return ""
        before = self._restoring.restored.total()
        restored = self._restoring.put_back(text, self._place)
        self._restored += self._restoring.restored.total() - before
        return restored


class JsonPlace:
    """Reads a text from its beginning and knows how many JSON strings lie around the place that it has come to.

    0 in a text that does not begin like a JSON object or array. Strings that hold JSON again are followed.
    """

    def __init__(self, nested: int = 0) -> None:
        self._nested = nested
        self._is_json: bool | None = None
        self._in_string = False
        self._escape = ""
        self._inner: JsonPlace | None = None

    @property
    def depth(self) -> int:
        """How often a value has to be escaped here."""
        if not self._is_json or not self._in_string:
            return 0
        return 1 + (self._inner.depth if self._inner is not None else 0)

    def move(self, text: str) -> None:
        """Go on over a piece of the text."""
        if self._is_json is None:
            begin = text.lstrip()
            if begin:
                self._is_json = begin[0] in "{["
        if not self._is_json:
            return
        at, size = 0, len(text)
        while at < size:
            if self._escape:
                at = self._escaped(text, at)
                continue
            found = _SPECIAL.search(text, at)
            end = size if found is None else found.start()
            if self._in_string and self._inner is not None and end > at:
                self._inner.move(text[at:end])
            if found is None:
                return
            at = end + 1
            if text[end] == "\\":
                self._escape = "\\" if self._in_string else ""
            else:
                self._in_string = not self._in_string
                self._inner = JsonPlace(self._nested + 1) if self._in_string and self._nested < _MAX_NESTED else None

    def _escaped(self, text: str, at: int) -> int:
        """Read on in an escape that has begun; gives where to go on."""
        self._escape += text[at]
        if self._escape[1] == "u" and len(self._escape) < 6:
            return at + 1
        spelled = self._escape[1:]
        if spelled[0] == "u":
            try:
                spelled = chr(int(spelled[1:], 16))
            except ValueError:
                spelled = "?"
        if self._inner is not None:
            self._inner.move(_ESCAPES.get(spelled, spelled))
        self._escape = ""
        return at + 1


def _escaped(value: str, depth: int) -> str:
    for _ in range(depth):
        value = json.dumps(value, ensure_ascii=False)[1:-1]
    return value
