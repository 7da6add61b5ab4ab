"""Which key a LiteLLM client means, and what its row and its history say beside the key itself. Over a reading connection.

A key is named by its token, its id (`token_id`) or its alias. A token is looked up by its HMAC and goes no further: what comes back, and
what every event and answer names from then on, is the key.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, func, select

from pipeline.errors import BadRequest
from pipeline.keys import store
from pipeline.keys.budget_views import budget_view
from pipeline.keys.model import Reach, VirtualKey
from pipeline.keys.pepper import Peppers
from pipeline.ledger.budgets import budget_of
from pipeline.store.tables import budgets, events, virtual_keys

LONGEST: Final = 512
CHANGES: Final = tuple(f"admin:key:{act}" for act in ("create", "update", "block", "unblock", "rotate", "revoke"))
_K = virtual_keys.c


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """Who made a key, and when it was last changed (epoch microseconds; 0 when no event says)."""

    created_by: str = ""
    updated_us: int = 0


def named_key(connection: Connection, peppers: Peppers, named: Any, within: Reach, *, param: str = "key") -> VirtualKey:
    """The key that is meant. NoSuchKey (404) for what is no key within reach, and for a revoked one, which LiteLLM would have deleted."""
    if not isinstance(named, str) or not 0 < len(named) <= LONGEST:
        raise BadRequest(f"{param} names a key.", hint="Send its token, its token_id or its alias.", param=param)
    proven = select(_K.id, _K.replaced_by).where(_K.digest.in_(peppers.candidates(named)), _K.status != "revoked")
    row = connection.execute(proven).first()
    key_id = named if row is None else row.replaced_by or row.id
    try:
        key = store.get_key(connection, key_id, within)
    except store.NoSuchKey:
        raise unknown_key() from None
    if key.status == "revoked":
        raise unknown_key()
    return key


def budgets_of(connection: Connection, kind: str, subjects: Iterable[str], now_us: int) -> dict[str, list[dict[str, Any]]]:
    """The budgets of keys (with those of their models) or workspaces, as `/v1/budgets` shows them, oldest first, by their owner."""
    wanted, cells = sorted(subjects), budgets.c
    owner = func.substr(cells.scope_id, 1, 26)  # a model's budget is `key/model`
    chosen = (cells.scope_kind == kind) & cells.scope_id.in_(wanted)
    if kind == "key":
        chosen |= (cells.scope_kind == "child") & cells.scope_id.in_(wanted)  # what a child key was given of its parent's
        chosen |= (cells.scope_kind == "model") & owner.in_(wanted)
    found: dict[str, list[dict[str, Any]]] = {subject: [] for subject in wanted}
    for row in connection.execute(select(budgets).where(chosen).order_by(cells.id)):
        subject, _, model = row.scope_id.partition("/")
        found[subject].append(budget_view(budget_of(row), now_us, {"model": model} if model else {}))
    return found


def unknown_key() -> store.NoSuchKey:
    """What is told of a key that is not there, the same for one that is not theirs to see."""
    return store.NoSuchKey("There is no such key.", hint="GET /key/list shows them.", param="key")


def records_of(connection: Connection, key_ids: Iterable[str]) -> dict[str, KeyRecord]:
    """Maker and last change of keys, by id."""
    wanted = sorted(key_ids)
    makers = {row.id: row.created_by for row in connection.execute(select(_K.id, _K.created_by).where(_K.id.in_(wanted)))}
    # Administrative events are few: they are read by kind, not by key, since a busy key has millions of events of calls.
    subject = func.coalesce(events.c.key_id, "")
    query = select(subject.label("key"), func.max(events.c.at_us).label("at_us")).where(events.c.kind.in_(CHANGES), subject.in_(wanted))
    changed = {row.key: row.at_us for row in connection.execute(query.group_by(subject))}
    return {key_id: KeyRecord(makers.get(key_id, ""), changed.get(key_id, 0)) for key_id in wanted}
