"""The write connection: raw where it is hot, SQLAlchemy where a change is applied, one transaction for both."""

from __future__ import annotations

import os
import socket
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from pipeline.store import tables
from pipeline.store.claims import ClaimStatements
from pipeline.store.engine import StoreError, open_writer, sqlite_path
from pipeline.store.statements import ALERT_COLUMNS, EVENT_COLUMNS, BulkInsert, Cursor, PostgresStatements, SqliteStatements, Statements

Trouble = Literal["row", "busy", "lost"]
"""What an error is about: one row (the others may go on), a collision (try again), or the database itself."""


@dataclass(frozen=True, slots=True)
class HotSql:
    """The compiled statements of one dialect; built once and shared by every session."""

    lists: Statements
    events: BulkInsert
    charges: BulkInsert
    reservations: BulkInsert
    redactions: BulkInsert
    outbox: BulkInsert
    checkpoints: BulkInsert
    spend_gaps: BulkInsert
    alerts: BulkInsert
    claims: ClaimStatements


def hot_sql(*, postgres: bool) -> HotSql:
    """Compile the hot path's statements for PostgreSQL or SQLite."""

    def bulk(table: Any, *without: str) -> BulkInsert:
        return BulkInsert(table, [column.name for column in table.columns if column.name not in without], postgres=postgres)

    return HotSql(
        lists=PostgresStatements() if postgres else SqliteStatements(),
        events=BulkInsert(tables.events, EVENT_COLUMNS, postgres=postgres),
        charges=bulk(tables.charges),
        reservations=bulk(tables.reservations),
        redactions=bulk(tables.redactions, "id"),
        outbox=bulk(tables.outbox, "id", "attempts", "due_us", "lease_until_us", "reason"),
        checkpoints=bulk(tables.checkpoints),
        spend_gaps=BulkInsert(tables.spend_gaps, ("hour_us",), postgres=postgres, suffix=" ON CONFLICT (hour_us) DO NOTHING"),
        alerts=BulkInsert(tables.alerts, ALERT_COLUMNS, postgres=postgres, suffix=" ON CONFLICT DO NOTHING"),
        claims=ClaimStatements(postgres=postgres),
    )


class Session:
    """An open write connection. Used by one thread, except `abort`, which another calls to end a wait that hangs."""

    def __init__(self, engine: Engine, path: Path | None) -> None:
        self.connection: Connection = engine.connect()
        self._raw = cast(Any, self.connection.connection.driver_connection)
        self.cursor: Cursor = self._raw.cursor()
        self.postgres = not isinstance(self._raw, sqlite3.Connection)
        self.aborted = False  # whether a wait of it had to be ended
        self._path = path
        self._file = _identity(path)

    def begin(self, *, wrapped: bool) -> None:
        """Begin a transaction: on SQLAlchemy's connection when a change will use it (`wrapped`), on the raw one otherwise.

        SQLite begins IMMEDIATE, so that a collision shows here and not at the end.
        """
        if self._path is not None and _identity(self._path) != self._file:
            raise StoreError("the database file was moved or replaced")
        if wrapped:
            self.connection.begin()
        elif not self.postgres:
            self.cursor.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Make the transaction durable."""
        if self.connection.in_transaction():
            self.connection.commit()
        elif self.postgres:
            self._raw.commit()
        else:
            self.cursor.execute("COMMIT")

    def rollback(self) -> None:
        """Undo the transaction; an error means that the connection is of no more use."""
        if self.connection.in_transaction():
            self.connection.rollback()
        self._raw.rollback()

    def abort(self) -> None:
        """End a hanging wait for PostgreSQL by closing its socket under it; SQLite's waits end by themselves."""
        self.aborted = True
        if not self.postgres:
            return
        try:
            descriptor = os.dup(self._raw.fileno())
        except Exception:  # noqa: BLE001 - whatever state the connection is in, the wait is over or the socket is gone
            return
        with socket.socket(fileno=descriptor) as wire:
            try:
                wire.shutdown(socket.SHUT_RDWR)
            except OSError:
                return

    def close(self) -> None:
        """Close, whatever state it is in."""
        try:
            self.connection.invalidate()
            self.connection.close()
        except Exception:  # noqa: BLE001 - a connection that cannot be closed is closed enough
            return


def open_session(url: str, engine: Engine | None = None) -> Session:
    """Open the write connection of a store; database errors and StoreError pass through."""
    return Session(engine if engine is not None else open_writer(url), sqlite_path(url))


def is_driver_error(error: BaseException) -> bool:
    """Whether an error comes from the database or its driver (and not from SQLAlchemy's own rules, or from us)."""
    return isinstance(error, DBAPIError | sqlite3.Error) or _is_psycopg(error)


def trouble(error: BaseException) -> Trouble:
    """Say what an error is about, by its code, never by its text. What nobody knows is about its row: the others go on without it."""
    if isinstance(error, DBAPIError):
        if error.connection_invalidated or error.orig is None:
            return "lost"
        error = error.orig
    if isinstance(error, sqlite3.Error):
        return _sqlite_trouble(error)
    if _is_psycopg(error):
        return _postgres_trouble(error)
    return "lost" if isinstance(error, SQLAlchemyError | StoreError | OSError) else "row"


def reason(error: BaseException) -> str:
    """A short cause for `/health/ready` and for the hint: a code of the database, never a text of it."""
    if isinstance(error, StoreError):
        return str(error)
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig
    if isinstance(error, sqlite3.Error):
        return "SQLite: " + str(getattr(error, "sqlite_errorname", "") or type(error).__name__)
    if isinstance(error, OSError):
        return f"errno {error.errno}"
    state = getattr(error, "sqlstate", None)
    return f"PostgreSQL: {state}" if state else "no connection to the database: " + type(error).__name__


def _sqlite_trouble(error: sqlite3.Error) -> Trouble:
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if code is not None else None
    if primary in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return "busy"
    if primary in {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_RANGE}:
        return "row"
    return "lost" if isinstance(error, sqlite3.OperationalError) or primary is not None else "row"


def _is_psycopg(error: BaseException) -> bool:
    return type(error).__module__.partition(".")[0] == "psycopg"


def _postgres_trouble(error: BaseException) -> Trouble:
    state = getattr(error, "sqlstate", None)
    if state is None:  # from the client itself: a value that it cannot send, or a connection that is gone
        return "row" if type(error).__name__ in {"DataError", "ProgrammingError", "NotSupportedError"} else "lost"
    if state in {"40001", "40P01", "55P03"}:
        return "busy"
    return "row" if state[:2] in {"22", "23", "42"} else "lost"


def _identity(path: Path | None) -> tuple[int, int] | None:
    if path is None:
        return None
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
