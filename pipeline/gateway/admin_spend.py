"""The admin API's corrections of spend: charges priced again by the running document's prices, and charges corrected one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pipeline.errors import BadRequest, plain_name
from pipeline.gateway.admin_keys import actor_of
from pipeline.gateway.admin_reads import apart, reads_for
from pipeline.gateway.model import House
from pipeline.gateway.request import AdminRequest, Reply, Who
from pipeline.keys.spending import MOST, adjust_charges
from pipeline.routing import repricing
from pipeline.routing.model import Target
from pipeline.store.read_model import Filter, parse_filter

_FIELDS: Final = frozenset({"from", "to", "workspace", "key", "model", "apply"})


async def adjust(house: House, request: AdminRequest, who: Who | None, body: dict[str, Any]) -> Reply:
    """`POST /v1/spend/adjust {"charges": {ID: micro-dollars}, "price_digest", "reason"}`: make charges cost that, by adjustments."""
    return Reply(json=await adjust_charges(house.desk.office, actor_of(request, who), body))


async def reprice(house: House, request: AdminRequest, who: Who | None, body: dict[str, Any]) -> Reply:
    """`POST /v1/spend/reprice {"from", "to", "workspace", "key", "model", "apply"}`: what a period would cost by the prices of now.

    With `apply` the differences are written as adjustments, some hundred a transaction.
    """
    asked, apply = _asked(body)
    pricer, reads = house.swapped.pricer, reads_for(house, who)
    known = {target.id: target for target in house.swapped.router.targets()}
    found = repricing.Difference(pricer.digest)

    def again() -> list[tuple[str, int]]:
        return list(repricing.reprice(reads.iterate_charges(asked), pricer, lambda row: _target(row, known), found))

    changes = await apart(house, again)
    adjusted = 0
    if apply:
        for start in range(0, len(changes), MOST):
            some = dict(changes[start : start + MOST])
            order = {"charges": some, "price_digest": found.price_digest, "reason": "reprice"}
            adjusted += (await adjust_charges(house.desk.office, actor_of(request, who), order))["adjusted"]
    total = found.total()
    return Reply(
        json={
            "object": "spend.reprice", "price_digest": found.price_digest, "data": found.rows(), "skipped": found.skipped,
            "difference_micros": total.after_micros - total.before_micros, "applied": adjusted if apply else None,
        }
    )  # fmt: skip


def _asked(body: Mapping[str, Any]) -> tuple[Filter, bool]:
    for name, value in body.items():
        if name not in _FIELDS:
            raise BadRequest("There is no such field here.", hint=f"Known are {', '.join(sorted(_FIELDS))}.", param=plain_name(name))
        if not isinstance(value, bool if name == "apply" else str):
            raise BadRequest(f"{name} is {'true or false' if name == 'apply' else 'a text'}.", param=name)
    texts = {name: value for name, value in body.items() if name != "apply"}
    if not texts.get("from"):
        raise BadRequest("Say from when on.", hint='Send {"from": "2026-11-01", "to": "2026-12-01"}.', param="from")
    return parse_filter(texts), bool(body.get("apply"))


def _target(row: Mapping[str, Any], known: Mapping[str, Target]) -> Target:
    """What a charge was asked of; a target of today that is still the same model says what it is based on."""
    target = known.get(row["target_id"])
    if target is not None and (target.provider, target.model) == (row["provider"], row["provider_model"]):
        return target
    return Target(row["target_id"], row["provider"], row["provider_model"])
