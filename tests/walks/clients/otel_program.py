"""A program with a stock OpenTelemetry SDK, told nothing but `OTEL_*` variables: it records every kind of thing on every surface.

Standard input: {"protocol": "http" | "grpc", "words": [...]}, one planted word per surface, used up in turn. Prints what it recorded.
"""

from __future__ import annotations

import itertools
import json
import logging
import sys


def main() -> None:
    given = json.load(sys.stdin)
    words = itertools.cycle(given["words"])

    def word() -> str:
        return next(words)

    if given["protocol"] == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    else:
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, Status, StatusCode, TraceFlags, TraceState, set_span_in_context

    resource = Resource.create({"service.name": "checkout", "deployment.note": word(), word(): "key"})

    traces = TracerProvider(resource=resource)
    traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    tracer = traces.get_tracer("shop", "1.0", attributes={"scope.note": word()})
    remote = SpanContext(1 << 100, 2, is_remote=True, trace_flags=TraceFlags(1), trace_state=TraceState([("vendor", "x" + word()[:8])]))
    message = json.dumps([{"role": "user", "parts": [{"type": "text", "content": f"my key is {word()}"}]}])
    nested = {"role": "user", "parts": [{"content": word()}, {"arguments": {"token": word()}}]}
    with tracer.start_as_current_span(
        f"pay with {word()}",
        context=set_span_in_context(NonRecordingSpan(remote)),
        links=[Link(SpanContext(7, 8, is_remote=True), {"link.note": word()})],
    ) as span:
        span.set_attribute("app.note", f"seen {word()}")
        span.set_attribute(f"key.{word()}", 1)
        span.set_attribute("app.list", ["fine", word()])
        span.set_attribute("app.raw", word().encode())
        span.set_attribute("gen_ai.input.messages", message)
        span.set_attribute("gen_ai.output.messages", [nested])  # type: ignore[arg-type]
        span.set_attribute("gen_ai.usage.input_tokens", 12)
        span.add_event(f"event {word()}", {"event.note": word()})
        try:
            raise ValueError(f"refused: {word()}")
        except ValueError as error:
            span.record_exception(error)
        span.set_status(Status(StatusCode.ERROR, f"status {word()}"))
    for number in range(20):
        tracer.start_span(f"step {number}").end()

    logs = LoggerProvider(resource=resource)
    logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    logger = logging.getLogger("shop")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(LoggingHandler(logger_provider=logs))
    logger.warning("card %s was refused", word(), extra={"customer.note": word()})
    logger.info({"structured": word(), "list": [word()]})
    try:
        raise KeyError(word())
    except KeyError:
        logger.exception("it broke")

    metrics = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())], resource=resource)
    meter = metrics.get_meter("shop")
    meter.create_counter("requests", unit="1", description=f"about {word()}").add(3, {"route": f"/pay/{word()}"})
    meter.create_histogram("seconds").record(0.5, {"customer": word()})
    meter.create_observable_gauge("depth", callbacks=[lambda _options: []]).name  # noqa: B018 - an instrument without a point

    flushed = [traces.force_flush(20_000), logs.force_flush(20_000), metrics.force_flush(20_000)]
    for provider in (traces, logs, metrics):
        provider.shutdown()
    print(json.dumps({"flushed": flushed, "spans": 21, "logs": 3}))


main()
