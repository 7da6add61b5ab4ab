"""The idempotency claims of one batch: who is first, decided by the database, and how the ones that end with it end."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.ledger.model import Claim, ClaimTaken, Kept
from pipeline.ledger.operations import Open, Operation, Take
from pipeline.store.claims import ClaimStatements
from pipeline.store.statements import Cursor


class Claims:
    """What a batch found of the claims that its requests came with, and the ends that it writes."""

    __slots__ = ("_cursor", "_ends", "_sql", "_taken")

    def __init__(self, cursor: Cursor, sql: ClaimStatements, taken: dict[str, ClaimTaken]) -> None:
        self._cursor = cursor
        self._sql = sql
        self._taken = taken
        self._ends: list[tuple[str, Kept]] = []

    def taken(self, request_id: str) -> ClaimTaken | None:
        """Why a request may not go on; None when the claim is its own."""
        return self._taken.get(request_id)

    def end(self, request_id: str, kept: Kept) -> None:
        """Note how the claim of a request ends."""
        self._ends.append((request_id, kept))

    def flush(self) -> None:
        """Write the ends. A claim that has ended before keeps its end."""
        if not self._ends:
            return
        released = [request_id for request_id, kept in self._ends if kept.state == "released"]
        if released:
            self._sql.release(self._cursor, released)
        # In one order everywhere, so that two writers never wait for each other in a ring.
        for request_id, kept in sorted(self._ends, key=lambda end: end[0]):
            if kept.state != "released":
                row = (kept.state, kept.status, kept.expires_us, kept.expires_us, kept.seal_key, kept.nonce, kept.sealed, request_id)
                self._sql.end(self._cursor, row)


def take_claims(cursor: Cursor, sql: ClaimStatements, operations: Sequence[Operation], epoch_id: str, now_us: int) -> Claims:
    """Take what the requests of a batch claim, as far as nobody holds it. Costs nothing where none of them claims anything."""
    wanted: dict[str, Claim] = {}
    for operation in operations:
        if isinstance(operation, Open | Take) and operation.claim is not None:
            wanted[operation.request_id] = operation.claim
    if not wanted:
        return Claims(cursor, sql, {})
    rows = [(claim.digest, request_id, epoch_id, claim.params, "open", now_us, claim.expires_us) for request_id, claim in wanted.items()]
    held = {row[0]: row for row in sql.take(cursor, rows, now_us)}
    taken = {}
    for request_id, claim in wanted.items():
        # One that is gone again was purged or released this very moment: the caller may try again.
        _, holder, params, state, status = held.get(claim.digest, (claim.digest, "", claim.params, "open", 0))
        if holder != request_id:
            taken[request_id] = ClaimTaken(claim, holder, state, status, same_params=params == claim.params)
    return Claims(cursor, sql, taken)
