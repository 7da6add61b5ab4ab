from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from random import Random
from typing import Any

import pytest

from collectors.gate import ExportGate
from collectors.genai import CallFacts
from collectors.model import Account, OutboxRow
from collectors.otlp.destination import Destination
from collectors.outbox import Outbox, Pace
from collectors.spool import Spool
from collectors.tracing import Tracing
from tests.collectors.fake_outbox import FakeOutbox
from tests.collectors.plain_redactor import PlainRedactor
from tests.servers.otlp import Answer, OtlpSink, otlp_sink

QUICK = Pace(poll_s=0.02, linger_s=0.0, first_pause_s=0.02, max_pause_s=0.05)
SECRET = "live-secret-value"


class Counted:
    def __init__(self) -> None:
        self.items: dict[str, int] = {}

    def outbox_sent(self, destination: str, signal: str, outcome: str, items: int) -> None:
        self.items[outcome] = self.items.get(outcome, 0) + items


@pytest.fixture
async def sink() -> AsyncIterator[OtlpSink]:
    async with otlp_sink() as running:
        yield running


def rows(count: int, *, model: str = "m", destination: str = "sre") -> tuple[OutboxRow, ...]:
    tracing = Tracing(ExportGate(PlainRedactor(), hash_key=b"k"), destinations=(destination,))
    return tuple(tracing.encode(tracing.finish(tracing.start(), CallFacts("chat", "openai", f"{model}-{n}")))[0] for n in range(count))


def outbox(store: FakeOutbox, *destinations: Destination, **settings: Any) -> Outbox:
    settings = {"is_dirty": lambda data: False, "pace": QUICK, **settings}
    return Outbox(store, destinations, **settings)


