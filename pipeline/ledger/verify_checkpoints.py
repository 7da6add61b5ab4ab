"""Do the checkpoints still say what the events say? Roots, links between checkpoints, signatures by the keys that are trusted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection

from pipeline.ledger import merkle
from pipeline.ledger.chain import GENESIS, Fault
from pipeline.ledger.checkpoint import Checkpoint, read_checkpoint
from pipeline.ledger.signing import CHECKPOINT
from pipeline.store import checkpoints as sql

Check = Callable[[bytes, bytes, str], bool]


@dataclass(slots=True)
class Checked:
    """What was found: how many checkpoints, how many of them have a signature that a trusted key verifies, what is wrong."""

    checkpoints: int = 0
    verified: int = 0
    signed: int = 0
    faults: list[Fault] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def verify_checkpoints(connection: Connection, trusted: Mapping[str, Check]) -> Checked:
    """Check every chain's checkpoints against each other and the events' hashes; `trusted` checks signatures, by key id."""
    found = Checked()
    for chain in sql.chains_with_checkpoints(connection):
        fault = _chain(connection, chain, trusted, found)
        if fault is not None:
            found.faults.append(fault)
    if found.checkpoints and not trusted:
        found.remarks.append(
            f"{found.signed} of {found.checkpoints} checkpoints are signed; none was checked, for want of a trusted key (--public-key)"
        )
    elif found.checkpoints > found.signed:
        found.remarks.append(
            f"{found.checkpoints - found.signed} checkpoints are not signed: whoever can write the database could make them"
        )
    return found


def _chain(connection: Connection, chain: str, trusted: Mapping[str, Check], found: Checked) -> Fault | None:
    prev, after, number = GENESIS, 0, 0
    for row in sql.checkpoints_of(connection, chain):
        point = read_checkpoint(row.body)
        found.checkpoints += 1
        if point is None or (point.chain, point.number, point.first_seq, point.last_seq) != (
            chain,
            row.number,
            row.first_seq,
            row.last_seq,
        ):
            return Fault(chain, row.first_seq, "", f"checkpoint {row.number} was edited")
        if point.number != number + 1 or point.prev != prev or point.first_seq != after + 1:
            return Fault(
                chain,
                point.first_seq,
                "",
                f"checkpoint {point.number} does not follow checkpoint {number}: one is missing or was made anew",
            )
        fault = _signature(point, row.signature, trusted, found) or _events(connection, point)
        if fault is not None:
            return fault
        prev, after, number = point.digest(), point.last_seq, point.number
    return None


def _signature(point: Checkpoint, signature: str, trusted: Mapping[str, Check], found: Checked) -> Fault | None:
    if not signature:
        if point.key_id:
            return Fault(point.chain, point.first_seq, "", f"the signature of checkpoint {point.number} is gone")
        return None
    found.signed += 1
    if not trusted:
        return None
    check = trusted.get(point.key_id)
    if check is None or not check(CHECKPOINT, point.canonical(), signature):
        why = "is by a key that is not trusted here" if check is None else "is not the key's"
        return Fault(point.chain, point.first_seq, "", f"the signature of checkpoint {point.number} {why}")
    found.verified += 1
    return None


def _events(connection: Connection, point: Checkpoint) -> Fault | None:
    rows = sql.leaves_of(connection, point.chain, point.first_seq, point.last_seq)
    for place, (seq, _) in enumerate(rows):
        if seq != point.first_seq + place:
            return Fault(point.chain, point.first_seq + place, "", f"deleted: checkpoint {point.number} covers it")
    if len(rows) != point.count:
        return Fault(
            point.chain, point.first_seq + len(rows), "", f"deleted: checkpoint {point.number} covers the chain up to {point.last_seq}"
        )
    if merkle.root([merkle.leaf(digest) for _, digest in rows]).hex() != point.root or (rows and rows[-1][1] != point.head):
        why = f"checkpoint {point.number} has another root over {point.first_seq} to {point.last_seq}: these events were written anew"
        return Fault(point.chain, point.first_seq, "", why)
    return None
