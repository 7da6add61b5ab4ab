"""The one durable writer: callers on the event loop submit and await, a thread of its own commits in groups.

Whatever waits (at most 200) goes into one transaction, so that a disk that syncs slowly makes batches larger, not answers
fewer. Every wait ends: the queue is bounded, a caller waits at most the deadline, and a database that hangs holds up the
thread, never the loop. The deadline is counted in looks (`_sweep`), not in seconds of the clock: a process that was held
itself (a suspended machine, a starved container) has not waited for its database meanwhile, and one look counts once.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from queue import Empty, SimpleQueue
from typing import Any

from pipeline.clock import Clock
from pipeline.errors import LedgerError
from pipeline.ledger.operations import Append, Open, Operation, Owed, Take, abandoned
from pipeline.ledger.scribe import AwayError, Doubt, HalfWrittenError, Poisoned, Scribe

MAX_BATCH = 200
MAX_PENDING = 4_096
MAX_LATE = 10_000
DEADLINE_S = 2.0
_SWEEP_S = 0.25


@dataclass(slots=True, eq=False)
class Item:
    """An operation that waits. `future` is None when nobody does."""

    operation: Operation
    future: asyncio.Future[Any] | None
    deadline: int  # the look at which the wait is over


Measured = Callable[[int, float], None]
"""Told of every batch, on the ledger's thread: how many of its operations are durable (0: none, it failed) and how many seconds it took."""


def unmeasured(_entries: int, _seconds: float) -> None:
    """Where nobody counts."""


