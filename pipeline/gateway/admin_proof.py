"""Proof over HTTP: of one event, of what checkpoints there are, of whether a value was ever seen. Asking for it is itself an event."""

from __future__ import annotations

from typing import Any, Final

from pipeline.errors import BadRequest, KeyOutOfScope
from pipeline.gateway.admin_reads import apart, reads_for
from pipeline.gateway.model import House
from pipeline.gateway.request import AdminRequest, Reply, Who, admin_event
from pipeline.gateway.routes import READERS
from pipeline.keys.seen import hashes_of, value_of, view, where_seen
from pipeline.ledger.copies import line_of
from pipeline.ledger.inclusion import prove_event
from pipeline.store.checkpoints import all_checkpoints
from pipeline.store.read_engine import reading

JSON_LINES: Final = "application/jsonl"


async def proof(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /v1/audit/events/{id}/proof`: that the event was written down, for whoever has only the public key."""
    assert who is not None
    event_id = request.params["id"]
    seen = await apart(house, lambda: reads_for(house, who).event(event_id))
    if seen is None:
        raise BadRequest("There is no event with this id.", code="event_not_found", status=404)
    await house.ledger.append(admin_event(house, request, who, "audit:event:prove", "ok", {"event": event_id}))

    def prove() -> dict[str, Any]:
        with reading(house.desk.reader) as connection:
            return prove_event(connection, event_id, who.org_id)

    return Reply(json=await apart(house, prove))


async def checkpoints(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /v1/audit/checkpoints?chain=…`: checkpoints as lines that the offline verifier reads."""
    of_installation(who)
    chain = request.query().get("chain", "")
    await house.ledger.append(admin_event(house, request, who, "audit:checkpoint:read", "ok", {"chain": chain}))

    def lines() -> bytes:
        with reading(house.desk.reader) as connection:
            return b"".join(map(line_of, all_checkpoints(connection, chain)))

    return Reply(content=await apart(house, lines), content_type=JSON_LINES)


async def hash_value(house: House, request: AdminRequest, who: Who | None, body: dict[str, Any]) -> Reply:
    """`POST /v1/audit/hash` with `{"value": …}`: the keyed hashes that the value would have left, and where they stand. Nothing is kept."""
    assert who is not None
    hashes = hashes_of(value_of(body), house.desk.office.peppers)

    def look() -> dict[str, Any]:
        with reading(house.desk.reader) as connection:
            return where_seen(connection, hashes, who.org_id)

    found = await apart(house, look)
    await house.ledger.append(admin_event(house, request, who, "audit:value:search", "ok", {"seen": found["seen"]}))
    return Reply(json=view(hashes, found))


def of_installation(who: Who | None) -> None:
    """Chains hold the events of every organization, so what is made of whole chains is for the first one's readers. KeyOutOfScope."""
    assert who is not None
    if who.org_id != "default" or who.role not in READERS:
        raise KeyOutOfScope("Chains and checkpoints belong to the installation, not to an organization.")
