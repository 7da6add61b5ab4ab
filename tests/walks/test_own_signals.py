"""The gateway's own traces, logs and metrics reach the back ends that ask for them, named by the document or by the environment."""

from __future__ import annotations

import signal
from pathlib import Path
from random import Random
from typing import Any

import yaml
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from tests import planted
from tests.faults.outbox import accounts, agree_everywhere, wait_until
from tests.servers.provider import running_provider
from tests.walks.asking import ask
from tests.walks.rig import MASK_ALL, Sink, openai_target, running_gateway, running_sink

SIGNALS = ("traces", "logs", "metrics")


def of(sink: Sink, name: str) -> list[Any]:
    return [request for request in sink.sink.taken() if request.signal == name]


def resources(sink: Sink) -> list[dict[str, str]]:
    found = [resource for one in of(sink, "logs") for resource in ExportLogsServiceRequest.FromString(one.body).resource_logs]
    return [{pair.key: pair.value.string_value for pair in each.resource.attributes} for each in found]


def metric_names(sink: Sink) -> set[str]:
    requests = [ExportMetricsServiceRequest.FromString(one.body) for one in of(sink, "metrics")]
    return {
        metric.name
        for request in requests
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def test_logs_and_metrics_go_where_they_are_asked_for_and_the_account_holds_for_each(tmp_path: Path) -> None:
    rng = Random(20261121)
    token, secret = f"tok-{rng.randbytes(12).hex()}", planted.secret("openai", rng)
    with running_provider() as provider, running_sink() as named, running_sink() as from_environment:
        document: dict[str, Any] = {
            "targets": [openai_target("m", "echo", provider.url)],
            "models": {"m": {"targets": ["m"]}},
            "prices": {"openai/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2}},
            "policies": {"default": MASK_ALL},
            "telemetry": {
                "destinations": [{"id": "sre", "endpoint": named.grpc_url, "protocol": "grpc", "signals": list(SIGNALS)}],
                "metrics_interval_s": 1,
            },
        }
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": from_environment.http_url,
            "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{token}",
            "OTEL_RESOURCE_ATTRIBUTES": f"deployment.environment.name=staging,team.note={secret}",
            "OTEL_SERVICE_NAME": "front-door",
        }
        with running_gateway(tmp_path, document, LOCKGATE_LOG_LEVEL="INFO", **environment) as gateway:
            key = gateway.create_key()["key"]
            assert ask(gateway.url, "openai", "m", key, f"the header was {token}").status == 200
            gateway.process.send_signal(signal.SIGHUP)  # the document is read again, and a line says so
            sinks = (named, from_environment)
            wait_until(lambda: all(of(sink, each) for sink in sinks for each in SIGNALS))
            wait_until(lambda: all("gen_ai.client.operation.duration" in metric_names(sink) for sink in sinks))
            places = {*(("sre", each) for each in SIGNALS), *((f"otel-{each}", each) for each in SIGNALS)}
            assert accounts(gateway).keys() == places
            assert gateway.stop() == 0  # from here on nothing moves: no measure is due, and nothing is logged
            told = gateway.cli("outbox", "status", "--json")
            assert told.returncode == 0
            document["telemetry"]["metrics_interval_s"] = 3600
            gateway.config.write_text(yaml.safe_dump(document))
            gateway.environment["LOCKGATE_LOG_LEVEL"] = "ERROR"
            gateway.start_again()
            assert agree_everywhere(gateway).keys() == places
            for sink in sinks:
                assert all(resource["service.name"] == "front-door" for resource in resources(sink))
                assert all(resource["deployment.environment.name"] == "staging" for resource in resources(sink))
            assert {dict(one.headers).get("Authorization") for one in from_environment.sink.taken()} == {f"Bearer {token}"}
            everything = {
                **gateway.written(),
                **{f"sent to {sink.http_url}": b"".join(sink.bodies()) for sink in sinks},
                "sent to the provider": b"".join(call.raw for call in provider.calls),
            }
            for name, data in everything.items():
                assert planted.leaks(data, {"token": token, "secret": secret}) == [], name
