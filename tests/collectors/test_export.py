"""The process's own logs and metrics as OTLP: clean, counted, in the conventions' names; deltas add up to the sums."""

from __future__ import annotations

import asyncio
import io
import logging
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from collectors.backlog import Backlog, Bound
from collectors.export import LogExport, MetricExport
from collectors.gate import ExportGate
from collectors.genai import CallFacts
from collectors.logs import RedactingHandler
from collectors.metrics import Metrics, closed
from collectors.model import CollectorError, OutboxRow
from collectors.otlp.log_codec import encode_logs
from collectors.spool import Spool
from collectors.tracing import Tracing
from redactors.model import Clean
from tests.collectors.fake_outbox import FakeOutbox
from tests.collectors.plain_redactor import PlainRedactor

CANARY = "canary-7Qk2vX9bLm4T"


def resource(*words: str, **attributes: str) -> Clean[dict[str, Any]]:
    return Tracing(ExportGate(PlainRedactor(*words), hash_key=b"k"), resource=attributes).resource


def pairs(attributes: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, str(pair.value.WhichOneof("value"))) for pair in attributes}


def logged(*words: str) -> tuple[logging.Logger, list[Any], io.StringIO]:
    stream, taken = io.StringIO(), []
    handler = RedactingHandler(PlainRedactor(*words), stream)
    handler.tap = taken.append
    logger = logging.Logger("test.exit")
    logger.addHandler(handler)
    return logger, taken, stream


def test_a_log_record_is_exported_as_it_was_redacted() -> None:
    logger, taken, stream = logged(CANARY)
    try:
        raise ValueError(CANARY)
    except ValueError:
        logger.exception("it failed with %s", CANARY, extra={"tries": 3, "who": CANARY})
    payload = encode_logs(taken, resource(CANARY, **{"host.name": CANARY}))
    assert CANARY.encode() not in payload
    assert CANARY not in stream.getvalue()
    (of_resource,) = ExportLogsServiceRequest.FromString(payload).resource_logs
    assert pairs(of_resource.resource.attributes)["host.name"] == "[gone]"
    (scope,) = of_resource.scope_logs
    (record,) = scope.log_records
    assert (scope.scope.name, record.body.string_value) == ("test.exit", "it failed with [gone]")
    assert (record.severity_number, record.severity_text) == (17, "ERROR")
    attributes = pairs(record.attributes)
    assert attributes["who"] == "[gone]"
    assert attributes["tries"] == 3
    assert "ValueError" in attributes["exception.stacktrace"]
    assert record.time_unix_nano > 0


@pytest.mark.parametrize(
    ("level", "number", "text"), [(10, 5, "DEBUG"), (20, 9, "INFO"), (30, 13, "WARN"), (40, 17, "ERROR"), (50, 21, "FATAL")]
)
def test_levels_are_the_severities_of_the_specification(level: int, number: int, text: str) -> None:
    logger, taken, _ = logged()
    logger.log(level, "x")
    assert (taken[0].value.tree["severity_number"], taken[0].value.tree["severity_text"]) == (number, text)


@pytest.mark.parametrize("name", ["collectors.outbox", "collectors.spool", "collectors.otlp.http"])
def test_what_carries_logs_away_makes_no_more_of_them(name: str) -> None:
    logger, taken, stream = logged()
    logger.name = name
    logger.warning("the destination is away")
    assert taken == []
    assert "away" in stream.getvalue()


def test_a_record_that_cannot_be_redacted_is_not_exported() -> None:
    class Broken:
        def tree(self, raw: Any) -> Any:
            raise ValueError(CANARY)

    stream, taken = io.StringIO(), []
    handler = RedactingHandler(Broken(), stream)
    handler.tap = taken.append
    handler.handle(logging.LogRecord("x", 20, "f", 1, CANARY, (), None))
    assert (taken, handler.failures) == ([], 1)
    assert CANARY not in stream.getvalue()


async def test_logs_share_transactions_and_are_only_counted_when_their_destination_is_full() -> None:
    logger, taken, _ = logged()
    backlog = Backlog({"full": Bound(1), "sre": Bound(1 << 20)})
    backlog.added([OutboxRow("full", "traces", b"xx", 1)])
    store = FakeOutbox()
    puts: list[tuple[OutboxRow, ...]] = []

    async def put(rows: Any) -> None:
        puts.append(tuple(rows))

    store.put = put  # type: ignore[method-assign]
    spool = Spool(store, LogExport(["sre", "full"], resource(), backlog).encode, linger_s=0.05)
    task = asyncio.create_task(spool.run())
    for number in range(5):
        logger.info("line %d", number)
        spool.offer((taken[number],))
        await asyncio.sleep(0)
    async with asyncio.timeout(10):
        while not puts:
            await asyncio.sleep(0.01)
    task.cancel()
    ((sre, full),) = puts
    assert (sre.destination, sre.signal, sre.items, sre.withheld) == ("sre", "logs", 5, "")
    assert full == OutboxRow("full", "logs", b"", 5, withheld="full")


