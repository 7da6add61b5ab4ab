"""Migrations give the schema that `pipeline.store.tables` describes, on both databases, whole or not at all."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from pipeline.store import migrate as migrating
from pipeline.store.engine import StoreError, open_reader, open_writer
from pipeline.store.lock import SoleWriter
from pipeline.store.migrate import SchemaStatus, migrate, status
from pipeline.store.read_model import Filter
from pipeline.store.read_scope import Scope
from pipeline.store.read_spend import spend_total
from pipeline.store.rollups import roll_up
from pipeline.store.tables import metadata
from tests.servers.postgres import Postgres


def test_the_migrated_schema_is_that_of_the_tables(url: str) -> None:
    with open_reader(url).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": False})
        assert compare_metadata(context, metadata) == []


def test_indexes_are_the_same_too(url: str) -> None:
    with open_reader(url).connect() as connection:
        inspector = inspect(connection)
        for table in metadata.tables.values():
            found = {index["name"] for index in inspector.get_indexes(table.name)}
            assert {index.name for index in table.indexes} <= found


def test_migrating_twice_changes_nothing(url: str) -> None:
    before = status(url)
    assert before.up_to_date
    assert migrate(url) == before


def test_the_newest_revision_is_that_of_the_scripts() -> None:
    _, script = migrating._scripts()
    assert script.get_current_head() == migrating.NEWEST


def test_a_store_that_is_up_to_date_costs_no_import_of_alembic(sqlite_url: str) -> None:
    code = "import sys; from pipeline.store.migrate import migrate; migrate(sys.argv[1]); print('alembic' in sys.modules)"
    command = [sys.executable, "-c", code, sqlite_url]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3])
    assert done.stdout == "False\n"


def test_a_new_file_is_for_its_owner_only(tmp_path: Path) -> None:
    assert migrate(f"sqlite:///{tmp_path}/a b.db").up_to_date
    path = tmp_path / "a b.db"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_no_file_has_no_status(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="db migrate"):
        status(f"sqlite:///{tmp_path}/none.db")


def test_a_database_that_is_written_by_another_is_not_migrated(sqlite_url: str) -> None:
    lock = SoleWriter(Path(sqlite_url.removeprefix("sqlite:///")))
    lock.take()
    with pytest.raises(StoreError, match="another process"):
        migrate(sqlite_url)
    lock.release()


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_an_interrupted_migration_leaves_nothing_behind(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "postgres":
        server: Postgres = request.getfixturevalue("postgres")
        url = server.fresh_database()
    else:
        url = f"sqlite:///{tmp_path}/lockgate.db"

    def interrupted(connection: Any) -> None:
        with connection.begin():
            upgrade(connection)
            raise KeyboardInterrupt

    upgrade = _without_begin(migrating)
    with monkeypatch.context() as patch:
        patch.setattr(migrating, "_upgrade", interrupted)
        with pytest.raises(KeyboardInterrupt):
            migrate(url)
    with open_writer(url).connect() as connection:
        assert inspect(connection).get_table_names() == []
    assert migrate(url) == SchemaStatus(status(url).newest, status(url).newest)


def _without_begin(module: Any) -> Any:
    """The upgrade itself, inside a transaction that the caller began."""
    return module._run_scripts


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_outbox_rows_keep_their_order_behind_all_dead_letters_and_letters_learn_their_size(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("postgres").fresh_database() if kind == "postgres" else f"sqlite:///{tmp_path}/lockgate.db"
    engine = open_writer(url, create=True)
    with engine.connect() as connection:
        migrating._upgrade(connection, "0003")
        with connection.begin():
            for ident in (3, 5):
                row = f"({ident}, 'sre', 'traces', 1, 7, 'x')"
                columns = "id, destination, signal, bytes, items, payload"
                connection.exec_driver_sql(f"INSERT INTO outbox ({columns}) VALUES {row}")
            letter = "INSERT INTO dead_letters (id, destination, signal, items, attempts, payload) VALUES (5, 'sre', 'traces', 2, 1, 'abc')"
            connection.exec_driver_sql(letter)
    assert migrate(url).up_to_date
    with engine.connect() as connection, connection.begin():
        waiting = connection.exec_driver_sql("SELECT id, items FROM outbox ORDER BY id").all()
        assert [row[1] for row in waiting] == [7, 7]
        if kind == "sqlite":
            assert [row[0] for row in waiting] == [8, 10]
            connection.exec_driver_sql("DELETE FROM outbox")
            connection.exec_driver_sql(
                "INSERT INTO outbox (destination, signal, bytes, items, payload) VALUES ('sre', 'traces', 1, 1, 'x')"
            )
            assert connection.exec_driver_sql("SELECT id FROM outbox").scalar_one() == 11, "no id comes again"
        assert connection.exec_driver_sql("SELECT bytes FROM dead_letters").scalar_one() == 3
    engine.dispose()


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_budgets_keep_what_was_spent_and_learn_whose_they_are(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue("postgres").fresh_database() if kind == "postgres" else f"sqlite:///{tmp_path}/lockgate.db"
    engine = open_writer(url, create=True)
    with engine.connect() as connection:
        migrating._upgrade(connection, "0006")
        with connection.begin():
            columns = "id, scope_kind, scope_id, limit_micros, period, period_start_us, spent_micros, reserved_micros, created_us"
            for kind_of, scope in (("key", "K1"), ("workspace", "W1")):
                values = f"('{kind_of}', '{kind_of}', '{scope}', 100, 'month', 5, 60, 30, 1)"
                connection.exec_driver_sql(f"INSERT INTO budgets ({columns}) VALUES {values}")
    assert migrate(url).up_to_date
    with engine.connect() as connection:
        shown = "scope_id, spent_micros, reserved_micros, period_start_us, org_id, alert_at, origin"
        found = {tuple(row) for row in connection.exec_driver_sql(f"SELECT {shown} FROM budgets")}
    assert found == {("K1", 60, 30, 5, "default", "50,80,100", ""), ("W1", 60, 30, 5, "default", "50,80,100", "document")}
    engine.dispose()


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_a_store_of_the_first_release_keeps_its_money_and_its_keys(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue("postgres").fresh_database() if kind == "postgres" else f"sqlite:///{tmp_path}/lockgate.db"
    engine = open_writer(url, create=True)
    with engine.connect() as connection:
        migrating._upgrade(connection, "0006")
        with connection.begin():
            for ident, scope in (("B1", "workspace"), ("B2", "key")):
                values = f"('{ident}', '{scope}', 'S', 900, 'month', 5, 700, 40, 1)"
                columns = "id, scope_kind, scope_id, limit_micros, period, period_start_us, spent_micros, reserved_micros, created_us"
                connection.exec_driver_sql(f"INSERT INTO budgets ({columns}) VALUES {values}")
            _insert_old(connection)
    assert migrate(url).up_to_date
    with engine.connect() as connection:
        columns = "id, limit_micros, spent_micros, reserved_micros, org_id, origin, buckets, increase_micros"
        found = [tuple(row) for row in connection.exec_driver_sql(f"SELECT {columns} FROM budgets ORDER BY id")]
        assert found == [("B1", 900, 700, 40, "default", "document", "{}", 0), ("B2", 900, 700, 40, "default", "", "{}", 0)]
        key = connection.exec_driver_sql("SELECT alias, caveats_json, calls_used, parent_id, carved FROM virtual_keys").one()
        assert tuple(key) == ("old", "{}", 0, "", False)
        charge = connection.exec_driver_sql("SELECT cost_micros, tokens_input, tokens_input_image FROM charges").one()
        assert tuple(charge) == (700, 3, 0)
        assert spend_total(connection, Scope("default", None, {}), Filter())["cost_micros"] == 700
    with engine.begin() as connection:
        assert roll_up(connection, 10**16)
    with engine.connect() as connection:
        assert spend_total(connection, Scope("default", None, {}), Filter())["cost_micros"] == 700


def _insert_old(connection: Any) -> None:
    """One key and one charge, with what columns of 0006 have no default."""
    said = {"id": "K1", "alias": "old", "org_id": "default", "digest": "d", "cost_micros": 700, "tokens_input": 3, "request_id": "R1"}
    inspector = inspect(connection)
    for table in ("virtual_keys", "charges"):
        row = {}
        for column in inspector.get_columns(table):
            if column["name"] in said:
                row[column["name"]] = said[column["name"]]
            elif not column["nullable"] and column["default"] is None:
                row[column["name"]] = 0 if column["type"].python_type is int else ""
        names, values = ", ".join(row), ", ".join(f"'{value}'" if isinstance(value, str) else str(value) for value in row.values())
        connection.exec_driver_sql(f"INSERT INTO {table} ({names}) VALUES ({values})")
