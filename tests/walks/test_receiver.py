"""Telemetry of other programs over real sockets: a stock SDK with two variables, every surface planted, nothing of it at any exit."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import re
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import grpc
import pytest
from google.rpc import status_pb2
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from collectors.otlp.answers import retry_delay
from collectors.otlp.receive_grpc import METHODS
from tests import planted
from tests.collectors.otlp_requests import REQUESTS, SIGNALS, as_json, filled
from tests.walks.rig import MASK_ALL, ROOT, Answer, Gateway, Sink, running_gateway, running_sink

PROTOBUF, JSON = "application/x-protobuf", "application/json"
KINDS = ("openai_project", "anthropic", "github", "slack", "email", "card", "stripe", "aws_access_key_id")
WORDS = [planted.secret(KINDS[number % len(KINDS)], Random(900 + number)) for number in range(40)]
TERM = "project nightfall"
NODE_MODULES = ROOT / ".venv-clients-otel-js" / "node_modules"


EQUATION = ("accepted", "delivered", "queued", "dead_letter", "rejected_by_policy")


def items_of(request: Any) -> int:
    """The spans, log records or data points of a request."""
    name = request.DESCRIPTOR.name
    groups = request.ListFields()[0][1] if request.ListFields() else []
    scopes = [scope for group in groups for field, value in group.ListFields() if field.name.startswith("scope_") for scope in value]
    if name != "ExportMetricsServiceRequest":
        return sum(len(scope.spans if "Trace" in name else scope.log_records) for scope in scopes)
    return sum(len(getattr(metric, metric.WhichOneof("data")).data_points) for scope in scopes for metric in scope.metrics)


def grpc_url_of(gateway: Gateway) -> str:
    """Where a gateway serves OTLP over gRPC, as it says when it starts."""
    return re.findall(r"OTLP over gRPC at (\S+)", gateway.log.read_text())[-1]


def grpc_refusal(url: str, signal: str, body: bytes, key: str, *, gzip: bool = False) -> tuple[str, float | None]:
    """The code of a refused request, and the seconds of its RetryInfo."""
    method = next(path for path, named in METHODS.items() if named == signal)
    compression = grpc.Compression.Gzip if gzip else grpc.Compression.NoCompression
    with grpc.insecure_channel(url.removeprefix("http://")) as channel, pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary(method)(body, metadata=(("authorization", f"Bearer {key}"),), timeout=30, compression=compression)
    error: Any = refused.value
    assert not any(word in error.details() for word in WORDS)
    details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    return error.code().name, retry_delay(details) if details else None


@dataclass
class House:
    gateway: Gateway
    sink: Sink
    keys: dict[str, str]

    @property
    def grpc_url(self) -> str:
        return grpc_url_of(self.gateway)

    def post(self, signal: str, body: bytes, key: str = "default", media: str = PROTOBUF, **headers: str) -> Answer:
        sent = {"content-type": media, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return self.gateway.call("POST", f"/v1/{signal}", body, key=self.keys.get(key, key) or None, headers=sent)

    def events(self, **filters: str) -> list[dict[str, Any]]:
        return self.gateway.events(kind="gateway:telemetry:accept", **filters)

    def accounts(self) -> dict[tuple[str, str], dict[str, Any]]:
        return {(row["destination"], row["signal"]): row for row in self.gateway.admin("GET", "/v1/outbox")["data"]}

    def settled(self) -> dict[tuple[str, str], dict[str, Any]]:
        """The accounts once nothing waits any more."""
        for _ in range(900):
            found = self.accounts()
            if not any(row["queued"] for row in found.values()):
                return found
            time.sleep(0.1)
        raise AssertionError("the outbox did not become empty")

    def settled_items(self, signal: str) -> int:
        """How many items of a signal the sink took once nothing waits any more."""
        self.settled()
        return sum(
            items_of(REQUESTS[signal].FromString(request.body))  # type: ignore[index]
            for request in self.sink.sink.taken()
            if request.signal == signal and request.protocol == "http"
        )

    def received(self, signal: str) -> list[Any]:
        """The requests of a signal that the sink took."""
        return [REQUESTS[signal].FromString(request.body) for request in self.sink.sink.taken() if request.signal == signal]  # type: ignore[index]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with running_sink() as sink:
        blocking = {**MASK_ALL, "telemetry": [*MASK_ALL["telemetry"], {"blocked_terms": [TERM], "action": "block"}]}
        document = {
            "policies": {"default": MASK_ALL, "strict": blocking},
            "workspaces": {"default": {}, "strict": {"policy": "strict"}, "apart": {"destinations": ["traces-only"]}},
            "telemetry": {
                "destinations": [
                    {"id": "all", "endpoint": sink.http_url, "signals": ["traces", "logs", "metrics"]},
                    {"id": "traces-only", "endpoint": sink.grpc_url, "protocol": "grpc"},
                ],
                "receiver": {"grpc_port": 0, "max_body_bytes": 1 << 20, "max_decoded_bytes": 4 << 20, "max_ratio": 100},
            },
        }
        with running_gateway(tmp_path_factory.mktemp("receiver"), document, LOCKGATE_LOG_LEVEL="INFO") as gateway:
            keys = {name: gateway.create_key(workspace=name)["key"] for name in ("default", "strict", "apart")}
            keys["auditor"] = gateway.create_key(role="auditor")["key"]
            yield House(gateway, sink, keys)


def variables(house: House, endpoint: str, **more: str) -> dict[str, str]:
    """The environment of a program: an address and a header, and nothing else of ours."""
    passed = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    headers = f"authorization=Bearer {house.keys['default']}"
    return {**passed, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_HEADERS": headers, **more}


def run_program(house: House, protocol: str, endpoint: str) -> None:
    """Run the program, and see that it got rid of everything."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests/walks/clients/otel_program.py")],
        input=json.dumps({"protocol": protocol, "words": WORDS}).encode(),
        capture_output=True,
        env=variables(house, endpoint),
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    assert json.loads(done.stdout)["flushed"] == [True, True, True], done.stderr.decode()[-3000:]
    assert b"Failed" not in done.stderr, done.stderr.decode()[-3000:]


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


