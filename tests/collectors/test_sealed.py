"""The canary matrix of the sealed provider: every surface of a span, counted on the encoded bytes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from collectors.gate import ExportGate
from collectors.model import CollectorError, Record
from collectors.otlp.codec import TraceEncoder
from collectors.sealed import RedactingRoot, SealedTracerProvider, span_tree
from collectors.tracing import Tracing
from redactors.model import Clean
from tests.collectors.plain_redactor import FailingRedactor, PlainRedactor

ROOT = Path(__file__).parents[2]
CANARY = "canary-7Qk2vX9bLm4T"


def _status(span: Span) -> None:
    span.set_status(Status(StatusCode.ERROR, f"failed with {CANARY}"))


def _exception(span: Span) -> None:
    try:
        try:
            raise ValueError(CANARY)
        except ValueError as first:
            raise RuntimeError(f"again {CANARY}") from first
    except RuntimeError as error:
        span.record_exception(error)


SURFACES: dict[str, Callable[[Span], None]] = {
    "name": lambda span: span.update_name(f"chat {CANARY}"),
    "attribute key": lambda span: span.set_attribute(CANARY, "x"),
    "string": lambda span: span.set_attribute("a", CANARY),
    "list": lambda span: span.set_attribute("a", ["x", CANARY]),
    "nested": lambda span: span.set_attribute("a", {"b": {"c": [CANARY]}}),
    "nested key": lambda span: span.set_attribute("a", {CANARY: 1}),
    "bytes": lambda span: span.set_attribute("a", CANARY.encode()),
    "json string": lambda span: span.set_attribute("a", f'{{"messages": [{{"content": "{CANARY}"}}]}}'),
    "known key": lambda span: span.set_attribute("gen_ai.request.model", CANARY),
    "event name": lambda span: span.add_event(CANARY),
    "event attribute": lambda span: span.add_event("e", {"a": CANARY}),
    "event key": lambda span: span.add_event("e", {CANARY: "a"}),
    "exception": _exception,
    "link attribute": lambda span: span.add_link(SpanContext(5, 6, is_remote=True), {"a": CANARY}),
    "status": _status,
}


def provider(redactor: Any, **resource: str) -> tuple[SealedTracerProvider, list[Clean[Record]]]:
    kept: list[Clean[Record]] = []
    gate = ExportGate(redactor, hash_key=b"k")
    return SealedTracerProvider(gate, kept.extend, resource=resource), kept


def encoded(kept: list[Clean[Record]]) -> bytes:
    assert kept
    return TraceEncoder().encode(kept)


@pytest.mark.parametrize("surface", SURFACES)
def test_no_surface_of_a_span_leaks(surface: str) -> None:
    sealed, kept = provider(PlainRedactor(CANARY))
    span = sealed.get_tracer("lib").start_span("work")
    SURFACES[surface](span)  # type: ignore[arg-type]
    span.end()

    assert CANARY.encode() not in encoded(kept)


@pytest.mark.parametrize("surface", SURFACES)
def test_the_same_span_leaks_through_an_ordinary_provider(surface: str) -> None:
    exporter = InMemorySpanExporter()
    plain = TracerProvider(shutdown_on_exit=False)
    plain.add_span_processor(SimpleSpanProcessor(exporter))
    span = plain.get_tracer("lib").start_span("work")
    SURFACES[surface](span)  # type: ignore[arg-type]
    span.end()

    assert CANARY.encode() in encode_spans(exporter.get_finished_spans()).SerializeToString()


def test_resource_scope_and_tracestate_do_not_leak() -> None:
    sealed, kept = provider(PlainRedactor(CANARY), **{"host.name": CANARY, CANARY: "x"})
    parent = SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(1), trace_state=TraceState([("vendor", CANARY)]))
    tracer = sealed.get_tracer(f"lib-{CANARY}", CANARY, attributes={"a": CANARY, CANARY: "a"})
    tracer.start_span("work", context=set_span_in_context(NonRecordingSpan(parent))).end()

    assert CANARY.encode() not in encoded(kept)
    assert kept[0].value.tree["parent_span_id"] == f"{2:016x}"


@pytest.mark.parametrize("surface", SURFACES)
def test_a_redactor_that_raises_leaves_a_tombstone_and_reaches_no_application_code(surface: str) -> None:
    def refuse(_raw: object) -> None:
        raise ValueError(CANARY)

    sealed, kept = provider(FailingRedactor(refuse))
    with sealed.get_tracer("lib").start_as_current_span("work") as span:
        SURFACES[surface](span)  # type: ignore[arg-type]

    assert CANARY.encode() not in encoded(kept)
    assert kept[0].value.tree["name"] == "redaction_failed"
    assert kept[0].value.tree["start_time_unix_nano"] > 0


def test_an_exception_inside_a_span_still_reaches_its_caller() -> None:
    sealed, kept = provider(PlainRedactor(CANARY))
    with pytest.raises(ValueError, match="canary"), sealed.get_tracer("lib").start_as_current_span("work"):
        raise ValueError(CANARY)

    assert CANARY.encode() not in encoded(kept)


def test_a_late_processor_is_refused() -> None:
    sealed, _ = provider(PlainRedactor())

    with pytest.raises(CollectorError):
        sealed.add_span_processor(SpanProcessor())


def test_the_root_itself_takes_no_children() -> None:
    assert not hasattr(RedactingRoot, "add_span_processor")


def test_nobody_is_handed_a_live_span() -> None:
    seen: list[Any] = []

    class Spy(SpanProcessor):
        def on_start(self, span: Any, parent_context: Any = None) -> None:
            seen.append(span)

        def on_end(self, span: Any) -> None:
            seen.append(span)

    sealed, kept = provider(PlainRedactor())
    with suppress(CollectorError):
        sealed.add_span_processor(Spy())
    sealed.get_tracer("lib").start_span("work").end()

    assert not seen
    assert len(kept) == 1


def test_what_is_rebuilt_shares_nothing_with_the_live_span() -> None:
    sealed, kept = provider(PlainRedactor())
    values = {"b": ["c"]}
    span = sealed.get_tracer("lib").start_span("work", attributes={"a": values})
    span.end()
    before = encoded(kept)
    values["b"].append(CANARY)

    assert encoded(kept) == before


def test_spans_that_end_inside_a_call_ride_with_it() -> None:
    gate = ExportGate(PlainRedactor(), hash_key=b"k")
    tracing = Tracing(gate, destinations=["d"])
    sealed, kept = provider(PlainRedactor())
    with tracing.gather() as gathered:
        sealed.get_tracer("lib").start_span("inside").end()
    sealed.get_tracer("lib").start_span("outside").end()

    assert [record.value.tree["name"] for record in gathered] == ["inside"]
    assert [record.value.tree["name"] for record in kept] == ["outside"]


def test_our_bytes_are_those_of_the_exporters_encoder() -> None:
    exporter = InMemorySpanExporter()
    plain = TracerProvider(shutdown_on_exit=False, resource=Resource({"service.name": "s", "n": 1}, "https://example.test/r"))
    plain.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = plain.get_tracer("lib", "1.0", "https://example.test/s", {"scope": "x"})
    parent = set_span_in_context(NonRecordingSpan(SpanContext(1 << 100, 2, is_remote=True, trace_flags=TraceFlags(1))))
    rich = {
        "s": "t",
        "i": -5,
        "f": 0.5,
        "b": False,
        "l": ["a", "b"],
        "n": [1, [2.5, None]],
        "y": b"\x00\xff",
        "m": {"k": {"z": 1}, "e": []},
        "x": None,
    }
    span = tracer.start_span(
        "work", context=parent, kind=SpanKind.CLIENT, attributes=rich, links=[Link(SpanContext(7, 8, is_remote=True), {"a": 1})]
    )
    span.add_event("event", {"a": [1, 2]})
    span.set_status(Status(StatusCode.ERROR, "message"))
    tracer.start_span("other", kind=SpanKind.SERVER).end()
    span.end()
    plain.get_tracer("second").start_span("third").end()
    finished = exporter.get_finished_spans()

    gate = ExportGate(PlainRedactor(), hash_key=b"k")
    ours = TraceEncoder().encode(gate.admit([Record("traces", span_tree(span)) for span in finished]))

    assert _merged(ours) == _merged(encode_spans(finished).SerializeToString())


def _merged(data: bytes) -> dict[str, bytes]:
    """Every span with its resource and scope, serialized: resources that are equal may stand once or several times."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    out = {}
    for resource in ExportTraceServiceRequest.FromString(data).resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                head = (
                    resource.resource.SerializeToString()
                    + resource.schema_url.encode()
                    + scope.scope.SerializeToString()
                    + scope.schema_url.encode()
                )
                out[span.name] = head + span.SerializeToString()
    return out


@pytest.mark.parametrize("earlier", [True, False])
def test_the_sealed_provider_is_the_only_one_of_the_process(earlier: bool) -> None:
    script = f"""
from opentelemetry import propagate, trace
from opentelemetry.sdk.trace import TracerProvider
from collectors.gate import ExportGate
from collectors.sealed import SealedTracerProvider, make_global
from tests.collectors.plain_redactor import PlainRedactor
if {earlier}:
    trace.set_tracer_provider(TracerProvider())
kept = []
try:
    make_global(SealedTracerProvider(ExportGate(PlainRedactor(), hash_key=b"k"), kept.extend))
except Exception as refused:
    print(type(refused).__name__)
else:
    trace.get_tracer("lib").start_span("work").end()
    print(len(kept), sorted(propagate.get_global_textmap().fields))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30, cwd=ROOT)

    assert done.stdout.strip() == ("CollectorError" if earlier else "1 ['traceparent', 'tracestate']")
