"""Correcting charges by hand or after repricing: `POST /v1/spend/adjust`, for admin API and command line. Audited."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from pipeline.errors import BadRequest, plain_name
from pipeline.keys.service import Actor, Office, event, refuse_secrets
from pipeline.ledger.adjusting import adjust

MOST: Final = 400
"""Charges a request: one transaction, behind which calls wait, and one statement's parameters."""

_LARGEST: Final = 10**15  # a thousand million dollars
_HEX: Final = frozenset("0123456789abcdef")


async def adjust_charges(office: Office, actor: Actor, body: Mapping[str, Any]) -> dict[str, Any]:
    """Make charges cost what the body says: `{"charges": {ID: micro-dollars}, "price_digest": …, "reason": …}`.

    Each difference becomes a row of its own (state `adjusted`); the charges stay, and budgets too. Repeating it changes nothing.
    """
    wanted, digest, reason = _read(body)
    refuse_secrets(office, reason=reason)
    detail: dict[str, Any] = {"charges": len(wanted), "price_digest": digest, "reason": reason, "to_micros": sum(wanted.values())}
    now_us = office.clock.now_us()
    done = await office.ledger.change(
        event(office, actor, "admin:spend:adjust", detail),
        lambda connection: adjust(connection, wanted, digest, org_id=actor.org_id, now_us=now_us),
    )
    return {"object": "spend.adjustment", **asdict(done)}


def _read(body: Mapping[str, Any]) -> tuple[dict[str, int], str, str]:
    for name in body:
        if name not in ("charges", "price_digest", "reason"):
            raise BadRequest("There is no such field here.", hint="Known are charges, price_digest, reason.", param=plain_name(name))
    found = body.get("charges")
    if not isinstance(found, Mapping) or not 1 <= len(found) <= MOST:
        raise BadRequest(f"charges is an object of 1 to {MOST} amounts by charge id.", param="charges")
    for ident, micros in found.items():
        if not isinstance(ident, str) or len(ident) > 26 or type(micros) is not int or not 0 <= micros <= _LARGEST:
            raise BadRequest("An amount is a whole number of micro-dollars, under the id of a charge.", param="charges")
    digest, reason = body.get("price_digest", ""), body.get("reason", "")
    if not isinstance(digest, str) or not (len(digest) <= 64 and _HEX.issuperset(digest)):
        raise BadRequest("price_digest is a SHA-256 in hex.", param="price_digest")
    if not isinstance(reason, str) or len(reason) > 255:
        raise BadRequest("reason is a text of at most 255 characters.", param="reason")
    return dict(found), digest, reason
