"""Stored content in SQL: what calls said, redacted and sealed, until it expires or is removed. Nothing here opens it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, false, func, insert, select

from pipeline.store.read_model import Row
from pipeline.store.read_scope import Scope
from pipeline.store.tables import stored_contents

PURGE_ROWS = 200
"""How many rows one transaction deletes at most: others wait behind it, and a row may be large."""
Blob = bytes
_SHOWN = ("id", "created_us", "expires_us", "workspace_id", "key_id", "model", "parts", "bytes", "seal_key")


@dataclass(frozen=True, slots=True)
class SealedContent:
    """The content of one call as it is stored: AES-256-GCM, all else in clear. `parts` are the names of what is in it.

    `id` is the call's request id; times are epoch microseconds, `bytes` the size before sealing.
    """

    id: str
    created_us: int
    expires_us: int
    org_id: str
    workspace_id: str
    key_id: str
    model: str
    parts: str
    bytes: int
    seal_key: str
    nonce: Blob = field(repr=False)
    sealed: Blob = field(repr=False)


@dataclass(frozen=True, slots=True)
class Contents:
    """Which contents are meant; empty fields mean any. `before_us` is not included."""

    ids: tuple[str, ...] = ()
    key_id: str = ""
    before_us: int = 0


def put_content(connection: Connection, content: SealedContent) -> None:
    """Store the content of one call."""
    connection.execute(insert(stored_contents).values({name: getattr(content, name) for name in content.__slots__}))


def content(connection: Connection, scope: Scope, ident: str, now_us: int) -> SealedContent | None:
    """One content that has not expired, or None; nor is there any of another tenant's."""
    t = stored_contents.c
    row = connection.execute(select(stored_contents).where(t.id == ident, t.expires_us > now_us, _visible(scope))).first()
    if row is None:
        return None
    return SealedContent(**{**row._mapping, "nonce": bytes(row.nonce), "sealed": bytes(row.sealed)})


def contents_page(connection: Connection, scope: Scope, asked: Contents, *, limit: int, before: str, now_us: int) -> list[Row]:
    """What is stored, newest first, before the id `before`: everything but what was said."""
    t = stored_contents.c
    query = select(*(t[name] for name in _SHOWN)).where(_of(asked), _visible(scope), t.expires_us > now_us)
    if before:
        query = query.where(t.id < before)
    return [dict(row._mapping) for row in connection.execute(query.order_by(t.id.desc()).limit(limit))]


def contents_total(connection: Connection, scope: Scope, asked: Contents, *, now_us: int) -> Row:
    """How many match: `rows`, `bytes`."""
    t = stored_contents.c
    query = select(func.count(), func.sum(t.bytes)).where(_of(asked), _visible(scope), t.expires_us > now_us)
    row = connection.execute(query).one()
    return {"rows": int(row[0]), "bytes": int(row[1] or 0)}


def pick_contents(connection: Connection, asked: Contents, org_id: str) -> tuple[str, ...]:
    """The ids of the oldest matching ones that one transaction may remove."""
    t = stored_contents.c
    return tuple(connection.execute(select(t.id).where(_of(asked), t.org_id == org_id).order_by(t.id).limit(PURGE_ROWS)).scalars())


def remove_contents(connection: Connection, ids: Sequence[str]) -> int:
    """Remove contents for good; says how many there were."""
    return connection.execute(delete(stored_contents).where(stored_contents.c.id.in_(ids))).rowcount


def purge_contents(connection: Connection, now_us: int) -> int:
    """Remove contents that have expired, at most `PURGE_ROWS`; says how many."""
    t = stored_contents.c
    expired = select(t.id).where(t.expires_us <= now_us).limit(PURGE_ROWS)
    return connection.execute(delete(stored_contents).where(t.id.in_(expired))).rowcount


def _of(asked: Contents) -> ColumnElement[bool]:
    t = stored_contents.c
    parts: list[Any] = [t.id != ""]
    if asked.ids:
        parts.append(t.id.in_(asked.ids))
    if asked.key_id:
        parts.append(t.key_id == asked.key_id)
    if asked.before_us:
        parts.append(t.created_us < asked.before_us)
    return and_(*parts)


def _visible(scope: Scope) -> ColumnElement[bool]:
    t = stored_contents.c
    if scope.ids is None:
        return t.org_id == scope.org_id
    return and_(t.org_id == scope.org_id, t.workspace_id.in_(scope.ids) if scope.ids else false())
