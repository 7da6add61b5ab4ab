from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collectors.gate import ExportGate
from collectors.model import CollectorError
from collectors.otlp.codec import TraceEncoder
from collectors.otlp.decode import traces_from_json, traces_from_protobuf
from tests.collectors.plain_redactor import PlainRedactor

CANARY = "canary-7Qk2vX9bLm4T"


def request() -> ExportTraceServiceRequest:
    built = ExportTraceServiceRequest()
    resource = built.resource_spans.add(schema_url="https://example.test/r")
    resource.resource.attributes.add(key="service.name").value.string_value = "app"
    scope = resource.scope_spans.add(schema_url="https://example.test/s")
    scope.scope.name, scope.scope.version = "lib", "1.0"
    span = scope.spans.add(trace_id=b"\xab" * 16, span_id=b"\xcd" * 8, parent_span_id=b"\xef" * 8, name="work", kind=3, flags=0x101)
    span.start_time_unix_nano, span.end_time_unix_nano = 1_700_000_000_000_000_001, 1_700_000_000_000_000_002
    value = span.attributes.add(key="all").value.kvlist_value
    value.values.add(key="s").value.string_value = "text"
    value.values.add(key="i").value.int_value = -(2**62)
    value.values.add(key="d").value.double_value = 0.5
    value.values.add(key="b").value.bool_value = False
    value.values.add(key="y").value.bytes_value = b"\x00\xff"
    value.values.add(key="l").value.array_value.values.add().string_value = "item"
    span.events.add(name="event", time_unix_nano=5).attributes.add(key="k").value.int_value = 1
    span.links.add(trace_id=b"\x01" * 16, span_id=b"\x02" * 8, flags=0x100)
    span.status.code, span.status.message = 2, "failed"
    return built


def as_json(built: ExportTraceServiceRequest) -> bytes:
    """OTLP/JSON as SDKs write it: protobuf's JSON, but ids in hex."""

    def ids(tree: Any) -> Any:
        if isinstance(tree, dict):
            return {
                key: base64.b64decode(value).hex() if key in ("traceId", "spanId", "parentSpanId") else ids(value)
                for key, value in tree.items()
            }
        return [ids(item) for item in tree] if isinstance(tree, list) else tree

    return orjson.dumps(ids(MessageToDict(built)))


def reencoded(records: Any) -> bytes:
    return TraceEncoder().encode(ExportGate(PlainRedactor(CANARY), hash_key=b"k").admit(records))


def test_protobuf_survives_the_way_through_the_gate() -> None:
    body = request().SerializeToString()

    assert ExportTraceServiceRequest.FromString(reencoded(traces_from_protobuf(body))) == request()


def test_json_survives_the_way_through_the_gate() -> None:
    assert ExportTraceServiceRequest.FromString(reencoded(traces_from_json(as_json(request())))) == request()


def test_a_secret_in_an_unknown_field_is_left_behind() -> None:
    field_99 = b"\x9a\x06" + bytes([len(CANARY)]) + CANARY.encode()
    built = request()
    built.resource_spans[0].scope_spans[0].spans[0].MergeFromString(field_99)
    body = built.SerializeToString()
    assert CANARY.encode() in body

    assert CANARY.encode() not in reencoded(traces_from_protobuf(body))


def test_tracestate_is_left_behind() -> None:
    built = request()
    span = built.resource_spans[0].scope_spans[0].spans[0]
    span.trace_state = span.links[0].trace_state = f"vendor={CANARY}"

    assert CANARY.encode() not in reencoded(traces_from_protobuf(built.SerializeToString()))
    assert CANARY.encode() not in reencoded(traces_from_json(as_json(built)))


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"5", b'{"resourceSpans": 5}', b'{"resourceSpans": [5]}',
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "xyz"}]}]}]}',
        b'{"resourceSpans": [{"resource": {"attributes": [{"key": "k", "value": {"intValue": "canary"}}]}}]}',
        b'{"resourceSpans": [{"resource": {"attributes": [{"key": "k", "value": {"bytesValue": "*"}}]}}]}',
    ],
)  # fmt: skip
def test_a_body_that_is_no_request_is_refused_without_quoting_it(body: bytes) -> None:
    with pytest.raises(CollectorError) as refused:
        traces_from_json(body)
    assert "canary" not in str(refused.value)


def test_bytes_that_are_no_protobuf_are_refused() -> None:
    with pytest.raises(CollectorError):
        traces_from_protobuf(b"\xff\xff\xff")
