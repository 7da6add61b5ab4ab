"""Spans on their way out: the gate that cleans them, the outbox that keeps them, the provider that libraries are given."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from collectors.addressing import Addressing
from collectors.backlog import Backlog
from collectors.deadline import Deadline
from collectors.gate import ExportGate
from collectors.model import CollectorError
from collectors.outbox import Outbox
from collectors.spool import Spool
from collectors.tracing import Tracing
from pipeline.bootstrap.compile import folder_of
from pipeline.bootstrap.core import Core
from pipeline.bootstrap.parts import Swapped, bounds_of, destinations_of, recipients_of
from pipeline.bootstrap.upkeep import measure_backlog
from pipeline.keys.pepper import derived_key
from pipeline.store.engine import sqlite_path
from pipeline.store.outbox import SqlOutbox
from pipeline.store.read_model import ReadError
from pipeline.store.reads import Reads
from pipeline.vaults.resolver import Resolver
from pipeline.version import VERSION

if TYPE_CHECKING:
    from collectors.sealed import SealedTracerProvider

REDACTION_S = 5.0

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
    provider: SealedTracerProvider


def telemetry_of(core: Core, swapped: Swapped, resolver: Resolver) -> Telemetry:
    """Put together what makes, keeps and sends spans; nothing is sent yet."""
    from collectors.sealed import SealedTracerProvider

    document = core.plan.document
    backlog = Backlog(bounds_of(document))
    store = SqlOutbox(core.ledger.run, core.clock, postgres=sqlite_path(core.plan.database_url) is None, backlog=backlog)
    destinations = destinations_of(document, swapped, resolver, folder_of(core.plan.config))
    outbox = Outbox(store, destinations, is_dirty=core.redaction.is_dirty, watched=core.metrics, now_us=core.clock.now_us)
    gate = ExportGate(
        Deadline(core.recorder, seconds=REDACTION_S),
        hash_key=derived_key(core.peppers, "telemetry"),
        remarked=core.metrics,
        generation=core.redaction.generation,
    )
    resource = {"service.name": document.telemetry.service_name, "service.version": VERSION}
    recipients = recipients_of(document)
    tracing = Tracing(
        gate,
        destinations=[recipient.id for recipient in recipients],
        resource=resource,
        profile=document.telemetry.semconv,
        version=VERSION,
        measured=core.metrics.model_call,
    )
    addressing = Addressing(recipients, tracing.encode, backlog, core.metrics)
    core.metrics.outbox_bounds({name: bound.max_bytes for name, bound in backlog.bounds.items()})
    spool = Spool(store, tracing.encode, on_overflow=core.metrics.telemetry_overflow)
    return Telemetry(tracing, addressing, backlog, outbox, store, spool, SealedTracerProvider(gate, spool.offer, resource=resource))


async def open_outbox(core: Core, telemetry: Telemetry, reads: Reads) -> None:
    """Know how much waits before the first call comes, take back what a dead process was sending, and start to send."""
    try:
        await measure_backlog(telemetry.backlog, reads)
        if sqlite_path(core.plan.database_url) is not None:
            await telemetry.store.release()
    except (CollectorError, ReadError):
        log.warning("the outbox cannot be read yet")
    telemetry.outbox.start()
