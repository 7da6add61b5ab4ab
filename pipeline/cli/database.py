"""`db`: the store's schema, and a copy of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.context import JsonOption, process_of

app = typer.Typer(help="The store: migrate, status, backup.", no_args_is_help=True, rich_markup_mode=None)


@app.command("migrate")
def migrate(context: typer.Context, as_json: JsonOption = False) -> None:
    """Bring the store to the newest schema. `up` and `serve` do that themselves; replicas of a cluster may want it done before.

    Example: lockgate db migrate
    """
    from pipeline.cli.output import note, print_json
    from pipeline.config.environment import database_url
    from pipeline.config.home import prepare_home
    from pipeline.errors import ConfigError
    from pipeline.store.engine import StoreError
    from pipeline.store.migrate import migrate as bring_up

    process = process_of(context)
    if process.database_url is None:
        prepare_home(process.home)
    try:
        reached = bring_up(database_url(process))
    except StoreError as error:
        raise ConfigError(f"The store cannot be migrated: {error}.", hint="Stop the gateway first: it migrates when it starts.") from None
    if as_json:
        print_json("lockgate.db.migrate/1", {"revision": reached.current})
    else:
        note(f"The store is at {reached.current}.")


@app.command("status")
def status(context: typer.Context, as_json: JsonOption = False) -> None:
    """Say where the store's schema stands: 0 when it is the newest, 1 when not.

    Example: lockgate db status
    """
    from pipeline.cli.exits import FAILED
    from pipeline.cli.output import print_json
    from pipeline.cli.reading import existing_url
    from pipeline.store.migrate import status as where

    found = where(existing_url(process_of(context)))
    if as_json:
        print_json("lockgate.db.status/1", {"ok": found.up_to_date, "current": found.current or None, "newest": found.newest})
    else:
        print(f"current {found.current or '(empty)'}, newest {found.newest}")
    raise typer.Exit(0 if found.up_to_date else FAILED)


@app.command("backup")
def backup(context: typer.Context, target: Annotated[Path, typer.Argument(help="The file to write; it must not exist.")]) -> None:
    """Copy the embedded database while it is in use: one consistent moment, owner-only. PostgreSQL has pg_dump.

    Example: lockgate db backup lockgate-backup.db
    """
    import os
    import sqlite3
    from contextlib import closing
    from urllib.parse import quote

    from pipeline.cli.output import note
    from pipeline.cli.reading import existing_url
    from pipeline.errors import BadRequest, ConfigError
    from pipeline.store.engine import sqlite_path

    path = sqlite_path(existing_url(process_of(context)))
    if path is None:
        raise ConfigError("This store is not the embedded database.", hint="Use pg_dump for PostgreSQL.")
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise BadRequest(f"{target} exists already.", hint="Name another file, or remove it.") from None
    except OSError as error:
        raise BadRequest(
            f"{target} cannot be written ({type(error).__name__}).", hint="Name a file in a folder that you may write."
        ) from None
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as source, closing(sqlite3.connect(target)) as copy:
        source.execute("PRAGMA wal_autocheckpoint = 0")
        source.backup(copy)
    note(f"Written to {target}. The journal, pepper.json and store.key in {path.parent} belong to a full backup, too.")
