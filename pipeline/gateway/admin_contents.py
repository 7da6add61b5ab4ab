"""Stored content over HTTP: what there is, one call's content, and its removal. Who looks is written down before anything is shown."""

from __future__ import annotations

from typing import Any

import orjson

from pipeline.clock import rfc3339
from pipeline.errors import BadRequest
from pipeline.gateway.admin_keys import actor_of
from pipeline.gateway.admin_reads import apart, reads_for
from pipeline.gateway.contents import open_content
from pipeline.gateway.model import House
from pipeline.gateway.request import AdminRequest, Reply, Who, admin_event
from pipeline.keys.contents import content_id, delete_contents, read_contents, read_removal
from pipeline.store.contents import SealedContent
from pipeline.store.read_model import Row

MAX_PAGE = 1000


async def contents(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /v1/contents?key_id=&before=&limit=&cursor=`: what is stored, newest first, without what was said."""
    params = request.query()
    limit, cursor = _limit(params.get("limit", "50")), params.get("cursor", "")
    asked, now_us = read_contents(params), house.clock.now_us()
    before = content_id(cursor)[0] if cursor else ""
    reads = reads_for(house, who)
    rows = await apart(house, lambda: reads.contents(asked, now_us, limit=limit, before=before))
    total = await apart(house, lambda: reads.contents_total(asked, now_us))
    return Reply(json=page(rows, total, limit))


async def content(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /v1/contents/{id}`: what a call said, redacted as it was stored. `{id}` is a reference from a span, or the request id.

    409 `content_withheld` when it holds what has become a live secret since, `content_sealed` when its key is gone or it was changed.
    """
    ident, part = content_id(request.params["id"])
    reads = reads_for(house, who)
    row = await apart(house, lambda: reads.content(ident, house.clock.now_us()))
    if row is None:
        raise no_content()
    key = await house.contents.keys.named(row.seal_key)
    opened = None if key is None else await apart(house, lambda: open_content(key, row))
    trouble = trouble_of(opened, opened is not None and await apart(house, lambda: house.is_dirty(orjson.dumps(opened))))
    detail = {"content": row.id, "of_key": row.key_id, "part": part}
    outcome, status, code = ("ok", 200, "") if trouble is None else ("refused", trouble.status, trouble.code)
    await house.ledger.append(admin_event(house, request, who, "admin:content:read", outcome, detail, status=status, error=code))
    if trouble is not None or opened is None:
        raise trouble or no_content()
    return Reply(json=told(row, opened, part))


async def delete(house: House, request: AdminRequest, who: Who | None, body: dict[str, Any]) -> Reply:
    """`POST /v1/contents/delete {"ids", "key_id", "before", "all"}`: remove stored content before its time, for good."""
    return Reply(json=await delete_contents(house.desk.office, actor_of(request, who), read_removal(body)))


def shown(row: Row) -> Row:
    """A stored content as JSON, without what was said: times as RFC 3339 beside the microseconds."""
    times = {"created_at": rfc3339(row["created_us"]), "expires_at": rfc3339(row["expires_us"])}
    return {"object": "content", **row, "parts": [part for part in row["parts"].split(",") if part], **times}


def page(rows: list[Row], total: Row, limit: int) -> dict[str, Any]:
    """A page of them."""
    return {
        "object": "list",
        "total": total,
        "data": [shown(row) for row in rows],
        "next_cursor": rows[-1]["id"] if len(rows) == limit else None,
    }


def told(row: SealedContent, opened: dict[str, Any], part: str) -> Row:
    """A stored content as JSON with what was said, or one part of it."""
    plain = {name: getattr(row, name) for name in row.__slots__ if name not in ("nonce", "sealed", "org_id")}
    return {**shown(plain), "content": {name: value for name, value in opened.items() if part in ("", name)}}


def no_content() -> BadRequest:
    """404: nothing is stored under this reference."""
    return BadRequest("There is no such content.", hint="It may have expired.", code="content_not_found", status=404)


def trouble_of(opened: dict[str, Any] | None, dirty: bool) -> BadRequest | None:
    """409 when a content did not open or holds a live secret; None when it may be shown."""
    if opened is None:
        hint = "Its key is gone, or the row was changed."
        return BadRequest("This content cannot be opened.", hint=hint, code="content_sealed", status=409)
    if dirty:
        hint = "Remove it, or change the secret."
        return BadRequest("This content holds what is a live secret now.", hint=hint, code="content_withheld", status=409)
    return None


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= MAX_PAGE):
        raise BadRequest(f"limit is a whole number from 1 to {MAX_PAGE}.", param="limit")
    return int(text)
