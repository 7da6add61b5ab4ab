"""Room for a call's telemetry, before anything is sent to a provider: what is full is answered as its destination says.

While no destination is full this is one look at an empty set.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import suppress

from pipeline.errors import PipelineError
from pipeline.gateway.model import House


class TelemetryFull(PipelineError):
    """The outbox of a destination has reached its bound, and it was chosen to rather serve no call than lose telemetry."""

    code, status, type = "telemetry_full", 503, "server_error"


async def await_room(house: House, workspace: str) -> None:
    """Return when the call may go on; wait where a destination says `block`. Raises TelemetryFull."""
    backlog = house.backlog
    if backlog.answer() == "go":
        return
    named = house.swapped.destinations_of(workspace)
    answer = backlog.answer(named)
    if answer == "go":
        return
    house.metrics.outbox_full(answer)
    if answer == "block":
        await _wait(house, named)
        answer = backlog.answer(named)
    if answer in ("block", "refuse"):
        raise TelemetryFull(
            "Telemetry is not taken by its back end, and no more of it is kept.",
            hint="Try again. For the operator: `lockgate outbox status`; the bound is telemetry.destinations[].queue.",
            headers={"retry-after": "5"},
        )


async def _wait(house: House, named: Collection[str] | None) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(house.backlog.block_s(named)):
            while house.backlog.answer(named) == "block":
                await house.backlog.changed.wait()
