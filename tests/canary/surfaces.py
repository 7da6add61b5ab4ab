"""The surfaces of telemetry: every place of a span, a log record or a metric into which a program can put a text, as code that does so.

Nothing but OpenTelemetry's own packages is imported, so that the same table runs in the environments of the peers. A planting function
gets a `Stage` and one text; it records one thing that carries the text on its surface and nowhere else.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal
from zlib import crc32

from opentelemetry import baggage
from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

Signal = Literal["traces", "logs", "metrics"]
MARKER = "harbor seventeen"
"""Harmless words that stand on every span and record: an exit at which they are missing was not looked at."""


@dataclass(frozen=True)
class Stage:
    """What a surface is planted on: the providers of one process.

    `send` is an exporter of somebody else, for the surfaces that are no place but a way around. `logger` gives stdlib loggers that end
    in OpenTelemetry.
    """

    tracer_provider: Any
    send: Callable[[Any], None] = lambda _span: None
    logger: Callable[[str], logging.Logger] | None = None
    meter_provider: Any = None


def _tracer(stage: Stage) -> Any:
    return stage.tracer_provider.get_tracer("shop", "1.0")


def _span(stage: Stage, change: Callable[[Span], object], **start: Any) -> None:
    """One ended span of an LLM call, changed before its end. The GenAI attribute gets it past filters for LLM spans."""
    known = {"gen_ai.operation.name": "chat", "app.marker": MARKER}
    span = _tracer(stage).start_span("work", kind=SpanKind.CLIENT, attributes=known, **start)
    change(span)
    span.end()


def _set(key: str, value: Callable[[str], Any]) -> Callable[[Stage, str], None]:
    return lambda stage, text: _span(stage, lambda span: span.set_attribute(key, value(text)))


def _scoped(stage: Stage, name: str, version: str = "1.0", schema_url: str | None = None, attributes: Any = None) -> None:
    tracer = stage.tracer_provider.get_tracer(name, version, schema_url=schema_url, attributes=attributes)
    _span(Stage(_Fixed(tracer)), lambda _span: None)


@dataclass(frozen=True)
class _Fixed:
    """A provider of one tracer."""

    tracer: Any

    def get_tracer(self, *_: Any) -> Any:
        return self.tracer


def _messages(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "parts": [{"type": "text", "content": f'{text} "quoted"'}]}]


def _tool_call(text: str) -> list[dict[str, Any]]:
    arguments = json.dumps({"query": text, "limit": 5})
    return [{"role": "assistant", "parts": [{"type": "tool_call", "id": "call_1", "name": "note", "arguments": arguments}]}]


class _Talkative:
    """An object whose text is the canary: SDKs ask for it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text


def _recorded(text: str, cause: str = "") -> Callable[[Span], None]:
    def change(span: Span) -> None:
        try:
            try:
                raise KeyError(cause)
            except KeyError as first:
                raise ValueError(text) from (first if cause else None)
        except ValueError as error:
            span.record_exception(error)

    return change


def _escaping(stage: Stage, text: str) -> None:
    with suppress(RuntimeError), _tracer(stage).start_as_current_span("work", attributes={"gen_ai.operation.name": "chat"}):
        raise RuntimeError(text)


def _remote(text: str) -> Context:
    state = TraceState([("vendor", text)])
    return set_span_in_context(NonRecordingSpan(SpanContext(1 << 100, 2, is_remote=True, trace_flags=TraceFlags(1), trace_state=state)))


def _link(span: Span, attributes: Mapping[str, Any]) -> None:
    span.add_link(SpanContext(5, 6, is_remote=True, trace_flags=TraceFlags(1)), attributes)


def _carried(stage: Stage, text: str) -> None:
    """Baggage, and a processor that copies it to attributes, as the one of OpenTelemetry's contrib packages does."""
    from opentelemetry.sdk.trace import SpanProcessor

    class CopiesBaggage(SpanProcessor):
        def on_start(self, span: Any, parent_context: Context | None = None) -> None:
            for key, value in baggage.get_all(parent_context).items():
                span.set_attribute(f"baggage.{key}", value)

    with suppress(Exception):
        stage.tracer_provider.add_span_processor(CopiesBaggage())
    _span(stage, lambda _span: None, context=baggage.set_baggage("note", text))


def _kept(stage: Stage, text: str) -> None:
    """A processor of somebody else that keeps the live span it is given in `on_start`, and sends it on itself after its end."""
    from opentelemetry.sdk.trace import SpanProcessor

    kept: list[Any] = []

    class Keeps(SpanProcessor):
        def on_start(self, span: Any, parent_context: Context | None = None) -> None:
            if not kept:
                kept.append(span)

    with suppress(Exception):
        stage.tracer_provider.add_span_processor(Keeps())
    _span(stage, lambda span: span.set_attribute("app.kept", text))
    for span in kept:
        stage.send(span)


def _late(stage: Stage, text: str) -> None:
    """A processor that is added when the program is long running, and sends what it is given at the end of a span."""
    from opentelemetry.sdk.trace import SpanProcessor

    class Sends(SpanProcessor):
        def on_end(self, span: Any) -> None:
            if text in str((span.attributes or {}).get("app.late")):
                stage.send(span)

    with suppress(Exception):
        stage.tracer_provider.add_span_processor(Sends())
    _span(stage, lambda span: span.set_attribute("app.late", text))


