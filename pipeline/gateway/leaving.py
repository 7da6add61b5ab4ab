"""Callers who leave: noticed at once where an answer streams, and looked for once where it does not."""

from __future__ import annotations

import asyncio

from pipeline.gateway.abandoned import ReadOn
from pipeline.gateway.http import Receive


def has_left(receive: Receive) -> bool:
    """Whether the caller is gone by now. Looks once and does not wait: a `Watch` would cost every call a task."""
    waiting = receive().__await__()
    try:
        next(waiting)
    except StopIteration as done:
        return bool(done.value["type"] == "http.disconnect")
    waiting.close()
    return False


class Watch:
    """Waits for the caller of a stream to leave, and cancels the work for it when that happens: the task that makes the watch.

    Work that has begun to stream may read on for a time: it looks at `gone` itself, and is cancelled when the time is over.
    """

    def __init__(self, receive: Receive) -> None:
        self._gone = False
        self._reading: ReadOn | None = None
        self._work = asyncio.current_task()
        self._task = asyncio.create_task(self._wait(receive))

    async def _wait(self, receive: Receive) -> None:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                self._gone = True
                await self._read_on()
                self.give_up()
                return

    async def _read_on(self) -> None:
        """Wait as long as the work may read on."""
        reading = self._reading
        if reading is None or not reading.begin():
            return
        try:
            await asyncio.sleep(reading.seconds)
        finally:
            reading.end()

    def may_read_on(self, reading: ReadOn) -> None:
        """From now on a caller who leaves does not end the work at once."""
        self._reading = reading

    def give_up(self) -> None:
        """Cancel the work now."""
        if self._work is not None:
            self._work.cancel()

    @property
    def gone(self) -> bool:
        """Whether the caller has left."""
        return self._gone

    def forgiven(self) -> bool:
        """Whether a cancellation was this watch's own; it is then taken back, so that the task ends in peace."""
        if self._gone and self._work is not None:
            self._work.uncancel()
        return self._gone

    def stop(self) -> None:
        """Stop waiting. Idempotent."""
        self._task.cancel()
