"""Every way in which telemetry can end, one after the other in one gateway; after each the account is exact, and the same everywhere."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2

from tests.faults.outbox import account, agree_everywhere, rejections, samples, wait_until
from tests.servers.otlp import Answer
from tests.servers.provider import Provider, running_provider
from tests.walks.asking import ask
from tests.walks.rig import MASK_ALL, Gateway, Sink, openai_target, running_gateway, running_sink

LATE_SECRET = "sphinx-of-black-quartz"


@dataclass
class House:
    """A gateway with one destination over HTTP and one over gRPC, each with a sink of its own."""

    gateway: Gateway
    key: str
    http: Sink
    grpc: Sink

    def call(self, text: str = "hello") -> None:
        """One call, which is never touched by what becomes of its telemetry."""
        assert ask(self.gateway.url, "openai", "m", self.key, text).status == 200

    def sink(self, name: str) -> Sink:
        return self.http if name == "http" else self.grpc


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with running_provider() as provider, running_sink() as http, running_sink() as grpc:
        document: dict[str, Any] = {
            "targets": [openai_target("m", "echo", provider.url)],
            "models": {"m": {"targets": ["m"]}},
            "prices": {"openai/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2}},
            "policies": {"default": MASK_ALL},
            "telemetry": {
                "capture_content": True,
                "destinations": [
                    {"id": "http", "endpoint": http.http_url, "timeout_s": 2},
                    {"id": "grpc", "endpoint": grpc.grpc_url, "protocol": "grpc", "timeout_s": 2},
                ],
            },
        }
        with running_gateway(tmp_path_factory.mktemp("endings"), document, LOCKGATE_LOG_LEVEL="INFO") as gateway:
            yield House(gateway, gateway.create_key()["key"], http, grpc)


def retry_info(seconds: int) -> tuple[tuple[str, bytes | str], ...]:
    detail = AnyMessage()
    detail.Pack(error_details_pb2.RetryInfo(retry_delay={"seconds": seconds}))
    return (("grpc-status-details-bin", status_pb2.Status(code=14, details=[detail]).SerializeToString()),)


@pytest.mark.parametrize(
    ("where", "answers", "requests", "delivered", "dead", "rejected"),
    [
        ("http", (), 1, 1.0, 0.0, 0),
        ("http", (Answer(rejected=1),), 1, 1.0, 0.0, 1),
        ("http", (Answer(status=302, headers={"Location": "http://127.0.0.1:1/"}), Answer(status=304)), 3, 1.0, 0.0, 0),
        ("http", (Answer(status=400),), 1, 0.0, 1.0, 0),
        ("http", (Answer(status=408),), 2, 1.0, 0.0, 0),
        ("http", (Answer(status=413),), 1, 0.0, 1.0, 0),
        ("http", (Answer(status=429, headers={"Retry-After": "1"}),), 2, 1.0, 0.0, 0),
        ("http", (Answer(status=500), Answer(status=503)), 3, 1.0, 0.0, 0),
        ("http", (Answer(hang_s=3.0),), 2, 1.0, 0.0, 0),
        ("grpc", (), 1, 1.0, 0.0, 0),
        ("grpc", (Answer(rejected=1),), 1, 1.0, 0.0, 1),
        ("grpc", (Answer(code="UNAVAILABLE", trailers=retry_info(1)),), 2, 1.0, 0.0, 0),
        ("grpc", (Answer(code="RESOURCE_EXHAUSTED", trailers=retry_info(1)),), 2, 1.0, 0.0, 0),
        ("grpc", (Answer(code="INVALID_ARGUMENT"),), 1, 0.0, 1.0, 0),
        ("grpc", (Answer(code="DEADLINE_EXCEEDED"),), 2, 1.0, 0.0, 0),
    ],
    ids=[
        "delivered", "partial success", "3xx", "400", "408", "413 of one row", "429 with Retry-After", "500 and 503", "hangs",
        "grpc delivered", "grpc partial success", "grpc UNAVAILABLE with RetryInfo", "grpc RESOURCE_EXHAUSTED with RetryInfo",
        "grpc INVALID_ARGUMENT", "grpc DEADLINE_EXCEEDED",
    ],
)  # fmt: skip
def test_the_account_is_exact_after_every_ending(
    house: House, where: str, answers: tuple[Answer, ...], requests: int, delivered: float, dead: float, rejected: int
) -> None:
    before, sink = account(house.gateway, where), house.sink(where).sink
    asked = len(sink.requests)
    sink.answer(*answers)
    house.call()
    wait_until(lambda: ended(house, where, before))
    after = agree_everywhere(house.gateway)[where, "traces"]
    items = after["accepted"] - before["accepted"]
    assert items == 2, "the call and its attempt"
    assert len(sink.requests) - asked == requests
    assert {name: after[name] - before[name] for name in after} == {
        "accepted": items,
        "delivered": items * delivered - rejected,
        "queued": 0,
        "dead_letter": items * dead,
        "rejected_by_policy": rejected,
    }


def ended(house: House, where: str, before: dict[str, int]) -> bool:
    now = account(house.gateway, where)
    return now["accepted"] > before["accepted"] and now["queued"] == 0


def test_a_batch_that_is_too_large_is_halved_until_it_fits(house: House) -> None:
    before, sink = account(house.gateway, "http"), house.http.sink
    sink.always = Answer(status=503)
    for _ in range(4):
        house.call()
    sink.answer(Answer(status=413))
    sink.always = Answer()
    wait_until(lambda: account(house.gateway, "http")["delivered"] - before["delivered"] == 8)
    agree_everywhere(house.gateway)


def test_dead_letters_are_seen_sent_again_and_given_up(house: House) -> None:
    gateway = house.gateway
    dead = account(gateway, "http")["dead_letter"]
    assert dead >= 4, "of the endings before"
    listed = gateway.admin("GET", "/v1/outbox/dead-letters?destination=http&limit=1")
    assert listed["total"]["items"] == dead
    letter = gateway.admin("GET", f"/v1/outbox/dead-letters/{listed['data'][0]['id']}")
    names = [span["name"] for span in letter["content"]["resourceSpans"][0]["scopeSpans"][0]["spans"]]
    assert names == ["chat m", "lockgate.attempt"]
    assert len(letter["content"]["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"]) == 32
    assert b"chat m" in gateway.cli("outbox", "show", str(letter["id"])).stdout
    before = account(gateway, "http")
    gateway.cli("outbox", "replay", "--destination", "http", "--reason", "http_400")
    wait_until(lambda: account(gateway, "http")["delivered"] == before["delivered"] + 2)
    gateway.cli("outbox", "drop", str(letter["id"] if letter["reason"] != "http_400" else listed["next_cursor"]), "--yes", check=False)
    gateway.admin("POST", "/v1/outbox/drop", {"destination": "http"})
    assert account(gateway, "http")["dead_letter"] == 0
    assert rejections(gateway, "http")["dropped"] == dead - 2
    agree_everywhere(gateway)
    kinds = {event["kind"] for event in gateway.events(kind="admin:outbox:*")}
    assert kinds == {"admin:outbox:read", "admin:outbox:replay", "admin:outbox:drop"}


def test_what_became_a_live_secret_while_it_waited_is_destroyed_and_counted(house: House) -> None:
    gateway, sink = house.gateway, house.http.sink
    before, rejected = account(gateway, "http"), rejections(gateway, "http").get("live_secret", 0)
    sink.always = Answer(status=503)
    house.call(text=f"repeat {LATE_SECRET}")
    wait_until(lambda: account(gateway, "http")["queued"] == 2)
    gateway.admin("POST", "/v1/secrets/LATE", {"value": LATE_SECRET})
    sent = len(sink.taken())
    sink.always = Answer()
    wait_until(lambda: account(gateway, "http")["queued"] == 0)
    after = agree_everywhere(gateway)["http", "traces"]
    assert after["rejected_by_policy"] - before["rejected_by_policy"] == 2
    assert rejections(gateway, "http")["live_secret"] - rejected == 2
    assert all(LATE_SECRET.encode() not in request.body for request in sink.taken()[sent:])


def full(gateway: Gateway) -> dict[str, float]:
    return {sample.labels["answer"]: sample.value for sample in samples(gateway, "lockgate_outbox_full_total")}


@dataclass
class Bounded:
    """A gateway with a workspace for each answer, whose calls go to a destination of that name, and one that sends nothing."""

    gateway: Gateway
    provider: Provider
    sinks: dict[str, Sink]
    keys: dict[str, str]


@pytest.fixture(scope="module")
def bounded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bounded]:
    with contextlib.ExitStack() as stack:
        provider = stack.enter_context(running_provider())
        sinks = {answer: stack.enter_context(running_sink()) for answer in ("refuse", "block", "shed_content")}
        document: dict[str, Any] = {
            "targets": [openai_target("m", "echo", provider.url)],
            "models": {"m": {"targets": ["m"]}},
            "prices": {"openai/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2}},
            "policies": {"default": MASK_ALL},
            "telemetry": {
                "capture_content": True,
                "destinations": [
                    {"id": answer, "endpoint": sink.http_url, "queue": {"max_bytes": 4_000, "when_full": answer, "block_s": 0.5}}
                    for answer, sink in sinks.items()
                ],
            },
            "workspaces": {**{answer: {"destinations": [answer]} for answer in sinks}, "elsewhere": {"destinations": []}},
        }
        gateway = stack.enter_context(running_gateway(tmp_path_factory.mktemp("bounds"), document, LOCKGATE_LOG_LEVEL="INFO"))
        keys = {workspace: gateway.create_key(workspace=workspace)["key"] for workspace in (*sinks, "elsewhere")}
        yield Bounded(gateway, provider, sinks, keys)


@pytest.mark.parametrize("when_full", ["refuse", "block", "shed_content"])
def test_at_the_bound_a_destination_gives_the_answer_that_was_chosen(bounded: Bounded, when_full: str) -> None:
    gateway, key, sink = bounded.gateway, bounded.keys[when_full], bounded.sinks[when_full]
    sink.sink.always = Answer(status=503)
    statuses = until_refused(lambda: ask(gateway.url, "openai", "m", key).status)
    asked = len(bounded.provider.calls)
    refused = ask(gateway.url, "openai", "m", key)
    assert (refused.status, refused.json["error"]["code"], refused.headers["retry-after"]) == (503, "telemetry_full", "5")
    assert len(bounded.provider.calls) == asked, "nothing was sent to a provider"
    for other in {*bounded.keys} - {when_full}:
        assert ask(gateway.url, "openai", "m", bounded.keys[other]).status == 200, "a workspace that sends nothing there is not concerned"
    assert full(gateway)["refuse" if when_full == "shed_content" else when_full] >= 1
    assert ("shed_content" in full(gateway)) == (when_full == "shed_content")
    assert account(gateway, when_full)["queued"] >= 2 * statuses.count(200), "what is below and above the bound is kept"
    assert gateway.events(kind="gateway:call:refuse")[0]["error"] == "telemetry_full"
    sink.sink.always = Answer()
    wait_until(lambda: account(gateway, when_full)["queued"] == 0)
    wait_until(lambda: ask(gateway.url, "openai", "m", key).status == 200)
    agree_everywhere(gateway)
    spans = [{pair.key for pair in span.attributes} for span in sink.spans() if not span.parent_span_id]
    shed = [attributes for attributes in spans if "lockgate.content.shed" in attributes]
    assert bool(shed) == (when_full == "shed_content")
    assert all("gen_ai.input.messages" not in attributes for attributes in shed)
    assert any("gen_ai.input.messages" in attributes for attributes in spans)


def until_refused(call: Callable[[], int]) -> list[int]:
    statuses = []
    while not statuses or statuses[-1] == 200:
        statuses.append(call())
        assert len(statuses) < 50, "the bound is never reached"
    assert statuses[-1] == 503
    return statuses
