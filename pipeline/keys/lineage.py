"""What a child key has of those that it descends from: their end, their limits, and whose budget its calls are reserved in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pipeline.keys.model import Caller, KeyStatus, VirtualKey
from pipeline.ledger.model import Scope, model_scope

MOST_ANCESTORS: Final = 32
"""More than any document allows (`child_keys.max_depth`): a circle in a broken store ends here."""
_STATUSES: Final[tuple[KeyStatus, ...]] = ("active", "blocked", "revoked")


def ancestors_in(key: VirtualKey, keys: Mapping[str, VirtualKey]) -> tuple[tuple[VirtualKey, ...], bool]:
    """The keys that a key descends from, its parent first, and whether they are all there: without one of them it is nobody's."""
    found: list[VirtualKey] = []
    parent = key.descent.parent
    while parent:
        above = keys.get(parent)
        if above is None or len(found) == MOST_ANCESTORS:
            return tuple(found), False
        found.append(above)
        parent = above.descent.parent
    return tuple(found), True


def worst_status(statuses: Iterable[KeyStatus]) -> KeyStatus:
    """The status of a key among those of its lineage: revoked, else blocked, else active."""
    return _STATUSES[max(map(_STATUSES.index, statuses))]


def earliest(*times_us: int) -> int:
    """The first of some moments, of which 0 never comes; 0 when none does."""
    return min((at for at in times_us if at), default=0)


def purse(lineage: tuple[VirtualKey, ...]) -> tuple[Scope, ...]:
    """The scopes below the workspace in which a call of a key is reserved, from its lineage (itself first).

    A key's own; then its parent's and so on, up to the first one whose money is carved out: that much is reserved above it already.
    """
    scopes: list[Scope] = []
    for key in lineage:
        scopes.append(Scope("key", key.id))
        if key.descent.budget_micros:
            scopes.append(Scope("child", key.id))
        if key.descent.carved:
            break
    return tuple(scopes)


def call_scopes(caller: Caller, model: str) -> tuple[Scope, ...]:
    """Every scope in which a call is reserved and spent. What a key may spend on a model holds for its descendants, carved or not."""
    key, lineage = caller.key, caller.lineage
    by_model = (model_scope(each.id, model) for each in lineage)
    return (Scope("org", key.org_id), Scope("workspace", key.workspace_id), *purse(lineage), *by_model)


def facts(caller: Caller) -> dict[str, Any]:
    """What every event of a child key's call says: whose it is (`lineage`, the parent first) and who acts for whom (RFC 8693, `act`)."""
    if not caller.ancestors:
        return {}
    return {"lineage": [key.id for key in caller.ancestors], "act": act(caller.lineage)}


def act(lineage: tuple[VirtualKey, ...]) -> dict[str, Any]:
    """The chain of actors of a child key: who uses it, and inside that who its parent was made for. `sub` is a key id or an agent's."""
    key, above = lineage[0], lineage[1:]
    actor: dict[str, Any] = {"sub": key.descent.actor_id or key.descent.agent_id or key.id}
    if above and above[0].descent.parent:
        actor["act"] = act(above)
    return actor
