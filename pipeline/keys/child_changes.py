"""What may be changed of a child key: nothing that would make it wider than its parent, and nothing once it has ended."""

from __future__ import annotations

from sqlalchemy import Connection

from pipeline.errors import BadRequest
from pipeline.keys.attenuation import refuse_field, refuse_wider_child
from pipeline.keys.model import Reach, VirtualKey
from pipeline.keys.store import get_key


def hold_child(connection: Connection, former: VirtualKey, wanted: VirtualKey, now_us: int) -> None:
    """Hold the law of attenuation for a changed key. KeyOutOfScope (403) names the field, BadRequest (409) says that it has ended."""
    if not former.descent.parent:
        return
    if former.status == "revoked" or former.expires_us <= now_us:
        raise BadRequest("A child key that has ended is not changed.", hint="Make another one.", code="key_expired", status=409)
    parent = get_key(connection, former.descent.parent, Reach(former.org_id))
    if not wanted.expires_us:
        raise refuse_field("expires_at", "no end, and so a later one")
    refuse_wider_child(wanted, parent)
    if any(wanted.metadata.get(name) != value for name, value in parent.metadata.items()):
        raise refuse_field("metadata", "other metadata")
