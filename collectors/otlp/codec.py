"""Clean records to OTLP protobuf bytes.

The shape of a trace record's tree is opentelemetry-proto's `Span` with its field names: ids as hex, times as integer
nanoseconds, `attributes` as a mapping of plain values, beside it `resource` and `scope` (`attributes`, `name`, `version`,
`schema_url`). The envelope (resource, scope) is made by the exporter's own `encode_spans`; the spans are filled into the
exporter's message classes in place, which costs a third of its encoder and gives the same bytes (a test compares them).
Source: github.com/open-telemetry/opentelemetry-proto, v1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from collectors.model import CollectorError, Record
from redactors.model import Clean, is_clean

_MAX_ENVELOPES = 32
_FLAG_HAS_IS_REMOTE = 0x100
_FLAG_IS_REMOTE = 0x200


class TraceEncoder:
    """Encodes clean spans. Keeps the envelopes of the resources and scopes it met last; construct one per process."""

    def __init__(self) -> None:
        # The proto classes cost 40 ms to import, so they are loaded with the first encoder, not with this module.
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

        self._request = trace_service_pb2.ExportTraceServiceRequest
        self._envelopes: dict[tuple[int, int], tuple[Any, Any, Any]] = {}

    def encode(self, records: Sequence[Clean[Record]]) -> bytes:
        """Serialize an `ExportTraceServiceRequest`. Raises CollectorError for what is not clean or not a span."""
        request = self._request()
        scopes: dict[tuple[int, int], Any] = {}
        for record in records:
            tree = checked(record, "traces")
            resource, scope = tree.get("resource") or _NONE, tree.get("scope") or _NONE
            place = (id(resource), id(scope))
            spans = scopes.get(place)
            if spans is None:
                envelope = request.resource_spans.add()
                envelope.CopyFrom(self._envelope(place, resource, scope))
                spans = scopes[place] = envelope.scope_spans[0].spans
            try:
                _fill_span(spans.add(), tree)
            except (TypeError, ValueError, KeyError, AttributeError):
                # Their texts may quote the value that did not fit.
                raise CollectorError("a span does not fit into OTLP") from None
        data: bytes = request.SerializeToString()
        return data

    def _envelope(self, place: tuple[int, int], resource: Mapping[str, Any], scope: Mapping[str, Any]) -> Any:
        # The dicts are kept beside their envelope, so an id in this table is never that of another object.
        known = self._envelopes.get(place)
        if known is not None:
            return known[2]
        if len(self._envelopes) >= _MAX_ENVELOPES:
            self._envelopes.clear()
        made = _envelope(resource, scope)
        self._envelopes[place] = (resource, scope, made)
        return made


_NONE: Mapping[str, Any] = {}


def checked(record: Clean[Record], signal: str) -> dict[str, Any]:
    """The tree of a clean record of one signal; raises CollectorError for anything else. The run-time half of the type."""
    if not is_clean(record) or type(record.value) is not Record:
        raise CollectorError("only clean records are encoded")
    if record.value.signal != signal:
        raise CollectorError("a record of another signal was handed to the encoder")
    return record.value.tree


def _envelope(resource: Mapping[str, Any], scope: Mapping[str, Any]) -> Any:
    """A `ResourceSpans` without spans, by the exporter's encoder."""
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanContext

    span = ReadableSpan(
        name="",
        context=SpanContext(1, 1, is_remote=False),
        resource=Resource(resource.get("attributes") or {}, resource.get("schema_url") or ""),
        instrumentation_scope=InstrumentationScope(
            scope.get("name") or "", scope.get("version") or None, scope.get("schema_url") or None, scope.get("attributes") or None
        ),
    )
    made = encode_spans([span]).resource_spans[0]
    del made.scope_spans[0].spans[:]
    return made


def _fill_span(span: Any, tree: Mapping[str, Any]) -> None:
    get = tree.get
    span.trace_id = bytes.fromhex(get("trace_id", ""))
    span.span_id = bytes.fromhex(get("span_id", ""))
    parent = get("parent_span_id")
    if parent:
        span.parent_span_id = bytes.fromhex(parent)
    span.name = tree["name"]
    span.kind = get("kind", 0)
    span.start_time_unix_nano = get("start_time_unix_nano", 0)
    span.end_time_unix_nano = get("end_time_unix_nano", 0)
    span.flags = get("flags", _FLAG_HAS_IS_REMOTE)
    _fill_attributes(span.attributes, get("attributes"))
    for event in get("events") or ():
        made = span.events.add()
        made.name = event["name"]
        made.time_unix_nano = event.get("time_unix_nano", 0)
        made.dropped_attributes_count = event.get("dropped_attributes_count", 0)
        _fill_attributes(made.attributes, event.get("attributes"))
    for link in get("links") or ():
        made = span.links.add()
        made.trace_id = bytes.fromhex(link["trace_id"])
        made.span_id = bytes.fromhex(link["span_id"])
        made.flags = link.get("flags", _FLAG_HAS_IS_REMOTE)
        made.dropped_attributes_count = link.get("dropped_attributes_count", 0)
        _fill_attributes(made.attributes, link.get("attributes"))
    status = get("status")
    if status is not None:
        span.status.code = status.get("code", 0)
        if status.get("message"):
            span.status.message = status["message"]
    for name in ("dropped_attributes_count", "dropped_events_count", "dropped_links_count"):
        if name in tree:
            setattr(span, name, tree[name])


def _fill_attributes(target: Any, attributes: Mapping[str, Any] | None) -> None:
    if not attributes:
        return
    add = target.add
    for key, value in attributes.items():
        pair = add()
        pair.key = key
        kind = type(value)
        if kind is str:
            pair.value.string_value = value
        elif kind is int:
            pair.value.int_value = value
        else:
            fill_value(pair.value, value)


def fill_value(target: Any, value: Any) -> None:
    """Put a plain value into an `AnyValue`; None leaves it empty. Raises TypeError for anything that is not plain."""
    if isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, str):
        target.string_value = value
    elif isinstance(value, int):
        target.int_value = value
    elif isinstance(value, float):
        target.double_value = value
    elif isinstance(value, bytes):
        target.bytes_value = value
    elif isinstance(value, list | tuple):
        target.array_value.SetInParent()
        for item in value:
            fill_value(target.array_value.values.add(), item)
    elif isinstance(value, Mapping):
        target.kvlist_value.SetInParent()
        for key, item in value.items():
            pair = target.kvlist_value.values.add()
            pair.key = key
            fill_value(pair.value, item)
            pair.value.SetInParent()
    elif value is not None:
        raise TypeError("not a plain value")
    else:
        target.SetInParent()
