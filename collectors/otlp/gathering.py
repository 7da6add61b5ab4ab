"""What of an OTLP request a redactor has to see: the units of the request, and their texts as nodes with a way back for each.

Attributes of number and closed vocabulary pass by their class, and what was silent before by its bytes; the rest becomes nodes. An
attribute is `{key: value}`, because its key says what the value is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from collectors.classes import CLASSES, AttributeClass, is_member
from collectors.otlp.shapes import Plan
from collectors.otlp.stones import bury
from collectors.otlp.values import pair_class, refill, refill_pair, scrub, tree_of, value_class
from redactors.model import Json

_LONGEST_SEEN: Final = 160
_MOST_SEEN: Final = 16_384
_LONG_INTEGER: Final = 10**11
"""Integers from here on may be somebody's account or card, so their digits are read; the redactor's own bound."""

_NUMERIC: Final = frozenset({"bool_value", "int_value", "double_value"})


class Seen:
    """Attributes and names about which a redactor had nothing to say, by their bytes; for one redactor and one generation of it."""

    __slots__ = ("generation", "pairs", "texts")

    def __init__(self, generation: object) -> None:
        self.generation = generation
        self.pairs: set[bytes] = set()
        self.texts: set[str] = set()

    def learn(self, marks: Sequence[bytes | str | None]) -> None:
        """Remember what came back unchanged; a full memory starts again."""
        if len(self.pairs) > _MOST_SEEN:
            self.pairs.clear()
        if len(self.texts) > _MOST_SEEN:
            self.texts.clear()
        for mark in marks:
            if type(mark) is bytes:
                self.pairs.add(mark)
            elif type(mark) is str:
                self.texts.add(mark)


@dataclass(slots=True)
class Unit:
    """A message in a list and its nodes: what falls together when redaction fails or policy blocks."""

    container: Any
    index: int
    plan: Plan
    first: int
    last: int


class Gathering:
    """One walk over a request. Three lists belong together: nodes, what puts a redacted one back, and by what a silent one is known.

    `units` are those that have nodes, in order; `items` counts all that came, `buried` the units that could not even be read.
    """

    def __init__(self, seen: Seen) -> None:
        self.nodes: list[Json] = []
        self.puts: list[Callable[[Any], None]] = []
        self.marks: list[bytes | str | None] = []
        self.units: list[Unit] = []
        self.items = 0
        self.buried = 0
        self._seen = seen
        self._pair = pair_class()
        self._value = value_class()

    def walk(self, message: Any, plan: Plan) -> None:
        """Look at the units below a message."""
        for name, inner in plan.ones:
            if inner.has_items and message.HasField(name):
                self.walk(getattr(message, name), inner)
        for name, inner in plan.many:
            if inner.is_item:
                container = getattr(message, name)
                self.items += len(container)
                for index, item in enumerate(container):
                    self._unit(container, index, item, inner)
            elif inner.has_items:
                container = getattr(message, name)
                for index, group in enumerate(container):
                    self._unit(container, index, group, inner)
                    self.walk(group, inner)

    def _unit(self, container: Any, index: int, message: Any, plan: Plan) -> None:
        first = len(self.nodes)
        try:
            self._look(message, plan)
        except Exception:  # noqa: BLE001 - fail closed: whatever cannot be read (bad UTF-8, bad nesting) does not leave
            del self.nodes[first:], self.puts[first:], self.marks[first:]
            bury(message, plan)
            self.buried += 1
            return
        if len(self.nodes) > first:
            self.units.append(Unit(container, index, plan, first, len(self.nodes)))

    def _look(self, message: Any, plan: Plan) -> None:
        """Gather the texts of one message and of what belongs to it; not of the units below."""
        for name in plan.cleared:
            if getattr(message, name):
                message.ClearField(name)
        for name, length in plan.ids:
            value = getattr(message, name)
            if value and len(value) != length:
                message.ClearField(name)
        self._texts(message, plan)
        for name, inner in plan.ones:
            if not inner.has_items and message.HasField(name):
                self._look(getattr(message, name), inner)
        for name, inner in plan.many:
            if not (inner.has_items or inner.is_item):
                for one in getattr(message, name):
                    self._look(one, inner)

    def _texts(self, message: Any, plan: Plan) -> None:
        """Gather the texts that stand in a message itself."""
        texts = self._seen.texts
        for name in plan.texts:
            text = getattr(message, name)
            if text and text not in texts:
                self._node(text, partial(setattr, message, name), text if len(text) <= _LONGEST_SEEN else None)
        known = self._seen.pairs
        for name in plan.pairs:
            pairs = getattr(message, name)
            for index, raw in enumerate(pairs):
                if raw not in known:
                    self._attribute(pairs, index, raw)
        for name in plan.values:
            raw = getattr(message, name)
            if raw:
                self._body(message, name, raw)

    def _attribute(self, pairs: Any, index: int, raw: bytes) -> None:
        """Gather one attribute that was not seen before, unless its class says that it holds no text."""
        pair = self._pair.FromString(raw)
        scrub(pair)
        plain = pair.SerializeToString()
        if plain != raw:
            pairs[index] = plain
            raw = plain
        key, value = pair.key, pair.value
        kind = value.WhichOneof("value")
        rule = CLASSES.get(key)
        if rule is not None:
            if rule.kind is AttributeClass.NUMBER and kind in _NUMERIC:
                return
            if rule.kind is AttributeClass.VOCABULARY and kind == "string_value" and is_member(rule, value.string_value):
                self._seen.pairs.add(raw)
                return
        if kind in _NUMERIC and key in self._seen.texts and -_LONG_INTEGER < getattr(value, kind) < _LONG_INTEGER:
            return
        if kind in _NUMERIC:
            # The value says nothing about the key, and is another next time: only the key is remembered.
            self._node({key: tree_of(value)}, partial(_put_pair, pairs, index, pair), key if len(key) <= _LONGEST_SEEN else None)
            return
        self._node({key: tree_of(value)}, partial(_put_pair, pairs, index, pair), raw if len(raw) <= _LONGEST_SEEN else None)

    def _body(self, message: Any, name: str, raw: bytes) -> None:
        """Gather the body of a log record."""
        value = self._value.FromString(raw)
        scrub(value)
        plain = value.SerializeToString()
        if plain != raw:
            setattr(message, name, plain)
        tree = tree_of(value)
        if tree is not None and type(tree) is not bool:
            self._node(tree, partial(_put_value, message, name, value), None)

    def _node(self, node: Json, put: Callable[[Any], None], mark: bytes | str | None) -> None:
        self.nodes.append(node)
        self.puts.append(put)
        self.marks.append(mark)


def _put_pair(pairs: Any, index: int, pair: Any, clean: Any) -> None:
    former = pair.key
    refill_pair(pair, clean)
    if pair.key != former:
        pair.key = _free(pairs, index, pair.key)
    pairs[index] = pair.SerializeToString()


def _free(pairs: Any, index: int, key: str) -> str:
    """A key that stands nowhere else in the list: two may look alike once they are redacted, and OTLP wants each once."""
    parse = pair_class().FromString
    taken = {parse(raw).key for place, raw in enumerate(pairs) if place != index}
    name, number = key, 2
    while name in taken:
        name, number = f"{key}#{number}", number + 1
    return name


def _put_value(message: Any, name: str, value: Any, clean: Any) -> None:
    refill(value, clean)
    setattr(message, name, value.SerializeToString())
