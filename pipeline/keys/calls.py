"""How many calls a key has made, for its caveat `max_calls`: counted in the store before a call leaves, so all workers count the same.

What is counted and then not done is given back; a crash between leaves it counted, so that there is never one call too many.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, update

from pipeline.ledger.model import Claim, ClaimTaken
from pipeline.store.claims import held_claim
from pipeline.store.tables import virtual_keys

_K = virtual_keys.c


def take_call(connection: Connection, key_id: str, most: int, claim: Claim | None = None) -> bool:
    """Count a call of a key unless it has made `most`; says whether it was counted. One statement, so no two workers take the last one.

    Raises ClaimTaken when it was not, and the call repeats one that was made: a repetition is no call, and is given the first answer.
    """
    query = update(virtual_keys).where(_K.id == key_id, _K.calls_used < most).values(calls_used=_K.calls_used + 1)
    if connection.execute(query).rowcount == 1:
        return True
    held = held_claim(connection, claim.digest) if claim is not None else None
    if claim is not None and held is not None:
        raise ClaimTaken(claim, held.request_id, held.state, held.status, same_params=held.params == claim.params)
    return False


def give_back_call(connection: Connection, key_id: str) -> None:
    """Take back the count of a call that was not made."""
    connection.execute(update(virtual_keys).where(_K.id == key_id, _K.calls_used > 0).values(calls_used=_K.calls_used - 1))


def take_calls(connection: Connection, wanted: Sequence[tuple[str, int]], claim: Claim | None = None) -> str:
    """Count a call of several keys (id, most), a child key's and its ancestors', or of none; gives the id of one that has made all, or "".

    They are locked in the order of their ids, so that no two workers wait for each other. Raises ClaimTaken as `take_call` does; the
    transaction that is rolled back then counts nothing.
    """
    taken: list[str] = []
    for key_id, most in sorted(wanted):
        if not take_call(connection, key_id, most, claim):
            give_back_calls(connection, taken)
            return key_id
        taken.append(key_id)
    return ""


def give_back_calls(connection: Connection, key_ids: Iterable[str]) -> None:
    """Take back the count of a call of several keys."""
    for key_id in sorted(key_ids):
        give_back_call(connection, key_id)
