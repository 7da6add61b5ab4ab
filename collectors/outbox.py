"""The sender loop: from the durable outbox to every destination, without end and without losing anything.

One task per destination and signal, so that order is kept and a dead destination holds up nobody else. Rows leave the
store only when the destination has them, when it refused them for good (dead letters), or when the last look finds a
live secret in them. Back-off is exponential with jitter, bounded per pause and unbounded in number.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from collectors.model import Leased, OutboxStore, Signal
from collectors.otlp.destination import Destination, Sent
from collectors.otlp.sender import IsDirty, Sender, sender_for

_log = logging.getLogger(__name__)

_LEASE_SLACK_S: Final = 30.0
_MANY_ROWS: Final = 64


class Watched(Protocol):
    """Told what the sender did; `Metrics` is one."""

    def outbox_sent(self, destination: str, signal: str, outcome: str, items: int) -> None:
        """Count items by outcome: `delivered`, `rejected`, `retry`, `buried`, `live_secret`."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How the loop waits, in seconds.

    An idle look every `poll_s`; `linger_s` for more rows, so that they share a request, when there is not much to send;
    after a failure pauses from `first_pause_s` doubling to `max_pause_s`.
    """

    poll_s: float = 2.0
    linger_s: float = 0.5
    first_pause_s: float = 0.5
    max_pause_s: float = 60.0


@dataclass(frozen=True, slots=True)
class _Lane:
    """A destination that is sent to: its sender, and for each signal a task and the event that wakes it."""

    destination: Destination
    sender: Sender
    events: list[asyncio.Event] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    leaving: asyncio.Event = field(default_factory=asyncio.Event)


class Outbox:
    """Runs the sender loops of all destinations. `wake` tells them that rows entered; `stop` ends them cleanly.

    `follow` sends to others from now on.

    `is_dirty` is the last look; `now_us` gives epoch microseconds, `jitter` a number in [0, 1).
    """

    def __init__(
        self,
        store: OutboxStore,
        destinations: Sequence[Destination],
        *,
        is_dirty: IsDirty,
        watched: Watched | None = None,
        pace: Pace | None = None,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1_000,
        jitter: Callable[[], float] = random.random,
        open_sender: Callable[[Destination], Sender] = sender_for,
    ) -> None:
        self._store = store
        self._destinations = tuple(destinations)
        self._is_dirty = is_dirty
        self._watched = watched
        self._pace = pace or Pace()
        self._now_us = now_us
        self._jitter = jitter
        self._open_sender = open_sender
        self._lanes: dict[str, _Lane] = {}
        self._stop = asyncio.Event()

    def start(self) -> None:
        """Start one task per destination and signal in the running loop."""
        self._stop.clear()
        for destination in self._destinations:
            self._lanes[destination.id] = self._open(destination)

    async def follow(self, destinations: Sequence[Destination], changed: Collection[str] = (), grace_s: float = 5.0) -> None:
        """Send to these from now on, in the loop that `start` ran in.

        Those that are gone, and those of the ids `changed`, finish what they are sending (at most `grace_s` seconds) and end; what
        waits for them stays in the store, in its order. Others are not touched.
        """
        wanted = {destination.id: destination for destination in destinations}
        ended = [self._lanes.pop(name) for name in list(self._lanes) if name not in wanted or name in changed]
        for lane in ended:
            lane.leaving.set()
            for event in lane.events:
                event.set()
        for lane in ended:
            await _close(lane, grace_s)
        self._destinations = tuple(destinations)
        for destination in self._destinations:
            if destination.id not in self._lanes and not self._stop.is_set():
                self._lanes[destination.id] = self._open(destination)

    def _open(self, destination: Destination) -> _Lane:
        lane = _Lane(destination, self._open_sender(destination))
        for signal in destination.signals:
            event = asyncio.Event()
            lane.events.append(event)
            lane.tasks.append(asyncio.create_task(self._run(lane, signal, event), name=f"outbox-{destination.id}-{signal}"))
        return lane

    def wake(self) -> None:
        """Say that rows entered: cheap, after every commit that wrote some, from the thread of the event loop."""
        for lane in self._lanes.values():
            for event in lane.events:
                event.set()

    async def stop(self, grace_s: float = 5.0) -> None:
        """Let the loops send what is due for at most `grace_s` seconds, then end them; leased rows are given back."""
        self._stop.set()
        self.wake()
        for lane in self._lanes.values():
            lane.leaving.set()
        tasks = [task for lane in self._lanes.values() for task in lane.tasks]
        if tasks:
            await asyncio.wait(tasks, timeout=grace_s)
        for lane in self._lanes.values():
            await _close(lane, 0.0)
        self._lanes.clear()

    async def _run(self, lane: _Lane, signal: Signal, event: asyncio.Event) -> None:
        destination, sender = lane.destination, lane.sender
        lease_us = int((destination.timeout_s + _LEASE_SLACK_S) * 1e6)
        failures = 0
        while True:
            event.clear()
            try:
                batch = await self._store.claim(destination.id, signal, max_bytes=destination.max_bytes, lease_us=lease_us)
                pause = await self._deliver(destination, signal, sender, batch) if batch else 0.0
                failures = 0
            except Exception as failed:  # noqa: BLE001 - the loop outlives whatever its store raises; leases run out by themselves
                failures += 1
                _log.warning("the outbox of %s cannot use its store: %s", destination.id, type(failed).__name__)
                batch, pause = (), self.pause_s(failures)
            if lane.leaving.is_set() and (pause or not batch or not self._stop.is_set()):
                return  # a process that stops sends what is due before it goes
            if pause:
                await _rest(lane, pause)
            elif not batch:
                await _woken(event, self._pace.poll_s)
                await _rest(lane, self._pace.linger_s)
            elif len(batch) < _MANY_ROWS and sum(len(leased.row.payload) for leased in batch) < destination.max_bytes // 2:
                await _rest(lane, self._pace.linger_s)

    async def _deliver(self, destination: Destination, signal: Signal, sender: Sender, batch: Sequence[Leased]) -> float:
        """Send a leased batch and write down what came of it; returns the pause that must follow, in seconds."""
        ids = [leased.id for leased in batch]
        try:
            clean = await self._last_look(destination, signal, batch)
            if not clean:
                return 0.0
            sent = await sender.send(signal, b"".join(leased.row.payload for leased in clean))
            return await self._settle(destination, signal, sender, clean, sent)
        except asyncio.CancelledError:
            # Stopped while sending: another process may try at once instead of waiting for the lease to run out.
            await asyncio.shield(self._store.retry(ids, due_us=self._now_us(), reason="stopped"))
            raise

    async def _last_look(self, destination: Destination, signal: Signal, batch: Sequence[Leased]) -> list[Leased]:
        """The rows without a live secret. The others are removed for good: a dead letter would keep the secret."""
        if not self._is_dirty(b"".join(leased.row.payload for leased in batch)):
            return list(batch)
        clean = []
        for leased in batch:
            if self._is_dirty(leased.row.payload):
                await self._store.delivered([leased.id], rejected_items=leased.row.items, reason="live_secret")
                self._count(destination, signal, "live_secret", leased.row.items)
                _log.critical("a live secret was found in outgoing telemetry for %s; the record was destroyed", destination.id)
            else:
                clean.append(leased)
        return clean

    async def _settle(self, destination: Destination, signal: Signal, sender: Sender, batch: Sequence[Leased], sent: Sent) -> float:
        ids = [leased.id for leased in batch]
        items = sum(leased.row.items for leased in batch)
        if sent.outcome == "delivered":
            rejected = min(sent.rejected, items)
            await self._store.delivered(ids, rejected_items=rejected)
            self._count(destination, signal, "delivered", items - rejected)
            if rejected:
                self._count(destination, signal, "rejected", rejected)
            return 0.0
        if sent.outcome == "split" and len(batch) > 1:
            return await self._halves(destination, signal, sender, batch)
        if sent.outcome in ("bury", "split"):
            await self._store.bury(ids, reason=sent.reason)
            self._count(destination, signal, "buried", items)
            _log.warning("%s refused %d items for good: %s", destination.id, items, sent.reason)
            return 0.0
        pause = self.pause_s(batch[0].attempts, sent.after_s)
        await self._store.retry(ids, due_us=self._now_us() + int(pause * 1e6), reason=sent.reason)
        self._count(destination, signal, "retry", items)
        _log.info("%s did not take %d items (%s); next try in %.1f s", destination.id, items, sent.reason, pause)
        return pause

    async def _halves(self, destination: Destination, signal: Signal, sender: Sender, batch: Sequence[Leased]) -> float:
        """Send a batch that was too large in two pieces, in order; what follows a failed piece is given back behind it."""
        middle = len(batch) // 2
        first, second = batch[:middle], batch[middle:]
        pause = await self._settle(
            destination, signal, sender, first, await sender.send(signal, b"".join(leased.row.payload for leased in first))
        )
        if pause:
            due_us = self._now_us() + int(pause * 1e6)
            await self._store.retry([leased.id for leased in second], due_us=due_us, reason="order")
            return pause
        return await self._settle(
            destination, signal, sender, second, await sender.send(signal, b"".join(leased.row.payload for leased in second))
        )

    def pause_s(self, attempts: int, after_s: float | None = None) -> float:
        """Seconds until the next try: doubling with jitter, never less than the destination asked for."""
        grown: float = min(self._pace.max_pause_s, self._pace.first_pause_s * 2.0 ** min(attempts, 30))
        pause = grown * (0.5 + self._jitter() / 2)
        return max(pause, after_s or 0.0)

    def _count(self, destination: Destination, signal: Signal, outcome: str, items: int) -> None:
        if self._watched is not None:
            self._watched.outbox_sent(destination.id, signal, outcome, items)


async def _rest(lane: _Lane, seconds: float) -> None:
    """Wait, unless the lane is told to end. New rows do not end it, so that they gather into one request."""
    if not lane.leaving.is_set():
        await _woken(lane.leaving, seconds)


async def _close(lane: _Lane, grace_s: float) -> None:
    """End a lane that was told to: what it sends may still be answered for so long, then its rows are given back."""
    if lane.tasks:
        if grace_s:
            await asyncio.wait(lane.tasks, timeout=grace_s)
        for task in lane.tasks:
            task.cancel()
        await asyncio.gather(*lane.tasks, return_exceptions=True)
    await lane.sender.close()


async def _woken(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, at most so long."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
