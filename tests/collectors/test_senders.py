from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collectors.model import CollectorError
from collectors.otlp.destination import Destination
from collectors.otlp.grpc import judged as grpc_judged
from collectors.otlp.http import retry_after
from collectors.otlp.sender import sender_for
from tests.servers.otlp import Answer, OtlpSink, otlp_sink


@pytest.fixture
async def sink() -> AsyncIterator[OtlpSink]:
    async with otlp_sink() as running:
        yield running


def payload() -> bytes:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.name = "chat m" * 50
    return request.SerializeToString()


def destination(sink: OtlpSink, protocol: Any, **settings: Any) -> Destination:
    return Destination("sre", sink.http_url if protocol == "http/protobuf" else sink.grpc_url, protocol, **settings)


async def sent(where: Destination, data: bytes | None = None) -> Any:
    sender = sender_for(where)
    try:
        return await sender.send("traces", payload() if data is None else data)
    finally:
        await sender.close()


def retry_info(seconds: int) -> bytes:
    detail = AnyMessage()
    detail.Pack(error_details_pb2.RetryInfo(retry_delay={"seconds": seconds}))
    return status_pb2.Status(code=14, details=[detail]).SerializeToString()


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
@pytest.mark.parametrize("compression", ["none", "gzip"])
async def test_a_batch_arrives_as_it_was_sent(sink: OtlpSink, protocol: Any, compression: Any) -> None:
    answer = await sent(destination(sink, protocol, compression=compression))

    assert (answer.outcome, answer.rejected) == ("delivered", 0)
    assert sink.requests[0].body == payload()
    assert sink.requests[0].signal == "traces"


async def test_gzip_over_http_is_gzip_on_the_wire(sink: OtlpSink) -> None:
    await sent(destination(sink, "http/protobuf"))

    assert sink.requests[0].wire[:2] == b"\x1f\x8b"
    assert sink.requests[0].path == "/v1/traces"
    assert sink.requests[0].headers["Content-Type"] == "application/x-protobuf"


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
async def test_header_values_are_resolved_when_they_are_sent(sink: OtlpSink, protocol: Any) -> None:
    async def later() -> str:
        return "second"

    headers = {"x-plain": "plain", "x-first": lambda: "first", "x-second": later}
    await sent(destination(sink, protocol, headers=headers))

    seen = {name.lower(): value for name, value in sink.requests[0].headers.items()}
    assert {"x-plain": "plain", "x-first": "first", "x-second": "second"}.items() <= seen.items()


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
async def test_nothing_is_sent_when_a_header_cannot_be_resolved(sink: OtlpSink, protocol: Any) -> None:
    def fail() -> str:
        raise RuntimeError("the vault is away")

    answer = await sent(destination(sink, protocol, headers={"authorization": fail}))

    assert (answer.outcome, answer.reason) == ("retry", "header_reference")
    assert not sink.requests


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
async def test_a_header_that_cannot_be_sent_is_no_crash(sink: OtlpSink, protocol: Any) -> None:
    answer = await sent(destination(sink, protocol, headers={"authorization": lambda: "line\r\nbreak"}))

    assert answer.outcome == "retry"


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
async def test_partial_success_says_how_many_were_refused(sink: OtlpSink, protocol: Any) -> None:
    sink.answer(Answer(rejected=3))

    answer = await sent(destination(sink, protocol))

    assert (answer.outcome, answer.rejected) == ("delivered", 3)


async def test_partial_success_is_read_from_json_too(sink: OtlpSink) -> None:
    sink.answer(Answer(body=b'{"partialSuccess": {"rejectedSpans": "2"}}', content_type="application/json"))

    assert (await sent(destination(sink, "http/protobuf"))).rejected == 2


