"""Correcting what a call cost without touching what was written: an `adjusted` row beside the charge holds the difference.

The cost of an attempt is the sum of its charge and its adjustments. An adjustment stands at the time of its charge, so that the report of
a period shows what the period cost; its id and its event say when it was made and by whom. Budgets are left alone: they bound what is
let out while it is let out, and a period that is over bounds nothing any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, insert, select

from pipeline.ids import ulid
from pipeline.store.rollups import reopen
from pipeline.store.tables import charges

EACH: Final = 1_000
"""The n-th adjustment of attempt `a` is attempt `n * EACH + a` of its request, which is unique: none is ever made twice."""

_COPIED: Final = (
    "request_id", "at_us", "org_id", "workspace_id", "key_id", "model", "target_id", "provider", "provider_model", "service_tier",
    "streamed", "upstream_id", "secret_reference", "secret_version", "secret_fingerprint",
)  # fmt: skip
_C = charges.c


@dataclass(frozen=True, slots=True)
class Corrected:
    """What came of an adjustment: how many charges changed, how many stood right already or were not found, and by how much in all."""

    adjusted: int
    unchanged: int
    missing: int
    difference_micros: int


def adjusts(row: Mapping[str, Any]) -> bool:
    """Whether a row of charges is an adjustment of another one."""
    return bool(row["state"] == "adjusted")


def attempt_of(row: Mapping[str, Any]) -> tuple[str, int]:
    """The request and the attempt that a charge, or an adjustment of it, belongs to."""
    return row["request_id"], row["attempt"] % EACH


def adjust(connection: Connection, wanted: Mapping[str, int], price_digest: str, *, org_id: str, now_us: int) -> Corrected:
    """Make charges (by id) cost what is wanted, in micro-dollars, by writing the differences. Doing it twice changes nothing."""
    originals = [dict(row) for row in connection.execute(select(charges).where(_C.id.in_(wanted), _C.org_id == org_id)).mappings()]
    originals = [row for row in originals if not adjusts(row)]
    net, made = _net(connection, {row["request_id"] for row in originals})
    rows = []
    for row in originals:
        key = attempt_of(row)
        difference = wanted[row["id"]] - net[key]
        if difference:
            rows.append(
                {name: row[name] for name in _COPIED}
                | {"id": ulid(now_us), "attempt": made[key] * EACH + key[1], "state": "adjusted", "cost_micros": difference}
                | {"price_digest": price_digest}
            )
    if rows:
        connection.execute(insert(charges), rows)
        reopen(connection, [row["at_us"] for row in rows])
    return Corrected(
        len(rows), len(originals) - len(rows), len(wanted) - len(originals), sum(row["cost_micros"] for row in rows)
    )  # fmt: skip


def _net(connection: Connection, requests: Sequence[str] | set[str]) -> tuple[dict[tuple[str, int], int], dict[tuple[str, int], int]]:
    """What each attempt of these requests costs by now, and the number of its next adjustment."""
    net: dict[tuple[str, int], int] = {}
    made: dict[tuple[str, int], int] = {}
    query = select(_C.request_id, _C.attempt, _C.cost_micros).where(_C.request_id.in_(requests))
    for row in map(dict, connection.execute(query).mappings()):
        key = attempt_of(row)
        net[key] = net.get(key, 0) + row["cost_micros"]
        made[key] = max(made.get(key, 0), row["attempt"] // EACH + 1)
    return net, made
