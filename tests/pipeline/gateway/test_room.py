"""A call goes on at once while there is room, waits where its destinations say so, and is refused where they say that."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from collectors.backlog import Backlog, Bound
from collectors.metrics import Metrics
from collectors.model import OutboxRow
from pipeline.gateway.room import TelemetryFull, await_room


@dataclass
class House:
    """What of the house a look at the backlog needs."""

    backlog: Backlog
    metrics: Metrics = field(default_factory=Metrics)
    swapped: Any = field(init=False)
    asked: int = 0

    def __post_init__(self) -> None:
        self.swapped = self

    def destinations_of(self, workspace: str) -> frozenset[str] | None:
        self.asked += 1
        return {"all": None, "a": frozenset({"a"}), "none": frozenset[str]()}[workspace]


def house(**bounds: Bound) -> Any:
    return House(Backlog(bounds))


def fill(backlog: Backlog, name: str, size: int) -> None:
    backlog.added([OutboxRow(name, "traces", b"x" * size, 1)])


async def test_below_every_bound_not_even_the_workspace_is_looked_up() -> None:
    free = house(a=Bound(100))
    fill(free.backlog, "a", 99)
    await await_room(free, "all")
    assert free.asked == 0


async def test_a_call_that_waits_goes_on_when_there_is_room() -> None:
    full = house(a=Bound(100, "block", block_s=60))
    fill(full.backlog, "a", 150)
    waiting = asyncio.create_task(await_room(full, "all"))
    await asyncio.sleep(0)
    full.backlog.removed({"a": 20})
    await asyncio.sleep(0)
    assert not waiting.done()
    full.backlog.removed({"a": 31})
    await asyncio.wait_for(waiting, 10)


async def test_a_call_that_waited_too_long_is_refused() -> None:
    full = house(a=Bound(100, "block", block_s=0.01))
    fill(full.backlog, "a", 100)
    with pytest.raises(TelemetryFull) as refused:
        await await_room(full, "a")
    assert (refused.value.status, refused.value.code, refused.value.headers) == (503, "telemetry_full", {"retry-after": "5"})


@pytest.mark.parametrize(("workspace", "stopped"), [("all", True), ("a", False), ("none", False)])
async def test_only_who_sends_to_a_full_destination_is_refused(workspace: str, stopped: bool) -> None:
    full = house(a=Bound(100, "shed_content"), b=Bound(100, "refuse"))
    fill(full.backlog, "a", 100)
    fill(full.backlog, "b", 100)
    if stopped:
        with pytest.raises(TelemetryFull):
            await await_room(full, workspace)
    else:
        await await_room(full, workspace)
