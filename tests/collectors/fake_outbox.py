"""An outbox store in memory with the rules of the SQL one, and a switch to make it fail."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from collectors.model import Account, CollectorError, Leased, OutboxRow, Signal


@dataclass
class _Waiting:
    id: int
    row: OutboxRow
    attempts: int = 0
    due_us: int = 0
    lease_until_us: int = 0
    reason: str = ""


class FakeOutbox:
    """Keeps rows in order; `broken` makes every method raise CollectorError."""

    def __init__(self) -> None:
        self.waiting: list[_Waiting] = []
        self.dead: list[tuple[OutboxRow, str]] = []
        self.totals: dict[tuple[str, Signal], list[int]] = {}
        self.broken = False
        self._last = 0

    async def put(self, rows: Sequence[OutboxRow]) -> None:
        self._check()
        for row in rows:
            self._last += 1
            self.waiting.append(_Waiting(self._last, row))
            self._total(row)[0] += row.items

    async def claim(self, destination: str, signal: Signal, *, max_bytes: int, lease_us: int) -> tuple[Leased, ...]:
        self._check()
        now = time.time_ns() // 1000
        taken: list[_Waiting] = []
        size = 0
        for waiting in self.waiting:
            if (waiting.row.destination, waiting.row.signal) != (destination, signal):
                continue
            if waiting.due_us > now or waiting.lease_until_us > now or (taken and size + len(waiting.row.payload) > max_bytes):
                break
            taken.append(waiting)
            size += len(waiting.row.payload)
        for waiting in taken:
            waiting.lease_until_us = now + lease_us
        return tuple(Leased(waiting.id, waiting.row, waiting.attempts) for waiting in taken)

    async def delivered(self, ids: Sequence[int], *, rejected_items: int = 0, reason: str = "") -> None:
        self._check()
        for waiting in self._take(ids):
            refused = min(rejected_items, waiting.row.items)
            rejected_items -= refused
            total = self._total(waiting.row)
            total[1] += waiting.row.items - refused
            total[2] += refused

    async def retry(self, ids: Sequence[int], *, due_us: int, reason: str) -> None:
        self._check()
        for waiting in self.waiting:
            if waiting.id in ids:
                waiting.attempts, waiting.due_us, waiting.lease_until_us, waiting.reason = waiting.attempts + 1, due_us, 0, reason

    async def bury(self, ids: Sequence[int], *, reason: str) -> None:
        self._check()
        self.dead.extend((waiting.row, reason) for waiting in self._take(ids))

    async def accounts(self) -> tuple[Account, ...]:
        out = []
        for (destination, signal), (accepted, delivered, rejected) in self.totals.items():
            queued = sum(w.row.items for w in self.waiting if (w.row.destination, w.row.signal) == (destination, signal))
            dead = sum(row.items for row, _ in self.dead if (row.destination, row.signal) == (destination, signal))
            out.append(Account(destination, signal, accepted, delivered, queued, dead, rejected))
        return tuple(out)

    def _take(self, ids: Sequence[int]) -> list[_Waiting]:
        taken = [waiting for waiting in self.waiting if waiting.id in ids]
        self.waiting = [waiting for waiting in self.waiting if waiting.id not in ids]
        return taken

    def _total(self, row: OutboxRow) -> list[int]:
        return self.totals.setdefault((row.destination, row.signal), [0, 0, 0])

    def _check(self) -> None:
        if self.broken:
            raise CollectorError("the store is told to be broken")
