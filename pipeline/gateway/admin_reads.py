"""Reading the record over HTTP: events, spend, accounts, as JSON or CSV. Reading it is itself an event."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, TypeVar, cast, get_args

import orjson

from pipeline.errors import BadRequest
from pipeline.gateway.model import House
from pipeline.gateway.request import AdminRequest, Reply, Who, admin_event
from pipeline.store.export import csv_lines, event_lines
from pipeline.store.read_model import Tenant, parse_filter
from pipeline.store.reads import REDACTION_GROUPS, Reads, SpendGroup

T = TypeVar("T")

MAX_PAGE = 1000
CSV = "text/csv; charset=utf-8"


def reads_for(house: House, who: Who | None) -> Reads:
    """The read model as this identity may see it."""
    assert who is not None
    nowhere = "!" if who.role == "manager" else ""  # a name that no workspace can have: a manager of none sees nothing
    return house.desk.reads.seen_by(Tenant(who.org_id, who.workspace_id or nowhere))


async def apart(house: House, read: Callable[[], T]) -> T:
    """Run a read off the event loop."""
    return await asyncio.get_running_loop().run_in_executor(house.pool, read)


async def events(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /v1/audit/events`: a page (`limit`, `cursor`) as JSON, or all of the filter as CSV (`format=csv`), which is recorded."""
    params = request.query()
    asked = parse_filter(params)
    reads = reads_for(house, who)
    if params.get("format", "json") == "csv":
        detail = {"what": "events", "format": "csv", "filter": {name: value for name, value in params.items() if name != "format"}}
        await house.ledger.append(admin_event(house, request, who, "audit:export:create", "ok", detail))
        lines = event_lines(reads.iterate_events(asked))
        return Reply(
            content=_streamed(house, lines), content_type=CSV, headers={"content-disposition": 'attachment; filename="events.csv"'}
        )
    limit = _whole(params.get("limit", "50"))
    page = await apart(house, lambda: reads.events_page(asked, limit=limit, cursor=params.get("cursor", "")))
    total = await apart(house, lambda: reads.count_events(asked))
    await house.ledger.append(admin_event(house, request, who, "audit:event:read", "ok", {"filter": dict(params), "total": total}))
    return Reply(json={"object": "list", "total": total, "data": [_readable(row) for row in page.rows], "next_cursor": page.older or None})


async def spend(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /v1/spend?group_by=key|model|day|workspace`: sums in micro-dollars, as JSON or CSV."""
    params = request.query()
    group = params.get("group_by", "key")
    if group not in get_args(SpendGroup):
        raise BadRequest("There is no such grouping.", hint=f"Use one of {', '.join(get_args(SpendGroup))}.", param="group_by")
    asked = parse_filter(params)
    reads = reads_for(house, who)
    rows = await apart(house, lambda: reads.spend(asked, cast(SpendGroup, group), params.get("tz", "")))
    if params.get("format", "json") == "csv":
        await house.ledger.append(
            admin_event(house, request, who, "audit:export:create", "ok", {"what": "spend", "format": "csv", "group_by": group})
        )
        return Reply(
            content="".join(csv_lines(rows)).encode(), content_type=CSV, headers={"content-disposition": 'attachment; filename="spend.csv"'}
        )
    total = await apart(house, lambda: reads.spend_total(asked))
    return Reply(json={"object": "list", "group_by": group, "total": total, "data": rows})


async def redactions(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /v1/redactions?group_by=rule|detector|direction|action|day`: how often rules acted, as JSON or CSV; never on what."""
    params = request.query()
    group = params.get("group_by", "rule")
    if group not in REDACTION_GROUPS:
        raise BadRequest("There is no such grouping.", hint=f"Use one of {', '.join(REDACTION_GROUPS)}.", param="group_by")
    asked = parse_filter(params)
    reads = reads_for(house, who)
    rows = await apart(house, lambda: reads.redactions(asked, group, params.get("tz", "")))
    if params.get("format", "json") == "csv":
        detail = {"what": "redactions", "format": "csv", "group_by": group}
        await house.ledger.append(admin_event(house, request, who, "audit:export:create", "ok", detail))
        headers = {"content-disposition": 'attachment; filename="redactions.csv"'}
        return Reply(content="".join(csv_lines(rows)).encode(), content_type=CSV, headers=headers)
    total = await apart(house, lambda: reads.redactions_total(asked))
    return Reply(json={"object": "list", "group_by": group, "total": total, "data": rows})


async def _streamed(house: House, lines: Iterator[str]) -> AsyncIterator[bytes]:
    """Pull lines on a worker thread, a block at a time, so that an export of any size needs constant memory and never blocks."""

    def block() -> bytes:
        parts: list[str] = []
        for line in lines:
            parts.append(line)
            if len(parts) >= 500:
                break
        return "".join(parts).encode()

    while piece := await apart(house, block):
        yield piece


def _readable(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with its detail as JSON, as it was before it was stored as text."""
    return {**row, "detail": orjson.loads(row["detail"])}


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= MAX_PAGE):
        raise BadRequest(f"limit is a whole number from 1 to {MAX_PAGE}.", param="limit")
    return int(text)
