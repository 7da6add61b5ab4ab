"""The receiving side, put together: what the document says of telemetry of other programs, as values."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from collectors.model import Signal
from collectors.otlp.bodies import BodyLimits
from pipeline.bootstrap.core import Core
from pipeline.config.document import Document
from pipeline.gateway.intake import Intake

SIGNALS: Final[tuple[Signal, ...]] = ("traces", "logs", "metrics")
RECEIVING_THREADS: Final = 2
"""Of their own, so that no program's telemetry makes a prompt wait for a thread."""


def intake_of(core: Core) -> Intake:
    """What the receiver works with. Destinations are those of the start, as those that are sent to are."""
    document = core.plan.document
    receiver = document.telemetry.receiver

    return Intake(
        pool=ThreadPoolExecutor(RECEIVING_THREADS, thread_name_prefix="lockgate-receive"),
        limits=BodyLimits(receiver.max_body_bytes, receiver.max_decoded_bytes, receiver.max_ratio),
        most=receiver.max_in_flight,
        fault_s=document.limits.redaction_cpu_s,
        destinations={signal: takers_of(document, signal) for signal in SIGNALS},
        generation=core.redaction.generation,
    )


def takers_of(document: Document, signal: Signal) -> tuple[str, ...]:
    """The destinations that are sent a signal."""
    return tuple(section.id for section in document.telemetry.destinations if signal in section.signals)
