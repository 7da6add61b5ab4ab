"""The receiving side, put together: what the document says of telemetry of other programs, as values."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from collectors.model import CollectorError, Signal
from collectors.otlp.bodies import BodyLimits
from collectors.otlp.receive_grpc import GrpcReceiver
from pipeline.bootstrap.compile import folder_of
from pipeline.bootstrap.core import Core
from pipeline.bootstrap.parts import Plan, takers_of
from pipeline.errors import ConfigError
from pipeline.gateway.app import Gateway
from pipeline.gateway.intake import Intake
from pipeline.gateway.model import House
from pipeline.gateway.telemetry_grpc import takes_grpc

SIGNALS: Final[tuple[Signal, ...]] = ("traces", "logs", "metrics")
RECEIVING_THREADS: Final = 2
"""Of their own, so that no program's telemetry makes a prompt wait for a thread."""


def receivers_of(plan: Plan) -> dict[Signal, tuple[str, ...]]:
    """The destinations of telemetry of other programs, by signal."""
    return {signal: takers_of(plan, signal) for signal in SIGNALS}


def intake_of(core: Core) -> Intake:
    """What the receiver works with. Its destinations are replaced when the document is read again."""
    document = core.plan.document
    receiver = document.telemetry.receiver

    return Intake(
        pool=ThreadPoolExecutor(RECEIVING_THREADS, thread_name_prefix="lockgate-receive"),
        limits=BodyLimits(receiver.max_body_bytes, receiver.max_decoded_bytes, receiver.max_ratio),
        most=receiver.max_in_flight,
        fault_s=document.limits.redaction_cpu_s,
        destinations=receivers_of(core.plan),
        generation=core.redaction.generation,
    )


async def open_grpc(app: Gateway, house: House, plan: Plan) -> Grpc | None:
    """Listen for OTLP over gRPC where the document says so, or this part of Lockgate does anyway. Raises ConfigError for a busy port."""
    receiver, server, folder = plan.document.telemetry.receiver, plan.document.server, folder_of(plan.config)
    port = plan.part.grpc_port if receiver.grpc_port is None else receiver.grpc_port
    if port is None:
        return None
    tls = None
    if server.tls_cert and server.tls_key:
        tls = await asyncio.to_thread(_read, folder / server.tls_cert, folder / server.tls_key)
    # What HTTP checks piece by piece grpc checks by itself: as sent and decompressed, by the larger bound.
    served = GrpcReceiver(takes_grpc(house, app.note_refusal), max_bytes=receiver.max_decoded_bytes, tls=tls)
    try:
        try:
            bound = await served.start(plan.host, port)
        except CollectorError:
            if receiver.grpc_port is not None:
                raise
            bound = await served.start(plan.host, 0)  # nobody asked for this one: another free one does as well
    except CollectorError as error:
        raise ConfigError(
            f"OTLP over gRPC cannot be served: {error}.",
            hint="Stop the program that uses the port, or change telemetry.receiver.grpc_port.",
        ) from None
    shown = f"[{plan.host}]" if ":" in plan.host else plan.host
    return Grpc(served, f"{'https' if tls else 'http'}://{shown}:{bound}")


def _read(chain: Path, key: Path) -> tuple[bytes, bytes]:
    return chain.read_bytes(), key.read_bytes()


@dataclass(frozen=True, slots=True)
class Grpc:
    """The open gRPC door and its address."""

    receiver: GrpcReceiver
    url: str
