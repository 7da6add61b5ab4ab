"""Looks at what was kept, without a gateway: as the admin API does them, with the live secrets of the document resolved from this shell.

Whoever looks is written down before anything is shown, and what holds a live secret is not shown.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, Protocol

import orjson
from sqlalchemy import Engine

from collectors.model import CollectorError
from collectors.otlp.readable import readable
from pipeline.cli.resolving import live_secrets
from pipeline.config.environment import Process
from pipeline.config.home import Home
from pipeline.errors import BadRequest
from pipeline.gateway import admin_contents, admin_outbox
from pipeline.gateway.content_keys import ContentKeys
from pipeline.gateway.contents import open_content
from pipeline.keys.contents import content_id, read_contents
from pipeline.store.read_model import Tenant
from pipeline.store.reads import Reads


class Note(Protocol):
    """Writes an event down."""

    def __call__(self, kind: str, detail: dict[str, Any], outcome: str, /) -> Awaitable[None]:
        """Write it; raises LedgerError."""
        ...


async def look_at_letter(process: Process, engine: Engine, note: Note, ident: int) -> dict[str, Any]:
    """One dead letter with its content, as `GET /v1/outbox/dead-letters/{id}` gives it."""
    row = Reads(engine, Tenant()).letter(ident)
    if row is None:
        raise admin_outbox.no_letter()
    payload = row.pop("payload")
    async with live_secrets(process) as live:
        dirty = live.is_dirty(payload)
    detail = {"letter": row["id"], "destination": row["destination"], "signal": row["signal"]}
    await note("admin:outbox:read", detail, "refused" if dirty else "ok")
    if dirty:
        raise admin_outbox.withheld_letter()
    try:
        content = readable(row["signal"], payload)
    except CollectorError:
        content = None
    return {**admin_outbox.shown(row), "content": content}


def list_contents(engine: Engine, filters: Mapping[str, str], now_us: int) -> dict[str, Any]:
    """Stored content, newest first, as `GET /v1/contents` gives it."""
    limit, cursor = int(filters.get("limit", "50")), filters.get("cursor", "")
    asked, reads = read_contents(filters), Reads(engine, Tenant())
    rows = reads.contents(asked, now_us, limit=limit, before=content_id(cursor)[0] if cursor else "")
    return admin_contents.page(rows, reads.contents_total(asked, now_us), limit)


async def look_at_content(process: Process, engine: Engine, home: Home, note: Note, reference: str, now_us: int) -> dict[str, Any]:
    """What a call said, as `GET /v1/contents/{id}` gives it."""
    ident, part = content_id(reference)
    row = Reads(engine, Tenant()).content(ident, now_us)
    if row is None:
        raise admin_contents.no_content()
    async with live_secrets(process) as live:
        key = await ContentKeys(home.store_keys(), live.resolver, lambda: live.references.content_key).named(row.seal_key)
        opened = None if key is None else open_content(key, row)
        trouble = admin_contents.trouble_of(opened, opened is not None and live.is_dirty(orjson.dumps(opened)))
    await note("admin:content:read", {"content": row.id, "of_key": row.key_id, "part": part}, "ok" if trouble is None else "refused")
    if trouble is not None or opened is None:
        raise trouble or BadRequest("This content cannot be opened.")
    return admin_contents.told(row, opened, part)
