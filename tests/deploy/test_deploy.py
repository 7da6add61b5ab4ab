"""What is in `deploy/` speaks of metrics that a running gateway has: every name, every label, every label value."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from collectors import metrics
from tests.deploy.promql import used
from tests.faults.outbox import account, wait_until
from tests.servers.otlp import Answer
from tests.servers.provider import running_provider
from tests.walks.asking import Stream, ask
from tests.walks.rig import MASK_ALL, openai_target, running_gateway, running_sink

ROOT = Path(__file__).resolve().parents[2]
STATES = frozenset({"accepted", "delivered", "queued", "dead_letter", "rejected_by_policy"})
VALUES = {
    ("lockgate_requests_total", "outcome"): metrics._OUTCOMES,
    ("lockgate_outbox_items", "state"): STATES,
    ("lockgate_outbox_sent_items_total", "outcome"): metrics._SENT,
    ("lockgate_secret_reads_total", "outcome"): metrics._READS,
    ("gen_ai_client_operation_duration_seconds_count", "error_type"): frozenset({""}),
}


def board() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "deploy/grafana/lockgate.json").read_text("utf-8"))
    return found


def alerts() -> list[dict[str, Any]]:
    tree = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text("utf-8"))
    return [rule for group in tree["groups"] for rule in group["rules"]]


def targets() -> list[dict[str, Any]]:
    return [target for panel in board()["panels"] for target in panel.get("targets", ())]


EXPRESSIONS = sorted({target["expr"] for target in targets()} | {rule["expr"] for rule in alerts()})


@pytest.fixture(scope="module")
def exposed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Every sample name of a gateway that has done a little of everything, with the labels that its series have."""
    with running_provider() as provider, running_sink() as sink:
        document: dict[str, Any] = {
            "targets": [
                openai_target("m", "echo", provider.url, secret_key_ref={"env": "PROVIDER_KEY"}),
                openai_target("bad", "500", provider.url),
            ],
            "models": {"m": {"targets": ["m"]}, "bad": {"targets": ["bad"], "fallback": {"enabled": False}}},
            "prices": {"openai/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2}},
            "policies": {"default": MASK_ALL},
            "telemetry": {
                "destinations": [
                    {"id": "sre", "endpoint": sink.http_url},
                    {"id": "few", "endpoint": sink.http_url, "sampling": {"ratio": 0, "keep_errors": False, "keep_redactions": False}},
                    {"id": "full", "endpoint": "http://127.0.0.1:9", "queue": {"max_bytes": 1024, "when_full": "shed_content"}},
                ]
            },
        }
        with running_gateway(
            tmp_path_factory.mktemp("deploy"), document, PROVIDER_KEY="not-a-real-key", LOCKGATE_LOG_LEVEL="INFO"
        ) as gateway:
            key = gateway.create_key()["key"]
            sink.sink.answer(Answer(status=400))
            assert ask(gateway.url, "openai", "m", key, "write to ann@example.com").status == 200
            assert ask(gateway.url, "openai", "bad", key).status >= 500
            with_stream = Stream(gateway.url, "openai", "m", key, timeout=30)
            with_stream.begin()
            with_stream.rest()
            wait_until(lambda: account(gateway, "sre")["dead_letter"] > 0)
            text = gateway.call("GET", "/metrics").body.decode()
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    for name in re.findall(r"^# TYPE (\S+) counter", text, re.MULTILINE):
        found.setdefault(name, set())  # a counter that nothing was counted by has no series yet
    return found


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_expression_names_metrics_and_labels_that_there_are(exposed: dict[str, set[str]], expression: str) -> None:
    told = used(expression)
    assert told.metrics, "an expression without a metric shows nothing"
    assert told.metrics <= exposed.keys()
    for name in told.metrics:
        if exposed[name] or told.labels or any(metric == name for metric, *_ in told.matchers):
            labels = exposed[name] or DECLARED[name]
            assert told.labels <= labels, name
            assert {label for metric, label, *_ in told.matchers if metric == name} <= labels, name
    for metric, label, sign, value in told.matchers:
        values = set(value.split("|")) if "~" in sign else {value}
        assert values <= VALUES[metric, label]


DECLARED = {"lockgate_telemetry_tombstones_total": {"signal"}, "lockgate_content_unstored_total": {"reason"}}
"""The labels of what a healthy gateway never counts."""


def test_declared_labels_are_those_of_the_instruments() -> None:
    made = metrics.Metrics()
    made.telemetry_tombstone("traces", 1)
    made.content_unstored("store")
    for family in made.registry.collect():
        for sample in family.samples:
            if sample.name in DECLARED:
                assert set(sample.labels) == DECLARED[sample.name]


def test_legends_show_only_labels_that_their_expression_keeps() -> None:
    for target in targets():
        shown = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
        assert shown <= used(target["expr"]).labels, target


def test_panels_have_ids_of_their_own_do_not_overlap_and_say_what_they_show() -> None:
    panels = board()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert all(panel["description"] for panel in panels if panel["type"] != "row")


def test_alerts_have_names_of_their_own_a_severity_and_a_summary() -> None:
    rules = alerts()
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"].endswith(".")
        shown = set(re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])))
        assert shown <= used(rule["expr"]).labels, rule["alert"]


@pytest.mark.parametrize(
    ("expression", "names", "labels"),
    [
        ('sum by (a, b) (rate(x_total{c="d"}[5m])) / sum by (a) (y)', {"x_total", "y"}, {"a", "b"}),
        ("histogram_quantile(0.9, sum by (le) (rate(z_bucket[$__rate_interval])))", {"z_bucket"}, {"le"}),
        ("topk(3, sum(m) by (e)) > 0 and n == 1e6", {"m", "n"}, {"e"}),
        ("absent(up)", {"up"}, set()),
    ],
)
def test_expressions_are_taken_apart(expression: str, names: set[str], labels: set[str]) -> None:
    told = used(expression)
    assert (told.metrics, told.labels) == (names, labels)
    with pytest.raises(ValueError, match="not understood"):
        used(expression + " ; drop")
