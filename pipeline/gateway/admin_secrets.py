"""Secrets over HTTP: the local store is write-only, references show how they stand, never a value."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pipeline.errors import BadRequest
from pipeline.gateway.admin_keys import actor_of, reading
from pipeline.gateway.model import House
from pipeline.gateway.request import AdminRequest, Reply, Who, admin_event
from pipeline.keys.service import refuse_secrets
from pipeline.keys.storing import store_secret, stored_names
from pipeline.vaults.check import check, exit_code
from pipeline.vaults.local import storable_fault
from pipeline.vaults.model import Asker


async def put(house: House, request: AdminRequest, who: Who | None, body: dict[str, Any]) -> Reply:
    """`POST /v1/secrets/{name} {"value"}`: store a new version in the local encrypted store. It can never be read back here."""
    value, name = body.get("value"), request.params["name"]
    if set(body) != {"value"} or not isinstance(value, str):
        raise BadRequest("Send the secret as the text field value.", param="value")
    what = storable_fault(name, value)
    if what is not None:
        raise BadRequest(f"The secret cannot be stored: {what}.", param="value" if what.startswith("the value") else "name")
    refuse_secrets(house.desk.office, name=name)
    # Announced before it is stored, and only when it can be: nobody could use it before it is caught wherever it shows up.
    house.desk.announce(value, f"store:{name}")
    stored = await store_secret(house.desk.office, actor_of(request, who), house.desk.local_keys, name, value)
    house.desk.resolver.purge(f"store:{name}")
    return Reply(201, stored)


async def names(house: House, _request: AdminRequest, _who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /v1/secrets`: names and versions of the local store."""
    return Reply(json=await reading(house, stored_names))


async def status(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /v1/secret-references/status`: read every reference from its vault now, and say how it stands. Recorded, with its verdict."""
    refs = house.desk.references().all()
    assert who is not None
    statuses = await check(refs, house.desk.resolver, house.clock, asker=Asker("", who.id, request.request_id))
    verdict = exit_code(statuses)
    detail = {"verdict": verdict, "resolvable": sum(each.resolvable for each in statuses), "references": len(statuses)}
    await house.ledger.append(admin_event(house, request, who, "admin:secret:check", "ok" if verdict == 0 else "failed", detail))
    rows = [
        {**asdict(each), "resolvable": each.resolvable, "targets": list(house.desk.references().targets_of(each.slug))} for each in statuses
    ]
    return Reply(json={"object": "list", "verdict": verdict, "data": rows})
