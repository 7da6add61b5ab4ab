"""OTLP over gRPC at the gateway: the same steps as over HTTP, with metadata for headers and codes for statuses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from collectors.model import Signal
from collectors.otlp.receive_grpc import METHODS, ReadBody, Refused, Take
from collectors.otlp.replies import accepted, code_of
from pipeline.errors import PipelineError
from pipeline.gateway.accepting import caller_of, destinations_for, take_in
from pipeline.gateway.auth import bearer
from pipeline.gateway.http import Headers, Scope
from pipeline.gateway.intake import Sent
from pipeline.gateway.model import House
from pipeline.keys.lineage_limits import take_exports

Note = Callable[[str, PipelineError, Scope, Headers], Awaitable[None]]
"""Writes a refused request down."""

_PATHS: Final = {signal: path for path, signal in METHODS.items()}


def takes_grpc(house: House, note: Note) -> Take:
    """What serves the three methods of OTLP over gRPC."""

    async def take(signal: Signal, metadata: Mapping[str, str], peer: str, read: ReadBody) -> bytes:
        request_id = house.new_id()
        headers = Headers({name.encode("latin-1"): value.encode("latin-1", "replace") for name, value in metadata.items()})
        try:
            caller = await caller_of(house, bearer(headers), peer)
            destinations = destinations_for(house, caller, signal)
            with house.load.place(), house.intake.place():
                take_exports(house.rates, caller)
                # The server has undone the message's compression.
                done = await take_in(house, caller, Sent(signal, "protobuf", "", await read(), request_id, peer), destinations)
        except PipelineError as error:
            await note(request_id, error, {"client": (peer, 0), "path": _PATHS[signal], "method": "POST"}, headers)
            raise _refused(error) from None
        return accepted(signal, "protobuf", done.rejected)

    return take


def _refused(error: PipelineError) -> Refused:
    message = error.message if not error.hint else f"{error.message} {error.hint}"
    after = {name.lower(): value for name, value in error.headers.items()}.get("retry-after")
    if after is None and error.status == 503:
        after = "1"
    return Refused(code_of(error.status), message, float(after) if after else None)