def test_a_stock_program_sends_over_grpc_with_nothing_but_two_variables(house: House) -> None:
    before = {signal: sum(map(items_of, house.received(signal))) for signal in SIGNALS}
    run_program(house, "grpc", house.grpc_url)
    house.settled()

    assert {signal: sum(map(items_of, house.received(signal))) > before[signal] for signal in SIGNALS} == dict.fromkeys(SIGNALS, True)


@pytest.mark.clients
@pytest.mark.skipif(not NODE_MODULES.exists(), reason="the OpenTelemetry SDK for Node is not installed (make clients)")
@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json", "grpc"])
def test_a_stock_node_program_sends_in_every_protocol(house: House, protocol: str) -> None:
    before = {signal: house.settled_items(signal) for signal in SIGNALS}
    endpoint = house.grpc_url if protocol == "grpc" else house.gateway.url
    # Only traces are on by default in this SDK.
    more = {
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_LOG_LEVEL": "warn",
    }
    done = subprocess.run(
        ["node", str(ROOT / "tests/walks/clients/otel_program.mjs")],
        input=json.dumps({"words": WORDS, "modules": str(NODE_MODULES)}).encode(),
        capture_output=True,
        env=variables(house, endpoint, **more),
        check=False,
        timeout=100,
    )
    said = (done.stdout + done.stderr).decode()[-3000:]
    assert done.returncode == 0, said
    assert "rror" not in said, said

    assert {signal: house.settled_items(signal) - before[signal] for signal in SIGNALS} == {"traces": 21, "logs": 2, "metrics": 2}
    assert list(leaks_in(house)) == []


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("media", [PROTOBUF, JSON])
@pytest.mark.parametrize("coding", ["identity", "gzip", "deflate"])
def test_every_encoding_and_coding_is_taken_and_answered_in_its_own_encoding(house: House, signal: str, media: str, coding: str) -> None:
    number = SIGNALS.index(signal) * 6 + [PROTOBUF, JSON].index(media) * 3 + ["identity", "gzip", "deflate"].index(coding)
    built = filled(signal, f"fine {WORDS[number]}")  # type: ignore[arg-type]
    body = as_json(built) if media == JSON else built.SerializeToString()
    body = {"identity": bytes, "gzip": gzip.compress, "deflate": zlib.compress}[coding](body)

    answer = house.post(signal, body, media=media, content_encoding=coding)

    assert (answer.status, answer.headers["content-type"]) == (200, media)
    assert answer.body == (b"{}" if media == JSON else b"")
    (event,) = house.events(request_id=answer.headers["x-request-id"])
    assert event["detail"]["items"] == items_of(built)