class Ticks:
    """Nanoseconds that a test moves on."""

    def __init__(self) -> None:
        self.at = 1_000

    def __call__(self) -> int:
        self.at += 1_000
        return self.at


async def nothing() -> None:
    return None


def exporting(metrics: Metrics, store: FakeOutbox, **destinations: Any) -> MetricExport:
    return MetricExport(
        metrics.registry, PlainRedactor(CANARY), destinations, store, Backlog({}),
        resource=resource(), interval_s=60, version="1", refresh=nothing, stored=lambda: None, now_ns=Ticks(),
    )  # fmt: skip


def sent(store: FakeOutbox, destination: str) -> list[dict[str, Any]]:
    out = []
    for waiting in store.waiting:
        if waiting.row.destination == destination:
            (scope,) = ExportMetricsServiceRequest.FromString(waiting.row.payload).resource_metrics[0].scope_metrics
            out.append({metric.name: metric for metric in scope.metrics})
    return out


async def test_metrics_have_the_names_of_the_conventions_and_no_exemplars() -> None:
    metrics, store = Metrics(closed(models=["m"], destinations=["sre"])), FakeOutbox()
    metrics.model_call(CallFacts("chat", "openai", "m", input_tokens=100, cost_micros=7), 0.5)
    metrics.call("openai.chat", "ok", 200, 0.1)
    await exporting(metrics, store, sre="cumulative").push()
    (told,) = sent(store, "sre")
    duration = told["gen_ai.client.operation.duration"]
    assert duration.unit == "s"
    (point,) = duration.histogram.data_points
    assert pairs(point.attributes) == {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "m"}
    assert (point.count, point.sum, len(point.bucket_counts), len(point.explicit_bounds)) == (1, 0.5, 15, 14)
    assert sum(point.bucket_counts) == 1
    assert point.bucket_counts[list(point.explicit_bounds).index(0.64)] == 1
    assert duration.histogram.aggregation_temporality == 2
    requests = told["lockgate.requests"]
    assert requests.sum.is_monotonic
    assert [(pairs(one.attributes)["status"], one.as_double) for one in requests.sum.data_points] == [("200", 1.0)]
    assert told["gen_ai.client.token.usage"].unit == "{token}"
    assert told["lockgate.build"].gauge.data_points[0].as_double == 1.0
    exemplars = [point for metric in told.values() for point in (*metric.sum.data_points, *metric.histogram.data_points) if point.exemplars]
    assert exemplars == []
    assert store.waiting[0].row.items == sum(
        len(metric.sum.data_points) + len(metric.histogram.data_points) + len(metric.gauge.data_points) for metric in told.values()
    )


async def test_deltas_add_up_to_the_sums_and_none_is_lost_while_the_store_is_away() -> None:
    metrics, store = Metrics(closed(models=["m"])), FakeOutbox()
    export = exporting(metrics, store, all="cumulative", steps="delta")
    for number in (1, 2, 3, 4):
        for _ in range(number):
            metrics.call("openai.chat", "ok", 200, 0.1)
        store.broken = number == 2
        await export.push()
    name, duration = "lockgate.requests", "gen_ai.server.request.duration"
    assert [told[name].sum.data_points[0].as_double for told in sent(store, "all")] == [1, 6, 10]
    steps = sent(store, "steps")
    assert [told[name].sum.data_points[0].as_double for told in steps] == [1, 5, 4]
    assert [told[duration].histogram.data_points[0].count for told in steps] == [1, 5, 4]
    points = [told[name].sum.data_points[0] for told in steps]
    assert [point.start_time_unix_nano for point in points[1:]] == [point.time_unix_nano for point in points[:-1]]
    assert {told[name].sum.data_points[0].start_time_unix_nano for told in sent(store, "all")} == {2_000}
    assert steps[0][name].sum.aggregation_temporality == 1


async def test_no_text_in_a_metric_passes_without_the_redactor() -> None:
    metrics, store = Metrics(closed(models=[CANARY])), FakeOutbox()
    metrics.model_call(CallFacts("chat", "openai", CANARY), 0.5)
    await exporting(metrics, store, sre="cumulative").push()
    assert CANARY.encode() not in store.waiting[0].row.payload
    assert b"[gone]" in store.waiting[0].row.payload


async def test_metrics_that_cannot_be_redacted_are_not_sent() -> None:
    metrics, store = Metrics(closed()), FakeOutbox()
    export = exporting(metrics, store, sre="cumulative")

    class Broken:
        def tree(self, raw: Any) -> Any:
            raise CollectorError("no")

    export._redactor = Broken()
    await export.push()
    assert store.waiting == []