TRACES: dict[str, Callable[[Stage, str], None]] = {
    "span name": lambda stage, text: _span(stage, lambda span: span.update_name(f"chat {text}")),
    "attribute key": lambda stage, text: _span(stage, lambda span: span.set_attribute(text, "x")),
    "string": _set("app.note", str),
    "list": _set("app.list", lambda text: ["fine", text]),
    "nested value": _set("app.tree", lambda text: {"a": {"b": [{"c": text}]}}),
    "nested key": _set("app.tree", lambda text: {"a": {text: 1}}),
    "bytes": _set("app.raw", str.encode),
    "bytes in a list": _set("app.raws", lambda text: [b"fine", text.encode()]),
    "JSON in a string": _set("app.payload", lambda text: json.dumps({"user": {"note": text}})),
    "JSON in JSON in a string": _set("app.payload", lambda text: json.dumps({"body": json.dumps({"note": [text]})})),
    "text of an object": _set("app.object", _Talkative),
    "model name": _set("gen_ai.request.model", str),
    "finish reasons": _set("gen_ai.response.finish_reasons", lambda text: ["stop", text]),
    "messages, as JSON": _set("gen_ai.input.messages", lambda text: json.dumps(_messages(text))),
    "messages, structured": _set("gen_ai.output.messages", _messages),
    "tool arguments": _set("gen_ai.output.messages", lambda text: json.dumps(_tool_call(text))),
    "database statement": _set("db.query.text", lambda text: f"SELECT * FROM orders WHERE note = '{text}'"),
    "URL": _set("url.full", lambda text: f"https://shop.example/pay?note={text}&page=2"),
    "event name": lambda stage, text: _span(stage, lambda span: span.add_event(f"seen {text}")),
    "event attribute": lambda stage, text: _span(stage, lambda span: span.add_event("seen", {"note": text})),
    "event key": lambda stage, text: _span(stage, lambda span: span.add_event("seen", {text: "x"})),
    "exception message": lambda stage, text: _span(stage, _recorded(text)),
    "stack trace of a cause": lambda stage, text: _span(stage, _recorded("refused", text)),
    "escaping exception": _escaping,
    "link attribute": lambda stage, text: _span(stage, lambda span: _link(span, {"note": text})),
    "link at start": lambda stage, text: _span(
        stage, lambda span: None, links=[Link(SpanContext(7, 8, is_remote=True, trace_flags=TraceFlags(1)), {"note": [text]})]
    ),
    "status message": lambda stage, text: _span(stage, lambda span: span.set_status(Status(StatusCode.ERROR, f"failed: {text}"))),
    "tracestate": lambda stage, text: _span(stage, lambda span: None, context=_remote(text)),
    "baggage": _carried,
    "scope name": lambda stage, text: _scoped(stage, f"lib {text}"),
    "scope version": lambda stage, text: _scoped(stage, "lib", version=text),
    "scope attribute": lambda stage, text: _scoped(stage, "lib", attributes={"note": text}),
    "scope schema URL": lambda stage, text: _scoped(stage, "lib", schema_url=f"https://shop.example/{text}"),
    "span kept from on_start": _kept,
    "processor added late": _late,
}
RESOURCE = ("resource attribute", "resource key")
"""Surfaces of the process: planted by whoever makes the providers, through OTEL_RESOURCE_ATTRIBUTES."""


def _log(say: Callable[[logging.Logger, str], object]) -> Callable[[Stage, str], None]:
    def plant(stage: Stage, text: str) -> None:
        assert stage.logger is not None
        say(stage.logger("shop"), text)

    return plant


def _log_exception(logger: logging.Logger, text: str) -> None:
    try:
        raise KeyError(text)
    except KeyError:
        logger.exception("it broke")


def _named_logger(stage: Stage, text: str) -> None:
    assert stage.logger is not None
    stage.logger(f"shop.{text}").warning("fine")


LOGS: dict[str, Callable[[Stage, str], None]] = {
    "log message": _log(lambda logger, text: logger.warning(f"card {text} was refused")),
    "log argument": _log(lambda logger, text: logger.warning("card %s was refused", text)),
    "structured log body": _log(lambda logger, text: logger.warning({"note": {"inner": [text]}})),
    "log attribute": _log(lambda logger, text: logger.warning("fine", extra={"customer.note": text})),
    "nested log attribute": _log(lambda logger, text: logger.warning("fine", extra={"customer": {"notes": [text]}})),
    "log attribute key": _log(lambda logger, text: logger.warning("fine", extra={text: "x"})),
    "log exception": _log(_log_exception),
    "logger name": _named_logger,
}


def _label(stage: Stage, attributes: dict[str, Any]) -> None:
    stage.meter_provider.get_meter("shop").create_counter("requests").add(1, attributes)


def _described(stage: Stage, text: str) -> None:
    stage.meter_provider.get_meter("shop").create_counter(f"orders.{crc32(text.encode())}", description=f"about {text}").add(1)


def _exemplar(stage: Stage, text: str) -> None:
    """A label that a view drops and an exemplar keeps."""
    stage.meter_provider.get_meter("shop").create_histogram(f"dropped.{crc32(text.encode())}").record(1, {"note": text})


METRICS: dict[str, Callable[[Stage, str], None]] = {
    "metric name": lambda stage, text: stage.meter_provider.get_meter("shop").create_counter(f"orders-{text}").add(1),
    "metric unit": lambda stage, text: (
        stage.meter_provider.get_meter("shop").create_counter(f"unit.{crc32(text.encode())}", unit=text).add(1)
    ),
    "metric description": _described,
    "metric label": lambda stage, text: _label(stage, {"route": text}),
    "metric label key": lambda stage, text: _label(stage, {text: 1}),
    "exemplar": _exemplar,
    "meter name": lambda stage, text: stage.meter_provider.get_meter(f"lib {text}").create_counter("n").add(1),
}
TABLES: dict[Signal, Mapping[str, Callable[[Stage, str], None]]] = {"traces": TRACES, "logs": LOGS, "metrics": METRICS}
