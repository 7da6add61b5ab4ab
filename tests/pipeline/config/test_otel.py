"""OpenTelemetry's own variables mean here what they mean everywhere, and no value of theirs is ever quoted."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.config.document import Document
from pipeline.config.otel import named_twice, read_otel
from pipeline.errors import ConfigError

BASE = "OTEL_EXPORTER_OTLP_"


def destinations(**environment: str) -> dict[str, Any]:
    return {section.id: section for section in read_otel(environment).destinations}


def test_nothing_said_sends_nothing() -> None:
    assert read_otel({}).destinations == ()
    assert destinations(OTEL_SERVICE_NAME="x", OTEL_EXPORTER_OTLP_PROTOCOL="grpc") == {}


def test_one_endpoint_is_for_all_signals_and_a_signals_own_is_used_as_it_is() -> None:
    otel = read_otel(
        {BASE + "ENDPOINT": "http://collector:4318", BASE + "LOGS_ENDPOINT": "http://logs:9/in", "OTEL_METRICS_EXPORTER": "none"}
    )
    found = {section.id: section for section in otel.destinations}
    assert found.keys() == {"otel-traces", "otel-logs"}
    assert (found["otel-traces"].endpoint, found["otel-logs"].endpoint) == ("http://collector:4318", "http://logs:9/in")
    assert otel.exact == {"otel-logs"}
    assert [section.signals for section in otel.destinations] == [("traces",), ("logs",)]


@pytest.mark.parametrize(
    ("environment", "endpoint", "protocol"),
    [
        ({"OTEL_TRACES_EXPORTER": "otlp"}, "http://localhost:4318", "http/protobuf"),
        ({"OTEL_TRACES_EXPORTER": "otlp", BASE + "PROTOCOL": "grpc"}, "http://localhost:4317", "grpc"),
        ({BASE + "ENDPOINT": "collector:4317", BASE + "PROTOCOL": "grpc"}, "https://collector:4317", "grpc"),
        ({BASE + "ENDPOINT": "collector:4317", BASE + "PROTOCOL": "grpc", BASE + "INSECURE": "true"}, "http://collector:4317", "grpc"),
        ({BASE + "ENDPOINT": "https://c", BASE + "TRACES_PROTOCOL": "grpc"}, "https://c", "grpc"),
    ],
)
def test_addresses_and_protocols(environment: dict[str, str], endpoint: str, protocol: str) -> None:
    section = destinations(**environment)["otel-traces"]
    assert (section.endpoint, section.protocol) == (endpoint, protocol)


def test_headers_are_decoded_joined_and_their_secrets_are_known() -> None:
    headers = {BASE + "HEADERS": "authorization=Bearer%20abcdefgh12345, x-team=a%2Cb", BASE + "TRACES_HEADERS": "x-team=c,api-key=short"}
    otel = read_otel({BASE + "ENDPOINT": "http://c", **headers})
    found = {section.id: {name: value.text for name, value in section.headers.items()} for section in otel.destinations}
    assert found["otel-traces"] == {"authorization": "Bearer abcdefgh12345", "x-team": "c", "api-key": "short"}
    assert found["otel-logs"]["x-team"] == "a,b"
    assert otel.secrets == ("abcdefgh12345",)
    assert set(otel.names) == headers.keys()
    assert "abcdefgh12345" not in repr(otel)


def test_times_are_milliseconds_and_the_rest_is_read_too() -> None:
    environment = {
        BASE + "ENDPOINT": "https://c", BASE + "TIMEOUT": "2500", BASE + "METRICS_TIMEOUT": "500", BASE + "COMPRESSION": "gzip",
        BASE + "CERTIFICATE": "/ca.pem", BASE + "CLIENT_CERTIFICATE": "/c.pem", BASE + "CLIENT_KEY": "/c.key",
        BASE + "METRICS_TEMPORALITY_PREFERENCE": "Delta", "OTEL_METRIC_EXPORT_INTERVAL": "5000",
        "OTEL_RESOURCE_ATTRIBUTES": "service.name=from-attributes,deployment.environment.name=prod%20eu", "OTEL_SERVICE_NAME": "gate",
    }  # fmt: skip
    otel = read_otel(environment)
    found = {section.id: section for section in otel.destinations}
    assert (found["otel-traces"].timeout_s, found["otel-metrics"].timeout_s, otel.metrics_interval_s) == (2.5, 0.5, 5.0)
    assert (found["otel-traces"].compression, found["otel-metrics"].temporality) == ("gzip", "delta")
    tls = found["otel-traces"].tls
    assert (tls.ca_file, tls.client_cert_file, tls.client_key_file) == ("/ca.pem", "/c.pem", "/c.key")
    assert otel.service_name == "gate"
    assert otel.resource["deployment.environment.name"] == "prod eu"


@pytest.mark.parametrize(
    ("sampler", "argument", "ratio", "parent_based"),
    [
        ("", "", 1.0, False),
        ("always_on", "", 1.0, False),
        ("always_off", "", 0.0, False),
        ("traceidratio", "0.25", 0.25, False),
        ("parentbased_always_on", "", 1.0, True),
        ("parentbased_always_off", "", 0.0, True),
        ("parentbased_traceidratio", "0.5", 0.5, True),
    ],
)
def test_samplers_are_ratios_behind_the_callers_decision(sampler: str, argument: str, ratio: float, parent_based: bool) -> None:
    found = destinations(OTEL_TRACES_EXPORTER="otlp", OTEL_TRACES_SAMPLER=sampler, OTEL_TRACES_SAMPLER_ARG=argument)["otel-traces"]
    assert found.sampling.ratio == ratio
    assert found.sampling.parent_based is parent_based
    assert found.sampling.keep_errors == (sampler in ("", "always_on"))


@pytest.mark.parametrize(
    ("value", "captured"),
    [
        ("", None),
        ("NO_CONTENT", False),
        ("span_only", True),
        ("SPAN_AND_EVENT", True),
        ("EVENT_ONLY", False),
        ("true", False),
        ("odd", None),
    ],
)
def test_content_is_captured_where_it_is_asked_for_on_spans(value: str, captured: bool | None) -> None:
    assert read_otel({"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": value}).capture_content is captured


def test_an_id_of_the_documents_is_not_taken_twice() -> None:
    otel = read_otel({BASE + "ENDPOINT": "http://c"})
    ours = [{"id": name, "endpoint": "http://d"} for name in ("sre", "otel-logs")]
    assert named_twice(Document.model_validate({"telemetry": {"destinations": ours}}), otel) == ("otel-logs",)


def test_a_disabled_sdk_sends_nothing_whatever_else_is_said() -> None:
    otel = read_otel({"OTEL_SDK_DISABLED": "True", BASE + "ENDPOINT": "http://c"})
    assert (otel.disabled, otel.destinations) == (True, ())


@pytest.mark.parametrize(
    "environment",
    [
        {BASE + "ENDPOINT": "http://c", BASE + "TIMEOUT": "hunter2"},
        {BASE + "ENDPOINT": "http://c", BASE + "HEADERS": "hunter2"},
        {BASE + "ENDPOINT": "http://c", BASE + "PROTOCOL": "hunter2"},
        {BASE + "ENDPOINT": "http://c", BASE + "COMPRESSION": "hunter2"},
        {BASE + "ENDPOINT": "http://user:hunter2@c"},
        {BASE + "ENDPOINT": "ftp://hunter2"},
        {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "hunter2"},
        {"OTEL_RESOURCE_ATTRIBUTES": "hunter2"},
    ],
)
def test_what_cannot_be_used_stops_the_start_and_is_not_quoted(environment: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as refused:
        read_otel(environment)
    assert "OTEL_" in refused.value.message
    assert "hunter2" not in refused.value.message + refused.value.hint
