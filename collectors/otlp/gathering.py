"""What of an OTLP request a redactor has to see: the units of the request, and their texts as nodes with a way back for each.

Attributes of number and closed vocabulary pass by their class, and what was silent before by its bytes; the rest becomes nodes. An
attribute is `{key: value}`, because its key says what the value is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from collectors.blobs import may_hold, may_spell, without_blobs
from collectors.classes import CLASSES, AttributeClass, is_member
from collectors.otlp.shapes import Plan
from collectors.otlp.stones import bury
from collectors.otlp.values import pair_class, refill, refill_pair, scrub, tree_of, value_class
from collectors.otlp.wire import head_of, is_small_number, text_from
from redactors.model import Json

_LONGEST_SEEN: Final = 160
_MOST_SEEN: Final = 16_384
_NUMERIC: Final = frozenset({"bool_value", "int_value", "double_value"})


@dataclass(frozen=True, slots=True)
class _Head:
    """The bytes of an attribute up to the end of its key."""

    raw: bytes


Put = tuple[Callable[..., None], Any, Any]
"""What puts a redacted node back, and the two things that it needs beside that: called only where something was found."""

Names = dict[int, dict[str, int]]
"""The keys of each list in which one was redacted, by its id, with the number that was last given to one that looks like it."""

Mark = bytes | str | _Head | None
"""By what something silent is known: an attribute's bytes, a text, the key of attributes that are numbers; None for what is not kept."""


