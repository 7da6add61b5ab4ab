"""A second pair of hands for the writer's thread: one thing at a time, begun here and waited for there.

The journal's sync runs on it while the database commits: two devices, each of which must say that it is done, wait together
instead of one after the other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

Work = Callable[[], None]


class Beside:
    """Runs a function on a thread of its own. `begin` and `end` come in pairs, from one thread; the thread starts with the first."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._todo: SimpleQueue[Work | None] = SimpleQueue()
        self._done: SimpleQueue[Exception | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def begin(self, work: Work) -> None:
        """Start a function; what it raises is raised by `end`."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        self._todo.put(work)

    def end(self) -> None:
        """Wait for what was begun, and raise what it raised."""
        failure = self._done.get()
        if failure is not None:
            raise failure

    def stop(self) -> None:
        """End the thread; a later `begin` starts another."""
        if self._thread is not None:
            self._todo.put(None)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while (work := self._todo.get()) is not None:
            try:
                work()
            except Exception as error:  # noqa: BLE001 - carried to the thread that waits for it
                self._done.put(error)
            else:
                self._done.put(None)
