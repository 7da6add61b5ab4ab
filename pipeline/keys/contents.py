"""What people do about stored content besides reading it: remove it before its time, each removal an event of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection

from collectors.genai import PARTS, REFERENCE
from pipeline.clock import parse_rfc3339
from pipeline.errors import BadRequest, plain_name
from pipeline.ids import is_ulid
from pipeline.keys.service import Actor, Office, event
from pipeline.store.contents import Contents, pick_contents, remove_contents

FIELDS: Final = frozenset({"ids", "key_id", "before"})
MAX_IDS: Final = 1_000


def content_id(text: str) -> tuple[str, str]:
    """The call's id and the part (or "") of a reference as it stands on a span, or of an id alone. BadRequest (404) for anything else."""
    ident, colon, part = text.removeprefix(REFERENCE).partition(":")
    if not is_ulid(ident) or (colon and part not in PARTS):
        raise BadRequest(
            "There is no such content.", hint="Name a reference from a span or a request id.", code="content_not_found", status=404
        )
    return ident, part


def read_contents(params: Mapping[str, Any]) -> Contents:
    """Read which contents are meant from query parameters or a body. BadRequest names the wrong field."""
    ids = params.get("ids", ())
    ids = [part for part in ids.split(",") if part] if isinstance(ids, str) else ids
    if not isinstance(ids, list | tuple) or len(ids) > MAX_IDS or not all(isinstance(one, str) for one in ids):
        raise BadRequest(f"ids are at most {MAX_IDS} texts.", param="ids")
    key_id = params.get("key_id", "")
    if not isinstance(key_id, str) or (key_id and not is_ulid(key_id)):
        raise BadRequest("key_id is the id of a key.", param="key_id")
    before = params.get("before", "")
    try:
        before_us = max(1, parse_rfc3339(before)) if before else 0  # 0 would mean any: the epoch is before everything
    except (ValueError, OverflowError, TypeError, AttributeError):
        raise BadRequest("before is not a time.", hint="Write RFC 3339 or a date.", param="before") from None
    return Contents(tuple(content_id(one)[0] for one in ids), key_id, before_us)


def read_removal(body: Mapping[str, Any]) -> Contents:
    """Read the body of a removal: a filter, or `all: true`. Nothing at all is refused: it is never meant."""
    for name in body:
        if name not in FIELDS | {"all"}:
            raise BadRequest(
                "There is no such field here.", hint=f"Known are {', '.join(sorted(FIELDS | {'all'}))}.", param=plain_name(name)
            )
    if not isinstance(body.get("all", False), bool):
        raise BadRequest("all is true or false.", param="all")
    asked = read_contents(body)
    if "ids" in body and not asked.ids:
        raise BadRequest("ids names none.", hint="Leave it out to remove by key or time.", param="ids")
    if not body.get("all") and asked == Contents():
        raise BadRequest("Say which: ids, a key, a time, or all of it.", hint='Send {"all": true}.')
    return asked


async def delete_contents(office: Office, actor: Actor, asked: Contents) -> dict[str, Any]:
    """Remove stored content for good (`POST /v1/contents/delete`): some rows a transaction, oldest first, each with its event."""
    until = Contents(asked.ids, asked.key_id, min(asked.before_us or office.clock.now_us(), office.clock.now_us()))
    chosen: dict[str, Any] = {"key": asked.key_id, "before_us": asked.before_us, "named": len(asked.ids)}
    detail = {name: value for name, value in chosen.items() if value}
    rows = 0

    def look(connection: Connection) -> tuple[str, ...]:
        return pick_contents(connection, until, actor.org_id)

    while ids := await office.ledger.run(look):

        def apply(connection: Connection, ids: tuple[str, ...] = ids) -> int:
            return remove_contents(connection, ids)

        removal = {"rows": len(ids), "first": ids[0], "last": ids[-1], "filter": detail}
        rows += await office.ledger.change(event(office, actor, "admin:content:delete", removal), apply)
    return {"object": "contents.delete", "rows": rows}
