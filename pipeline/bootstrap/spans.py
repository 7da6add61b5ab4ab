"""Spans on their way out: the gate that cleans them, the outbox that keeps them, the provider that libraries are given."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from collectors.addressing import Addressing, unless_full
from collectors.backlog import Backlog
from collectors.deadline import Deadline
from collectors.export import LogExport, MetricExport
from collectors.gate import ExportGate
from collectors.model import CollectorError, OutboxRow, Record
from collectors.otlp.metric_codec import Temporality
from collectors.outbox import Outbox
from collectors.spool import Spool
from collectors.tracing import Tracing
from pipeline.bootstrap.core import Core
from pipeline.bootstrap.parts import Swapped, bounds_of, destinations_of, recipients_of, resource_of
from pipeline.bootstrap.upkeep import measure_backlog
from pipeline.keys.pepper import derived_key
from pipeline.store.engine import sqlite_path
from pipeline.store.outbox import SqlOutbox
from pipeline.store.read_model import ReadError
from pipeline.store.reads import Reads
from pipeline.vaults.resolver import Resolver
from pipeline.version import VERSION
from redactors.model import Clean

if TYPE_CHECKING:
    from collectors.sealed import SealedTracerProvider

REDACTION_S = 5.0
LOG_LINGER_S = 1.0

log = logging.getLogger("lockgate")


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Spans on their way out."""

    tracing: Tracing
    addressing: Addressing
    backlog: Backlog
    outbox: Outbox
    store: SqlOutbox
    spool: Spool
    logs: Spool
    metrics: Callable[[Callable[[], Awaitable[None]]], MetricExport]
    """Makes what sends metrics, given what brings the gauges up to date."""
    provider: SealedTracerProvider


def telemetry_of(core: Core, swapped: Swapped, resolver: Resolver) -> Telemetry:
    """Put together what makes, keeps and sends spans; nothing is sent yet."""
    from collectors.sealed import SealedTracerProvider

    plan, telemetry = core.plan, core.plan.document.telemetry
    backlog = Backlog(bounds_of(plan.destinations))
    store = SqlOutbox(core.ledger.run, core.clock, postgres=sqlite_path(plan.database_url) is None, backlog=backlog)
    destinations = destinations_of(plan, swapped, resolver)
    outbox = Outbox(store, destinations, is_dirty=core.redaction.is_dirty, watched=core.metrics, now_us=core.clock.now_us)
    gate = ExportGate(
        Deadline(core.recorder, seconds=REDACTION_S),
        hash_key=derived_key(core.peppers, "telemetry"),
        remarked=core.metrics,
        generation=core.redaction.generation,
    )
    resource, recipients = resource_of(plan), recipients_of(plan.destinations)
    tracing = Tracing(
        gate,
        destinations=[recipient.id for recipient in recipients],
        resource=resource,
        profile=telemetry.semconv,
        version=VERSION,
        measured=core.metrics.model_call,
    )
    core.metrics.outbox_bounds({name: bound.max_bytes for name, bound in backlog.bounds.items()})

    def spooled(records: Sequence[Clean[Record]]) -> tuple[OutboxRow, ...]:
        return unless_full(tracing.encode(records), backlog)

    def metrics(refresh: Callable[[], Awaitable[None]]) -> MetricExport:
        wanted: dict[str, Temporality] = {each.id: each.temporality for each in plan.destinations if "metrics" in each.signals}
        interval_s = telemetry.metrics_interval_s
        if "metrics_interval_s" not in telemetry.model_fields_set:
            interval_s = plan.otel.metrics_interval_s or interval_s
        return MetricExport(
            core.metrics.registry, core.recorder, wanted, store, backlog,
            resource=tracing.resource, interval_s=interval_s, version=VERSION, refresh=refresh, stored=outbox.wake,
        )  # fmt: skip

    lost = core.metrics.telemetry_overflow
    of_logs = LogExport([each.id for each in plan.destinations if "logs" in each.signals], tracing.resource, backlog)
    logs = Spool(store, of_logs.encode, linger_s=LOG_LINGER_S, on_overflow=lost, stored=outbox.wake)
    if of_logs.destinations and plan.follow_logs is not None:
        plan.follow_logs(lambda record: logs.offer((record,)))
    spool = Spool(store, spooled, on_overflow=lost, stored=outbox.wake)
    provider = SealedTracerProvider(gate, spool.offer, resource=resource)
    addressing = Addressing(recipients, tracing.encode, backlog, core.metrics)
    return Telemetry(tracing, addressing, backlog, outbox, store, spool, logs, metrics, provider)


async def open_outbox(core: Core, telemetry: Telemetry, reads: Reads) -> None:
    """Know how much waits before the first call comes, take back what a dead process was sending, and start to send."""
    try:
        await measure_backlog(telemetry.backlog, reads)
        if sqlite_path(core.plan.database_url) is not None:
            await telemetry.store.release()
    except (CollectorError, ReadError):
        log.warning("the outbox cannot be read yet")
    telemetry.outbox.start()
