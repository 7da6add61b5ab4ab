"""Engines by URL: one that writes, many that only read.

SQLite: WAL with `synchronous=FULL`; only the writer's connection writes and checkpoints, every other is opened `mode=ro`
with `query_only` and `wal_autocheckpoint=0` (older SQLite can corrupt a WAL when two connections checkpoint at once).
PostgreSQL: every wait has an end (connect, statement, lock), so that a database that hangs is one that failed.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.pool import NullPool, QueuePool

CONNECT_TIMEOUT_S = 2
STATEMENT_TIMEOUT_MS = 2_000
BUSY_TIMEOUT_S = 0.5  # three tries of it stay below the deadline of a write
_IDLE_TIMEOUT_MS = 10_000
_OLDEST_SQLITE = (3, 35, 0)
_POOL: Final[Mapping[str, Any]] = MappingProxyType({"pool_size": 4, "max_overflow": 4, "pool_timeout": 2})


class StoreError(Exception):
    """The store cannot be used as it is. The message is ours: it names the cause and no credential."""


def parse_url(url: str) -> URL:
    """Read a SQLAlchemy URL; `postgresql://` means psycopg. Raises StoreError for any other database, or SQLite in memory."""
    parsed = make_url(url)
    if parsed.drivername in {"postgresql", "postgres"}:
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername in {"sqlite", "sqlite+pysqlite"}:
        if not parsed.database or parsed.database == ":memory:":
            raise StoreError("the store must be a file: sqlite:///path/to/lockgate.db")
        return parsed.set(drivername="sqlite")
    if parsed.drivername != "postgresql+psycopg":
        raise StoreError(f"no such kind of store: {parsed.drivername}; use sqlite:///path or postgresql+psycopg://…")
    return parsed


def sqlite_path(url: str) -> Path | None:
    """The database file of a SQLite URL, None for PostgreSQL."""
    parsed = parse_url(url)
    return Path(parsed.database).absolute() if parsed.drivername == "sqlite" and parsed.database else None


def open_writer(url: str, *, create: bool = False, statement_timeout_ms: int = STATEMENT_TIMEOUT_MS) -> Engine:
    """An engine for the one connection that writes. `create` makes a new SQLite file, for its owner only; without it there must be one."""
    path = sqlite_path(url)
    if path is None:
        return _postgres(url, statement_timeout_ms, pooled=False, read_only=False)
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise StoreError(f"SQLite {sqlite3.sqlite_version} is too old; 3.35 or newer is needed")

    uri = _uri(path, "rw")

    def connect() -> sqlite3.Connection:
        if create:
            _own(path)
        elif not path.exists():
            raise StoreError("there is no database file; run: lockgate db migrate")
        connection = sqlite3.connect(
            uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, cached_statements=512
        )
        try:
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "temp_store=MEMORY", "cache_size=-16000", "journal_size_limit=67108864"):
                connection.execute("PRAGMA " + pragma)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def open_reader(url: str, *, statement_timeout_ms: int = 10_000) -> Engine:
    """An engine that can only read, for the read model, the key cache and exports. Safe to share between threads."""
    path = sqlite_path(url)
    if path is None:
        return _postgres(url, statement_timeout_ms, pooled=True, read_only=True)
    uri = _uri(path, "ro")

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA query_only=1")
            connection.execute("PRAGMA wal_autocheckpoint=0")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool, hide_parameters=True, **_POOL)
    event.listen(engine, "begin", _begin)
    return engine


def _postgres(url: str, statement_timeout_ms: int, *, pooled: bool, read_only: bool) -> Engine:
    options = f"-c statement_timeout={statement_timeout_ms} -c lock_timeout={STATEMENT_TIMEOUT_MS} -c timezone=UTC"
    if read_only:
        options += " -c default_transaction_read_only=on"
    else:
        # A writer that was frozen in a transaction gives its row locks back to the other replicas.
        options += f" -c idle_in_transaction_session_timeout={_IDLE_TIMEOUT_MS}"
    arguments: dict[str, Any] = {"connect_timeout": CONNECT_TIMEOUT_S, "options": options, "application_name": "lockgate"}
    if pooled:
        return create_engine(parse_url(url), connect_args=arguments, hide_parameters=True, pool_pre_ping=True, **_POOL)
    return create_engine(parse_url(url), connect_args=arguments, hide_parameters=True, poolclass=NullPool)


def _uri(path: Path, mode: str) -> str:
    return "file:" + quote(str(path)) + "?mode=" + mode


def _own(path: Path) -> None:
    """Create the database file for its owner only; SQLite gives its `-wal` and `-shm` files the same mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise sqlite3.OperationalError(f"unable to open the database file (errno {error.errno})") from None


def _begin_immediate(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN")
