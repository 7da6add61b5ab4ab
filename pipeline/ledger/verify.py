"""Is what is written down still what was written? Every chain, the checkpoints, the journal, and the charges.

What it can see: an edited, deleted, inserted or reordered event by the chain; a tail that was cut off by a checkpoint or the
journal; an event that only one of the two devices has; a charge that no event speaks of. Who can rewrite the database, its
checkpoints and the journal from some row on can still hide it: keep the journal on another machine, too.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, Engine, exists, select

from pipeline.ledger.chain import Fault, Head, Row, verify
from pipeline.ledger.journal_copy import Copy, is_alive, journal_epochs, read_copy
from pipeline.ledger.verify_checkpoints import Check, verify_checkpoints
from pipeline.store.statements import EVENT_COLUMNS
from pipeline.store.tables import charges, checkpoints, epochs, events

_CHUNK = 5_000
_SHOWN = 100
_PATIENCE_S = 3.0  # a living writer's newest events stand in the journal a moment before they stand in the database


@dataclass(frozen=True, slots=True)
class Report:
    """What was checked and what is wrong. `remarks` are odd but explained (events voided, a device that was away)."""

    events: int
    chains: int
    checkpoints: int
    journals: int
    faults: tuple[Fault, ...]
    remarks: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


@dataclass(slots=True)
class _Findings:
    events: int = 0
    faults: list[Fault] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def verify_store(engine: Engine, journal_dir: Path | None = None, trusted: Mapping[str, Check] | None = None) -> Report:
    """Verify a whole store over a read-only engine, and the journals of this machine against it, while the gateway runs or not.

    `trusted` checks the signatures of checkpoints, by key id; without it they are only counted.
    """
    found = _Findings()
    with engine.connect() as connection:
        chains = [*connection.execute(select(events.c.chain).distinct().order_by(events.c.chain)).scalars()]
        points = _checkpoints(connection)
        checked = sum(map(len, points.values()))
        heads = {chain: _verify_chain(connection, chain, points.pop(chain, {}), found) for chain in chains}
        for chain, marks in points.items():
            found.faults.append(Fault(chain, 1, "", f"deleted: the whole chain, which a checkpoint has up to {max(marks)}"))
        _charges(connection, found)
        sealed = verify_checkpoints(connection, trusted or {})
    found.faults.extend(sealed.faults)
    found.remarks.extend(sealed.remarks)
    epoch_ids = journal_epochs(journal_dir) if journal_dir is not None else ()
    if journal_dir is not None:
        for epoch_id in epoch_ids:
            _compare(engine, journal_dir, epoch_id, heads, found)
        _unjournaled(engine, epoch_ids, found)
    return Report(found.events, len(chains), checked + sealed.checkpoints, len(epoch_ids), tuple(found.faults), tuple(found.remarks))


def _checkpoints(connection: Connection) -> dict[str, dict[int, str]]:
    points: dict[str, dict[int, str]] = {}
    for chain, seq, digest in connection.execute(select(checkpoints.c.chain, checkpoints.c.seq, checkpoints.c.hash)):
        points.setdefault(chain, {})[seq] = digest
    return points


def _verify_chain(connection: Connection, chain: str, marks: dict[int, str], found: _Findings) -> Head:
    head: Head | None = Head(chain)
    fault = None
    for chunk in _rows(connection, chain):
        head, fault, good = verify(chunk, head)
        found.events += good
        if fault is None:
            fault = _contradiction(chunk, marks)
        if fault is not None:
            break
    assert head is not None
    if fault is None and marks and max(marks) > head.seq:
        fault = Fault(chain, head.seq + 1, "", f"deleted: the chain ends at {head.seq}, a checkpoint has it up to {max(marks)}")
    if fault is not None:
        found.faults.append(fault)
    return head


def _contradiction(chunk: list[Row], marks: dict[int, str]) -> Fault | None:
    if not marks:
        return None
    for row in chunk:
        if marks.get(row[12], row[18]) != row[18]:
            return Fault(row[2], row[12], row[5], "a checkpoint has another hash here: this chain was written anew")
    return None


def _rows(connection: Connection, chain: str) -> Iterator[list[Row]]:
    """The stored rows of a chain, in chunks, in constant memory; straight from the driver, whose tuples are four times as fast."""
    columns = [events.c[name] for name in EVENT_COLUMNS]
    after = 0
    while True:
        query = select(*columns).where(events.c.chain == chain, events.c.seq > after).order_by(events.c.seq).limit(_CHUNK)
        result = connection.execute(query)
        assert result.cursor is not None
        chunk: list[Row] = list(result.cursor.fetchall())
        result.close()
        if not chunk:
            return
        yield chunk
        after = chunk[-1][12]


def _charges(connection: Connection, found: _Findings) -> None:
    told = exists().where(events.c.request_id == charges.c.request_id)
    alone = select(charges.c.id, charges.c.request_id).where(charges.c.request_id != "", ~told).limit(_SHOWN)
    for ident, request_id in connection.execute(alone):
        found.faults.append(Fault("", 0, ident, f"a charge of request {request_id}, which no event speaks of"))


def _compare(engine: Engine, folder: Path, epoch_id: str, heads: dict[str, Head], found: _Findings) -> None:
    """The journal of one epoch against the database: every event of each must be in the other."""
    copy = read_copy(folder, epoch_id)
    if copy.faults:  # a journal that was touched proves nothing about the database
        found.faults.extend(copy.faults)
        return
    if copy.voided:
        found.remarks.append(f"{epoch_id}: {copy.voided} events are void, their transaction failed")
    for chain in sorted({chain for chain, _ in copy.hashes} | {epoch_id}):
        fault = _database_against_journal(engine, copy, chain, heads, found)
        if fault is None:
            fault = _journal_against_database(engine, folder, copy, chain)
        if fault is not None:
            found.faults.append(fault)


def _database_against_journal(engine: Engine, copy: Copy, chain: str, heads: dict[str, Head], found: _Findings) -> Fault | None:
    if chain not in heads:
        return None
    known = heads[chain].seq
    gaps = [(first, last) for name, first, last in copy.gaps if name == chain]
    only_here = 0
    with engine.connect() as connection:
        query = (
            select(events.c.seq, events.c.id, events.c.hash).where(events.c.chain == chain, events.c.seq <= known).order_by(events.c.seq)
        )
        for seq, ident, digest in connection.execution_options(yield_per=_CHUNK).execute(query):
            theirs = copy.hashes.get((chain, seq))
            if theirs == digest:
                continue
            if theirs is not None:
                return Fault(chain, seq, ident, "edited: the journal has another hash for it")
            if any(first <= seq <= last for first, last in gaps) or (copy.require == "any" and seq > copy.last.get(chain, 0)):
                only_here += 1
            else:
                return Fault(chain, seq, ident, "inserted: the journal does not have it")
    if only_here:
        found.remarks.append(f"{chain}: {only_here} events are only in the database, the journal was away")
    return None


def _journal_against_database(engine: Engine, folder: Path, copy: Copy, chain: str) -> Fault | None:
    missing = _first_missing(engine, copy, chain)
    end = time.monotonic() + _PATIENCE_S
    while missing is not None and is_alive(folder, copy.epoch_id) and time.monotonic() < end:
        time.sleep(0.1)
        missing = _first_missing(engine, read_copy(folder, copy.epoch_id), chain)
    if missing is None:
        return None
    return Fault(chain, missing, "", "deleted: the journal has it, the database does not")


def _first_missing(engine: Engine, copy: Copy, chain: str) -> int | None:
    with engine.connect() as connection:
        present = set(connection.execute(select(events.c.seq).where(events.c.chain == chain)).scalars())
    missing = [seq for name, seq in copy.hashes if name == chain and seq not in present]
    return min(missing, default=None)


def _unjournaled(engine: Engine, epoch_ids: tuple[str, ...], found: _Findings) -> None:
    with engine.connect() as connection:
        absent = [ident for ident in connection.execute(select(epochs.c.id).order_by(epochs.c.id)).scalars() if ident not in epoch_ids]
    if absent:
        found.remarks.append(f"{len(absent)} epochs have no journal here: written on another machine, or without one")
