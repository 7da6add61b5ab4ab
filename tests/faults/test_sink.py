"""A telemetry back end that is away: no call notices, nothing is lost, and the account is exact at every moment. F17."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

from tests.servers.otlp import Answer
from tests.servers.provider import running_provider
from tests.walks.asking import SURFACES, ask
from tests.walks.rig import MASK_ALL, Gateway, anthropic_target, openai_target, running_gateway, running_sink

PRICES = {
    "openai/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2},
    "anthropic/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2},
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def account(gateway: Gateway, destination: str) -> dict[str, Any]:
    """The loss equation of a destination, which holds whenever one looks."""
    (row,) = [row for row in gateway.admin("GET", "/v1/outbox")["data"] if row["destination"] == destination and row["signal"] == "traces"]
    assert row["accepted"] == row["delivered"] + row["queued"] + row["dead_letter"] + row["rejected_by_policy"], row
    found: dict[str, Any] = row
    return found


def test_a_dead_sink_costs_no_call_and_loses_no_span(tmp_path: Path) -> None:
    port = free_port()
    with running_provider() as provider, running_sink() as healthy:
        document = {
            "targets": [openai_target("openai", "echo", provider.url), anthropic_target("anthropic", "echo", provider.url)],
            "models": {name: {"targets": [name]} for name in SURFACES},
            "prices": PRICES,
            "policies": {"default": MASK_ALL},
            "telemetry": {
                "destinations": [{"id": "dead", "endpoint": f"http://127.0.0.1:{port}"}, {"id": "healthy", "endpoint": healthy.http_url}]
            },
        }
        with running_gateway(tmp_path, document, LOCKGATE_LOG_LEVEL="INFO") as gateway:
            key = gateway.create_key()["key"]
            ids = calls(gateway, key, 6)  # nobody listens
            queued = account(gateway, "dead")
            assert (queued["delivered"], queued["queued"]) == (0, queued["accepted"])
            assert queued["accepted"] >= 6
            with running_sink(port) as sink:
                sink.sink.always = Answer(status=503)
                ids += calls(gateway, key, 4)  # somebody listens and cannot take it
                wait_for(lambda: len(sink.sink.requests) >= 1)
                assert account(gateway, "dead")["delivered"] == 0
                assert gateway.stop() == 0
                gateway.start_again()  # what waits survives a restart
                assert account(gateway, "dead")["queued"] > 0
                sink.sink.answer(Answer(status=429, headers={"Retry-After": "1"}), Answer(status=200, rejected=1))
                sink.sink.always = Answer()
                ids += calls(gateway, key, 2)
                wait_for(lambda: account(gateway, "dead")["queued"] == 0)
                final = account(gateway, "dead")
                assert final["dead_letter"] == 0
                assert final["rejected_by_policy"] == 1, "what the back end refused of a request that it took"
                healthy.wait_for_spans(final["accepted"])
                assert request_ids(sink.spans()) == request_ids(healthy.spans()) == set(ids)
                assert len({span.span_id for span in healthy.spans()}) == len(healthy.spans()) == account(gateway, "healthy")["delivered"]


def calls(gateway: Gateway, key: str, count: int) -> list[str]:
    answers = [ask(gateway.url, SURFACES[number % 2], SURFACES[number % 2], key, stream=number % 3 == 0) for number in range(count)]
    assert {answer.status for answer in answers} == {200}, "no call notices"
    return [answer.headers["x-request-id"] for answer in answers]


def request_ids(spans: list[Any]) -> set[str]:
    return {pair.value.string_value for span in spans for pair in span.attributes if pair.key == "lockgate.request.id"}


def wait_for(what: Any, timeout_s: float = 45.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.1)
