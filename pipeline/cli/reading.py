"""Commands that only read look at the store directly, through the read model, whether a gateway runs or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from pipeline.errors import BadRequest

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pipeline.config.environment import Process
    from pipeline.store.reads import Reads

T = TypeVar("T")


@contextmanager
def open_store(process: Process) -> Iterator[Reads]:
    """The read model of this data folder. ConfigError when there is no store yet."""
    from pipeline.store.reads import open_reads

    reads = open_reads(existing_url(process))
    try:
        yield reads
    finally:
        reads.close()


def ask_store(process: Process, query: Callable[[Connection], T]) -> T:
    """Run one query over a reading connection. ConfigError when there is no store yet."""
    from pipeline.store.read_engine import open_read_engine, reading

    engine = open_read_engine(existing_url(process))
    try:
        with reading(engine) as connection:
            return query(connection)
    finally:
        engine.dispose()


def existing_url(process: Process) -> str:
    """The database URL. ConfigError when it names an embedded database that does not exist yet."""
    from pipeline.config.environment import database_url
    from pipeline.errors import ConfigError
    from pipeline.store.engine import sqlite_path

    url = database_url(process)
    path = sqlite_path(url)
    if path is not None and not path.exists():
        raise ConfigError(
            "There is no database here yet.", hint="Start Lockgate once (`lockgate up`), or name its data folder with LOCKGATE_HOME."
        )
    return url


def moment(text: str, now: datetime, name: str) -> str:
    """A time as people write it (`5m`, `1h`, `24h`, `7d` ago, RFC 3339, a date), as RFC 3339. Empty stays empty. BadRequest otherwise."""
    from pipeline.keys.requests import duration_us

    if not text:
        return ""
    if text[:1].isdigit() and text[-1:] in "smhdw":
        return (now - timedelta(microseconds=duration_us(text, name))).astimezone(UTC).isoformat()
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BadRequest(f"--{name} is not a time.", hint="Write 5m, 1h, 24h, 7d, a date, or RFC 3339.") from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).isoformat()
