"""A deadline around redaction: a detector that hangs costs its record its content, never the process its telemetry."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import Any

from collectors.gate import TreeRedactor
from redactors.model import Clean, Json, RedactionError


class Deadline:
    """Redacts large trees in a small pool of threads and gives up after `seconds` (RedactionError, so: a tombstone).

    Trees of fewer than `inline_chars` characters are redacted at once: the engine is linear in them. A thread that never
    comes back is not waited for; when all `workers` are lost every large tree fails at once, closed. Work runs in the caller's context.
    """

    def __init__(self, redactor: TreeRedactor, *, seconds: float, workers: int = 2, inline_chars: int = 16_384) -> None:
        self._redactor = redactor
        self._seconds = seconds
        self._inline_chars = inline_chars
        self._workers = workers
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._started = 0
        self._busy = 0

    def tree(self, raw: Json) -> Clean[Json]:
        """Redact a tree within the deadline; raises RedactionError when it does not come back in time."""
        if _characters(raw, self._inline_chars) < self._inline_chars:
            return self._redactor.tree(raw)
        job = _Job(partial(copy_context().run, self._redactor.tree, raw))
        with self._lock:
            if self._busy >= self._workers:
                raise RedactionError("every redaction worker is busy")
            self._busy += 1
            if self._started < self._workers:
                self._started += 1
                threading.Thread(target=self._work, name=f"lockgate-redaction-{self._started}", daemon=True).start()
        self._jobs.put(job)
        if not job.done.wait(self._seconds):
            raise RedactionError("redaction took too long")
        return job.result()

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            job.run()
            with self._lock:
                self._busy -= 1


class _Job:
    """One tree on its way through a worker."""

    def __init__(self, run: Callable[[], Clean[Json]]) -> None:
        self._run = run
        self._clean: Clean[Json] | None = None
        self.done = threading.Event()

    def run(self) -> None:
        """Run it; a failure is told by the missing result."""
        try:
            self._clean = self._run()
        except Exception:  # noqa: BLE001 - told to the waiting caller as RedactionError, without its text
            self._clean = None
        finally:
            self.done.set()

    def result(self) -> Clean[Json]:
        """What came of it; raises RedactionError when it failed."""
        if self._clean is None:
            raise RedactionError("redaction failed in a worker")
        return self._clean


def _characters(raw: Any, enough: int) -> int:
    """How many characters the strings of a tree have, counted until there are enough."""
    if isinstance(raw, str):
        return len(raw)
    total = 0
    if isinstance(raw, dict):
        for key, value in raw.items():
            total += len(key) + _characters(value, enough)
            if total >= enough:
                break
    elif isinstance(raw, list):
        for value in raw:
            total += _characters(value, enough)
            if total >= enough:
                break
    return total
