"""Connections that cannot write: what the dashboard, the command line and the admin lists read through.

SQLite is opened `mode=ro` with `query_only` and without checkpoints (older SQLite can corrupt a WAL when two connections
checkpoint at once, and only the writer may). PostgreSQL sessions are read-only by default and end statements that run away.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from pipeline.errors import ConfigError
from pipeline.store.read_model import ReadError

STATEMENT_TIMEOUT_MS = 30_000
BUSY_TIMEOUT_MS = 5_000


def open_read_engine(url: str) -> Engine:
    """Make an engine of read-only connections from a SQLAlchemy URL. Opens nothing yet; raises ConfigError for a bad URL."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigError("The database URL cannot be read.", hint="Use `sqlite:////path/lockgate.db` or `postgresql://…`.") from None
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return _sqlite(parsed)
    if backend == "postgresql":
        return _postgresql(parsed)
    raise ConfigError("This database is not supported.", hint="Use SQLite or PostgreSQL.")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One short read; every failure of the database becomes ReadError without SQL, parameters or address."""
    try:
        with engine.connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise ReadError(
            f"The store cannot be read ({type(error).__name__}).",
            hint="Start the gateway (`lockgate up`), or check LOCKGATE_DATABASE_URL and `lockgate db status`.",
        ) from None


def _sqlite(url: URL) -> Engine:
    path = url.database
    if not path or path == ":memory:":
        raise ConfigError("An in-memory database cannot be read from outside.", hint="Use `sqlite:////path/lockgate.db`.")
    file = path if path.startswith("file:") else "file:" + quote(path)
    engine = create_engine(
        URL.create("sqlite", database=file, query={"mode": "ro", "uri": "true"}),
        connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_MS / 1000},
        isolation_level="AUTOCOMMIT",
        pool_size=8,
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def _read_only(raw: Any, _record: Any) -> None:
        cursor = raw.cursor()
        for pragma in ("query_only = 1", "wal_autocheckpoint = 0", "temp_store = MEMORY", "cache_size = -65536"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return engine


def _postgresql(url: URL) -> Engine:
    options = f"-c default_transaction_read_only=on -c statement_timeout={STATEMENT_TIMEOUT_MS}"
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args={"options": options, "application_name": "lockgate-reads"},
        isolation_level="AUTOCOMMIT",
        pool_size=8,
        pool_pre_ping=True,
        hide_parameters=True,
    )