@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b"[]", b'{"partialSuccess": 4}', b"\xff\xff"])
@pytest.mark.parametrize("content_type", ["application/x-protobuf", "application/json", "text/html"])
async def test_an_unreadable_success_refuses_nothing(sink: OtlpSink, body: bytes, content_type: str) -> None:
    sink.answer(Answer(body=body, content_type=content_type))

    answer = await sent(destination(sink, "http/protobuf"))

    assert (answer.outcome, answer.rejected) == ("delivered", 0)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (202, "delivered"),
        (301, "retry"),
        (302, "retry"),
        (304, "retry"),
        (308, "retry"),
        (400, "bury"),
        (401, "bury"),
        (403, "bury"),
        (404, "bury"),
        (408, "retry"),
        (413, "split"),
        (429, "retry"),
        (500, "retry"),
        (502, "retry"),
        (503, "retry"),
        (504, "retry"),
    ],
)
async def test_only_2xx_is_success(sink: OtlpSink, status: int, outcome: str) -> None:
    sink.answer(Answer(status=status, headers={"Location": f"{sink.http_url}/elsewhere"}))

    answer = await sent(destination(sink, "http/protobuf"))

    assert answer.outcome == outcome
    assert len(sink.requests) == 1
    assert answer.reason == ("" if outcome == "delivered" else f"http_{status}")


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("UNAVAILABLE", "retry"),
        ("DEADLINE_EXCEEDED", "retry"),
        ("RESOURCE_EXHAUSTED", "retry"),
        ("ABORTED", "retry"),
        ("CANCELLED", "retry"),
        ("INTERNAL", "retry"),
        ("INVALID_ARGUMENT", "bury"),
        ("UNAUTHENTICATED", "bury"),
        ("PERMISSION_DENIED", "bury"),
        ("UNIMPLEMENTED", "bury"),
    ],
)
async def test_grpc_codes_are_judged_as_the_specification_says(sink: OtlpSink, code: str, outcome: str) -> None:
    sink.answer(Answer(code=code))

    answer = await sent(destination(sink, "grpc"))

    assert (answer.outcome, answer.reason) == (outcome, f"grpc_{code}")


async def test_retry_after_and_retry_info_are_honored(sink: OtlpSink) -> None:
    sink.answer(Answer(status=429, headers={"Retry-After": "7"}))
    assert (await sent(destination(sink, "http/protobuf"))).after_s == 7.0

    sink.answer(Answer(code="RESOURCE_EXHAUSTED", trailers=(("grpc-status-details-bin", retry_info(9)),)))
    assert (await sent(destination(sink, "grpc"))).after_s == 9.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("999999", 3600.0),
        ("Sat, 21 Nov 2026 09:00:30 GMT", 30.0),
        ("Sat, 21 Nov 2026 08:00:00 GMT", 0.0),
    ],
)
def test_retry_after_may_be_seconds_or_a_date(value: str, seconds: float | None) -> None:
    assert retry_after(value, datetime(2026, 11, 21, 9, 0, tzinfo=UTC)) == seconds


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
async def test_a_destination_that_hangs_is_left_after_the_timeout(sink: OtlpSink, protocol: Any) -> None:
    sink.answer(Answer(hang_s=5))

    answer = await sent(destination(sink, protocol, timeout_s=0.2))

    assert answer.outcome == "retry"
    assert answer.reason in ("timeout", "grpc_DEADLINE_EXCEEDED")


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
async def test_a_dead_destination_is_tried_again(protocol: Any) -> None:
    async with otlp_sink() as gone:
        where = destination(gone, protocol, timeout_s=2.0)

    assert (await sent(where)).outcome == "retry"


def test_what_a_grpc_server_cannot_take_at_all_is_split() -> None:
    assert grpc_judged("RESOURCE_EXHAUSTED", None, 5_000_000).outcome == "split"


@pytest.mark.parametrize("endpoint", ["ftp://x", "localhost:4317", "http://", "http://user:word@x"])
def test_an_endpoint_that_is_no_plain_http_address_is_refused(endpoint: str) -> None:
    with pytest.raises(CollectorError) as refused:
        Destination("sre", endpoint)
    assert "word" not in str(refused.value)


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("http://h:1", "http://h:1/v1/traces"),
        ("http://h:1/", "http://h:1/v1/traces"),
        ("http://h/api/v1/traces", "http://h/api/v1/traces"),
        ("http://h/otel", "http://h/otel/v1/traces"),
    ],
)
def test_the_signal_is_appended_to_a_base_address(endpoint: str, url: str) -> None:
    assert Destination("d", endpoint).url("traces") == url


@pytest.mark.parametrize("name", ["Content-Type", "content-encoding", "Host", "grpc-timeout", "trace-bin"])
def test_headers_of_the_protocol_are_not_configured(name: str) -> None:
    with pytest.raises(CollectorError):
        Destination("d", "http://h", headers={name: "x"})


def test_header_values_are_not_printed() -> None:
    assert "hidden" not in repr(Destination("d", "http://h", headers={"authorization": "hidden"}))
