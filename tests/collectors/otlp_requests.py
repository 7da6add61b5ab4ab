"""OTLP requests for tests: every field that a schema has, filled by walking the official descriptors, and the same as OTLP/JSON."""

from __future__ import annotations

import base64
from typing import Any

import orjson
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collectors.model import Signal

REQUESTS: dict[Signal, Any] = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}
SIGNALS: tuple[Signal, ...] = ("traces", "logs", "metrics")
_LENGTHS = {"trace_id": 16, "span_id": 8, "parent_span_id": 8}
_NESTED = 3


def filled(signal: Signal, text: str, *, number: int = 7) -> Any:
    """A request in which every field of every message is set: texts and bytes to `text`, ids valid, every kind of value and of metric."""
    message = REQUESTS[signal]()
    _fill(message, text, number, 0)
    return message


def _fill(message: Any, text: str, number: int, nested: int) -> None:
    for field in message.DESCRIPTOR.fields:
        if field.containing_oneof is None:
            _set(message, field, text, number, nested)
    if message.DESCRIPTOR.oneofs and message.DESCRIPTOR.name != "AnyValue":
        _set(message, message.DESCRIPTOR.oneofs[0].fields[0], text, number, nested)
    if message.DESCRIPTOR.name == "AnyValue":
        message.string_value = text


def _set(message: Any, field: Any, text: str, number: int, nested: int) -> None:
    if field.is_repeated and field.message_type is not None:
        target = getattr(message, field.name)
        for one in _members(field, nested):
            inner = target.add()
            _fill(inner, text, number, nested + (field.message_type.name in ("KeyValue", "AnyValue")))
            one(inner, text)
    elif field.message_type is not None:
        inner = getattr(message, field.name)
        inner.SetInParent()
        _fill(inner, text, number, nested)
    elif field.is_repeated:
        getattr(message, field.name).extend([_scalar(field, text, number)] * 2)
    else:
        setattr(message, field.name, _scalar(field, text, number))


def _scalar(field: Any, text: str, number: int) -> Any:
    if field.type == field.TYPE_STRING:
        return text
    if field.type == field.TYPE_BYTES:
        return bytes(range(1, _LENGTHS[field.name] + 1)) if field.name in _LENGTHS else text.encode()
    if field.type == field.TYPE_BOOL:
        return True
    if field.enum_type is not None:
        return field.enum_type.values[-1].number
    if field.name.endswith("_strindex"):
        return 0
    return 0.5 if field.type == field.TYPE_DOUBLE else number


def _members(field: Any, nested: int) -> list[Any]:
    """How the members of a list differ: attributes of every kind, metrics of every kind; otherwise there is one."""
    if field.message_type.name == "KeyValue" and nested < _NESTED:
        return [_plain, _json, _bytes, _list, _map, _number, _empty]
    if field.message_type.name == "Metric":
        return [_metric(one.name) for one in field.message_type.oneofs[0].fields]
    return [_plain]


def _plain(_message: Any, _text: str) -> None:
    """As it was filled."""


def _json(pair: Any, text: str) -> None:
    pair.key = "gen_ai.input.messages"
    pair.value.string_value = orjson.dumps([{"role": "user", "parts": [{"type": "text", "content": f'{text} "quoted"'}]}]).decode()


def _bytes(pair: Any, text: str) -> None:
    pair.value.bytes_value = text.encode()


def _list(pair: Any, text: str) -> None:
    for value in (text, f"- {text}"):
        pair.value.array_value.values.add().string_value = value
    pair.value.array_value.values.add().bytes_value = b"\xff" + text.encode()


def _map(pair: Any, text: str) -> None:
    inner = pair.value.kvlist_value
    inner.values.add(key=text).value.string_value = "value"
    inner.values.add(key="twice").value.string_value = text
    inner.values.add(key="twice").value.string_value = "value"
    inner.values.add(key="deep").value.kvlist_value.values.add(key="k").value.array_value.values.add().string_value = text


def _number(pair: Any, text: str) -> None:
    pair.key = f"{text} count"
    pair.value.int_value = 5


def _empty(pair: Any, text: str) -> None:
    pair.key = f"{text} empty"
    pair.ClearField("value")


def _metric(kind: str) -> Any:
    def change(metric: Any, text: str) -> None:
        data = getattr(metric, kind)
        data.SetInParent()
        _fill(data, text, 7, 0)

    return change


def as_json(built: Any) -> bytes:
    """OTLP/JSON as SDKs write it: protobuf's JSON, but ids in hex."""

    def ids(tree: Any) -> Any:
        if isinstance(tree, dict):
            return {
                key: base64.b64decode(value).hex() if key in ("traceId", "spanId", "parentSpanId") else ids(value)
                for key, value in tree.items()
            }
        return [ids(item) for item in tree] if isinstance(tree, list) else tree

    return orjson.dumps(ids(MessageToDict(built)))
