"""Spans that end outside a call on their way to the outbox: a bounded queue with one writer.

`offer` may be called from any thread and never blocks. What does not fit is counted (`overflowed`) and reported, so
the loss equation stays exact: only what the outbox store took is accepted.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence

from collectors.model import CollectorError, OutboxRow, OutboxStore, Record
from redactors.model import Clean

_log = logging.getLogger(__name__)

Encode = Callable[[Sequence[Clean[Record]]], tuple[OutboxRow, ...]]


class Spool:
    """Buffers clean records (at most `limit`), encodes them in batches and puts them into the outbox.

    Call `run` as a task; it ends when cancelled after `close`. A store that fails is tried again with growing pauses
    (at most `max_pause_s` seconds); meanwhile records stay here. `linger_s` lets records gather, so that they share a transaction.
    """

    def __init__(
        self,
        store: OutboxStore,
        encode: Encode,
        *,
        limit: int = 10_000,
        batch: int = 256,
        max_pause_s: float = 30.0,
        linger_s: float = 0.0,
        on_overflow: Callable[[int], None] | None = None,
        stored: Callable[[], None] | None = None,
    ) -> None:
        self._store = store
        self._encode = encode
        self._limit = limit
        self._batch = batch
        self._max_pause_s = max_pause_s
        self._linger_s = linger_s
        self._on_overflow = on_overflow
        self._stored = stored
        self._waiting: deque[Clean[Record]] = deque()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self.overflowed = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def offer(self, records: tuple[Clean[Record], ...]) -> None:
        """Take records from any thread; those that do not fit are counted, never silently gone."""
        with self._lock:
            room = self._limit - len(self._waiting)
            self._waiting.extend(records[:room])
            lost = max(0, len(records) - room)
            self.overflowed += lost
            loop = self._loop
        if lost:
            if self._on_overflow is not None:
                self._on_overflow(lost)
            _log.error("the telemetry spool is full; %d records were not accepted", lost)
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._wake.set)

    async def run(self) -> None:
        """Move records into the outbox until cancelled."""
        with self._lock:
            self._loop = asyncio.get_running_loop()
        pause = 0.1
        while True:
            if not self._waiting:
                self._wake.clear()
                if not self._waiting:
                    await self._wake.wait()
            if self._linger_s and len(self._waiting) < self._batch:
                await asyncio.sleep(self._linger_s)
            try:
                await self._move()
                pause = 0.1
            except Exception as failed:  # noqa: BLE001 - the spool outlives whatever its store raises; records stay and are tried again
                _log.warning("the outbox store refused the spool (%s); trying again", type(failed).__name__)
                await asyncio.sleep(pause)
                pause = min(pause * 2, self._max_pause_s)

    async def close(self) -> int:
        """Move what is left, once; returns how many records could not be stored."""
        try:
            while self._waiting:
                await self._move()
        except CollectorError:
            _log.error("the outbox store refused the last %d records of the spool", len(self._waiting))
        return len(self._waiting)

    async def _move(self) -> None:
        """Put the oldest batch into the store; it leaves the spool only when the store has it."""
        with self._lock:
            batch = [self._waiting[index] for index in range(min(self._batch, len(self._waiting)))]
        if not batch:
            return
        await self._store.put(self._encode(batch))
        if self._stored is not None:
            self._stored()
        with self._lock:
            for _ in batch:
                self._waiting.popleft()
