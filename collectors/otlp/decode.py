"""OTLP trace requests of other programs, protobuf or JSON, to raw records.

Unknown fields are left behind: only what the record's tree has a place for is read, so nothing unredacted travels in a field
that we do not know. In OTLP/JSON ids are hex, 64-bit integers may be strings, and enums are integers or names; its keys are
lowerCamelCase. Source: opentelemetry.io/docs/specs/otlp, section JSON Protobuf Encoding.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import Any, Final

import orjson

from collectors.model import CollectorError, Record

_MAX_DEPTH: Final = 32
_KINDS: Final = {
    f"SPAN_KIND_{name}": number for number, name in enumerate(("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"))
}
_CODES: Final = {"STATUS_CODE_UNSET": 0, "STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}


def traces_from_protobuf(body: bytes) -> tuple[Record, ...]:
    """The spans of a serialized `ExportTraceServiceRequest`. Raises CollectorError when it is none."""
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        raise CollectorError("the body is no OTLP trace request") from None
    records: list[Record] = []
    for resource in request.resource_spans:
        described = {"attributes": _pairs(resource.resource.attributes), "schema_url": resource.schema_url}
        for scope in resource.scope_spans:
            source = {
                "name": scope.scope.name,
                "version": scope.scope.version,
                "schema_url": scope.schema_url,
                "attributes": _pairs(scope.scope.attributes),
            }
            records.extend(Record("traces", {**_span(span), "resource": described, "scope": source}) for span in scope.spans)
    return tuple(records)


def traces_from_json(body: bytes) -> tuple[Record, ...]:
    """The spans of an OTLP/JSON trace request. Raises CollectorError when it is none."""
    try:
        request = orjson.loads(body)
        records: list[Record] = []
        for resource in _all(request, "resourceSpans"):
            inner = resource.get("resource") or {}
            described = {"attributes": _json_pairs(inner), "schema_url": resource.get("schemaUrl", "")}
            for scope in _all(resource, "scopeSpans"):
                named = scope.get("scope") or {}
                source = {
                    "name": named.get("name", ""),
                    "version": named.get("version", ""),
                    "schema_url": scope.get("schemaUrl", ""),
                    "attributes": _json_pairs(named),
                }
                records.extend(
                    Record("traces", {**_json_span(span), "resource": described, "scope": source}) for span in _all(scope, "spans")
                )
    except (orjson.JSONDecodeError, ValueError, TypeError, AttributeError, KeyError):
        raise CollectorError("the body is no OTLP/JSON trace request") from None
    return tuple(records)


def _span(span: Any) -> dict[str, Any]:
    return {
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "parent_span_id": span.parent_span_id.hex(),
        "flags": span.flags,
        "name": span.name,
        "kind": span.kind,
        "start_time_unix_nano": span.start_time_unix_nano,
        "end_time_unix_nano": span.end_time_unix_nano,
        "attributes": _pairs(span.attributes),
        "events": [
            {"name": event.name, "time_unix_nano": event.time_unix_nano, "attributes": _pairs(event.attributes)} for event in span.events
        ],
        "links": [
            {"trace_id": link.trace_id.hex(), "span_id": link.span_id.hex(), "flags": link.flags, "attributes": _pairs(link.attributes)}
            for link in span.links
        ],
        "status": {"code": span.status.code, "message": span.status.message},
        "dropped_attributes_count": span.dropped_attributes_count,
        "dropped_events_count": span.dropped_events_count,
        "dropped_links_count": span.dropped_links_count,
    }


def _pairs(pairs: Iterable[Any]) -> dict[str, Any]:
    return {pair.key: _value(pair.value, 0) for pair in pairs}


def _value(value: Any, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        raise CollectorError("a value is nested too deeply")
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_value(item, depth + 1) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: _value(pair.value, depth + 1) for pair in value.kvlist_value.values}
    if kind in ("string_value", "bool_value", "int_value", "double_value", "bytes_value"):
        return getattr(value, kind)
    return None  # a kind of a later protocol, such as an index into a dictionary that traces do not have


def _json_span(span: dict[str, Any]) -> dict[str, Any]:
    status = span.get("status") or {}
    return {
        "trace_id": _hex(span.get("traceId")),
        "span_id": _hex(span.get("spanId")),
        "parent_span_id": _hex(span.get("parentSpanId")),
        "flags": int(span.get("flags", 0)),
        "name": str(span.get("name", "")),
        "kind": _enum(span.get("kind", 0), _KINDS),
        "start_time_unix_nano": int(span.get("startTimeUnixNano", 0)),
        "end_time_unix_nano": int(span.get("endTimeUnixNano", 0)),
        "attributes": _json_pairs(span),
        "events": [
            {"name": str(event.get("name", "")), "time_unix_nano": int(event.get("timeUnixNano", 0)), "attributes": _json_pairs(event)}
            for event in _all(span, "events")
        ],
        "links": [
            {
                "trace_id": _hex(link.get("traceId")),
                "span_id": _hex(link.get("spanId")),
                "flags": int(link.get("flags", 0)),
                "attributes": _json_pairs(link),
            }
            for link in _all(span, "links")
        ],
        "status": {"code": _enum(status.get("code", 0), _CODES), "message": str(status.get("message", ""))},
        "dropped_attributes_count": int(span.get("droppedAttributesCount", 0)),
        "dropped_events_count": int(span.get("droppedEventsCount", 0)),
        "dropped_links_count": int(span.get("droppedLinksCount", 0)),
    }


def _json_pairs(holder: dict[str, Any]) -> dict[str, Any]:
    return {str(pair["key"]): _json_value(pair.get("value"), 0) for pair in _all(holder, "attributes")}


def _json_value(value: Any, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deeply")
    if not isinstance(value, dict):
        return None
    if "stringValue" in value:
        return str(value["stringValue"])
    if "boolValue" in value:
        return bool(value["boolValue"])
    if "intValue" in value:
        return int(value["intValue"])
    if "doubleValue" in value:
        return float(value["doubleValue"])
    if "bytesValue" in value:
        try:
            return base64.b64decode(value["bytesValue"], validate=True)
        except binascii.Error:
            raise ValueError("not base64") from None
    if "arrayValue" in value:
        return [_json_value(item, depth + 1) for item in _all(value["arrayValue"], "values")]
    if "kvlistValue" in value:
        return {str(pair["key"]): _json_value(pair.get("value"), depth + 1) for pair in _all(value["kvlistValue"], "values")}
    return None


def _all(holder: Any, key: str) -> list[dict[str, Any]]:
    """The objects of a repeated field; raises ValueError when it is no list of objects."""
    items = holder.get(key) or []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ValueError("not a list of objects")
    return items


def _enum(value: Any, names: dict[str, int]) -> int:
    return names[value] if isinstance(value, str) and value in names else int(value)


def _hex(value: Any) -> str:
    if value is None:
        return ""
    return bytes.fromhex(str(value)).hex()