async def eventually(true: Callable[[], bool], timeout_s: float = 10.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not true():
            await asyncio.sleep(0.01)


def balanced(account: Account) -> bool:
    return account.accepted == account.delivered + account.queued + account.dead_letter + account.rejected_by_policy


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
async def test_rows_arrive_in_order_and_share_requests(sink: OtlpSink, protocol: Any) -> None:
    store = FakeOutbox()
    await store.put(rows(20))
    under_test = outbox(store, Destination("sre", sink.http_url if protocol == "http/protobuf" else sink.grpc_url, protocol))
    under_test.start()
    await eventually(lambda: not store.waiting)
    await under_test.stop()

    assert [span.name for span in sink.spans()] == [f"chat m-{n}" for n in range(20)]
    assert len(sink.requests) == 1


async def test_new_rows_wake_an_idle_sender(sink: OtlpSink) -> None:
    store = FakeOutbox()
    under_test = outbox(store, Destination("sre", sink.http_url), pace=Pace(poll_s=60, linger_s=0.0))
    under_test.start()
    await asyncio.sleep(0.05)
    await store.put(rows(1))
    under_test.wake()
    await eventually(lambda: len(sink.spans()) == 1)
    await under_test.stop()
    assert not store.waiting


@pytest.mark.parametrize(
    ("answers", "delivered", "dead", "rejected"),
    [
        ((Answer(status=503), Answer(status=500), Answer(status=408), Answer(status=429)), 6, 0, 0),
        ((Answer(status=302), Answer(status=304)), 6, 0, 0),
        ((Answer(rejected=2),), 4, 0, 2),
        ((Answer(status=400),), 0, 6, 0),
        ((Answer(status=413), Answer(), Answer(status=413), Answer(), Answer()), 6, 0, 0),
        ((Answer(status=413), Answer(status=503), Answer(status=503), Answer()), 6, 0, 0),
        ((Answer(hang_s=2.0), Answer(status=503)), 6, 0, 0),
    ],
    ids=["retried", "redirected", "partial", "refused", "too large", "too large and away", "hanging"],
)
async def test_the_loss_equation_holds(sink: OtlpSink, answers: tuple[Answer, ...], delivered: int, dead: int, rejected: int) -> None:
    store = FakeOutbox()
    await store.put(rows(6))
    sink.answer(*answers)
    under_test = outbox(store, Destination("sre", sink.http_url, timeout_s=0.3))
    under_test.start()
    await eventually(lambda: not store.waiting)
    await under_test.stop()

    assert await store.accounts() == (Account("sre", "traces", 6, delivered, 0, dead, rejected),)
    if not dead and answers[0].hang_s == 0:
        assert [span.name for span in sink.spans()] == [f"chat m-{n}" for n in range(6)]


async def test_one_row_that_is_too_large_for_the_destination_becomes_a_dead_letter(sink: OtlpSink) -> None:
    store = FakeOutbox()
    await store.put(rows(1))
    sink.always = Answer(status=413)
    under_test = outbox(store, Destination("sre", sink.http_url))
    under_test.start()
    await eventually(lambda: bool(store.dead))
    await under_test.stop()

    assert store.dead[0][1] == "http_413"


async def test_a_live_secret_is_destroyed_before_it_leaves_and_the_rest_goes(sink: OtlpSink, caplog: pytest.LogCaptureFixture) -> None:
    store, counted = FakeOutbox(), Counted()
    await store.put((*rows(2), *rows(1, model=SECRET), *rows(1, model="z")))
    under_test = outbox(store, Destination("sre", sink.http_url), is_dirty=lambda data: SECRET.encode() in data, watched=counted)
    under_test.start()
    await eventually(lambda: not store.waiting)
    await under_test.stop()

    assert all(SECRET.encode() not in request.body for request in sink.requests)
    assert [span.name for span in sink.spans()] == ["chat m-0", "chat m-1", "chat z-0"]
    assert await store.accounts() == (Account("sre", "traces", 4, 3, 0, 0, 1),)
    assert counted.items["live_secret"] == 1
    assert any(record.levelname == "CRITICAL" for record in caplog.records)
    assert SECRET not in caplog.text
    assert not store.dead


async def test_a_dead_destination_holds_up_no_other(sink: OtlpSink) -> None:
    async with otlp_sink() as gone:
        dead = Destination("dead", gone.http_url, timeout_s=1.0)
    store = FakeOutbox()
    await store.put((*rows(3, destination="dead"), *rows(3)))
    under_test = outbox(store, dead, Destination("sre", sink.http_url))
    under_test.start()
    await eventually(lambda: len(sink.spans()) == 3)
    await under_test.stop()

    accounts = await store.accounts()
    assert all(balanced(account) for account in accounts)
    assert {account.destination: account.queued for account in accounts} == {"dead": 3, "sre": 0}


async def test_a_store_that_fails_is_asked_again(sink: OtlpSink) -> None:
    store = FakeOutbox()
    await store.put(rows(2))
    store.broken = True
    under_test = outbox(store, Destination("sre", sink.http_url))
    under_test.start()
    await asyncio.sleep(0.1)
    store.broken = False
    await eventually(lambda: not store.waiting)
    await under_test.stop()

    assert len(sink.spans()) == 2


async def test_stopping_sends_what_is_due_and_gives_back_what_is_under_way(sink: OtlpSink) -> None:
    store = FakeOutbox()
    await store.put(rows(3))
    sink.answer(Answer(hang_s=30.0))
    under_test = outbox(store, Destination("sre", sink.http_url, timeout_s=60.0))
    under_test.start()
    await sink.wait_for(1)
    await under_test.stop(grace_s=0.05)

    assert {(row.lease_until_us, row.reason) for row in store.waiting} == {(0, "stopped")}
    again = outbox(store, Destination("sre", sink.http_url))
    again.start()
    await again.stop(grace_s=5.0)
    assert [span.name for span in sink.spans()] == [f"chat m-{n}" for n in range(3)]


@pytest.mark.parametrize(
    ("attempts", "after_s", "least", "most"), [(0, None, 0.25, 0.5), (3, None, 2.0, 4.0), (500, None, 30.0, 60.0), (0, 90.0, 90.0, 90.0)]
)
def test_pauses_double_with_jitter_up_to_a_bound(attempts: int, after_s: float | None, least: float, most: float) -> None:
    for jitter in (0.0, 0.999999):
        pause = outbox(FakeOutbox(), pace=Pace(), jitter=lambda: jitter).pause_s(attempts, after_s)  # noqa: B023
        assert least <= pause <= most


async def test_the_spool_moves_what_ends_outside_a_call_into_the_outbox() -> None:
    tracing = Tracing(ExportGate(PlainRedactor(), hash_key=b"k"), destinations=("sre",))
    store = FakeOutbox()
    spool = Spool(store, tracing.encode)
    task = asyncio.create_task(spool.run())
    await asyncio.to_thread(lambda: [spool.offer(tracing.finish(tracing.start(), CallFacts("chat", "openai", "m"))) for _ in range(10)])
    await eventually(lambda: not len(spool))
    task.cancel()

    assert (await store.accounts())[0].accepted == 10


async def test_a_full_spool_counts_what_it_does_not_accept() -> None:
    tracing = Tracing(ExportGate(PlainRedactor(), hash_key=b"k"), destinations=("sre",))
    lost: list[int] = []
    store = FakeOutbox()
    spool = Spool(store, tracing.encode, limit=3, on_overflow=lost.append)
    for _ in range(5):
        spool.offer(tracing.finish(tracing.start(), CallFacts("chat", "openai", "m")))

    assert await spool.close() == 0
    assert (sum(lost), spool.overflowed, (await store.accounts())[0].accepted) == (2, 2, 3)


async def test_a_spool_keeps_its_records_while_the_store_fails() -> None:
    tracing = Tracing(ExportGate(PlainRedactor(), hash_key=b"k"), destinations=("sre",))
    store = FakeOutbox()
    store.broken = True
    spool = Spool(store, tracing.encode, max_pause_s=0.02)
    spool.offer(tracing.finish(tracing.start(), CallFacts("chat", "openai", "m")))
    task = asyncio.create_task(spool.run())
    await asyncio.sleep(0.1)
    kept = len(spool)
    store.broken = False
    await eventually(lambda: not len(spool))
    task.cancel()

    assert kept == 1
    assert (await store.accounts())[0].accepted == 1


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
async def test_everything_arrives_once_a_dead_destination_is_back(protocol: Any) -> None:
    first = OtlpSink()
    await first.start()
    await first.stop()
    url = first.http_url if protocol == "http/protobuf" else first.grpc_url
    store = FakeOutbox()
    await store.put(rows(5))
    under_test = outbox(store, Destination("sre", url, protocol, timeout_s=1.0))
    under_test.start()
    await asyncio.sleep(0.2)
    queued = (await store.accounts())[0].queued
    port = int(url.rsplit(":", 1)[1])
    second = OtlpSink()
    await second.start(*((port, 0) if protocol == "http/protobuf" else (0, port)))
    await eventually(lambda: not store.waiting, 20.0)
    await under_test.stop()
    await second.stop()

    assert queued == 5
    assert [span.name for span in second.spans()] == [f"chat m-{n}" for n in range(5)]


@pytest.mark.parametrize("seed", range(6))
async def test_the_loss_equation_holds_under_any_mixture_of_answers_and_two_senders(sink: OtlpSink, seed: int) -> None:
    rng = Random(seed)
    kinds = [
        Answer(),
        Answer(status=503),
        Answer(status=500),
        Answer(rejected=1),
        Answer(status=400),
        Answer(status=302),
        Answer(status=413),
    ]
    sink.answer(*(rng.choice(kinds) for _ in range(25)))
    store = FakeOutbox()
    where = Destination("sre", sink.http_url, max_bytes=rng.choice([600, 2_000, 100_000]))
    pair = [outbox(store, where), outbox(store, where)]
    for one in pair:
        one.start()
    for batch in range(10):
        await store.put(rows(3, model=f"b{batch}"))
        pair[0].wake()
        await asyncio.sleep(0.01)
        assert all(balanced(account) for account in await store.accounts())
    await eventually(lambda: not store.waiting)
    for one in pair:
        await one.stop()

    account = (await store.accounts())[0]
    assert account.accepted == 30
    assert balanced(account)
    assert account.delivered + account.rejected_by_policy == len(sink.spans())
