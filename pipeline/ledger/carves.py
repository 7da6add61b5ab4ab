"""Money that a child key was given of its parent's budget: reserved there with the key, given back once when the key has ended.

A carve is a row of `reservations` like that of a call: its request id is the child key's id, and it belongs to no epoch, so that it
outlives every process. Its end is the ledger's ordinary settlement (`Close`), which happens once whoever asks for it and however often:
what the child spent takes the place of what was held. Before that the child's own budget is closed, so that nobody spends of it any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import Connection, and_, insert, or_, select, update

from pipeline.errors import BudgetExceeded
from pipeline.ledger.budgets import Standing, reserve, roll
from pipeline.ledger.model import Scope
from pipeline.store.statements import PostgresStatements, SqliteStatements, Statements
from pipeline.store.tables import budgets, reservations, virtual_keys

NO_EPOCH: Final = ""
"""The epoch of what no process holds: recovery settles the reservations of epochs that died, and this one never lived."""
ROWS: Final = 200
_R: Final = reservations.c
_K: Final = virtual_keys.c


@dataclass(frozen=True, slots=True)
class Carve:
    """What is held for a child key: its id, how much (micro-dollars), and whose it is."""

    child_id: str
    amount_micros: int
    org_id: str
    workspace_id: str


def carve(connection: Connection, held: Carve, scopes: Sequence[Scope], now_us: int) -> bool:
    """Reserve the amount in every budget of the scopes; False when none of them has one. BudgetExceeded when one has not that much left.

    Part of the transaction that makes the child key; budgets are locked in the order of their ids, as calls lock them.
    """
    statements: Statements = PostgresStatements() if connection.dialect.name == "postgresql" else SqliteStatements()
    cursor: Any = connection.connection.cursor()
    try:
        standings = [Standing(*row) for row in statements.budgets(cursor, [(scope.kind, scope.id) for scope in scopes])]
    finally:
        cursor.close()
    for standing in standings:
        roll(standing, now_us)
    if reserve(standings, held.amount_micros) is not None:
        refusal = BudgetExceeded(
            "The budget that this would be carved out of has not that much left.", hint="Ask for less, or have the parent's budget raised."
        )
        refusal.param = "max_budget_usd"
        raise refusal
    if not standings:
        return False
    taken = budgets.c.reserved_micros + held.amount_micros  # added to what is written: a period that is over is begun anew by calls
    connection.execute(update(budgets).where(budgets.c.id.in_([each.id for each in standings])).values(reserved_micros=taken))
    where = orjson.dumps([[each.kind, each.scope_id, each.id] for each in standings]).decode()
    owner = {"org_id": held.org_id, "workspace_id": held.workspace_id, "key_id": held.child_id}
    row = {"request_id": held.child_id, "epoch_id": NO_EPOCH, "amount_micros": held.amount_micros, "scopes": where, "created_us": now_us}
    connection.execute(insert(reservations).values(**row, state="open", **owner))
    return True


def ended_carves(connection: Connection, now_us: int) -> tuple[Carve, ...]:
    """At most 200 carves whose child key has ended and that were not given back yet, the deepest first. Only reads."""
    over = or_(_K.status == "revoked", and_(_K.expires_us > 0, _K.expires_us <= now_us))
    query = select(_R.request_id, _R.amount_micros, _R.org_id, _R.workspace_id).join(virtual_keys, _K.id == _R.request_id)
    query = query.where(_R.epoch_id == NO_EPOCH, _R.state == "open", over).order_by(_K.depth.desc(), _R.request_id).limit(ROWS)
    return tuple(Carve(*row) for row in connection.execute(query))


def close_budget(connection: Connection, child_id: str) -> int | None:
    """Close the budget of a child that has ended, and say what it spent (micro-dollars); None while a call or a carve of it is open.

    Its limit becomes what it spent: a worker that does not know yet that the child has ended finds nothing left in it.
    """
    query = select(budgets).where(budgets.c.scope_kind == "child", budgets.c.scope_id == child_id).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        return 0
    if row.reserved_micros:
        return None
    connection.execute(update(budgets).where(budgets.c.id == row.id).values(limit_micros=row.spent_micros))
    return int(row.spent_micros)
