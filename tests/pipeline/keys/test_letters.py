"""Orders about dead letters are read strictly and carried out in audited pieces."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.errors import BadRequest
from pipeline.keys.letters import Order, drop_letters, read_letters, read_order, replay_letters
from pipeline.store import tables
from pipeline.store.dead_letters import Letters
from pipeline.store.outbox import SqlOutbox
from tests.pipeline.ledger.calls import Clock, rows
from tests.pipeline.store.test_dead_letters import buried, row


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, None),
        ({"all": False}, None),
        ({"all": "yes"}, "all"),
        ({"signal": "spans"}, "signal"),
        ({"from": "yesterday"}, "from"),
        ({"ids": ["1"]}, "ids"),
        ({"ids": [0]}, "ids"),
        ({"ids": [True]}, "ids"),
        ({"ids": list(range(1, 1002))}, "ids"),
        ({"reasons": "x"}, "reasons"),
        ({"destination": 5}, "destination"),
        ({"waiting": True, "all": True}, "destination"),
        ({"waiting": True, "destination": "sre", "reason": "x"}, "waiting"),
    ],
)
def test_an_order_that_is_not_understood_is_refused(body: dict[str, Any], param: str | None) -> None:
    with pytest.raises(BadRequest) as refused:
        read_order(body, may_wait=True)
    assert refused.value.param == param


def test_only_a_drop_may_be_of_what_waits() -> None:
    with pytest.raises(BadRequest):
        read_order({"waiting": True, "destination": "sre"})
    assert read_order({"waiting": True, "destination": "sre"}, may_wait=True) == Order(Letters("sre"), waiting=True)


def test_a_filter_is_read_from_a_query_too() -> None:
    assert read_letters({"destination": "sre", "ids": "3,5"}) == Letters("sre", ids=(3, 5))
    with pytest.raises(BadRequest):
        read_letters({"ids": "3,x"})


async def test_each_piece_that_moves_has_its_event(stood: Any) -> None:
    office, url = stood.office, stood.url
    store = SqlOutbox(stood.ledger.run, Clock(office.clock.now_us() - 1), postgres=url.startswith("postgresql"))
    await buried(store, *(row(1) for _ in range(200)))
    await buried(store, *(row(1) for _ in range(200)))
    actor = stood.actor
    assert await replay_letters(office, actor, read_order({"destination": "nobody"})) == {
        "object": "outbox.replay", "of": "dead_letters", "rows": 0, "items": 0,
    }  # fmt: skip
    moved = await replay_letters(office, actor, read_order({"all": True}))
    assert (moved["rows"], moved["items"]) == (400, 400)
    dropped = await drop_letters(office, actor, read_order({"destination": "sre", "waiting": True}, may_wait=True))
    assert (dropped["of"], dropped["rows"]) == ("waiting", 400)
    events = sorted((each for each in rows(url, tables.events) if each["kind"].startswith("admin:outbox:")), key=lambda each: each["seq"])
    assert [each["kind"] for each in events] == ["admin:outbox:replay"] * 2 + ["admin:outbox:drop"] * 2
    assert {each["actor"] for each in events} == {"tester"}
    (account,) = await store.accounts()
    assert (account.accepted, account.rejected_by_policy, account.queued, account.dead_letter) == (400, 400, 0, 0)