class Writer:
    """Carries operations from the loop that started it to the scribe's thread, and their outcomes back."""

    def __init__(
        self,
        scribe: Scribe,
        clock: Clock,
        *,
        require: str,
        measured: Measured = unmeasured,
        deadline_s: float = DEADLINE_S,
        max_pending: int = MAX_PENDING,
    ) -> None:
        self._scribe = scribe
        self._clock = clock
        self._require = require
        self._measured = measured
        self._patience = ceil(deadline_s / _SWEEP_S)
        self._max_pending = max_pending
        self._queue: SimpleQueue[Item | None] = SimpleQueue()
        self._pending: dict[Item, None] = {}  # in the order of their deadlines
        self._late: deque[Owed] = deque()  # settlements whose caller was refused: still owed (thread)
        self._held: list[Item] = []  # the batch in doubt (thread)
        self._working_since = 0.0  # when the thread began what it is at; 0: nothing (read by the loop)
        self._looks = 0
        self._seen_working = (0.0, 0)  # a `_working_since`, and the look that saw it first
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopping = False

    @property
    def pending(self) -> int:
        """How many operations wait."""
        return len(self._pending)

    async def start(self) -> None:
        """Start the thread; returns after its first attempt to connect, whatever came of it."""
        loop = self._loop = asyncio.get_running_loop()
        attached = loop.create_future()

        def run() -> None:
            self._reattach()
            loop.call_soon_threadsafe(_set, attached)
            self._run()

        self._thread = threading.Thread(target=run, name="lockgate-ledger", daemon=True)
        self._thread.start()
        loop.call_later(_SWEEP_S, self._sweep)
        await attached

    async def stop(self, timeout_s: float = 5.0) -> None:
        """Write what waits, end the epoch, and stop the thread; after the timeout what is left is left to recovery."""
        self._stopping = True
        self._queue.put(None)
        thread = self._thread
        if thread is not None:
            await asyncio.to_thread(thread.join, timeout_s)
            if thread.is_alive():
                self._scribe.abort()
        for item in list(self._pending):
            self._fail(item)

    def submit(self, operation: Operation) -> asyncio.Future[Any]:
        """Queue an operation; the future gives its outcome or raises its error. Raises LedgerError at once when it cannot be taken."""
        loop = self._loop
        if loop is None or self._stopping:
            raise LedgerError("The ledger does not run.", hint="The gateway is starting or stopping.", headers={"Retry-After": "1"})
        owed = isinstance(operation, Owed)  # a settlement is always taken: the call it ends was already made
        if not owed:
            if len(self._pending) >= self._max_pending:
                raise LedgerError("Too many requests wait for the audit store.", code="overloaded", headers={"Retry-After": "1"})
            if self._scribe.away and not (self._require == "any" and isinstance(operation, Append)):
                raise AwayError(self._scribe.away)
        future: asyncio.Future[Any] = loop.create_future()
        item = Item(operation, future, self._looks + 1 + self._patience)
        self._pending[item] = None
        self._queue.put(item)
        return future

    # On the loop.

    def _deliver(self, results: Sequence[tuple[Item, Any]]) -> None:
        for item, outcome in results:
            self._pending.pop(item, None)
            future = item.future
            if future is None:
                continue
            if not future.done():
                if isinstance(outcome, BaseException):
                    future.set_exception(outcome)
                else:
                    future.set_result(outcome)
            elif isinstance(item.operation, Open | Take) and not isinstance(outcome, BaseException):
                self._give_back(item.operation)

    def _give_back(self, operation: Open | Take) -> None:
        """A call was written down after its caller had gone or was refused: nothing was sent, so its reservation and its claim end."""
        self._queue.put(Item(abandoned(operation, self._clock.now_us()), None, 0))

    def _sweep(self) -> None:
        loop = self._loop
        assert loop is not None
        self._looks += 1
        for item in list(self._pending):
            if item.deadline > self._looks:
                break
            self._fail(item)
        since = self._working_since
        if since != self._seen_working[0]:
            self._seen_working = (since, self._looks)
        elif since and self._looks - self._seen_working[1] >= self._patience:
            self._scribe.abort()
        if self._thread is not None and self._thread.is_alive():
            loop.call_later(_SWEEP_S, self._sweep)

    def _fail(self, item: Item) -> None:
        self._pending.pop(item, None)
        if item.future is not None and not item.future.done():
            item.future.set_exception(AwayError(self._scribe.away or "the database did not answer in time"))

    # On the thread.

    def _run(self) -> None:
        while True:
            batch, stop = self._take()
            if self._held:
                self._resolve()
            if batch:
                self._work(batch)
            elif self._scribe.away and not stop:
                self._reattach()
            self._work_late()
            if stop:
                break
            if batch and self._queue.empty():
                self._scribe.tidy()
        for _ in range(MAX_LATE // MAX_BATCH):
            self._work_late()
        self._scribe.finish()

    def _work_late(self) -> None:
        if self._late and not self._scribe.away:
            self._work([Item(self._late.popleft(), None, 0) for _ in range(min(MAX_BATCH, len(self._late)))])

    def _reattach(self) -> Any:
        self._working_since = time.monotonic()
        try:
            return self._scribe.attach()
        finally:
            self._working_since = 0.0

    def _take(self) -> tuple[list[Item], bool]:
        """Wait for something to do, then take all that waits (at most a batch of it)."""
        restless = bool(self._scribe.away or self._late or self._held)
        batch: list[Item] = []
        try:
            item = self._queue.get(timeout=_SWEEP_S if restless else None)
            while item is not None:
                # Nobody waits for it any more, so that it should not begin; a settlement is owed all the same.
                if item.future is None or not item.future.done() or isinstance(item.operation, Owed):
                    batch.append(item)
                if len(batch) >= MAX_BATCH:
                    return batch, False
                item = self._queue.get_nowait()
        except Empty:
            return batch, False
        return batch, True

    def _work(self, batch: list[Item]) -> None:
        started = self._working_since = time.monotonic()
        operations = [item.operation for item in batch]
        written = 0
        try:
            outcomes = self._scribe.refuse(operations) if self._held else self._scribe.commit(operations)
            written = sum(not isinstance(outcome, AwayError) for outcome in outcomes)
        except Poisoned:
            middle = len(batch) // 2
            self._work(batch[:middle])
            self._work(batch[middle:])
            return
        except Doubt:
            self._held = batch
            self._measured(0, time.monotonic() - started)
            return
        except Exception:  # noqa: BLE001 - a defect must not end the thread: these fail, the next go on
            outcomes = [LedgerError("The ledger failed; the request was not carried out.", code="audit_failed") for _ in batch]
        finally:
            self._working_since = 0.0
        self._measured(written, time.monotonic() - started)
        self._hand_over(batch, outcomes)

    def _resolve(self) -> None:
        outcomes = self._reattach()
        if outcomes is not None:
            batch, self._held = self._held, []
            self._hand_over(batch, outcomes)

    def _hand_over(self, batch: list[Item], outcomes: Sequence[Any]) -> None:
        for item, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, AwayError) and isinstance(item.operation, Owed) and len(self._late) < MAX_LATE:
                self._late.append(item.operation)
            if isinstance(outcome, HalfWrittenError) and isinstance(item.operation, Open | Take):
                self._late.append(abandoned(item.operation, self._clock.now_us()))
        loop = self._loop
        assert loop is not None
        try:
            loop.call_soon_threadsafe(self._deliver, list(zip(batch, outcomes, strict=True)))
        except RuntimeError:
            return  # the loop has ended: nobody waits any more


def _set(future: asyncio.Future[Any]) -> None:
    if not future.done():
        future.set_result(None)
