"""Revisions: numbers that change in the transaction of a change, so that every worker sees within a second that it must read again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from pipeline.store.tables import revisions

KEYS: Final = "keys"
LOGINS: Final = "logins"
SECRETS: Final = "secrets"
REFERENCES: Final = "references"


def bump(connection: Connection, name: str) -> None:
    """Change a revision; part of the caller's transaction."""
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    query = dialect.insert(revisions).values(name=name, value=1)
    connection.execute(query.on_conflict_do_update(index_elements=["name"], set_={"value": revisions.c.value + 1}))


def read_revisions(connection: Connection, names: Iterable[str]) -> dict[str, int]:
    """The current numbers; 0 for one that never changed."""
    wanted = tuple(names)
    found = {row.name: row.value for row in connection.execute(select(revisions).where(revisions.c.name.in_(wanted)))}
    return {name: int(found.get(name, 0)) for name in wanted}
