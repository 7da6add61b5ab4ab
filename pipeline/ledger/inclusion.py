"""The proof that one event was written down: everything that somebody without the database needs to check it.

Format `lockgate-proof/1`, a JSON object: `event`, the canonical form as text; `prev_hash` and `hash` of it; `index` of its leaf in the
checkpoint's segment and `size` of that; `path`, the neighbors up to the root, lowest first, in hex; `checkpoint` and `signature`.
"""

from __future__ import annotations

from typing import Any

import orjson
from sqlalchemy import Connection, select

from pipeline.errors import BadRequest
from pipeline.ledger import merkle
from pipeline.ledger.chain import canonical
from pipeline.store import checkpoints as sql
from pipeline.store.statements import EVENT_COLUMNS
from pipeline.store.tables import events

FORMAT = "lockgate-proof/1"


def prove_event(connection: Connection, event_id: str, org_id: str = "default") -> dict[str, Any]:
    """The proof of an event of an organization. BadRequest when there is none, or no checkpoint covers it yet."""
    columns = [events.c[name] for name in EVENT_COLUMNS]
    found = connection.execute(select(*columns).where(events.c.id == event_id, events.c.org_id == org_id)).first()
    if found is None:
        raise BadRequest("There is no event with this id.", code="event_not_found", status=404)
    row = tuple(found)
    chain, seq = row[2], row[12]
    point = sql.checkpoint_over(connection, chain, seq)
    if point is None:
        raise BadRequest(
            "No checkpoint covers this event yet.",
            hint="One is made every `audit.checkpoints.every_s` seconds.",
            code="not_covered",
            status=409,
        )
    leaves = sql.leaves_of(connection, chain, point.first_seq, point.last_seq)
    index = seq - point.first_seq
    if len(leaves) != point.last_seq - point.first_seq + 1 or leaves[index] != (seq, row[18]):
        raise BadRequest("The chain is broken around this event.", hint="See `lockgate audit verify`.", code="chain_broken", status=409)
    return {
        "format": FORMAT,
        "event": canonical(row[:17]).decode(),
        "prev_hash": row[17],
        "hash": row[18],
        "index": index,
        "size": len(leaves),
        "path": [neighbor.hex() for neighbor in merkle.path([merkle.leaf(digest) for _, digest in leaves], index)],
        "checkpoint": orjson.loads(point.body),
        "signature": point.signature,
    }
