"""Telemetry of other programs over real sockets: a stock SDK with two variables, every surface planted, nothing of it at any exit."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
from google.rpc import status_pb2

from tests import planted
from tests.collectors.otlp_requests import REQUESTS, SIGNALS, as_json, filled
from tests.walks.rig import MASK_ALL, ROOT, Answer, Gateway, Sink, running_gateway, running_sink

PROTOBUF, JSON = "application/x-protobuf", "application/json"
KINDS = ("openai_project", "anthropic", "github", "slack", "email", "card", "stripe", "aws_access_key_id")
WORDS = [planted.secret(KINDS[number % len(KINDS)], Random(900 + number)) for number in range(40)]
TERM = "project nightfall"


@dataclass
class House:
    gateway: Gateway
    sink: Sink
    keys: dict[str, str]

    def post(self, signal: str, body: bytes, key: str = "default", media: str = PROTOBUF, **headers: str) -> Answer:
        sent = {"content-type": media, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return self.gateway.call("POST", f"/v1/{signal}", body, key=self.keys.get(key, key), headers=sent)

    def events(self, **filters: str) -> list[dict[str, Any]]:
        return self.gateway.events(kind="gateway:telemetry:accept", **filters)

    def accounts(self) -> dict[tuple[str, str], dict[str, Any]]:
        return {(row["destination"], row["signal"]): row for row in self.gateway.admin("GET", "/v1/outbox")["data"]}

    def settled(self) -> dict[tuple[str, str], dict[str, Any]]:
        """The accounts once nothing waits any more."""
        for _ in range(200):
            found = self.accounts()
            if found and not any(row["queued"] for row in found.values()):
                return found
            time.sleep(0.1)
        raise AssertionError("the outbox did not become empty")

    def received(self, signal: str) -> list[Any]:
        """The requests of a signal that the sink took."""
        return [REQUESTS[signal].FromString(request.body) for request in self.sink.sink.taken() if request.signal == signal]  # type: ignore[index]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with running_sink() as sink:
        blocking = {**MASK_ALL, "telemetry": [*MASK_ALL["telemetry"], {"blocked_terms": [TERM], "action": "block"}]}
        document = {
            "policies": {"default": MASK_ALL, "strict": blocking},
            "workspaces": {"default": {}, "strict": {"policy": "strict"}},
            "telemetry": {
                "destinations": [
                    {"id": "all", "endpoint": sink.http_url, "signals": ["traces", "logs", "metrics"]},
                    {"id": "traces-only", "endpoint": sink.grpc_url, "protocol": "grpc"},
                ],
                "receiver": {"grpc_port": 0, "max_body_bytes": 1 << 20, "max_decoded_bytes": 4 << 20, "max_ratio": 100},
            },
        }
        with running_gateway(tmp_path_factory.mktemp("receiver"), document, LOCKGATE_LOG_LEVEL="INFO") as gateway:
            keys = {name: gateway.create_key(workspace=name)["key"] for name in ("default", "strict")}
            keys["auditor"] = gateway.create_key(role="auditor")["key"]
            yield House(gateway, sink, keys)


def run_program(house: House, protocol: str, endpoint: str) -> None:
    """Run the program with two variables, and see that it got rid of everything."""
    passed = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests/walks/clients/otel_program.py")],
        input=json.dumps({"protocol": protocol, "words": WORDS}).encode(),
        capture_output=True,
        env={
            **passed,
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer {house.keys['default']}",
        },
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    assert json.loads(done.stdout)["flushed"] == [True, True, True], done.stderr.decode()[-3000:]
    assert b"Failed" not in done.stderr and b"Traceback" not in done.stderr.replace(b"it broke", b""), done.stderr.decode()[-3000:]


def leaks_in(house: House) -> Iterator[tuple[str, str]]:
    """Where a planted word stands: what the sink got, what the gateway wrote (database, logs), what it shows."""
    places: dict[str, bytes] = {f"sink {number}": body for number, body in enumerate(house.sink.bodies())}
    places |= house.gateway.written()
    places["metrics"] = house.gateway.call("GET", "/metrics", key=house.gateway.admin_key).body
    places["events"] = json.dumps(house.gateway.events()).encode()
    for name, content in places.items():
        for word in WORDS:
            if word.encode() in content:
                yield name, word[:6]


def test_a_stock_program_sends_over_http_with_nothing_but_two_variables(house: House) -> None:
    run_program(house, "http", house.gateway.url)
    house.settled()

    spans = [
        span
        for request in house.received("traces")
        for group in request.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]
    assert {f"step {number}" for number in range(20)} <= {span.name for span in spans}
    resources = [group.resource for request in house.received("traces") for group in request.resource_spans]
    stamped = {pair.key: pair.value.string_value for pair in resources[0].attributes}
    assert (stamped["service.name"], stamped["lockgate.workspace"]) == ("checkout", "default")
    assert house.received("logs")
    assert house.received("metrics")
    assert list(leaks_in(house)) == []
    assert not any(b"redaction_failed" in body for body in house.sink.bodies())