def test_x_api_key_is_as_good_as_authorization(house: House) -> None:
    body = filled("logs", "fine").SerializeToString()
    answer = house.gateway.call("POST", "/v1/logs", body, headers={"content-type": PROTOBUF, "x-api-key": house.keys["default"]})
    assert answer.status == 200


GOOD = filled("traces", "fine").SerializeToString()
REFUSALS: dict[str, tuple[dict[str, Any], int, int]] = {
    "no key": ({"key": ""}, 401, 16),
    "a wrong key": ({"key": "lgk_" + "0" * 43}, 401, 16),
    "an auditor's key": ({"key": "auditor"}, 403, 7),
    "another media type": ({"media": "text/plain"}, 415, 3),
    "no protobuf": ({"body": b"\xff" + WORDS[0].encode()}, 400, 3),
    "no json": ({"body": b'{"resourceSpans": "' + WORDS[0].encode() + b'"}', "media": JSON}, 400, 3),
    "another coding": ({"content_encoding": "br"}, 415, 3),
    "a broken stream": ({"body": gzip.compress(GOOD)[:-9], "content_encoding": "gzip"}, 400, 3),
    "a tail": ({"body": gzip.compress(GOOD) + b"x", "content_encoding": "gzip"}, 400, 3),
    "too large decompressed": ({"body": gzip.compress(b"\0" * (5 << 20)), "content_encoding": "gzip"}, 413, 3),
    "too much of a ratio": ({"body": zlib.compress(b"\0" * (3 << 20)), "content_encoding": "deflate"}, 413, 3),
}


@pytest.mark.parametrize("case", REFUSALS)
@pytest.mark.parametrize("encoding", [PROTOBUF, JSON])
def test_what_is_refused_is_told_as_a_status_and_written_down(house: House, case: str, encoding: str) -> None:
    given, status, code = REFUSALS[case]
    sent = {"body": GOOD, "media": encoding, **given}
    if sent["body"] is GOOD and encoding == JSON:
        sent["body"] = as_json(filled("traces", "fine"))
    before = {place: row["accepted"] for place, row in house.accounts().items()}

    answer = house.post("traces", **sent)

    assert answer.status == status
    media = answer.headers["content-type"]
    told = (
        json.loads(answer.body)
        if media == JSON
        else {"code": (said := status_pb2.Status.FromString(answer.body)).code, "message": said.message}
    )
    assert media == (JSON if sent["media"] == "text/plain" else sent["media"])
    assert told["code"] == code
    assert told["message"]
    assert not any(word in told["message"] for word in WORDS)
    assert "retry-after" not in answer.headers
    assert {place: row["accepted"] for place, row in house.accounts().items()} == before
    assert ("www-authenticate" in answer.headers) == (status == 401)


def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes(house: House) -> None:
    connection = http.client.HTTPConnection(house.gateway.url.removeprefix("http://"), timeout=10)
    connection.putrequest("POST", "/v1/traces")
    headers = {"content-type": PROTOBUF, "content-length": str((1 << 20) + 1), "authorization": f"Bearer {house.keys['default']}"}
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders(b"first bytes")
    answer = connection.getresponse()
    assert (answer.status, status_pb2.Status.FromString(answer.read()).code) == (413, 3)
    connection.close()


def test_a_workspaces_telemetry_goes_where_it_names(house: House) -> None:
    assert house.post("logs", filled("logs", "fine").SerializeToString(), key="apart").status == 404, "no destination of it takes logs"
    before = house.settled()
    assert house.post("traces", GOOD, key="apart").status == 200
    after = house.settled()
    grown = {place for place, row in after.items() if row["delivered"] > before.get(place, {"delivered": 0})["delivered"]}
    assert grown == {("traces-only", "traces")}


def test_another_method_is_not_allowed(house: House) -> None:
    assert house.gateway.call("GET", "/v1/traces", key=house.keys["default"]).status == 405


