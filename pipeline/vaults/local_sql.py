"""The local store's rows in SQL: reads for the adapter, and the write-only functions that run inside a ledger change.

Writes take a SQLAlchemy Connection, so that they stand in one transaction with their audit event
(`ledger.change(event, lambda connection: put_secret(connection, …))`). Nothing here ever returns a value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, func, insert, select
from sqlalchemy.exc import SQLAlchemyError

from pipeline.errors import BadRequest
from pipeline.store.tables import local_secrets
from pipeline.vaults.local import LocalRow, RowsError, storable_fault
from pipeline.vaults.local_keys import LocalKeys, RandomBytes, seal


@dataclass(frozen=True, slots=True)
class StoredName:
    """What may be shown of a stored secret. `created_us` (epoch microseconds) and `created_by` are the newest version's."""

    name: str
    version: int
    versions: int
    created_us: int
    created_by: str


class SqlRows:
    """`LocalRows` over a read engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def newest(self, name: str) -> LocalRow | None:
        """The row of the highest version."""
        return self._first(select(local_secrets).where(local_secrets.c.name == name).order_by(local_secrets.c.version.desc()).limit(1))

    def version(self, name: str, version: int) -> LocalRow | None:
        """The row of one version."""
        return self._first(select(local_secrets).where(local_secrets.c.name == name, local_secrets.c.version == version))

    def _first(self, query: Any) -> LocalRow | None:
        try:
            with self._engine.connect() as connection:
                row = connection.execute(query).first()
        except SQLAlchemyError:
            row, unreadable = None, True
        else:
            unreadable = False
        if unreadable:
            raise RowsError
        return None if row is None else _row(row)


def put_secret(
    connection: Connection, keys: LocalKeys, name: str, value: str, *, now_us: int, created_by: str, random_bytes: RandomBytes
) -> int:
    """Store a value under the next version of its name and return that number. BadRequest, without the value, when it cannot be stored."""
    what = storable_fault(name, value)
    if what is not None:
        del value
        raise BadRequest(f"The secret cannot be stored: {what}.", param="value" if what.startswith("the value") else "name")
    newest = connection.execute(select(func.max(local_secrets.c.version)).where(local_secrets.c.name == name)).scalar()
    version = int(newest or 0) + 1
    key_id, nonce, ciphertext = seal(keys, name, version, value, random_bytes)
    connection.execute(
        insert(local_secrets).values(
            name=name, version=version, key_id=key_id, nonce=nonce, ciphertext=ciphertext, created_us=now_us, created_by=created_by
        )
    )
    return version


def delete_secret(connection: Connection, name: str, *, version: int | None = None) -> int:
    """Delete one version, or all of a name; returns how many rows went."""
    query = delete(local_secrets).where(local_secrets.c.name == name)
    if version is not None:
        query = query.where(local_secrets.c.version == version)
    return connection.execute(query).rowcount


def list_secrets(connection: Connection) -> tuple[StoredName, ...]:
    """Name what is stored, in order of name, never a value."""
    newest = select(local_secrets.c.name, func.max(local_secrets.c.version).label("version"), func.count().label("versions"))
    grouped = newest.group_by(local_secrets.c.name).subquery()
    query = (
        select(local_secrets.c.name, local_secrets.c.version, grouped.c.versions, local_secrets.c.created_us, local_secrets.c.created_by)
        .join(grouped, (grouped.c.name == local_secrets.c.name) & (grouped.c.version == local_secrets.c.version))
        .order_by(local_secrets.c.name)
    )
    return tuple(StoredName(*row) for row in connection.execute(query))


def _row(row: Row[Any]) -> LocalRow:
    return LocalRow(row.name, row.version, row.key_id, bytes(row.nonce), bytes(row.ciphertext), row.created_us, row.created_by)
