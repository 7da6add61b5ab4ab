"""Delivering alerts: once over all workers, tried again with growing pauses, given up in the end, and never where nobody said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any, cast

import pytest
from pydantic import ValidationError
from sqlalchemy import select

from pipeline.bootstrap.alerts import AlertDesk, Sender, look_for_spikes, tell_once
from pipeline.bootstrap.compile import compile_references
from pipeline.config.alerts import AlertsSection
from pipeline.config.document import Document
from pipeline.keys.alerts import note_spike
from pipeline.ledger.anomalies import Spike
from pipeline.store import alerts as rows
from pipeline.store.tables import alert_deliveries, alerts, events
from pipeline.vaults.model import Secret
from tests.servers.loopback import Answer, Call, Loopback

SPIKE = Spike("default", "01KAP2T5D3Y0F1V9Q8R7S6T5V4", 9_000_000, 100_000, 42.0)


class Receiver(Loopback):
    """Answers what it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.says = Answer({}, 200)
        self.calls: list[Call] = []

    def answer(self, call: Call) -> Answer:
        self.calls.append(call)
        return self.says


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


class OneSecret:
    """A resolver that knows one value, whatever is asked for."""

    async def resolve(self, _ref: Any, _asker: Any) -> Secret:
        return Secret("x" * 40, reference="env:SIGN")


@pytest.fixture
def desk(stood: Any, clock: Any, receiver: Receiver) -> AlertDesk:
    document = Document.model_validate(
        {
            "alerts": {
                "max_attempts": 3,
                "destinations": [{"id": "ops", "type": "webhook", "url": receiver.url, "secret_key_ref": "env:SIGN"}],
            }
        }
    )
    references = compile_references(document)
    return AlertDesk(
        stood.ledger,
        stood.office,
        stood.reader,
        clock,
        cast(Any, OneSecret()),
        lambda: document.alerts,
        lambda: references,
        lambda _: False,
    )


async def rounds(desk: AlertDesk, clock: Any, count: int, pause_s: float = 0) -> int:
    sender = Sender(desk)
    made = 0
    for _ in range(count):
        made += await tell_once(desk, sender)
        clock.move(pause_s)
    await sender.close()
    return made


def deliveries(stood: Any) -> list[tuple[str, int, str]]:
    with stood.reader.connect() as connection:
        return [(row.state, row.attempts, row.reason) for row in connection.execute(select(alert_deliveries))]


async def test_a_spike_is_noted_once_a_day_and_told_once(stood: Any, desk: AlertDesk, clock: Any, receiver: Receiver) -> None:
    assert [await note_spike(desk.office, SPIKE) for _ in range(3)] == [True, False, False]
    assert await rounds(desk, clock, 3, 5) == 1
    assert len(receiver.calls) == 1
    assert receiver.calls[0].json["type"] == "budget.anomaly"
    assert deliveries(stood) == [("delivered", 1, "")]
    with stood.reader.connect() as connection:
        assert len(connection.execute(select(events.c.id).where(events.c.kind == "key:spend:spike")).all()) == 1
    clock.move(86_400)
    assert await note_spike(desk.office, SPIKE)


async def test_a_delivery_waits_longer_after_each_failure_and_is_given_up(
    stood: Any, desk: AlertDesk, clock: Any, receiver: Receiver
) -> None:
    receiver.says = Answer({}, 500)
    await note_spike(desk.office, SPIKE)
    await rounds(desk, clock, 1)
    assert deliveries(stood) == [("queued", 1, "http_500")]
    await rounds(desk, clock, 1, 4.9)
    assert len(receiver.calls) == 1, "not before its pause is over"
    clock.move(0.2)
    await rounds(desk, clock, 1, 9.9)
    await rounds(desk, clock, 1)
    assert len(receiver.calls) == 2
    clock.move(0.2)
    await rounds(desk, clock, 2, 3600)
    assert deliveries(stood) == [("dead", 3, "http_500")]
    assert len(receiver.calls) == 3
    assert len({call.headers["webhook-id"] for call in receiver.calls}) == 1


