"""A gateway and `lockgate collect` beside it on one PostgreSQL: the same keys, one outbox, and nothing counted or sent twice."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pipeline.store import tables
from tests import planted
from tests.faults.books import Books
from tests.servers.postgres import running_postgres
from tests.walks.rig import MASK_ALL, Gateway, Sink, running_gateway, running_sink

REQUESTS, SPANS, CALLS = 12, 5, 8
SECRET = planted.secret("openai_project", Random(61))


def request(sender: int, number: int) -> bytes:
    """A request of SPANS spans, each of a trace of its own, with a secret in each."""
    built = ExportTraceServiceRequest()
    scope = built.resource_spans.add().scope_spans.add()
    for place in range(SPANS):
        span = scope.spans.add(name="work", trace_id=bytes([7, sender, number, place] * 4), span_id=bytes([1, sender, number, place] * 2))
        span.attributes.add(key="note").value.string_value = f"with {SECRET}"
    return built.SerializeToString()


def spans_of(sink: Sink) -> Counter[bytes]:
    """How often the sink got each span."""
    return Counter(
        span.span_id
        for taken in sink.sink.taken()
        for group in ExportTraceServiceRequest.FromString(taken.body).resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    )


def account(gateway: Gateway) -> dict[str, Any]:
    (row,) = [row for row in gateway.admin("GET", "/v1/outbox")["data"] if row["signal"] == "traces"]
    return dict(row)


def emptied(gateway: Gateway) -> dict[str, Any]:
    """The account of traces once nothing waits any more."""
    for _ in range(300):
        if not (row := account(gateway))["queued"]:
            return row
        time.sleep(0.1)
    raise AssertionError("the outbox did not become empty")


@pytest.mark.postgres
def test_both_write_one_store_and_every_span_is_sent_once(tmp_path: Path) -> None:
    with running_postgres() as server, running_sink() as sink:
        url = server.fresh_database()
        document = {
            "policies": {"default": MASK_ALL},
            "targets": [{"id": "demo", "provider": "demo", "model": "demo"}],
            "models": {"demo": {"targets": ["demo"]}},
            "telemetry": {"destinations": [{"id": "sink", "endpoint": sink.http_url}]},
        }
        with running_gateway(tmp_path / "gateway", document, LOCKGATE_DATABASE_URL=url) as gateway:
            beside = tmp_path / "collector" / "home"
            beside.mkdir(parents=True, mode=0o700)
            shutil.copy2(gateway.home / "pepper.json", beside / "pepper.json")
            with running_gateway(tmp_path / "collector", document, command="collect", LOCKGATE_DATABASE_URL=url) as collector:
                walk(gateway, collector, sink)
                collector.stop()
                assert emptied(gateway)["delivered"] == account(gateway)["accepted"]
            gateway.cli("audit", "verify")
            gateway.stop()
        with Books(url) as books:
            kinds = Counter(row["kind"] for row in books.rows(tables.events))
            assert kinds["gateway:telemetry:accept"] == 2 * REQUESTS
            assert kinds["gateway:call:finish"] == CALLS
            # Neither takes the other for one that died, or one of its calls for one that nobody ends.
            assert {kind for kind in kinds if kind in ("ledger:event:recover", "gateway:call:unknown", "gateway:call:abandon")} == set()
            assert len(books.rows(tables.epochs)) == 2
            assert books.rows(tables.outbox) == []
        assert not any(SECRET.encode() in taken.body for taken in sink.sink.taken())


def walk(gateway: Gateway, collector: Gateway, sink: Sink) -> None:
    """Send to both at once, and call models meanwhile; then every span is there, once."""
    key = gateway.create_key()["key"]
    chat = {"model": "demo", "messages": [{"role": "user", "content": "hello"}]}

    def send(sender: int, number: int) -> int:
        place = (gateway, collector)[sender]
        headers = {"content-type": "application/x-protobuf"}
        return place.call("POST", "/v1/traces", request(sender, number), key=key, headers=headers).status

    until_known(collector, key)
    with ThreadPoolExecutor(4) as pool:
        sent = [pool.submit(send, sender, number) for number in range(REQUESTS) for sender in (0, 1)]
        asked = [pool.submit(lambda: gateway.call("POST", "/v1/chat/completions", chat, key=key).status) for _ in range(CALLS)]
        assert {future.result() for future in (*sent, *asked)} == {200}
    row = emptied(gateway)
    found = spans_of(sink)
    foreign = {bytes([1, sender, number, place] * 2) for sender in (0, 1) for number in range(REQUESTS) for place in range(SPANS)}

    assert set(found.values()) == {1}
    assert foreign <= set(found)
    assert len(found) == row["accepted"] == row["delivered"]
    assert (row["dead_letter"], row["rejected_by_policy"]) == (0, 0)
    assert account(collector_of(gateway, collector)) == row
    assert collector.call("GET", "/health/ready").status == 200


def until_known(collector: Gateway, key: str) -> None:
    """Wait until the collector has read that there is a new key; what is sent for that holds no span and counts nowhere."""
    for _ in range(100):
        status = collector.call("POST", "/v1/traces", b"", key=key, headers={"content-type": "application/x-protobuf"}).status
        if status == 200:
            return
        assert status == 401
        time.sleep(0.1)
    raise AssertionError("the collector does not know the new key")


def collector_of(gateway: Gateway, collector: Gateway) -> Gateway:
    """The collector, asked with the gateway's admin key: both have the same keys."""
    shutil.copy2(gateway.home / "admin.key", collector.home / "admin.key")
    return collector
