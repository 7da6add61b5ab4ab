"""What `/health/ready` says of outboxes: a full one for whose sake calls are refused or wait is a reason, with its destination's name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from collectors.backlog import Backlog, Bound
from collectors.model import OutboxRow
from pipeline.gateway.health import ready
from pipeline.gateway.model import House, Load


class Writing:
    """A ledger that can write."""

    def ready(self) -> tuple[bool, str]:
        return True, ""


@dataclass
class Parts:
    """What of the house readiness looks at."""

    backlog: Backlog
    load: Load
    ledger: Writing

    said: dict[str, str] = field(default_factory=dict)

    def reasons(self) -> dict[str, str]:
        return {}

    def remarks(self) -> dict[str, str]:
        return self.said


async def asked(bound: Bound, size: int) -> tuple[int, Any]:
    backlog = Backlog({"sre": bound, "other": Bound(1 << 20)})
    backlog.added([OutboxRow("sre", "traces", b"x" * size, 1)])
    parts = Parts(backlog, Load(1), Writing())
    reply = await ready(cast(House, parts), cast(Any, None), None, {})
    return reply.status, reply.json["reasons"]


@pytest.mark.parametrize(
    ("bound", "size", "status", "reasons"),
    [
        (Bound(100), 99, 200, {}),
        (Bound(100), 100, 503, {"outbox:sre": "full: calls are refused"}),
        (Bound(100, "block"), 100, 503, {"outbox:sre": "full: calls wait"}),
        (Bound(100, "shed_content"), 100, 200, {}),
        (Bound(100, "shed_content"), 200, 503, {"outbox:sre": "full: calls are refused"}),
    ],
)
async def test_a_full_outbox_is_a_reason_where_it_stops_calls(bound: Bound, size: int, status: int, reasons: dict[str, str]) -> None:
    assert await asked(bound, size) == (status, reasons)


async def test_with_room_again_the_reason_is_gone() -> None:
    backlog = Backlog({"sre": Bound(100)})
    backlog.added([OutboxRow("sre", "traces", b"x" * 100, 1)])
    house = cast(House, Parts(backlog, Load(1), Writing()))
    assert (await ready(house, cast(Any, None), None, {})).status == 503
    backlog.removed({"sre": 1})
    assert (await ready(house, cast(Any, None), None, {})).status == 200


async def test_what_is_wrong_and_stops_no_call_is_said_beside_the_reasons_and_changes_no_status() -> None:
    parts = Parts(Backlog({}), Load(1), Writing(), {"copies": "s3: access denied"})
    reply = await ready(cast(House, parts), cast(Any, None), None, {})
    assert (reply.status, reply.json) == (200, {"status": "ready", "reasons": {}, "remarks": {"copies": "s3: access denied"}})
