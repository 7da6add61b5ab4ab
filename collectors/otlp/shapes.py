"""The OTLP requests with their attributes left as bytes: a schema derived from opentelemetry-proto's own.

Attributes are most of a request, and most of them stand in it again and again (service, method, model). Where the derived schema has
the bytes of a `KeyValue`, one look into a set says that it was seen before and nothing was to be said about it; only the others are
decoded. Every other field is what it is in the official descriptors (github.com/open-telemetry/opentelemetry-proto, v1), from which the
schema is made when the first request comes; the bytes on the wire are the same.

`Plan` says, field by field, what of a message may hold text. It is made from the descriptors too, so that a text field that a later
version of the protocol adds is looked at like any other, and anything that is not understood is cleared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from operator import attrgetter
from typing import Any, Final, NamedTuple

from collectors.model import Signal

_ROOT: Final = "opentelemetry.proto.collector"
_REQUESTS: Final[Mapping[Signal, str]] = {
    "traces": f"{_ROOT}.trace.v1.ExportTraceServiceRequest",
    "logs": f"{_ROOT}.logs.v1.ExportLogsServiceRequest",
    "metrics": f"{_ROOT}.metrics.v1.ExportMetricsServiceRequest",
}
_KEY_VALUE: Final = ".opentelemetry.proto.common.v1.KeyValue"
_ANY_VALUE: Final = ".opentelemetry.proto.common.v1.AnyValue"
_PAIR, _VALUE = "pair", "value"
_IDS: Final = {"trace_id": 16, "span_id": 8, "parent_span_id": 8}
_DROPPED: Final = frozenset({"trace_state", "entity_refs"})
"""What no destination needs and anybody may have written: the vendors' own state, and references to attributes by name."""
_ITEMS: Final = frozenset(
    {"Span", "LogRecord", "NumberDataPoint", "HistogramDataPoint", "ExponentialHistogramDataPoint", "SummaryDataPoint"}
)


class Glance(NamedTuple):
    """All of a message that may hold text, in one call.

    Attributes come first, then ids up to `ids`, texts up to `texts`, and what is mostly empty. `lengths` are those that ids may have.
    """

    get: Callable[[Any], tuple[Any, ...]]
    ids: int
    texts: int
    lengths: frozenset[tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done about each field of one message; fields that hold no text stand nowhere in it.

    `pairs` are lists of `KeyValue` as bytes, `values` an `AnyValue` as bytes, `ids` come with their length in bytes. `is_item`: it is
    what the signal counts (a span, a log record, a data point); `has_items`: such stand somewhere below. `glance` is what most items
    need; None where one is not as simple as that.
    """

    texts: tuple[str, ...]
    pairs: tuple[str, ...]
    values: tuple[str, ...]
    ids: tuple[tuple[str, int], ...]
    cleared: tuple[str, ...]
    ones: tuple[tuple[str, Plan], ...]
    many: tuple[tuple[str, Plan], ...]
    is_item: bool
    has_items: bool
    glance: Glance | None


@dataclass(frozen=True, slots=True)
class Shape:
    """One signal's request: its message class, the official one, and the plan of its content."""

    request: Any
    official: Any
    plan: Plan


@cache
def shape_of(signal: Signal) -> Shape:
    """The derived schema of a signal's request; made once per process, which takes a few milliseconds."""
    from google.protobuf import descriptor_pool, message_factory

    pool = _pool()
    derived = pool.FindMessageTypeByName(_REQUESTS[signal])
    official = descriptor_pool.Default().FindMessageTypeByName(_REQUESTS[signal])
    plan = _plan(derived)
    assert plan is not None
    return Shape(message_factory.GetMessageClass(derived), message_factory.GetMessageClass(official), plan)


@cache
def _pool() -> Any:
    """A pool of our own with the official files, in which every field of a `KeyValue` or `AnyValue` is bytes."""
    from google.protobuf import descriptor_pb2, descriptor_pool
    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
    from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

    pool = descriptor_pool.DescriptorPool()
    added: set[str] = set()

    def add(file: Any) -> None:
        if file.name in added:
            return
        added.add(file.name)
        for needed in file.dependencies:
            add(needed)
        copied = descriptor_pb2.FileDescriptorProto()
        file.CopyToProto(copied)
        for message in copied.message_type:
            _leave_bytes(message)
        pool.AddSerializedFile(copied.SerializeToString())

    for module in (trace_service_pb2, logs_service_pb2, metrics_service_pb2):
        add(module.DESCRIPTOR)
    return pool


def _leave_bytes(message: Any) -> None:
    for field in message.field:
        if field.type_name in (_KEY_VALUE, _ANY_VALUE):
            field.json_name = _VALUE if field.type_name == _ANY_VALUE else _PAIR  # the only place of a field that can say what it was
            field.ClearField("type_name")
            field.type = field.TYPE_BYTES
    for inner in message.nested_type:
        _leave_bytes(inner)


def _plan(message: Any) -> Plan | None:
    """The plan of a message; None when nothing in it may hold text."""
    texts: list[str] = []
    pairs: list[str] = []
    values: list[str] = []
    ids: list[tuple[str, int]] = []
    cleared: list[str] = []
    ones: list[tuple[str, Plan]] = []
    many: list[tuple[str, Plan]] = []
    for field in message.fields:
        repeated = field.is_repeated
        if field.name in _DROPPED:
            cleared.append(field.name)
        elif field.message_type is not None:
            inner = _plan(field.message_type)
            if inner is not None:
                (many if repeated else ones).append((field.name, inner))
        elif field.type == field.TYPE_STRING:
            (cleared if repeated else texts).append(field.name)
        elif field.type == field.TYPE_BYTES:
            if repeated and field.json_name == _PAIR:
                pairs.append(field.name)
            elif not repeated and field.json_name == _VALUE:
                values.append(field.name)
            elif not repeated and field.name in _IDS:
                ids.append((field.name, _IDS[field.name]))
            else:
                cleared.append(field.name)
    if not (texts or pairs or values or ids or cleared or ones or many):
        return None
    plan = Plan(
        texts=tuple(texts),
        pairs=tuple(pairs),
        values=tuple(values),
        ids=tuple(ids),
        cleared=tuple(cleared),
        ones=tuple(ones),
        many=tuple(many),
        is_item=message.name in _ITEMS,
        has_items=any(inner.is_item or inner.has_items for _, inner in (*ones, *many)),
        glance=None,
    )
    return replace(plan, glance=_glance(plan))


def _glance(plan: Plan) -> Glance | None:
    """The glance of a plan; None where a message has no attributes, or a part of one has more than texts."""
    parts = [one for _, one in plan.ones]
    if len(plan.pairs) != 1 or plan.values or plan.has_items:
        return None
    if any(part.pairs or part.values or part.ids or part.cleared or part.ones or part.many for part in parts):
        return None
    ids = [name for name, _ in plan.ids]
    others = [*plan.cleared, *(name for name, _ in plan.many), *(f"{name}.{text}" for name, one in plan.ones for text in one.texts)]
    if not (ids or plan.texts or others):
        return None
    lengths = frozenset(product(*((0, length) for _, length in plan.ids)))
    return Glance(attrgetter(*plan.pairs, *ids, *plan.texts, *others), 1 + len(ids), 1 + len(ids) + len(plan.texts), lengths)
