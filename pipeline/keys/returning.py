"""Gives back what ended child keys did not spend: a round looks for them, closes their budgets, and settles each once.

No lease is needed: two workers that settle the same child do what one of them does, because the second finds it settled.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from pipeline.errors import LedgerError
from pipeline.keys.approvals import expire_approvals
from pipeline.keys.service import Changes, Office
from pipeline.ledger.carves import Carve, close_budget, ended_carves
from pipeline.ledger.model import Event

EVERY_S = 1.0


class Returns(Changes, Protocol):
    """The ledger's half that is needed here."""

    async def end_carve(self, event: Event, child_id: str, spent_micros: int) -> Any:
        """Give back what a child held, and spend what it spent; once."""
        ...


@dataclass(frozen=True, slots=True)
class Steward:
    """What a round works with: the office for clock, ids and redaction, the ledger, and a reading engine."""

    office: Office
    ledger: Returns
    reader: Engine


async def return_carves(steward: Steward) -> None:
    """A round every second, until cancelled. What fails (the store is away) is done by a later round."""
    while True:
        with suppress(LedgerError, SQLAlchemyError):
            await return_ended(steward)
            await expire_approvals(steward.office, steward.reader)
        await asyncio.sleep(EVERY_S)


async def return_ended(steward: Steward) -> int:
    """One round, from the youngest generation to the oldest; says how many carves it gave back. A child with a call under way waits."""
    returned = 0
    now_us = steward.office.clock.now_us()
    for carve in await asyncio.to_thread(_ended, steward.reader, now_us):
        spent = await steward.ledger.run(partial(close_budget, child_id=carve.child_id))
        if spent is not None:
            await steward.ledger.end_carve(_event(steward.office, carve, spent), carve.child_id, spent)
            returned += 1
    return returned


def _ended(reader: Engine, now_us: int) -> tuple[Carve, ...]:
    with reader.connect() as connection:
        return ended_carves(connection, now_us)


def _event(office: Office, carve: Carve, spent: int) -> Event:
    detail = {"carved_micros": carve.amount_micros, "spent_micros": spent, "returned_micros": carve.amount_micros - spent}
    return Event(
        id=office.new_id(),
        at_us=office.clock.now_us(),
        kind="key:child:return",
        actor="system",
        outcome="ok",
        detail=office.clean(detail),
        request_id=carve.child_id,
        org_id=carve.org_id,
        workspace_id=carve.workspace_id,
        key_id=carve.child_id,
    )