@pytest.mark.parametrize(
    ("says", "left"),
    [
        (Answer({}, 410), ("dead", 1, "gone")),
        (Answer({}, 302, {"Location": "http://169.254.169.254/latest"}), ("queued", 1, "http_302")),
    ],
)
async def test_who_is_gone_is_not_asked_again_and_nobody_is_sent_elsewhere(
    stood: Any, desk: AlertDesk, clock: Any, receiver: Receiver, says: Answer, left: tuple[str, int, str]
) -> None:
    receiver.says = says
    await note_spike(desk.office, SPIKE)
    await rounds(desk, clock, 2)
    assert deliveries(stood) == [left]


async def test_of_two_workers_one_sends_and_the_other_takes_over_when_it_dies(stood: Any, desk: AlertDesk, clock: Any) -> None:
    await note_spike(desk.office, SPIKE)
    now_us = clock.now_us()
    with stood.reader.connect() as connection:
        (alert,) = rows.unrouted(connection)
    for _ in range(2):  # both routed it
        await stood.ledger.run(partial(rows.route, ids=[alert.id], destinations=["ops"], now_us=now_us))
    first = await stood.ledger.run(partial(rows.claim, now_us=now_us, lease_us=60_000_000))
    assert [each.destination for each in first] == ["ops"]
    assert await stood.ledger.run(partial(rows.claim, now_us=now_us + 59_999_999, lease_us=60_000_000)) == ()
    assert len(await stood.ledger.run(partial(rows.claim, now_us=now_us + 60_000_000, lease_us=60_000_000))) == 1


async def test_what_holds_a_live_secret_does_not_leave(stood: Any, desk: AlertDesk, clock: Any, receiver: Receiver) -> None:
    await note_spike(desk.office, SPIKE)
    await rounds(replace(desk, is_dirty=lambda _: True), clock, 1)
    assert receiver.calls == []
    assert deliveries(stood) == [("queued", 1, "live_secret")]


async def test_nobody_looks_for_spikes_who_does_not_want_to(desk: AlertDesk) -> None:
    off = replace(desk, section=lambda: AlertsSection.model_validate({"anomaly": {"enabled": False}}))
    assert await look_for_spikes(off) == 0
    assert await look_for_spikes(desk) == 0


async def test_a_key_that_is_gone_is_not_blocked_and_its_alert_is_told(stood: Any, desk: AlertDesk, clock: Any, receiver: Receiver) -> None:
    section = AlertsSection.model_validate({**desk.section().model_dump(), "block_key_on": ["anomaly"]})
    await note_spike(desk.office, SPIKE)
    await rounds(replace(desk, section=lambda: section), clock, 1)
    assert len(receiver.calls) == 1
    with stood.reader.connect() as connection:
        assert not connection.execute(select(alerts.c.blocked)).scalar_one()


async def test_a_destination_that_the_document_no_longer_names_ends_its_deliveries(stood: Any, desk: AlertDesk, clock: Any) -> None:
    await note_spike(desk.office, SPIKE)
    with stood.reader.connect() as connection:
        (alert,) = rows.unrouted(connection)
    await stood.ledger.run(partial(rows.route, ids=[alert.id], destinations=["former"], now_us=clock.now_us()))
    await rounds(desk, clock, 1)
    assert deliveries(stood) == [("dead", 1, "no_destination")]


@pytest.mark.parametrize(
    "destination",
    [
        {"id": "a", "type": "webhook", "url": "http://example.com/hook", "secret_key_ref": "env:S"},
        {"id": "a", "type": "webhook", "url": "https://user@example.com/hook", "secret_key_ref": "env:S"},
        {"id": "a", "type": "webhook", "url": "file:///etc/passwd", "secret_key_ref": "env:S"},
        {"id": "a", "type": "webhook", "url": "https://example.com/hook"},
        {"id": "a", "type": "webhook", "secret_key_ref": "env:S"},
        {"id": "a", "type": "slack", "url_ref": "env:U", "secret_key_ref": "env:S"},
        {"id": "a", "type": "slack", "url_ref": "env:U", "url": "https://example.com"},
        {"id": "a", "type": "log", "url": "https://example.com"},
    ],
)
def test_a_destination_that_is_not_safe_or_not_whole_is_refused(destination: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AlertsSection.model_validate({"destinations": [destination]})
