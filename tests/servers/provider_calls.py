"""The loopback provider's own books: what it was asked, with which key, what it answered and what it bills."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tests.servers.provider_script import Tally


@dataclass
class Call:
    """One request as the provider saw it. `key` is the credential (for AWS the access key id); it is never printed or served."""

    ident: str
    path: str
    model: str
    key: str = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    raw: bytes = field(repr=False)
    body: Any = field(repr=False)
    client: str = ""
    stream: bool = False
    status: int = 0
    pieces: int = 0
    finished: bool = False
    disconnected: bool = False
    billed: bool = False
    tally: Tally = field(default_factory=Tally)

    def public(self) -> dict[str, Any]:
        """What `/_ledger` shows: numbers, ids, and the key only as its digest and last four characters."""
        digest = hashlib.sha256(self.key.encode()).hexdigest()[:16] if self.key else ""
        shown = {
            name: getattr(self, name)
            for name in ("ident", "path", "model", "stream", "status", "pieces", "finished", "disconnected", "billed")
        }
        return shown | {"key_sha256": digest, "key_last4": self.key[-4:], "bytes_in": len(self.raw), "tokens": vars(self.tally)}


@dataclass(frozen=True)
class Price:
    """What a model costs, in pico-dollars a token."""

    input: int
    output: int
    cached: int | None = None
    write_5m: int | None = None
    write_1h: int | None = None
    reasoning: int | None = None

    def micros(self, tally: Tally) -> int:
        """The bill for one answer in micro-dollars, rounded half up once."""
        plain = tally.prompt - tally.cached - tally.written_5m - tally.written_1h
        pico = plain * self.input + (tally.completion - tally.reasoning) * self.output
        pico += tally.cached * (self.input if self.cached is None else self.cached)
        pico += tally.written_5m * (self.input if self.write_5m is None else self.write_5m)
        pico += tally.written_1h * (self.input if self.write_1h is None else self.write_1h)
        pico += tally.reasoning * (self.output if self.reasoning is None else self.reasoning)
        return int((Decimal(pico) / 1_000_000).quantize(Decimal(1), ROUND_HALF_UP))


def bill(calls: list[Call], prices: Mapping[str, Price]) -> int:
    """The sum over every billed call, each rounded by itself; a model without a price is a KeyError."""
    return sum(prices[call.model].micros(call.tally) for call in calls if call.billed)
