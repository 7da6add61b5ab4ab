"""A notary over a test's store, with a key of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.ledger.copies import Copier, Place
from pipeline.ledger.ledger import DurableLedger
from pipeline.ledger.notary import Notary, Pace
from pipeline.ledger.signing import Signer, make_private_key, public_key, signer_of
from pipeline.store.engine import open_reader
from tests.pipeline.ledger.calls import Clock, event, running

DIGEST = "d" * 64


@dataclass
class Desk:
    """A ledger that runs, its notary, its copier, and what they told."""

    ledger: DurableLedger
    clock: Clock
    key: Signer | None = None
    pace: Pace = field(default_factory=lambda: Pace(1000, 600))
    places: list[Place] = field(default_factory=list)
    told: Counter[str] = field(default_factory=Counter)
    failing: Exception | None = None
    notary: Notary = field(init=False)
    copier: Copier = field(init=False)

    async def signer(self) -> Signer | None:
        if self.failing is not None:
            raise self.failing
        return self.key

    async def write(self, count: int, **fields: Any) -> None:
        for number in range(count):
            await self.ledger.append(event(detail={"n": number}, **fields))


@asynccontextmanager
async def desk(url: str, *, signed: bool = True, **fields: Any) -> AsyncIterator[Desk]:
    clock, engine = Clock(), open_reader(url)
    try:
        async with running(url, clock=clock, **fields) as ledger:
            made = Desk(ledger, clock, signer_of(make_private_key()) if signed else None)
            made.notary = Notary(
                engine=engine, run_write=ledger.run, clock=clock, own=ledger.epoch_id, pace=lambda: made.pace,
                config_digest=lambda: DIGEST, signer=made.signer, told=lambda outcome: made.told.update([outcome]),
            )  # fmt: skip
            made.copier = Copier(engine, ledger.run, clock, lambda: made.places, lambda outcome, n: made.told.update({outcome: n}))
            yield made
    finally:
        engine.dispose()


def trusted(*keys: Signer) -> dict[str, Any]:
    return dict(public_key(key.public_pem) for key in keys)


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)
