"""Who may write, who may only read, and what is refused."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from pipeline.store.engine import StoreError, open_reader, open_writer, parse_url, sqlite_path
from pipeline.store.lock import SoleWriter


def test_a_reader_cannot_write(url: str) -> None:
    with open_reader(url).connect() as connection, pytest.raises(DBAPIError):
        connection.execute(text("DELETE FROM settings"))


def test_a_reader_sees_what_was_committed_meanwhile(url: str) -> None:
    reader = open_reader(url)
    for number in range(3):
        with open_writer(url).begin() as connection:
            connection.execute(text("INSERT INTO settings (name, value) VALUES (:name, '1')"), {"name": str(number)})
        with reader.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM settings")).scalar() == number + 1
    reader.dispose()


def test_sqlite_is_durable_and_only_its_writer_checkpoints(sqlite_url: str) -> None:
    def pragma(engine: object, name: str) -> object:
        with engine.connect() as connection:  # type: ignore[attr-defined]
            return connection.exec_driver_sql("PRAGMA " + name).scalar()

    writer, reader = open_writer(sqlite_url), open_reader(sqlite_url)
    assert (pragma(writer, "journal_mode"), pragma(writer, "synchronous")) == ("wal", 2)
    assert pragma(writer, "wal_autocheckpoint") == 1_000
    assert (pragma(reader, "query_only"), pragma(reader, "wal_autocheckpoint")) == (1, 0)


@pytest.mark.postgres
def test_every_wait_for_postgresql_has_an_end(postgres_url: str) -> None:
    with open_writer(postgres_url).connect() as connection:
        shown = [connection.execute(text("SHOW " + name)).scalar() for name in ("statement_timeout", "lock_timeout", "synchronous_commit")]
    assert shown == ["2s", "2s", "on"]


def test_parameters_never_stand_in_an_error(url: str) -> None:
    with open_writer(url).connect() as connection, pytest.raises(DBAPIError) as failure:
        connection.execute(text("INSERT INTO nowhere VALUES (:value)"), {"value": "do not show me"})
    assert "do not show me" not in str(failure.value)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://localhost/x"])
def test_a_store_that_would_lose_data_is_refused(url: str) -> None:
    with pytest.raises(StoreError):
        parse_url(url)


def test_postgresql_means_psycopg() -> None:
    assert parse_url("postgresql://localhost/x").drivername == "postgresql+psycopg"
    assert sqlite_path("postgresql://localhost/x") is None


def test_a_missing_file_is_not_made_by_a_writer(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="db migrate"):
        open_writer(f"sqlite:///{tmp_path}/none.db").connect()
    assert list(tmp_path.iterdir()) == []


def test_files_are_for_their_owner_only(sqlite_url: str) -> None:
    path = sqlite_path(sqlite_url)
    assert path is not None
    lock = SoleWriter(path)
    lock.take()
    try:
        with pytest.raises(StoreError, match="another process"):
            SoleWriter(path).take()
        assert stat.S_IMODE(path.with_name(path.name + ".lock").stat().st_mode) == 0o600
    finally:
        lock.release()
    SoleWriter(path).take()
