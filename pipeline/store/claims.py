"""The SQL of idempotency claims: taken and ended in the writer's transactions, answers read back on a reading connection.

A claim is one row for one `Idempotency-Key` of one virtual key. The database decides who was first: `INSERT … ON CONFLICT DO
NOTHING`, so that any number of workers agree. On PostgreSQL the second one waits until the first one's transaction has ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from sqlalchemy import Connection, delete, select, update

from pipeline.store.statements import BulkInsert, Cursor, Row
from pipeline.store.tables import epochs, idempotency_claims

TAKEN_COLUMNS: Final = ("digest", "request_id", "epoch_id", "params", "state", "created_us", "expires_us")
PURGE_ROWS: Final = 500
"""How many rows one transaction of a purge deletes at most: others wait behind it."""


@dataclass(frozen=True, slots=True)
class _Texts:
    """The statements in one dialect; the insert comes from the table."""

    expire: str
    read: str
    release: str
    end: str


_SQLITE = _Texts(
    expire="DELETE FROM idempotency_claims WHERE digest IN (SELECT value FROM json_each(?)) AND state <> 'open' AND expires_us <= ?",
    read="SELECT digest, request_id, params, state, status FROM idempotency_claims WHERE digest IN (SELECT value FROM json_each(?))",
    release="DELETE FROM idempotency_claims WHERE request_id IN (SELECT value FROM json_each(?)) AND state = 'open'",
    end="UPDATE idempotency_claims SET state = ?, status = ?, expires_us = CASE WHEN ? > expires_us THEN ? ELSE expires_us END, "
    "seal_key = ?, nonce = ?, answer = ? WHERE request_id = ? AND state = 'open'",
)
_POSTGRES = _Texts(
    expire="DELETE FROM idempotency_claims WHERE digest = ANY(%s::varchar[]) AND state <> 'open' AND expires_us <= %s",
    read="SELECT digest, request_id, params, state, status FROM idempotency_claims WHERE digest = ANY(%s::varchar[])",
    release="DELETE FROM idempotency_claims WHERE request_id = ANY(%s::varchar[]) AND state = 'open'",
    end="UPDATE idempotency_claims SET state = %s, status = %s, expires_us = CASE WHEN %s > expires_us THEN %s ELSE expires_us END, "
    "seal_key = %s, nonce = %s, answer = %s WHERE request_id = %s AND state = 'open'",
)


class ClaimStatements:
    """The statements of one dialect. Lists go in as one parameter, as in `statements.py`."""

    def __init__(self, *, postgres: bool) -> None:
        self._postgres = postgres
        self._texts = _POSTGRES if postgres else _SQLITE
        self._insert = BulkInsert(idempotency_claims, TAKEN_COLUMNS, postgres=postgres, suffix=" ON CONFLICT (digest) DO NOTHING")

    def take(self, cursor: Cursor, rows: Sequence[Row], now_us: int) -> list[Row]:
        """Insert claims (`TAKEN_COLUMNS`) unless somebody holds them; gives (digest, request_id, params, state, status) of all of them."""
        # In the order of their keys, so that two writers never wait for each other in a ring.
        digests = self._list(sorted(row[0] for row in rows))
        cursor.execute(self._texts.expire, (digests, now_us))
        self._insert(cursor, sorted(rows))
        cursor.execute(self._texts.read, (digests,))
        return list(cursor.fetchall())

    def release(self, cursor: Cursor, request_ids: Sequence[str]) -> None:
        """Forget the open claims of requests that did not happen."""
        cursor.execute(self._texts.release, (self._list(request_ids),))

    def end(self, cursor: Cursor, row: Row) -> None:
        """Write (state, status, expires_us twice, seal_key, nonce, answer) of the open claim of a request, whose id stands last."""
        cursor.execute(self._texts.end, row)

    def _list(self, texts: Sequence[str]) -> list[str] | str:
        return list(texts) if self._postgres else orjson.dumps(list(texts)).decode()


@dataclass(frozen=True, slots=True)
class SealedAnswer:
    """An answer as it is stored: the status in clear, everything else under AES-256-GCM."""

    status: int
    seal_key: str
    nonce: bytes = field(repr=False)
    sealed: bytes = field(repr=False)


def read_answer(connection: Connection, digest: str, request_id: str) -> SealedAnswer | None:
    """The stored answer of a claim, None when it is gone (it expired)."""
    t = idempotency_claims.c
    query = select(t.status, t.seal_key, t.nonce, t.answer).where(t.digest == digest, t.request_id == request_id, t.state == "done")
    row = connection.execute(query).one_or_none()
    return SealedAnswer(row[0], row[1], bytes(row[2]), bytes(row[3])) if row is not None and row[3] is not None else None


def held_claim(connection: Connection, digest: str) -> Any:
    """Who holds a claim: (request_id, params, state, status), or None."""
    t = idempotency_claims.c
    return connection.execute(select(t.request_id, t.params, t.state, t.status).where(t.digest == digest)).one_or_none()


def purge_claims(connection: Connection, now_us: int) -> int:
    """Delete claims that have expired, at most `PURGE_ROWS`; says how many. One that is open is never deleted: its call may still end."""
    t = idempotency_claims.c
    expired = select(t.digest).where(t.expires_us <= now_us, t.state != "open").limit(PURGE_ROWS)
    return connection.execute(delete(idempotency_claims).where(t.digest.in_(expired))).rowcount


def epochs_with_open_claims(connection: Connection) -> Sequence[Any]:
    """The rows of `epochs` that left claims open."""
    left = select(idempotency_claims.c.epoch_id).where(idempotency_claims.c.state == "open").distinct()
    return list(connection.execute(select(epochs).where(epochs.c.id.in_(left))))


def give_up_claims(connection: Connection, epoch_ids: Sequence[str]) -> int:
    """Mark the open claims of epochs as `unknown`: nobody lives to say how they ended. Says how many."""
    t = idempotency_claims.c
    change = update(idempotency_claims).where(t.epoch_id.in_(epoch_ids), t.state == "open")
    return connection.execute(change.values(state="unknown")).rowcount
