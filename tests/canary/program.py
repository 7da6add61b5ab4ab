"""A program that records a canary on every surface and sends it on with one of several ways of masking, or with none.

It runs in the environment of the peers as well as in ours. Standard input: {"way", "endpoint", "words", "cells": [[surface, text], ...]};
`words` are the exact canaries, which is more than any masking function of the wild knows: what leaks then leaks for its place only.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from tests.canary.surfaces import TABLES, Stage

Replace = Callable[[str], str]
LATE_MS = 20_000


def main() -> None:
    """Plant and send."""
    given = json.load(sys.stdin)
    words = re.compile("|".join(map(re.escape, sorted(given["words"], key=len, reverse=True))))

    def replace(text: str) -> str:
        return words.sub("[gone]", text)

    stage, finish = WAYS[given["way"]](given["endpoint"], replace, given["words"])
    for surface, text in given["cells"]:
        for signal, table in TABLES.items():
            present = {"traces": True, "logs": stage.logger is not None, "metrics": stage.meter_provider is not None}[signal]
            if surface in table and present:
                table[surface](stage, text)
    finish()


def _exporter(endpoint: str) -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(f"{endpoint}/v1/traces")


def _elsewhere(endpoint: str) -> Callable[[Any], None]:
    """The exporter of another library in the same process."""
    exporter = _exporter(endpoint)
    return lambda span: (exporter.export([span]), None)[1]


def _other_signals(endpoint: str) -> tuple[Callable[[str], logging.Logger], Any, Callable[[], None]]:
    """Logs and metrics of the plain SDK: ways that mask spans do nothing about them."""
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.metrics import AlwaysOnExemplarFilter, MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.metrics.view import View

    logs = LoggerProvider(shutdown_on_exit=False)
    logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(f"{endpoint}/v1/logs")))
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{endpoint}/v1/metrics"))
    dropped = View(instrument_name="dropped.*", attribute_keys=set())
    metrics = MeterProvider([reader], exemplar_filter=AlwaysOnExemplarFilter(), views=[dropped], shutdown_on_exit=False)

    def finish() -> None:
        for provider in (logs, metrics):
            provider.force_flush(LATE_MS)
            provider.shutdown()

    return _loggers(logs), metrics, finish


def _loggers(provider: Any) -> Callable[[str], logging.Logger]:
    """Loggers of the standard library that end in a log provider of OpenTelemetry."""
    from opentelemetry.sdk._logs import LoggingHandler

    handler = LoggingHandler(logger_provider=provider)

    def logger(name: str) -> logging.Logger:
        one = logging.getLogger(name)
        one.handlers, one.propagate = [handler], False
        return one

    return logger


def _finishing(provider: Any, *more: Callable[[], None]) -> Callable[[], None]:
    def finish() -> None:
        provider.force_flush(LATE_MS)
        for one in more:
            one()
        provider.shutdown()

    return finish


def plain(endpoint: str, _replace: Replace, _words: Sequence[str]) -> tuple[Stage, Callable[[], None]]:
    """The SDK with nothing: what it sends is the proof that every surface carries its canary."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(_exporter(endpoint)))
    logger, metrics, finish = _other_signals(endpoint)
    return Stage(provider, _elsewhere(endpoint), logger, metrics), _finishing(provider, finish)


def on_ending(endpoint: str, replace: Replace, _words: Sequence[str]) -> tuple[Stage, Callable[[], None]]:
    """A processor that rewrites the span in the SDK's `_on_ending` hook, by its public methods."""

    class Rewrites(SpanProcessor):
        def _on_ending(self, span: Span) -> None:
            span.update_name(replace(span.name))
            for key, value in dict(span.attributes or {}).items():
                if isinstance(value, str):
                    span.set_attribute(key, replace(value))

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(Rewrites())
    provider.add_span_processor(BatchSpanProcessor(_exporter(endpoint)))
    return Stage(provider, _elsewhere(endpoint)), _finishing(provider)


def wrapper(endpoint: str, replace: Replace, _words: Sequence[str]) -> tuple[Stage, Callable[[], None]]:
    """An exporter around the exporter that gives on copies with clean attributes: strings and lists of strings, as found in the wild."""

    class Masks(SpanExporter):
        def __init__(self, inner: SpanExporter) -> None:
            self._inner = inner

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            return self._inner.export([_copy(span) for span in spans])

        def shutdown(self) -> None:
            self._inner.shutdown()

    def masked(value: Any) -> Any:
        if isinstance(value, str):
            return replace(value)
        if isinstance(value, (list, tuple)):
            return [replace(item) if isinstance(item, str) else item for item in value]
        return value

    def _copy(span: ReadableSpan) -> ReadableSpan:
        return ReadableSpan(
            name=span.name,
            context=span.context,
            parent=span.parent,
            resource=span.resource,
            attributes={key: masked(value) for key, value in (span.attributes or {}).items()},
            events=span.events,
            links=span.links,
            kind=span.kind,
            status=span.status,
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=span.instrumentation_scope,
        )

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(Masks(_exporter(endpoint))))
    return Stage(provider, _elsewhere(endpoint)), _finishing(provider)


