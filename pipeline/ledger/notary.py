"""Makes checkpoints beside the ledger: of its own chain every so many events or seconds (also when nothing happens), and of dead ones.

Events are read and verified before they are signed: nothing is ever certified that does not follow from what was certified before.
Nothing here is waited for by a request. When the signing key cannot be had no checkpoint is made (an unsigned one in a signed series
would be worth nothing, and whoever took the key away would have won); it is tried again, counted and told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from pipeline.clock import Clock
from pipeline.errors import LedgerError, SecretError
from pipeline.ids import ulid
from pipeline.ledger import merkle
from pipeline.ledger.chain import GENESIS, Head, verify
from pipeline.ledger.checkpoint import Checkpoint
from pipeline.ledger.signing import CHECKPOINT, KeyUnusable, Signer
from pipeline.store import checkpoints as sql
from pipeline.store.engine import StoreError

T = TypeVar("T")

LARGEST: Final = 100_000
"""Events of one checkpoint; what is more goes into the next."""
LOOK_EVERY_S: Final = 5.0


class Run(Protocol):
    """The ledger's `run`: a short write without an event."""

    async def __call__(self, apply: Callable[[Connection], T], /) -> T:
        """Run it."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """When a checkpoint of a living chain is due: so many events that none covers, or so many seconds since the last."""

    events: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Segment:
    """What the next checkpoint of a chain is to cover, verified. `leaves` are of events `first_seq` to `last_seq`."""

    chain: str
    number: int
    prev: str
    first_seq: int
    last_seq: int
    head: str
    first_at_us: int = 0
    last_at_us: int = 0
    root: str = merkle.EMPTY.hex()


class BrokenChain(Exception):
    """What follows the last checkpoint of a chain does not follow from it."""

    def __init__(self, chain: str, seq: int) -> None:
        super().__init__(f"chain {chain} is broken at {seq}")
        self.chain = chain
        self.seq = seq


def next_segment(connection: Connection, chain: str) -> Segment:
    """Read and verify what no checkpoint of a chain covers yet, LARGEST events at most. Raises BrokenChain."""
    last = sql.last_checkpoint(connection, chain)
    number, after, prev = (last.number, last.last_seq, last.digest) if last is not None else (0, 0, GENESIS)
    start = Head(chain, after, _head_of(last))
    head, leaves, times = start, list[bytes](), list[int]()
    for chunk in sql.chain_rows(connection, chain, after=after, last=after + LARGEST):
        reached, fault, _ = verify(chunk, head)
        if fault is not None or reached is None:
            raise BrokenChain(chain, fault.seq if fault is not None else head.seq)
        head = reached
        leaves.extend(merkle.leaf(row[18]) for row in chunk)
        times.extend((min(row[1] for row in chunk), max(row[1] for row in chunk)))
    root = merkle.root(leaves).hex()
    return Segment(chain, number + 1, prev, after + 1, head.seq, head.hash, min(times, default=0), max(times, default=0), root)


def checkpoint_of(segment: Segment, *, ident: str, at_us: int, config_digest: str, key_id: str) -> Checkpoint:
    """The checkpoint of a segment."""
    return Checkpoint(
        at_us=at_us,
        chain=segment.chain,
        config_digest=config_digest,
        count=segment.last_seq - segment.first_seq + 1,
        first_at_us=segment.first_at_us,
        first_seq=segment.first_seq,
        head=segment.head,
        id=ident,
        key_id=key_id,
        last_at_us=segment.last_at_us,
        last_seq=segment.last_seq,
        number=segment.number,
        prev=segment.prev,
        root=segment.root,
    )


def stored(checkpoint: Checkpoint, signature: str) -> sql.Stored:
    """A checkpoint as it stands in SQL."""
    c = checkpoint
    body = c.canonical().decode()
    return sql.Stored(c.id, c.chain, c.number, c.first_seq, c.last_seq, c.at_us, body, c.digest(), c.key_id, signature)


@dataclass(slots=True)
class Notary:
    """Makes checkpoints. `own` is the chain of this process; `signer` gives the key in force, None when checkpoints are not signed.

    `told` counts what became of each attempt: `signed`, `unsigned`, `raced`, `no_key`, `broken`, `failed`. `trouble` says why the last
    one failed ("" when it did not).
    """

    engine: Engine
    run_write: Run
    clock: Clock
    own: str
    pace: Callable[[], Pace]
    config_digest: Callable[[], str]
    signer: Callable[[], Awaitable[Signer | None]]
    told: Callable[[str], None]
    trouble: str = ""
    _floor: str = ""  # chains up to here have ended and are covered
    _broken: set[str] = field(default_factory=set)

    async def run(self, after_each: Callable[[], Awaitable[None]]) -> None:
        """Look for what is due every few seconds, until cancelled; `after_each` look copies go out."""
        while True:
            await self.look()
            await after_each()
            await asyncio.sleep(min(LOOK_EVERY_S, max(0.2, self.pace().seconds / 2)))

    async def look(self, *, last: bool = False) -> int:
        """Make what is due (`last`: whatever is uncovered of the own chain); says how many were made. Never raises but for cancellation."""
        made = 0
        try:
            for chain in await asyncio.to_thread(self._due, last):
                made += await self._make(chain)
        except (SQLAlchemyError, StoreError, LedgerError) as error:
            self._failed("failed", f"the store cannot be used ({type(error).__name__})")
        except (SecretError, KeyUnusable) as error:
            self._failed("no_key", f"the signing key cannot be had ({type(error).__name__})")
        except BrokenChain as error:
            self._broken.add(error.chain)
            self._failed("broken", f"{error}; see `lockgate audit verify`")
        else:
            self.trouble = f"chains are broken: {len(self._broken)}; see `lockgate audit verify`" if self._broken else ""
        return made

    def _failed(self, outcome: str, why: str) -> None:
        self.told(outcome)
        self.trouble = why

    async def _make(self, chain: str) -> int:
        segment = await asyncio.to_thread(self._read, chain)
        signer = await self.signer()
        ident, now_us = ulid(self.clock.now_us()), self.clock.now_us()
        key_id = signer.key_id if signer is not None else ""
        made = checkpoint_of(segment, ident=ident, at_us=now_us, config_digest=self.config_digest(), key_id=key_id)
        signature = signer.sign(CHECKPOINT, made.canonical()) if signer is not None else ""
        put = await self.run_write(partial(sql.put_checkpoint, row=stored(made, signature)))
        self.told(("signed" if signer is not None else "unsigned") if put else "raced")
        return int(put)

    def _read(self, chain: str) -> Segment:
        with self.engine.connect() as connection:
            return next_segment(connection, chain)

    def _due(self, final: bool) -> list[str]:
        """The own chain when its time has come, and every ended chain that is not covered to its end."""
        due = []
        with self.engine.connect() as connection:
            if self._own_is_due(connection, final):
                due.append(self.own)
            chain: str | None = self._floor
            settled = True
            while (chain := sql.next_chain(connection, chain or "")) is not None:
                if chain == self.own or chain in self._broken:
                    settled = False
                    continue
                last = sql.last_checkpoint(connection, chain)
                left = sql.uncovered(connection, chain, last.last_seq if last is not None else 0)
                alive = sql.is_alive(connection, chain)
                if left and not alive:
                    due.append(chain)
                settled = settled and not alive and not left
                if settled:
                    self._floor = chain
        return due

    def _own_is_due(self, connection: Connection, final: bool) -> bool:
        if self.own in self._broken:
            return False
        last, pace = sql.last_checkpoint(connection, self.own), self.pace()
        left = sql.uncovered(connection, self.own, last.last_seq if last is not None else 0)
        if last is None:
            return left > 0
        return left >= pace.events or (final and left > 0) or self.clock.now_us() - last.at_us >= pace.seconds * 1e6


def _head_of(last: Any) -> str:
    from pipeline.ledger.checkpoint import read_checkpoint

    if last is None:
        return GENESIS
    found = read_checkpoint(last.body)
    if found is None or found.digest() != last.digest or (found.chain, found.last_seq) != (last.chain, last.last_seq):
        raise BrokenChain(last.chain, last.last_seq)
    return found.head
