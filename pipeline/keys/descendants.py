"""Which keys descend from a key, in SQL: their end when it ends, their policy when its policy is changed."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, and_, func, or_, select, update

from pipeline.store.tables import virtual_keys

_K: Final = virtual_keys.c


def descendants(connection: Connection, key_id: str) -> tuple[str, ...]:
    """The ids of the children of a key, and of theirs, generation by generation."""
    found: list[str] = []
    above = [key_id]
    while above:
        query = select(_K.id).where(_K.parent_id.in_(above), _K.replaced_by == "").order_by(_K.id)
        above = list(connection.execute(query).scalars())
        found += above
    return tuple(found)


def end_descendants(connection: Connection, key_id: str, *, at_us: int, now_us: int) -> None:
    """Let every descendant of a key end at a moment at the latest; one that has come revokes them."""
    below = _K.id.in_(descendants(connection, key_id))
    if at_us <= now_us:
        query = update(virtual_keys).where(below, _K.status != "revoked").values(status="revoked", revoked_us=now_us)
    else:
        query = update(virtual_keys).where(below, or_(_K.expires_us == 0, _K.expires_us > at_us)).values(expires_us=at_us)
    connection.execute(query)


def hand_down_policy(connection: Connection, key_id: str, *, former: str, policy: str) -> None:
    """Give the descendants of a key the policy that it has now, but for one that was given another, and what descends from it."""
    above = [key_id]
    while above:
        query = select(_K.id).where(_K.parent_id.in_(above), _K.replaced_by == "", _K.policy == former)
        above = list(connection.execute(query).scalars())
        connection.execute(update(virtual_keys).where(_K.id.in_(above)).values(policy=policy))


def living_children(connection: Connection, key_id: str, now_us: int) -> int:
    """How many children of a key have not ended."""
    alive = and_(_K.parent_id == key_id, _K.replaced_by == "", _K.status != "revoked", or_(_K.expires_us == 0, _K.expires_us > now_us))
    return int(connection.execute(select(func.count()).select_from(virtual_keys).where(alive)).scalar_one())