def test_what_policy_blocks_is_taken_out_told_and_counted_exactly(house: House) -> None:
    before = house.settled()
    built = REQUESTS["traces"]()
    scope = built.resource_spans.add().scope_spans.add()
    for number in range(5):
        scope.spans.add(name=TERM if number in (1, 3) else f"kept {number}", trace_id=b"\x01" * 16, span_id=b"\x02" * 8)

    answer = house.post("traces", built.SerializeToString(), key="strict")

    partial = ExportTraceServiceResponse.FromString(answer.body).partial_success
    assert (answer.status, partial.rejected_spans) == (200, 2)
    assert TERM not in partial.error_message
    after = house.settled()
    for destination in ("all", "traces-only"):
        account = {name: after[destination, "traces"][name] - before.get((destination, "traces"), {}).get(name, 0) for name in EQUATION}
        assert account == {"accepted": 5, "delivered": 3, "queued": 0, "dead_letter": 0, "rejected_by_policy": 2}
    (event,) = house.events(request_id=answer.headers["x-request-id"])
    detail = event["detail"]
    assert (detail["items"], detail["rejected"], detail["policy"]) == (5, 2, "strict")
    assert not any(TERM.encode() in body for body in house.sink.bodies())

    json_answer = house.post("traces", as_json(built), key="strict", media=JSON)
    assert json_answer.json["partialSuccess"]["rejectedSpans"] == "2"


def test_a_live_secret_does_not_even_reach_the_outbox_and_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    live = planted.secret("password", Random(77))
    with running_sink() as sink:
        document = {
            "policies": {"default": {**MASK_ALL, "telemetry": [{"detect": ["pii"], "action": "mask"}]}},
            "targets": [{"id": "t", "provider": "openai", "model": "m", "secret_key_ref": {"env": "PLANTED_KEY"}}],
            "models": {"m": {"targets": ["t"]}},
            "telemetry": {"destinations": [{"id": "dead", "endpoint": "http://127.0.0.1:9", "signals": ["traces", "logs"]}]},
        }
        with running_gateway(tmp_path, document, LOCKGATE_LOG_LEVEL="INFO", PLANTED_KEY=live) as gateway:
            key = gateway.create_key()["key"]
            built = filled("logs", f"seen {live}")
            for _ in range(3):
                answer = gateway.call("POST", "/v1/logs", built.SerializeToString(), key=key, headers={"content-type": PROTOBUF})
                assert answer.status == 200
            gateway.process.kill()
            gateway.process.wait()
            assert not [name for name, content in gateway.written().items() if live.encode() in content]
            gateway.config.write_text(gateway.config.read_text().replace("http://127.0.0.1:9", sink.http_url))
            gateway.start_again()
            sink_items = 0
            for _ in range(200):
                taken = [REQUESTS["logs"].FromString(request.body) for request in sink.sink.taken()]
                sink_items = sum(map(items_of, taken))
                if sink_items >= 3 * items_of(built):
                    break
                time.sleep(0.1)
            assert sink_items == 3 * items_of(built)
            assert not any(live.encode() in body for body in sink.bodies())


def test_what_cannot_be_taken_is_refused_for_good_or_for_now(tmp_path: Path) -> None:
    document = {
        "policies": {"default": MASK_ALL},
        "telemetry": {
            "destinations": [
                {"id": "dead", "endpoint": "http://127.0.0.1:9", "signals": ["traces", "logs"], "queue": {"max_bytes": 1 << 20}}
            ],
            "receiver": {"grpc_port": 0},
        },
    }
    with running_gateway(tmp_path, document, LOCKGATE_LOG_LEVEL="INFO") as gateway:
        key = gateway.create_key()["key"]
        answer = gateway.call(
            "POST", "/v1/metrics", filled("metrics", "fine").SerializeToString(), key=key, headers={"content-type": PROTOBUF}
        )
        assert (answer.status, status_pb2.Status.FromString(answer.body).code) == (404, 5), "no destination takes metrics"

        built = REQUESTS["logs"]()
        built.resource_logs.add().scope_logs.add().log_records.add().body.string_value = "what is said again and again. " * 40_000
        body = built.SerializeToString()
        answer = gateway.call("POST", "/v1/logs", body, key=key, headers={"content-type": PROTOBUF})
        assert answer.status == 200
        for _ in range(50):
            answer = gateway.call("POST", "/v1/traces", GOOD, key=key, headers={"content-type": PROTOBUF})
            if answer.status != 200:
                break
            time.sleep(0.1)
        said = status_pb2.Status.FromString(answer.body)
        assert (answer.status, answer.headers["retry-after"], said.code) == (503, "5", 14)
        assert said.details[0].type_url.endswith("google.rpc.RetryInfo")
        code, retry_s = grpc_refusal(grpc_url_of(gateway), "traces", GOOD, key)
        assert (code, retry_s) == ("UNAVAILABLE", 5.0)
        (account,) = [row for row in gateway.admin("GET", "/v1/outbox")["data"] if row["signal"] == "logs"]
        assert (account["accepted"], account["queued"]) == (1, 1)


