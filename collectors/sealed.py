"""The sealed tracer provider: whatever any library records through OpenTelemetry passes one root, which rebuilds it clean.

The root forwards neither `on_start` nor `_on_ending`, so nobody is handed a live span; `add_span_processor` is refused,
so nobody is handed a raw one; a fault in redaction leaves a tombstone and never reaches the code that ended the span.
Tracestate is dropped. Guarantees every public path of opentelemetry-sdk 1.45; private fields of a live span stay reachable
from Python code of the same process, which is why the sender looks at the bytes once more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanContext

from collectors.gate import ExportGate
from collectors.model import CollectorError, Record
from collectors.tracing import GATHERED
from redactors.model import Clean

_KINDS = {0: 1, 1: 2, 2: 3, 3: 4, 4: 5}  # SpanKind of the API to OTLP's, which begins with UNSPECIFIED
_REMOTE, _LOCAL = 0x300, 0x100


class RedactingRoot(SpanProcessor):
    """The one processor: rebuilds every ended span clean and hands it to the call that gathers, or else to `spool`."""

    def __init__(self, gate: ExportGate, spool: Callable[[tuple[Clean[Record], ...]], None]) -> None:
        self._gate = gate
        self._spool = spool

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Forward nothing: a kept reference to a live span shows every raw attribute."""

    def _on_ending(self, span: Span) -> None:
        """Forward nothing, for the same reason."""

    def on_end(self, span: ReadableSpan) -> None:
        """Rebuild, then hand on. Nothing but an interrupt is raised into the code that ended the span."""
        self._gate.send([Record("traces", _tree_or_ids(span))], self._hand_on)

    def _hand_on(self, records: tuple[Clean[Record], ...]) -> None:
        gathered = GATHERED.get()
        if gathered is None:
            self._spool(records)
        else:
            gathered.extend(records)


class SealedTracerProvider(TracerProvider):
    """A tracer provider whose only processor is the redacting root. The resource is given, never detected."""

    def __init__(
        self,
        gate: ExportGate,
        spool: Callable[[tuple[Clean[Record], ...]], None],
        *,
        resource: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(
            sampler=ALWAYS_ON,
            resource=Resource({"service.name": "lockgate", **(resource or {})}),
            shutdown_on_exit=False,
            active_span_processor=RedactingRoot(gate, spool),  # type: ignore[arg-type]
        )

    def add_span_processor(self, span_processor: SpanProcessor) -> None:
        """Refuse: a further processor would receive raw spans. Add a sink behind the gate instead."""
        raise CollectorError("the tracer provider is sealed; add a destination instead of a span processor")


def make_global(provider: SealedTracerProvider) -> None:
    """Make the sealed provider the process's only one, and propagate W3C trace context without baggage.

    Raises CollectorError when another provider stands already: its processors would see raw spans.
    """
    from opentelemetry import propagate, trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    trace.set_tracer_provider(provider)
    if trace.get_tracer_provider() is not provider:
        raise CollectorError("another tracer provider was installed before; its processors would receive raw spans")
    propagate.set_global_textmap(TraceContextTextMapPropagator())


def _tree_or_ids(span: ReadableSpan) -> dict[str, Any]:
    """The span as a raw tree. When it cannot be read, its ids and times, with a field that the gate refuses (a tombstone)."""
    try:
        return span_tree(span)
    except Exception:  # noqa: BLE001 - attributes may be objects whose access raises; the gate makes the tombstone
        context = span.get_span_context()
        tree: dict[str, Any] = {"unreadable": True, "start_time_unix_nano": span.start_time, "end_time_unix_nano": span.end_time}
        if context is not None:
            tree |= {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
        return tree


def span_tree(span: ReadableSpan) -> dict[str, Any]:
    """A raw SDK span in the shape of a record's tree. Nothing is redacted here."""
    parent = span.parent
    scope = span.instrumentation_scope
    context = span.get_span_context()
    if context is None:
        raise CollectorError("a span without context")
    return {
        **_ids(context),
        "parent_span_id": f"{parent.span_id:016x}" if parent is not None else "",
        "flags": _REMOTE if parent is not None and parent.is_remote else _LOCAL,
        "name": span.name,
        "kind": _KINDS[span.kind.value],
        "start_time_unix_nano": span.start_time or 0,
        "end_time_unix_nano": span.end_time or 0,
        "attributes": dict(span.attributes or {}),
        "events": [
            {"name": event.name, "time_unix_nano": event.timestamp, "attributes": dict(event.attributes or {})} for event in span.events
        ],
        "links": [
            {**_ids(link.context), "flags": _REMOTE if link.context.is_remote else _LOCAL, "attributes": dict(link.attributes or {})}
            for link in span.links
        ],
        "status": {"code": span.status.status_code.value, "message": span.status.description or ""},
        "dropped_attributes_count": span.dropped_attributes,
        "dropped_events_count": span.dropped_events,
        "dropped_links_count": span.dropped_links,
        "resource": {"attributes": dict(span.resource.attributes), "schema_url": span.resource.schema_url},
        "scope": _scope(scope),
    }


def _scope(scope: Any) -> dict[str, Any]:
    if scope is None:
        return {"name": "", "attributes": {}}
    return {
        "name": scope.name,
        "version": scope.version or "",
        "schema_url": scope.schema_url or "",
        "attributes": dict(scope.attributes or {}),
    }


def _ids(context: SpanContext) -> dict[str, str]:
    return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
