"""Bring a store to the newest schema, and say where it stands. Needs no alembic.ini: the scripts are in this package."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from sqlalchemy import Connection, Engine, inspect, text

from pipeline.store.engine import StoreError, open_writer, sqlite_path
from pipeline.store.lock import SoleWriter

NEWEST = "0012"
"""The newest revision in `migrations/versions`; a test keeps it so."""

_MIGRATION_TIMEOUT_MS = 600_000
_LOCK = 7_310_564_017  # any number that nothing else uses: two replicas that start together migrate one after the other


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """The revision a store is at ("" when it is empty), and the newest one."""

    current: str
    newest: str

    @property
    def up_to_date(self) -> bool:
        """Whether nothing is left to do."""
        return self.current == self.newest


def migrate(url: str) -> SchemaStatus:
    """Migrate to the newest schema in one transaction, creating the database file when there is none.

    Interrupted, it leaves the store as it was. Raises StoreError when another process writes the database, and database
    errors as they come.
    """
    path = sqlite_path(url)
    lock = SoleWriter(path) if path is not None else None
    engine = open_writer(url, create=True, statement_timeout_ms=_MIGRATION_TIMEOUT_MS)
    try:
        if lock is not None:
            lock.take()
        found = _status(engine)
        if found.up_to_date:
            return found
        with engine.connect() as connection:
            _upgrade(connection)
        return _status(engine)
    finally:
        engine.dispose()
        if lock is not None:
            lock.release()


def status(url: str) -> SchemaStatus:
    """Where a store stands. Reads only; raises StoreError when there is no database file."""
    from pipeline.store.engine import open_reader

    path = sqlite_path(url)
    if path is not None and not path.exists():
        raise StoreError(f"there is no database at {path}; run: lockgate db migrate")
    engine = open_reader(url)
    try:
        return _status(engine)
    finally:
        engine.dispose()


def _upgrade(connection: Connection, until: str = "heads") -> None:
    with connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        _run_scripts(connection, until)


def _run_scripts(connection: Connection, until: str = "heads") -> None:
    """Run the scripts that are missing (up to one of them), in the transaction that is open."""
    from alembic.runtime.migration import MigrationContext

    _, script = _scripts()

    def plan(revision: Any, _context: Any) -> Any:
        return script._upgrade_revs(until, revision)

    context = MigrationContext.configure(connection, opts={"fn": plan, "transactional_ddl": True, "script": script})
    from alembic.operations import Operations

    with Operations.context(context):
        context.run_migrations()


def _status(engine: Engine) -> SchemaStatus:
    """Read the revision without Alembic, whose import takes longer than everything else at a start."""
    with engine.connect() as connection:
        known = inspect(connection).has_table("alembic_version")
        current = connection.execute(text("SELECT version_num FROM alembic_version")).scalar() if known else None
    return SchemaStatus(str(current or ""), NEWEST)


def _scripts() -> tuple[Any, Any]:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(files("pipeline.store").joinpath("migrations")).replace("%", "%%"))
    return config, ScriptDirectory.from_config(config)
