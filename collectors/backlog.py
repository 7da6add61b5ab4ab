"""How much waits for each destination, known in memory without asking the store: what decides whether a destination is full.

Whoever writes rows says so, whoever removes them too, and from time to time the store's own sum corrects it. Between two
corrections it is never less than what is there. Lives on the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from collectors.model import OutboxRow

WhenFull = Literal["refuse", "block", "shed_content"]
FullAnswer = Literal["go", "shed_content", "block", "refuse"]

_STRICTNESS: Final[tuple[FullAnswer, ...]] = ("go", "shed_content", "block", "refuse")


@dataclass(frozen=True, slots=True)
class Bound:
    """How many bytes may be kept for a destination (waiting and dead letters), and what happens from there on.

    `block_s` is how long a call waits for room. Under `shed_content` twice as many bytes may be kept, without content.
    """

    max_bytes: int
    when_full: WhenFull = "refuse"
    block_s: float = 10.0


class Backlog:
    """Counts bytes per destination and says which are full. While none is, asking costs one look at an empty set."""

    def __init__(self, bounds: Mapping[str, Bound]) -> None:
        self.bounds = dict(bounds)
        self._bytes = dict.fromkeys(bounds, 0)
        self._entered = dict.fromkeys(bounds, 0)  # ever
        self._full: dict[str, FullAnswer] = {}
        self.changed = asyncio.Event()
        """Set for a moment whenever a destination becomes full or has room again."""

    def added(self, rows: Iterable[OutboxRow]) -> None:
        """Rows entered the store."""
        for row in rows:
            if row.destination in self._bytes and not row.withheld:
                self._bytes[row.destination] += len(row.payload)
                self._entered[row.destination] += len(row.payload)
                self._judge(row.destination)

    def removed(self, sizes: Mapping[str, int]) -> None:
        """Bytes left the store, by destination."""
        for destination, size in sizes.items():
            if destination in self._bytes:
                self._bytes[destination] -= size
                self._judge(destination)

    def mark(self) -> Mapping[str, int]:
        """Where the counts stand before the store is asked; to be given to `measured`."""
        return dict(self._entered)

    def measured(self, kept: Mapping[str, int], mark: Mapping[str, int]) -> None:
        """Correct the counts by the store's own; what entered since the mark is added, whether it was seen there or not."""
        for destination in self._bytes:
            self._bytes[destination] = kept.get(destination, 0) + self._entered[destination] - mark.get(destination, 0)
            self._judge(destination)

    def kept(self, destination: str) -> int:
        """Bytes that are kept for a destination, at least."""
        return max(0, self._bytes.get(destination, 0))

    def answer(self, named: Collection[str] | None = None) -> FullAnswer:
        """The strictest answer of those destinations (all, when none are named) that are full; `go` when none is."""
        if not self._full:
            return "go"
        answers = [answer for destination, answer in self._full.items() if named is None or destination in named]
        return max(answers, key=_STRICTNESS.index, default="go")

    def follow(self, bounds: Mapping[str, Bound]) -> None:
        """Count for these destinations from now on. A new one counts from nothing until it is `measured`."""
        self.bounds = dict(bounds)
        for counts in (self._bytes, self._entered):
            for destination in counts.keys() - bounds.keys():
                del counts[destination]
            for destination in bounds.keys() - counts.keys():
                counts[destination] = 0
        for destination in self._full.keys() - bounds.keys():
            del self._full[destination]
        for destination in bounds:
            self._judge(destination)
        self.changed.set()
        self.changed.clear()

    def stopped(self) -> Mapping[str, FullAnswer]:
        """The full destinations for whose sake calls are refused or wait, each with what is done."""
        return {destination: answer for destination, answer in self._full.items() if answer in ("refuse", "block")}

    def sheds(self, destination: str) -> bool:
        """Whether a destination is given spans without content now."""
        return destination in self._full and self.bounds[destination].when_full == "shed_content"

    def full(self, destination: str) -> bool:
        """Whether a destination's bound is reached, whatever is done about it."""
        return destination in self._full

    def block_s(self, named: Collection[str] | None = None) -> float:
        """How long a call waits at most for the full destinations that let it wait."""
        waits = (self.bounds[name].block_s for name, answer in self._full.items() if answer == "block" and (named is None or name in named))
        return max(waits, default=0.0)

    def _judge(self, destination: str) -> None:
        bound, size, before = self.bounds[destination], self._bytes[destination], self._full.get(destination)
        now: FullAnswer | None = bound.when_full if size >= bound.max_bytes else None
        if now == "shed_content" and size >= 2 * bound.max_bytes:
            now = "refuse"
        if now == before:
            return
        if now is None:
            del self._full[destination]
        else:
            self._full[destination] = now
        self.changed.set()
        self.changed.clear()
