"""The outbox over HTTP: the loss equation, dead letters to look at, to send again and to give up. Every change is an event."""

from __future__ import annotations

from typing import Any

from collectors.model import CollectorError
from collectors.otlp.readable import readable
from pipeline.clock import rfc3339
from pipeline.errors import BadRequest
from pipeline.gateway.admin_keys import actor_of
from pipeline.gateway.admin_reads import apart, reads_for
from pipeline.gateway.model import House
from pipeline.gateway.request import AdminRequest, Reply, Who, admin_event
from pipeline.keys.letters import drop_letters, read_letters, read_order, replay_letters
from pipeline.store.read_model import Row

MAX_PAGE = 1000


async def status(house: House, _request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /v1/outbox`: the loss equation per destination and signal, and what was rejected for which reason."""
    reads = reads_for(house, who)
    rows = await apart(house, reads.accounts)
    return Reply(json={"object": "list", "data": rows, "rejections": await apart(house, reads.rejections)})


async def letters(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /v1/outbox/dead-letters?destination=&signal=&reason=&from=&to=&limit=&cursor=`: dead letters, oldest first, without content."""
    params = request.query()
    asked, limit, after = read_letters(params), _whole(params, "limit", 50, MAX_PAGE), _whole(params, "cursor", 0, 1 << 62)
    reads = reads_for(house, who)
    rows = await apart(house, lambda: reads.letters(asked, limit=limit, after=after))
    total = await apart(house, lambda: reads.letters_total(asked))
    cursor = str(rows[-1]["id"]) if len(rows) == limit else None
    return Reply(json={"object": "list", "total": total, "data": [shown(row) for row in rows], "next_cursor": cursor})


async def letter(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /v1/outbox/dead-letters/{id}`: one with its content, which was redacted before it was kept. Looking is an event.

    One that holds what has become a live secret since is not shown (409 `letter_withheld`).
    """
    ident = request.params["id"]
    reads = reads_for(house, who)
    row = await apart(house, lambda: reads.letter(int(ident))) if ident.isascii() and ident.isdigit() and len(ident) < 19 else None
    if row is None:
        raise no_letter()
    payload = row.pop("payload")
    detail = {"letter": row["id"], "destination": row["destination"], "signal": row["signal"]}
    dirty = house.is_dirty(payload)
    outcome, code = ("refused", "letter_withheld") if dirty else ("ok", "")
    await house.ledger.append(
        admin_event(house, request, who, "admin:outbox:read", outcome, detail, status=409 if dirty else 200, error=code)
    )
    if dirty:
        raise withheld_letter()
    try:
        content = await apart(house, lambda: readable(row["signal"], payload))
    except CollectorError:
        content = None
    return Reply(json={**shown(row), "content": content})


async def replay(house: House, request: AdminRequest, who: Who | None, body: dict[str, Any]) -> Reply:
    """`POST /v1/outbox/replay {"destination", "signal", "reason", "from", "to", "ids", "all"}`: send dead letters again, oldest first."""
    moved = await replay_letters(house.desk.office, actor_of(request, who), read_order(body))
    house.wake_outbox()
    return Reply(json=moved)


async def drop(house: House, request: AdminRequest, who: Who | None, body: dict[str, Any]) -> Reply:
    """`POST /v1/outbox/drop` with the fields of a replay, and `waiting`: give up dead letters, or what waits for one destination."""
    moved = await drop_letters(house.desk.office, actor_of(request, who), read_order(body, may_wait=True))
    return Reply(json=moved)


def no_letter() -> BadRequest:
    """404: nothing has this id."""
    return BadRequest("There is no such dead letter.", code="letter_not_found", status=404)


def withheld_letter() -> BadRequest:
    """409: what it holds is not shown."""
    hint = "Drop it: it will not be sent."
    return BadRequest("This dead letter holds what is a live secret now.", hint=hint, code="letter_withheld", status=409)


def shown(row: Row) -> Row:
    """A dead letter as JSON: times as RFC 3339 beside the microseconds."""
    return {"object": "dead_letter", **row, "created_at": rfc3339(row["created_us"]), "buried_at": rfc3339(row["buried_us"])}


def _whole(params: dict[str, str], name: str, default: int, most: int) -> int:
    text = params.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 19 and int(text) <= most) or (name == "limit" and int(text) < 1):
        raise BadRequest(f"{name} is a whole number.", param=name)
    return int(text)
