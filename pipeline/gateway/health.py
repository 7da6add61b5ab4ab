"""Is it alive, may it take traffic, and what do the meters say. None of it needs a database to answer.

`/health/live` has no dependencies. `/health/ready` names every reason why not; 503 while draining, while the ledger cannot
write, because a gateway that cannot write down must not act, and while an outbox is so full that calls are refused or wait.
`/metrics` asks for a reader's key unless bound to loopback.
"""

from __future__ import annotations

from typing import Any, Final

from collectors.metrics import Kept
from collectors.model import Account
from pipeline.errors import KeyRejected
from pipeline.gateway.admin_reads import apart
from pipeline.gateway.model import House
from pipeline.gateway.request import AdminRequest, Reply, Who, permitted, prove
from pipeline.gateway.routes import READERS
from pipeline.store.read_model import ReadError

LIVE_PATHS = ("/health/live", "/health/liveliness", "/health/liveness", "/healthz")
READY_PATHS = ("/health/ready", "/health/readiness", "/readyz")


async def live(_house: House, _request: AdminRequest, _who: Who | None, _body: dict[str, Any]) -> Reply:
    """The event loop turns."""
    return Reply(json={"status": "alive"})


async def ready(house: House, _request: AdminRequest, _who: Who | None, _body: dict[str, Any]) -> Reply:
    """Whether calls can be taken, and if not, why."""
    reasons: dict[str, str] = {}
    if house.load.draining:
        reasons["server"] = "draining"
    able, why = house.ledger.ready()
    if not able:
        reasons["ledger"] = why
    for destination, answer in sorted(house.backlog.stopped().items()):
        reasons[f"outbox:{destination}"] = f"full: {_FULL[answer]}"
    reasons.update(house.reasons())
    headers = {"retry-after": "1"} if reasons else {}
    told: dict[str, Any] = {"status": "not_ready" if reasons else "ready", "reasons": reasons}
    remarks = house.remarks()
    if remarks:
        told["remarks"] = remarks
    return Reply(status=503 if reasons else 200, json=told, headers=headers)


async def metrics(house: House, request: AdminRequest, _who: Who | None, _body: dict[str, Any]) -> Reply:
    """Prometheus text. Off loopback it needs an admin's or auditor's credential."""
    if house.metrics_need_key:
        who = await prove(house, request)
        if who.role not in READERS:
            raise KeyRejected("Metrics need an admin or auditor key.")
        permitted(house, request, who)
    await show_outbox(house)
    return Reply(content=house.metrics.render(), content_type="text/plain; version=0.0.4; charset=utf-8")


async def show_outbox(house: House) -> None:
    """Bring the outbox's gauges up to what stands in the store now: one read, so that the loss equation holds in what is shown."""
    try:
        rows = await apart(house, house.desk.reads.accounts)
        rejections = await apart(house, house.desk.reads.rejections)
    except ReadError:
        house.metrics.outbox_unknown()
        return
    now_us = house.clock.now_us()
    house.metrics.outbox_accounts([Account(*(row[name] for name in _ACCOUNT)) for row in rows])
    house.metrics.outbox_kept(
        Kept(row["destination"], row["signal"], row["queued_bytes"], row["dead_letter_bytes"], _age_s(row["oldest_queued_us"], now_us))
        for row in rows
    )
    house.metrics.outbox_rejections((row["destination"], row["signal"], row["reason"], row["items"]) for row in rejections)


_FULL: Final = {"refuse": "calls are refused", "block": "calls wait"}
_ACCOUNT: Final = ("destination", "signal", "accepted", "delivered", "queued", "dead_letter", "rejected_by_policy")


def _age_s(since_us: int, now_us: int) -> float:
    return max(0.0, (now_us - since_us) / 1e6) if since_us else 0.0
