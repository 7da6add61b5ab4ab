"""`POST /v1/secret-references/{slug}/verify`: does a reference resolve, and, by choice, does its provider accept what it holds?

With `{"call": true}` every target that uses the reference is asked at its own address, out of the document, with the cheapest request of
its provider (`pipeline.routing.canary`). That it will be is written down before; a caller names no address.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pipeline.errors import BadRequest, plain_name
from pipeline.gateway.admin_references import known_reference
from pipeline.gateway.model import House
from pipeline.gateway.request import AdminRequest, Reply, Who, admin_event
from pipeline.routing.canary_call import call_canaries
from pipeline.routing.canary_keys import keys_for
from pipeline.vaults.check import look
from pipeline.vaults.model import Asker


async def verify(house: House, request: AdminRequest, who: Who | None, body: dict[str, Any]) -> Reply:
    """`POST /v1/secret-references/{slug}/verify`: read it from its vault now, with `call` also try it; never the value."""
    asked = _read(body)
    ref = await known_reference(house, request, who)
    assert who is not None
    targets = list(house.desk.references().targets_of(ref.slug))
    asker = Asker("", who.id, request.request_id)
    found, secret = await look(ref, house.desk.resolver, house.clock, asker=asker)
    detail: dict[str, Any] = {"reference": ref.slug, "reason": str(found.reason), "targets": targets}
    answer: dict[str, Any] = {**asdict(found), "resolvable": found.resolvable, "targets": targets}
    if asked:
        calls: list[dict[str, Any]] = []
        if secret is not None:
            await house.ledger.append(admin_event(house, request, who, "admin:secret:call", "ok", {**detail, "version": found.version}))
            mine = [target for target in house.swapped.router.targets() if target.id in targets]
            keyed = await keys_for(mine, house.desk.references(), house.desk.resolver, asker, known=((ref, secret),))
            calls = [asdict(called) for called in await call_canaries(keyed, house.providers.base, house.clock)]
        answer["calls"] = calls
        detail["calls"] = [{name: call[name] for name in ("target", "verdict", "status")} for call in calls]
    good = found.resolvable and not any(call["verdict"] in ("denied", "unreachable") for call in answer.get("calls", ()))
    await house.ledger.append(admin_event(house, request, who, "admin:secret:verify", "ok" if good else "failed", detail))
    return Reply(json=answer)


def _read(body: dict[str, Any]) -> bool:
    """Whether canary calls are asked for; BadRequest for any other field, above all one that would name an address."""
    unknown = sorted(body.keys() - {"call"})
    if unknown:
        raise BadRequest(
            "There is an unknown field.", hint="verify knows `call` alone: true tries the provider.", param=plain_name(unknown[0])
        )
    call = body.get("call", False)
    if not isinstance(call, bool):
        raise BadRequest("call is true or false.", param="call")
    return call
