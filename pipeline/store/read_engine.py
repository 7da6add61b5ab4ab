"""Short, consistent reads over connections that cannot write, with errors that carry no SQL and no address."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from pipeline.errors import ConfigError
from pipeline.store.engine import StoreError, open_reader
from pipeline.store.read_model import ReadError

STATEMENT_TIMEOUT_MS = 30_000


def open_read_engine(url: str) -> Engine:
    """Make an engine for reading a SQLAlchemy URL. Opens nothing yet; raises ConfigError for a URL that cannot be used.

    Every read sees one state of the store: SQLite gives that by itself, PostgreSQL when it is asked.
    """
    try:
        engine = open_reader(url, statement_timeout_ms=STATEMENT_TIMEOUT_MS)
    except (StoreError, ArgumentError):
        raise ConfigError("The database URL cannot be used.", hint="Use `sqlite:////path/lockgate.db` or `postgresql://…`.") from None
    return engine if engine.dialect.name == "sqlite" else engine.execution_options(isolation_level="REPEATABLE READ")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One short read; every failure of the database becomes ReadError. Nothing is held open afterwards."""
    try:
        with engine.connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise ReadError(
            f"The store cannot be read ({type(error).__name__}).",
            hint="Start the gateway (`lockgate up`), or check LOCKGATE_DATABASE_URL and `lockgate db status`.",
        ) from None
