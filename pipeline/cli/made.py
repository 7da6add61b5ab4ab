"""The references that were made by REST, read from the store for commands that look at a document without a gateway."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.config.environment import Process
    from pipeline.vaults.model import SecretRef


@dataclass(frozen=True, slots=True)
class Made:
    """References by slug, and the slugs whose kill switch is set."""

    references: Mapping[str, SecretRef] = field(default_factory=dict)
    disabled: frozenset[str] = frozenset()


def made_references(process: Process) -> Made:
    """What the store has; nothing where there is no store yet, or one that the next start will migrate. LedgerError when it is away."""
    from sqlalchemy.exc import SQLAlchemyError

    from pipeline.config.environment import database_url
    from pipeline.errors import LedgerError
    from pipeline.store.engine import StoreError, sqlite_path
    from pipeline.store.migrate import status
    from pipeline.store.read_engine import open_read_engine, reading
    from pipeline.vaults.reference_sql import load_references, read_switches

    url, home = database_url(process), process.layout
    path = sqlite_path(url)
    if not home.store_key_file.exists() or (path is not None and not path.exists()):
        return Made()
    try:
        if not status(url).up_to_date:
            return Made()
        engine = open_read_engine(url)
        try:
            with reading(engine) as connection:
                stored = load_references(connection, home.store_keys())
                disabled = frozenset(switch.slug for switch in read_switches(connection) if switch.disabled_us)
        finally:
            engine.dispose()
    except (StoreError, SQLAlchemyError) as error:
        raise LedgerError(
            f"The store cannot be read ({type(error).__name__}).", hint="Check LOCKGATE_DATABASE_URL and the server."
        ) from None
    return Made({each.slug: each.ref() for each in stored}, disabled)
