"""Spans on their way out: the gate that cleans them, the outbox that keeps them, the provider that libraries are given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from collectors.deadline import Deadline
from collectors.gate import ExportGate
from collectors.outbox import Outbox
from collectors.spool import Spool
from collectors.tracing import Tracing
from pipeline.bootstrap.core import Core
from pipeline.bootstrap.parts import Swapped, destinations_of
from pipeline.keys.pepper import derived_key
from pipeline.store.engine import sqlite_path
from pipeline.store.outbox import SqlOutbox
from pipeline.vaults.resolver import Resolver
from pipeline.version import VERSION

if TYPE_CHECKING:
    from collectors.sealed import SealedTracerProvider

REDACTION_S = 5.0


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Spans on their way out."""

    tracing: Tracing
    outbox: Outbox
    store: SqlOutbox
    spool: Spool
    provider: SealedTracerProvider


def telemetry_of(core: Core, swapped: Swapped, resolver: Resolver) -> Telemetry:
    """Put together what makes, keeps and sends spans; nothing is sent yet."""
    from collectors.sealed import SealedTracerProvider

    document = core.plan.document
    store = SqlOutbox(core.ledger.run, core.clock, postgres=sqlite_path(core.plan.database_url) is None)
    destinations = destinations_of(document, swapped, resolver)
    outbox = Outbox(store, destinations, is_dirty=core.redaction.is_dirty, watched=core.metrics, now_us=core.clock.now_us)
    gate = ExportGate(
        Deadline(core.recorder, seconds=REDACTION_S),
        hash_key=derived_key(core.peppers, "telemetry"),
        remarked=core.metrics,
        generation=core.redaction.generation,
    )
    resource = {"service.name": document.telemetry.service_name, "service.version": VERSION}
    tracing = Tracing(
        gate,
        destinations=[destination.id for destination in destinations],
        resource=resource,
        profile=document.telemetry.semconv,
        version=VERSION,
        measured=core.metrics.model_call,
    )
    spool = Spool(store, tracing.encode, on_overflow=core.metrics.telemetry_overflow)
    return Telemetry(tracing, outbox, store, spool, SealedTracerProvider(gate, spool.offer, resource=resource))
