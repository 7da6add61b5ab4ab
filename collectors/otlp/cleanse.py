"""One OTLP request made clean: every text in it goes through the redactor, in place, and the bytes that come out are `Clean`.

The request is decoded with the derived schema of `collectors.otlp.shapes`, which discards unknown fields. What may hold text is gathered
in one walk (attributes of number and closed vocabulary pass by their class, what was silent before by its bytes), redacted in a few
calls, and put back where it was changed. A unit that cannot be redacted (an item, or a resource, scope or metric around items) becomes a
tombstone: ids, times and numbers without a text. A unit that policy blocks is taken out and counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from collectors.gate import TreeRedactor
from collectors.model import CollectorError, Signal
from collectors.otlp.density import refuse_dense
from collectors.otlp.gathering import Gathering, Seen, Unit
from collectors.otlp.parts import count, parts_of
from collectors.otlp.shapes import Plan, shape_of
from collectors.otlp.stones import bury
from collectors.otlp.values import pair_class
from redactors.model import Action, Clean, Json, Remark, Totals, is_clean, tally

_MOST_NODES: Final = 1024
"""Values in one call of the redactor: what one fault makes to be looked at again."""


@dataclass(frozen=True, slots=True)
class Cleansed:
    """A clean request: `parts` are what may be kept and sent, each a request of its own with its number of items; none when none is left.

    `items` came (spans, log records, data points), `rejected` of them policy took out, `tombstones` of the units could not be redacted.
    `totals` counts what the redactor did, by (detector, rule, kind, action).
    """

    parts: tuple[tuple[Clean[bytes], int], ...]
    items: int
    rejected: int = 0
    tombstones: int = 0
    totals: Totals = field(default_factory=dict)


class Cleanser:
    """Cleans requests under one redactor. `fault_s` is how much CPU may go into values whose redaction fails, in one request.

    `part_bytes` is how large a part becomes at most (about; a single item may be larger). `resource` is said in every resource.
    """

    def __init__(
        self,
        redactor: TreeRedactor,
        *,
        resource: Sequence[tuple[str, str]] = (),
        fault_s: float = 10.0,
        part_bytes: int = 1 << 20,
        clock: Callable[[], float] = time.thread_time,
    ) -> None:
        self._redactor = redactor
        self._stamp = tuple(resource)
        self._fault_s = fault_s
        self._part_bytes = part_bytes
        self._clock = clock
        # The proof that this redactor works at all, and the seal of what holds no text.
        self._blank: Final[Clean[Json]] = redactor.tree([])
        if not is_clean(self._blank):
            raise CollectorError("the telemetry redactor does not return Clean values")

    def cleanse(self, signal: Signal, body: bytes, seen: Seen) -> Cleansed:
        """Clean a serialized `Export…ServiceRequest`; raises CollectorError when it is none, TooLarge when it has too many fields.

        `seen` is of this redactor and of now.
        """
        from google.protobuf.message import DecodeError

        shape = shape_of(signal)
        refuse_dense(body, shape.request)
        try:
            request = shape.request.FromString(body)
        except DecodeError:
            raise CollectorError("the body is no OTLP request") from None
        request.DiscardUnknownFields()
        done = _Pass(self._redactor, seen, self._fault_s, self._clock)
        done.run(request, shape.plan)
        _stamped(request, self._stamp)
        parts = tuple((self._sealed(part), items) for part, items in parts_of(request, shape.plan, self._part_bytes) if items)
        return Cleansed(parts, done.items, done.rejected, done.tombstones, tally(done.remarks))

    def _sealed(self, request: Any) -> Clean[bytes]:
        """The bytes of a request whose every text was redacted or taken out."""
        return self._blank.map(lambda _blank: bytes(request.SerializeToString()))


class _Pass:
    """The cleaning of one request."""

    def __init__(self, redactor: TreeRedactor, seen: Seen, fault_s: float, clock: Callable[[], float]) -> None:
        self._redactor = redactor
        self._seen = seen
        self._fault_s = fault_s
        self._clock = clock
        self._found = Gathering(seen)
        self.remarks: list[Remark] = []
        self.rejected = 0
        self._blocked: list[Unit] = []

    def run(self, request: Any, plan: Plan) -> None:
        """Walk, redact, put back, take out."""
        self._found.walk(request, plan)
        for units in _chunks(self._found.units):
            self._redact(units)
        self._take_out()

    @property
    def items(self) -> int:
        """How many items came."""
        return self._found.items

    @property
    def tombstones(self) -> int:
        """How many units could not be redacted."""
        return self._found.buried

    def _redact(self, units: Sequence[Unit]) -> None:
        """Redact units that follow one another in one call; when it fails, in halves, until the one that fails is alone."""
        if not units:
            return
        first, last = units[0].first, units[-1].last
        began = self._clock()
        try:
            if self._fault_s <= 0:
                raise CollectorError("too much time went into values that cannot be redacted")
            nodes = self._found.nodes[first:last]
            clean = self._redactor.tree(nodes)
            if not is_clean(clean) or type(clean.value) is not list or len(clean.value) != last - first:
                raise CollectorError("the telemetry redactor gave something else than the values clean")
            self._fill(units, first, nodes, clean)
        except Exception:  # noqa: BLE001 - fail closed: whatever the redactor raises, the content does not leave
            self._fault_s -= max(0.0, self._clock() - began)
            if len(units) == 1 or self._fault_s <= 0:
                for unit in units:
                    bury(unit.container[unit.index], unit.plan)
                    self._found.buried += 1
                return
            middle = len(units) // 2
            self._redact(units[:middle])
            self._redact(units[middle:])

    def _fill(self, units: Sequence[Unit], first: int, nodes: list[Json], clean: Clean[Json]) -> None:
        """Put back what was changed, learn what was silent, and note which units policy blocks."""
        if clean.value is nodes and not clean.remarks:
            self._seen.learn(self._found.marks[first : first + len(nodes)])
            return
        said: set[int] = set()
        blocking: set[int] = set()
        for remark in clean.remarks:
            place = int(remark.path.split("/", 2)[1])
            said.add(place)
            if remark.action is Action.BLOCK:
                blocking.add(place)
        marks = []
        values: Any = clean.value
        for place, (old, new) in enumerate(zip(nodes, values, strict=True)):
            if new is not old and new != old:
                self._found.put(first + place, new)
            elif place not in said:
                marks.append(self._found.marks[first + place])
        self._seen.learn(marks)
        self.remarks += clean.remarks
        if blocking:
            self._blocked += [unit for unit in units if not blocking.isdisjoint(range(unit.first - first, unit.last - first))]

    def _take_out(self) -> None:
        """Remove blocked units, the later first, so that places stay what they were, and count the items that go with them."""
        order = {id(unit): number for number, unit in enumerate(self._found.units)}
        for unit in sorted(self._blocked, key=lambda unit: order[id(unit)], reverse=True):
            self.rejected += count(unit.container[unit.index], unit.plan)
            del unit.container[unit.index]


def _chunks(units: Sequence[Unit]) -> list[Sequence[Unit]]:
    """The units in runs of at most _MOST_NODES nodes; one that has more is a run of its own."""
    runs: list[Sequence[Unit]] = []
    begin = 0
    for number, unit in enumerate(units):
        if number > begin and unit.last - units[begin].first > _MOST_NODES:
            runs.append(units[begin:number])
            begin = number
    runs.append(units[begin:])
    return runs


def _stamped(request: Any, stamp: Sequence[tuple[str, str]]) -> None:
    """Say in every resource who sent it, as the key tells; what the sender says of that itself is taken away."""
    if not stamp:
        return
    own = []
    for key, text in stamp:
        pair = pair_class()(key=key)
        pair.value.string_value = text
        own.append(pair.SerializeToString())
    heads = tuple(b"\n" + bytes([len(key)]) + key.encode() for key, _ in stamp)
    (groups,) = (getattr(request, found.name) for found in request.DESCRIPTOR.fields)
    for group in groups:
        attributes = group.resource.attributes
        if any(raw.startswith(heads) for raw in attributes):
            kept = [raw for raw in attributes if not raw.startswith(heads)]
            del attributes[:]
            attributes.extend(kept)
        attributes.extend(own)
