"""Sending one batch: the last look at the bytes, then HTTP or gRPC."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from collectors.model import Signal
from collectors.otlp.destination import Destination, Sent
from collectors.otlp.grpc import GrpcSender
from collectors.otlp.http import HttpSender

IsDirty = Callable[[bytes], bool]
"""Says whether bytes hold a live secret in any of its encodings; the exact-match guard of `redactors`."""


class Sender(Protocol):
    """Sends serialized batches to one destination."""

    async def send(self, signal: Signal, payload: bytes) -> Sent:
        """Send one batch; raises nothing but cancellation."""
        ...

    async def close(self) -> None:
        """Let go of the connections."""
        ...


def sender_for(destination: Destination) -> Sender:
    """The sender of a destination's protocol. Opens nothing yet."""
    return GrpcSender(destination) if destination.protocol == "grpc" else HttpSender(destination)
