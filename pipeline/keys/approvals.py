"""Approvals: asked for by a call that a rule stops, given or denied by somebody else, used once by exactly that call.

Each step is one transaction with its audit event. What nobody decided in time is denied, and what nobody used in time is over.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import Connection, Engine, insert, select, update

from pipeline.clock import rfc3339
from pipeline.errors import BadRequest, KeyOutOfScope
from pipeline.keys import store
from pipeline.keys.children import lineage_of
from pipeline.keys.model import Reach
from pipeline.keys.service import Actor, Office, event
from pipeline.store.tables import approvals

_A: Final = approvals.c
Decision = Literal["approved", "denied"]
STATES: Final = ("pending", "approved", "denied", "used", "expired")
MOST_LISTED: Final = 200


class ApprovalRequired(KeyOutOfScope):
    """A rule stops this call until somebody has approved it (`approval_required`), or its approval is not good for it."""

    code = "approval_required"


class NoSuchApproval(BadRequest):
    """No approval within reach has that id."""

    code, status = "approval_not_found", 404


@dataclass(frozen=True, slots=True)
class Stopped:
    """A call that a rule stops: whose it is, the keyed hash of exactly this call, the rule, and what an approver is shown."""

    org_id: str
    workspace_id: str
    key_id: str
    digest: str
    rule: str
    facts: Mapping[str, Any]
    timeout_s: int


async def ask_approval(office: Office, call: Stopped, request_id: str, peer: str) -> ApprovalRequired:
    """Write down that a call needs an approval, once while it is open, and give the refusal that names it."""
    now_us, approval_id = office.clock.now_us(), office.new_id()
    clean = office.clean({**call.facts})
    open_one = (_A.key_id == call.key_id) & (_A.digest == call.digest) & _A.state.in_(("pending", "approved")) & (_A.expires_us > now_us)

    def look(connection: Connection) -> Any:
        return connection.execute(select(_A.id, _A.state, _A.expires_us).where(open_one).order_by(_A.id)).first()

    def apply(connection: Connection) -> None:
        values = {"org_id": call.org_id, "workspace_id": call.workspace_id, "key_id": call.key_id, "digest": call.digest,
                  "rule": call.rule, "created_us": now_us, "expires_us": now_us + call.timeout_s * 1_000_000}  # fmt: skip
        connection.execute(insert(approvals).values(id=approval_id, facts=json.dumps(clean.value, sort_keys=True), **values))

    found = await office.ledger.run(look)
    if found is None:
        detail = {"approval": approval_id, "rule": call.rule, **call.facts}
        actor = Actor(call.key_id, request_id, call.org_id, peer)
        await office.ledger.change(event(office, actor, "approval:call:request", detail, key_id=call.key_id), apply)
        found = await office.ledger.run(look)
    waiting = found is None or found.state == "pending"
    return _required(
        "This call needs the approval of somebody else." if waiting else "This call was approved.",
        found.id if found is not None else approval_id,
        found.expires_us if found is not None else now_us,
        "Have it approved, then send exactly this call with the header x-lockgate-approval." if waiting
        else "Send exactly this call with the header x-lockgate-approval.",
    )  # fmt: skip


async def use_approval(office: Office, call: Stopped, approval_id: str, request_id: str, peer: str) -> None:
    """Use an approval up for this call. ApprovalRequired (403) says why it is not good (`approval_pending`, `approval_denied`, …)."""
    now_us = office.clock.now_us()
    good = (_A.id == approval_id) & (_A.key_id == call.key_id) & (_A.digest == call.digest) & (_A.state == "approved")

    def apply(connection: Connection) -> None:
        used = update(approvals).where(good, _A.expires_us > now_us).values(state="used", request_id=request_id)
        if connection.execute(used).rowcount != 1:
            raise _not_good(connection, call, approval_id, now_us)

    actor = Actor(call.key_id, request_id, call.org_id, peer)
    detail = {"approval": approval_id if approval_id.isalnum() and len(approval_id) == 26 else "", "rule": call.rule}
    await office.ledger.change(event(office, actor, "approval:call:use", detail, key_id=call.key_id), apply)


async def decide(office: Office, actor: Actor, approval_id: str, decision: Decision) -> dict[str, Any]:
    """Approve or deny a call that waits (`POST /v1/approvals/{id}/approve|deny`). Nobody approves their own, nor their child's."""
    now_us = office.clock.now_us()

    def apply(connection: Connection) -> dict[str, Any]:
        row = _row(connection, approval_id, actor.reach)
        requester = store.get_key(connection, row.key_id, Reach(row.org_id))
        if actor.id in {key.id for key in lineage_of(connection, requester)}:
            raise KeyOutOfScope("Nobody decides about their own call.", hint="Ask somebody else.", code="own_call")
        open_one = (_A.id == row.id) & (_A.state == "pending") & (_A.expires_us > now_us)
        values = {"state": decision, "decided_by": actor.id, "decided_us": now_us}
        if connection.execute(update(approvals).where(open_one).values(**values)).rowcount != 1:
            raise BadRequest("This approval was decided, or its time is over.", code="approval_closed", status=409)
        return approval_view(_row(connection, approval_id, actor.reach), now_us)

    verb = {"approved": "approve", "denied": "deny"}[decision]
    return await office.ledger.change(event(office, actor, f"approval:call:{verb}", {"approval": approval_id}), apply)