class Seen:
    """What a redactor had nothing to say about, for one redactor and one generation of it.

    `pairs` are whole attributes that came more than once, `heads` keys whose values are numbers, `texts` names and the like.
    """

    __slots__ = ("_once", "generation", "heads", "pairs", "texts")

    def __init__(self, generation: object) -> None:
        self.generation = generation
        self.pairs: set[bytes] = set()
        self._once: set[bytes] = set()  # most never come again, and would only push out those that do
        self.texts: set[str] = set()
        self.heads: set[bytes] = set()

    def learn(self, marks: Sequence[Mark]) -> None:
        """Remember what came back unchanged; a full memory starts again."""
        for memory in (self.pairs, self._once, self.texts, self.heads):
            if len(memory) > _MOST_SEEN:
                memory.clear()
        once = self._once
        for mark in marks:
            if type(mark) is bytes:
                (self.pairs if mark in once else once).add(mark)
            elif type(mark) is str:
                self.texts.add(mark)
            elif type(mark) is _Head:
                self.heads.add(mark.raw)


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
        self.puts: list[Put] = []
        self.marks: list[Mark] = []
        self.units: list[Unit] = []
        self.items = 0
        self.buried = 0
        self._seen = seen
        self._names: Names = {}
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
        if (glance := plan.glance) is not None:
            # Most items end here: nothing but ids, attributes, and names that were seen before.
            held = glance.get(message)
            texts, known = held[glance.ids : glance.texts], self._seen.texts
            if (
                tuple(map(len, held[1 : glance.ids])) in glance.lengths
                and not any(held[glance.texts :])
                and all(not text or text in known for text in texts)
            ):
                self._pairs(held[0])
                return
        for field in plan.cleared:
            if getattr(message, field):
                message.ClearField(field)
        for field, length in plan.ids:
            value = getattr(message, field)
            if value and len(value) != length:
                message.ClearField(field)
        self._texts(message, plan)
        for field, inner in plan.ones:
            if not inner.has_items and message.HasField(field):
                self._look(getattr(message, field), inner)
        for field, inner in plan.many:
            if not (inner.has_items or inner.is_item):
                for one in getattr(message, field):
                    self._look(one, inner)

    def _texts(self, message: Any, plan: Plan) -> None:
        """Gather the texts that stand in a message itself."""
        texts = self._seen.texts
        for name in plan.texts:
            text = getattr(message, name)
            if text and text not in texts:
                self._node(text, (_put_name, message, name), text if len(text) <= _LONGEST_SEEN else None)
        for name in plan.pairs:
            self._pairs(getattr(message, name))
        for name in plan.values:
            raw = getattr(message, name)
            if raw:
                self._body(message, name, raw)

    def _pairs(self, pairs: Any) -> None:
        """Gather attributes that were not seen before, unless their class says that they hold no text."""
        known, heads, nodes = self._seen.pairs, self._seen.heads, self.nodes
        for index, found in [(index, raw) for index, raw in enumerate(pairs) if raw not in known]:
            raw = found
            at = raw[1] + 2 if len(raw) > 2 else 0
            if raw[:at] in heads and is_small_number(raw, at) is not None:
                continue
            head = head_of(raw)
            text = text_from(raw, len(head))
            if not text:
                self._parsed(pairs, index, raw)
                continue
            key, value = head[2:].decode(), raw[text:].decode()
            if len(raw) > _LONGEST_SEEN and may_spell(raw) and (said := without_blobs({key: value})[key]) != value:
                pair = self._pair(key=key)
                pair.value.string_value = value = said
                pairs[index] = raw = pair.SerializeToString()
            rule = CLASSES.get(key)
            if rule is not None and rule.kind is AttributeClass.VOCABULARY and is_member(rule, value):
                known.add(raw)
                continue
            nodes.append({key: value})
            self.puts.append((_put_text, pairs, index))
            self.marks.append(raw if len(raw) <= _LONGEST_SEEN else None)

    def _parsed(self, pairs: Any, index: int, raw: bytes) -> None:
        """The same for an attribute that is no plain text: a number, a list, bytes, or spelled in another way."""
        pair = self._pair.FromString(raw)
        scrub(pair)
        key, value = pair.key, pair.value
        if value.WhichOneof("value") not in _NUMERIC and may_hold(raw):
            refill(value, without_blobs([{key: tree_of(value)}])[0][key])
        plain = pair.SerializeToString()
        if plain != raw:
            pairs[index] = raw = plain
        mark: Mark = raw if len(raw) <= _LONGEST_SEEN else None
        if value.WhichOneof("value") in _NUMERIC:
            # The value says nothing about the key, and is another next time: only the key is remembered.
            head = head_of(raw)
            mark = _Head(head) if head else None
            rule = CLASSES.get(key)
            if rule is not None and rule.kind is AttributeClass.NUMBER:
                self._seen.learn((mark,))
                return
        self._node({key: tree_of(value)}, (_put_parsed, pairs, (index, pair)), mark)

    def _body(self, message: Any, name: str, raw: bytes) -> None:
        """Gather the body of a log record."""
        value = self._value.FromString(raw)
        scrub(value)
        if may_hold(raw):
            refill(value, without_blobs(tree_of(value)))
        plain = value.SerializeToString()
        if plain != raw:
            setattr(message, name, plain)
        tree = tree_of(value)
        if tree is not None and type(tree) is not bool:
            self._node(tree, (_put_value, message, (name, value)), None)

    def _node(self, node: Json, put: Put, mark: Mark) -> None:
        self.nodes.append(node)
        self.puts.append(put)
        self.marks.append(mark)

    def put(self, place: int, clean: Any) -> None:
        """Put a redacted node back."""
        put, target, what = self.puts[place]
        put(target, what, clean, self._names)


def _put_name(message: Any, name: str, clean: Any, _: Names) -> None:
    setattr(message, name, clean)


def _put_text(pairs: Any, index: int, clean: Any, names: Names) -> None:
    _put_parsed(pairs, (index, pair_class().FromString(pairs[index])), clean, names)


def _put_parsed(pairs: Any, found: tuple[int, Any], clean: Any, names: Names) -> None:
    index, pair = found
    former = pair.key
    refill_pair(pair, clean)
    if pair.key != former:
        pair.key = _free(pairs, pair.key, names)
    pairs[index] = pair.SerializeToString()


def _free(pairs: Any, key: str, names: Names) -> str:
    """A key that stands nowhere else in the list: two may look alike once they are redacted, and OTLP wants each once."""
    taken = names.get(id(pairs))
    if taken is None:
        parse = pair_class().FromString
        taken = names[id(pairs)] = dict.fromkeys((parse(raw).key for raw in pairs), 1)
    name, number = key, taken.get(key, 1)
    while name in taken:
        number += 1
        name = f"{key}#{number}"
    taken[key] = number
    taken.setdefault(name, 1)
    return name


def _put_value(message: Any, found: tuple[str, Any], clean: Any, _: Names) -> None:
    name, value = found
    refill(value, clean)
    setattr(message, name, value.SerializeToString())
