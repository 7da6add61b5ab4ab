"""The OTLP receiver: what other programs may send, and on which port over gRPC."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipeline.config.section import Section


class ReceiverSection(Section):
    """OTLP from other programs: over HTTP at `/v1/traces`, `/v1/logs` and `/v1/metrics` of the gateway, over gRPC on a port of its own."""

    grpc_port: Annotated[int, Field(ge=0, le=65_535)] | None = None
    """The port of OTLP over gRPC (4317 by convention; 0 takes a free one); not served when absent."""
    max_body_bytes: Annotated[int, Field(ge=1024, le=1 << 30)] = 16 * 1024 * 1024
    """Bytes of a request as it is sent."""
    max_decoded_bytes: Annotated[int, Field(ge=1024, le=1 << 30)] = 32 * 1024 * 1024
    """Bytes of a request after it is decompressed."""
    max_ratio: Annotated[int, Field(ge=2, le=2000)] = 200
    """How many times as large it may become by that, beyond a megabyte."""
    max_in_flight: Annotated[int, Field(ge=1, le=10_000)] = 16
    """Requests that are held in memory at the same time; the next one is answered 503 with Retry-After."""
