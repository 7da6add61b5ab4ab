"""What telemetry is inside the house, and who may receive it.

A `Record` is a span, log line or metric point as plain data. A `Sink` takes only `Clean[Record]`, so handing it a raw
record is a type error, and the gate checks it again at run time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from redactors.model import Clean

Signal = Literal["traces", "logs", "metrics"]


class CollectorError(Exception):
    """Telemetry could not be taken, encoded or handed on. The message never quotes a record."""


@dataclass(frozen=True, slots=True)
class Record:
    """One span, log line or metric point as plain data.

    `tree` holds every text of it (name, attributes, events, links, status, resource, scope) in the shape that
    `collectors.otlp.codec` encodes; ids and times stand in it as numbers or hex strings.
    """

    signal: Signal
    tree: dict[str, Any]


class Sink(Protocol):
    """Takes batches of clean records; raises CollectorError when it cannot."""

    def write(self, batch: Sequence[Clean[Record]]) -> None:
        """Hand a batch on, or raise. Returning means that the batch is the sink's responsibility."""
        ...


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One encoded piece of telemetry on its way to one destination.

    `payload` is a serialized OTLP `Export…ServiceRequest` made from clean records only; payloads of one signal may be
    concatenated into one valid request (repeated fields append). `items` counts spans, log records or points in it.
    `withheld` is why the items are only counted, as accepted and rejected by policy, and do not wait (`sampled`, `full`).
    """

    destination: str
    signal: Signal
    payload: bytes
    items: int
    withheld: str = ""


@dataclass(frozen=True, slots=True)
class Leased:
    """An outbox row that a sender has claimed. `attempts` counts earlier tries."""

    id: int
    row: OutboxRow
    attempts: int


@dataclass(frozen=True, slots=True)
class Account:
    """The loss equation of one signal and destination, in items: accepted = delivered + queued + dead_letter + rejected_by_policy."""

    destination: str
    signal: Signal
    accepted: int
    delivered: int
    queued: int
    dead_letter: int
    rejected_by_policy: int


class OutboxStore(Protocol):
    """Where outbox rows live. The SQL form stands in `pipeline/store/outbox.py`; every method is one short transaction.

    Rows enter either through `put`, or inside the ledger's settlement transaction. `claim` leases the oldest rows of
    one destination and signal, in order, and returns nothing while an earlier row of it is leased or waits for its retry.
    """

    async def put(self, rows: Sequence[OutboxRow]) -> None:
        """Store rows durably; raises CollectorError when that is not possible."""
        ...

    async def claim(self, destination: str, signal: Signal, *, max_bytes: int, lease_us: int) -> tuple[Leased, ...]:
        """Lease the oldest due rows up to `max_bytes` (at least one)."""
        ...

    async def delivered(self, ids: Sequence[int], *, rejected_items: int = 0, reason: str = "partial_success") -> None:
        """Remove rows that are done with; `rejected_items` of them were refused for good, for a `reason`."""
        ...

    async def retry(self, ids: Sequence[int], *, due_us: int, reason: str) -> None:
        """Give rows back, not to be claimed before `due_us` (epoch microseconds)."""
        ...

    async def bury(self, ids: Sequence[int], *, reason: str) -> None:
        """Move rows to the dead-letter table. `reason` is a code such as `http_400`, never a body."""
        ...

    async def accounts(self) -> tuple[Account, ...]:
        """The loss equation, per destination and signal."""
        ...
