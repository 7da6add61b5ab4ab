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
from pipeline.bootstrap.parts import Plan, Swapped, bounds_of, closed_of, destinations_of, recipients_of, resource_of, takers_of
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
    of_logs: LogExport
    metrics: MetricExport
    provider: SealedTracerProvider


def telemetry_of(core: Core, swapped: Swapped, resolver: Resolver, refresh: Callable[[], Awaitable[None]]) -> Telemetry:
    """Put together what makes, keeps and sends spans; nothing is sent yet. `refresh` brings gauges up to date that are read elsewhere."""
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

    interval_s = telemetry.metrics_interval_s
    if "metrics_interval_s" not in telemetry.model_fields_set:
        interval_s = plan.otel.metrics_interval_s or interval_s
    metrics = MetricExport(
        core.metrics.registry, core.recorder, temporalities(plan), store, backlog,
        resource=tracing.resource, interval_s=interval_s, version=VERSION, refresh=refresh, stored=outbox.wake,
    )  # fmt: skip
    lost = core.metrics.telemetry_overflow
    of_logs = LogExport(takers_of(plan, "logs"), tracing.resource, backlog)
    logs = Spool(store, of_logs.encode, linger_s=LOG_LINGER_S, on_overflow=lost, stored=outbox.wake)
    tap_logs(plan, logs)
    spool = Spool(store, spooled, on_overflow=lost, stored=outbox.wake)
    provider = SealedTracerProvider(gate, spool.offer, resource=resource)
    addressing = Addressing(recipients, tracing.encode, backlog, core.metrics)
    return Telemetry(tracing, addressing, backlog, outbox, store, spool, logs, of_logs, metrics, provider)


def temporalities(plan: Plan) -> dict[str, Temporality]:
    """The destinations of metrics, each with how it wants sums."""
    return {each.id: each.temporality for each in plan.destinations if "metrics" in each.signals}


def tap_logs(plan: Plan, logs: Spool) -> None:
    """Have log records given to the spool where a destination asks for them, and to nobody where none does."""
    if plan.follow_logs is not None:
        plan.follow_logs((lambda record: logs.offer((record,))) if takers_of(plan, "logs") else None)


async def follow(telemetry: Telemetry, core: Core, swapped: Swapped, resolver: Resolver, reads: Reads, before: Plan, plan: Plan) -> None:
    """Send to the destinations of another document from now on; those that stay as they are notice nothing.

    What waits for one that is gone stays in the outbox: it is sent when that destination is back, or dropped by somebody.
    """
    former = {section.id: section for section in before.destinations}
    changed = {section.id for section in plan.destinations if former.get(section.id) != section}
    core.metrics.follow(closed_of(plan, core.redaction))
    telemetry.backlog.follow(bounds_of(plan.destinations))
    core.metrics.outbox_bounds({name: bound.max_bytes for name, bound in telemetry.backlog.bounds.items()})
    try:
        await measure_backlog(telemetry.backlog, reads)
    except ReadError:
        log.warning("the outbox cannot be read now; its size is found out later")
    recipients = recipients_of(plan.destinations)
    telemetry.tracing.destinations = tuple(recipient.id for recipient in recipients)
    telemetry.addressing.follow(recipients)
    telemetry.of_logs.destinations = takers_of(plan, "logs")
    tap_logs(plan, telemetry.logs)
    telemetry.metrics.follow(temporalities(plan))
    await telemetry.outbox.follow(destinations_of(plan, swapped, resolver), changed)


async def open_outbox(core: Core, telemetry: Telemetry, reads: Reads) -> None:
    """Know how much waits before the first call comes, take back what a dead process was sending, and start to send."""
    try:
        await measure_backlog(telemetry.backlog, reads)
        if sqlite_path(core.plan.database_url) is not None:
            await telemetry.store.release()
    except (CollectorError, ReadError):
        log.warning("the outbox cannot be read yet")
    telemetry.outbox.start()