async def expire_approvals(office: Office, reader: Engine) -> int:
    """Close what was not decided or not used in time, at most 200 at once, each with its event; says how many. No answer is a denial."""
    now_us, closed = office.clock.now_us(), 0
    over = _A.state.in_(("pending", "approved")) & (_A.expires_us <= now_us)

    def look() -> list[Any]:
        with reader.connect() as connection:
            return list(connection.execute(select(_A.id, _A.key_id, _A.org_id).where(over).limit(200)))

    for row in await asyncio.to_thread(look):

        def apply(connection: Connection, approval_id: str = row.id) -> int:
            return connection.execute(update(approvals).where(_A.id == approval_id, over).values(state="expired")).rowcount

        actor = Actor("system", org_id=row.org_id)
        timed_out = event(office, actor, "approval:call:expire", {"approval": row.id}, key_id=row.key_id, outcome="refused")
        closed += await office.ledger.change(timed_out, apply)
    return closed


def list_approvals(connection: Connection, now_us: int, *, within: Reach, state: str = "") -> dict[str, Any]:
    """The newest approvals within reach, of one state or all (`GET /v1/approvals`). Over a reading connection."""
    if state and state not in STATES:
        raise BadRequest("There is no such state.", hint=f"Known: {', '.join(STATES)}.", param="state")
    rows = connection.execute(_within(within).order_by(_A.created_us.desc(), _A.id.desc()).limit(MOST_LISTED)).all()
    views = [approval_view(row, now_us) for row in rows]
    return {"object": "list", "data": [view for view in views if not state or view["state"] == state]}


def approval_view(row: Any, now_us: int) -> dict[str, Any]:
    """One approval; what is past its time and still open shows as `expired`."""
    over = row.state in ("pending", "approved") and row.expires_us <= now_us
    return {
        "object": "approval",
        "id": row.id,
        "state": "expired" if over else row.state,
        "key": row.key_id,
        "rule": row.rule,
        "call": json.loads(row.facts),
        "created_at": rfc3339(row.created_us),
        "expires_at": rfc3339(row.expires_us),
        "decided_by": row.decided_by or None,
        "decided_at": rfc3339(row.decided_us) if row.decided_us else None,
        "request_id": row.request_id or None,
    }


def _required(message: str, approval_id: str, expires_us: int, hint: str, code: str = "approval_required") -> ApprovalRequired:
    named = {"approval_id": approval_id, "expires_at": rfc3339(expires_us)}
    return ApprovalRequired(message, hint=hint, code=code, headers={"x-should-retry": "false"}, extra=named)


def _not_good(connection: Connection, call: Stopped, approval_id: str, now_us: int) -> ApprovalRequired:
    row = connection.execute(select(approvals).where(_A.id == approval_id, _A.key_id == call.key_id)).first()
    if row is None or row.digest != call.digest:
        message, hint = "This approval is not for this call.", "A changed call needs an approval of its own: send it without the header."
        return ApprovalRequired(message, hint=hint, code="approval_mismatch", headers={"x-should-retry": "false"})
    state = approval_view(row, now_us)["state"]
    said = {"pending": "Nobody has approved this call yet.", "denied": "This call was denied.", "used": "This approval was used."}
    return _required(said.get(state, "This approval is over."), row.id, row.expires_us, "", f"approval_{state}")


def _row(connection: Connection, approval_id: str, within: Reach) -> Any:
    row = connection.execute(_within(within).where(_A.id == approval_id)).first()
    if row is None:
        raise NoSuchApproval("There is no approval of that id.", hint="GET /v1/approvals and `lockgate approvals list` show them.")
    return row


def _within(reach: Reach) -> Any:
    query = select(approvals).where(_A.org_id == reach.org_id)
    return query if reach.workspaces is None else query.where(_A.workspace_id.in_(sorted(reach.workspaces)))
