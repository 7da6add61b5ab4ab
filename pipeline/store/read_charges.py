"""Charges one by one: for repricing, for a comparison with an invoice, and for lists. In the order of their times."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, and_, or_, select

from pipeline.store.read_model import Filter, Row
from pipeline.store.read_scope import Scope, of_charges
from pipeline.store.tables import charges

BATCH: Final = 2_000
START: Final = (0, "")

_C = charges.c


def newest_charges(connection: Connection, scope: Scope, asked: Filter, *, limit: int) -> list[Row]:
    """The newest matching charges, newest first."""
    query = select(charges).where(of_charges(scope, asked)).order_by(_C.at_us.desc(), _C.id.desc()).limit(limit)
    return [{**found._mapping, "workspace": scope.slug(found.workspace_id)} for found in connection.execute(query)]


def charges_page(connection: Connection, scope: Scope, asked: Filter, *, limit: int, after: tuple[int, str] = START) -> list[Row]:
    """The next matching charges after (at_us, id), oldest first, with every column of the table and the workspace's slug."""
    query = select(charges).where(of_charges(scope, asked)).order_by(_C.at_us, _C.id).limit(limit)
    if after != START:
        at_us, ident = after
        query = query.where(_C.at_us >= at_us, or_(_C.at_us > at_us, and_(_C.at_us == at_us, _C.id > ident)))
    return [{**found._mapping, "workspace": scope.slug(found.workspace_id)} for found in connection.execute(query)]