def test_the_collector_alone_redacts_under_the_same_keys_and_serves_no_model(tmp_path: Path) -> None:
    live = planted.secret("password", Random(78))
    with running_sink() as sink:
        document = {
            "policies": {"default": MASK_ALL},
            "targets": [
                {"id": "t", "provider": "openai", "model": "m", "secret_key_ref": {"env": "PLANTED_KEY"}},
                {"id": "gone", "provider": "openai", "model": "m", "secret_key_ref": {"env": "NOT_THERE"}},
            ],
            "models": {"m": {"targets": ["t", "gone"]}},
            "telemetry": {
                "destinations": [{"id": "sink", "endpoint": sink.http_url, "signals": list(SIGNALS)}],
                "receiver": {"grpc_port": 0},
            },
        }
        with running_gateway(tmp_path, document, command="collect", LOCKGATE_LOG_LEVEL="INFO", PLANTED_KEY=live) as collector:
            key = collector.create_key()["key"]
            house = House(collector, sink, {"default": key})
            run_program(house, "grpc", house.grpc_url)
            assert house.post("logs", filled("logs", f"fine {live}").SerializeToString()).status == 200
            house.settled()
            assert {request.signal for request in sink.sink.taken()} == set(SIGNALS)
            assert not any(live.encode() in body for body in sink.bodies())
            assert list(leaks_in(house)) == []
            chat = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
            for path in ("/v1/chat/completions", "/v1/messages", "/v1/redact"):
                assert collector.call("POST", path, chat, key=key).status == 404
            assert collector.call("GET", "/health/ready").status == 200


def test_grpc_refuses_with_codes(house: House) -> None:
    assert grpc_refusal(house.grpc_url, "traces", GOOD, "lgk_" + "0" * 43) == ("UNAUTHENTICATED", None)
    assert grpc_refusal(house.grpc_url, "traces", b"\xff\xff" + WORDS[0].encode(), house.keys["default"]) == ("INVALID_ARGUMENT", None)
    assert grpc_refusal(house.grpc_url, "traces", GOOD, house.keys["auditor"]) == ("PERMISSION_DENIED", None)
    assert grpc_refusal(house.grpc_url, "traces", b"\0" * (5 << 20), house.keys["default"])[0] == "RESOURCE_EXHAUSTED"
    assert grpc_refusal(house.grpc_url, "traces", b"\0" * (5 << 20), house.keys["default"], gzip=True)[0] == "RESOURCE_EXHAUSTED"


def test_a_keys_requests_per_minute_hold_for_its_telemetry(house: House) -> None:
    key = house.gateway.create_key(workspace="default", rpm_limit=2)["key"]
    for _ in range(2):
        assert house.post("logs", filled("logs", "fine").SerializeToString(), key=key).status == 200

    refused = house.post("traces", GOOD, key=key)
    said = status_pb2.Status.FromString(refused.body)
    assert (refused.status, said.code) == (429, 8)
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert said.details[0].type_url.endswith("google.rpc.RetryInfo")
    code, retry_s = grpc_refusal(house.grpc_url, "traces", GOOD, key)
    assert code == "RESOURCE_EXHAUSTED"
    assert retry_s is not None
    assert 1 <= retry_s <= 60
    assert house.gateway.call("POST", "/v1/redact", {"text": "fine"}, key=key).status == 200  # calls have a window of their own


def test_nothing_leaked_at_any_exit(house: House) -> None:
    assert list(leaks_in(house)) == []
    assert sum(b"[HASHED" in body for body in house.sink.bodies()) > 10
    for account in house.settled().values():
        assert account["accepted"] == sum(account[name] for name in EQUATION[1:])