def langfuse_mask(endpoint: str, replace: Replace, _words: Sequence[str]) -> tuple[Stage, Callable[[], None]]:
    """Langfuse with its `mask=`, over spans of other instrumentations."""
    return _langfuse(endpoint, mask=lambda data, **_: replace(data) if isinstance(data, str) else data)


def langfuse_mask_otel_spans(endpoint: str, replace: Replace, _words: Sequence[str]) -> tuple[Stage, Callable[[], None]]:
    """Langfuse with the other hook, `mask_otel_spans=`, which patches attributes of spans."""

    from langfuse.types import MaskOtelSpansResult, OtelSpanPatch

    def mask(*, params: Any) -> Any:
        patches = {}
        for ident, span in params.spans.items():
            changed = _deep(dict(span.attributes), replace)
            patches[ident] = OtelSpanPatch(delete_attributes=tuple(span.attributes.keys() - changed.keys()), set_attributes=changed)
        return MaskOtelSpansResult(span_patches=patches)

    return _langfuse(endpoint, mask_otel_spans=mask)


def _deep(value: Any, replace: Replace) -> Any:
    """Every text of a value, however deep."""
    if isinstance(value, str):
        return replace(value)
    if isinstance(value, bytes):
        return replace(value.decode("utf-8", "replace")).encode()
    if isinstance(value, (list, tuple)):
        return [_deep(item, replace) for item in value]
    if isinstance(value, dict):
        return {_deep(key, replace): _deep(item, replace) for key, item in value.items()}
    return value


def _langfuse(endpoint: str, **hooks: Any) -> tuple[Stage, Callable[[], None]]:
    from langfuse import Langfuse

    provider = TracerProvider(shutdown_on_exit=False)
    client = Langfuse(
        public_key="pk-lf-canary",
        secret_key="sk-lf-canary",
        base_url=endpoint,
        tracer_provider=provider,
        should_export_span=lambda _span: True,
        **hooks,
    )
    return Stage(provider, _elsewhere(endpoint)), _finishing(provider, client.flush)


def logfire_patterns(endpoint: str, _replace: Replace, words: Sequence[str]) -> tuple[Stage, Callable[[], None]]:
    """Logfire's scrubbing, told every canary as a further pattern."""
    from logfire import ScrubbingOptions

    return _logfire(endpoint, ScrubbingOptions(extra_patterns=[re.escape(word) for word in words]))


def logfire_callback(endpoint: str, replace: Replace, words: Sequence[str]) -> tuple[Stage, Callable[[], None]]:
    """The same with a callback that replaces what matched, so that Logfire does not quote it."""
    from logfire import ScrubbingOptions, ScrubMatch

    def changed(match: ScrubMatch) -> Any:
        return _deep(match.value, replace)

    return _logfire(endpoint, ScrubbingOptions(extra_patterns=[re.escape(word) for word in words], callback=changed))


def _logfire(endpoint: str, scrubbing: Any) -> tuple[Stage, Callable[[], None]]:
    import logfire
    from opentelemetry import _logs, metrics, trace
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    logfire.configure(
        send_to_logfire=False,
        console=False,
        scrubbing=scrubbing,
        inspect_arguments=False,
        metrics=logfire.MetricsOptions(additional_readers=[PeriodicExportingMetricReader(OTLPMetricExporter(f"{endpoint}/v1/metrics"))]),
        additional_span_processors=[BatchSpanProcessor(_exporter(endpoint))],
        advanced=logfire.AdvancedOptions(log_record_processors=[BatchLogRecordProcessor(OTLPLogExporter(f"{endpoint}/v1/logs"))]),
    )

    def finish() -> None:
        logfire.force_flush(LATE_MS)
        logfire.shutdown(LATE_MS)

    return (
        Stage(trace.get_tracer_provider(), _elsewhere(endpoint), _loggers(_logs.get_logger_provider()), metrics.get_meter_provider()),
        finish,
    )


WAYS: dict[str, Callable[[str, Replace, Sequence[str]], tuple[Stage, Callable[[], None]]]] = {
    one.__name__: one for one in (plain, on_ending, wrapper, langfuse_mask, langfuse_mask_otel_spans, logfire_patterns, logfire_callback)
}

if __name__ == "__main__":
    main()
