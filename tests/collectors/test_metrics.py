from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from collectors.genai import CallFacts
from collectors.metrics import DURATION_BUCKETS, TOKEN_BUCKETS, Metrics, closed
from collectors.model import Account

CANARY = "canary-7Qk2vX9bLm4T"


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(metrics.render().decode())
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for family in families for sample in family.samples}


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return samples(metrics)[(name, tuple(sorted(labels.items())))]


def measured() -> Metrics:
    return Metrics(
        closed(models=["gpt-5-mini"], destinations=["sre"], rules=["openai-project-key"], manager_types=["env"]), version="0.1.0"
    )


def test_a_model_call_is_recorded_under_the_conventional_names_and_buckets() -> None:
    metrics = measured()
    metrics.model_call(CallFacts("chat", "openai", "gpt-5-mini", input_tokens=100, output_tokens=20, first_token_s=0.2, cost_micros=7), 0.5)
    labels = {"gen_ai_operation_name": "chat", "gen_ai_provider_name": "openai", "gen_ai_request_model": "gpt-5-mini"}

    assert value(metrics, "gen_ai_client_operation_duration_seconds_sum", **labels, error_type="") == 0.5
    assert value(metrics, "gen_ai_client_token_usage_sum", **labels, gen_ai_token_type="input") == 100
    assert value(metrics, "lockgate_spend_micros_total", gen_ai_provider_name="openai", gen_ai_request_model="gpt-5-mini") == 7
    bounds = [dict(key[1])["le"] for key in samples(metrics) if key[0] == "gen_ai_client_operation_duration_seconds_bucket"]
    assert sorted(float(bound) for bound in bounds if bound != "+Inf") == list(DURATION_BUCKETS)
    bounds = [
        dict(key[1])["le"]
        for key in samples(metrics)
        if key[0] == "gen_ai_client_token_usage_bucket" and dict(key[1])["gen_ai_token_type"] == "input"
    ]
    assert sorted(float(bound) for bound in bounds if bound != "+Inf") == list(TOKEN_BUCKETS)


@pytest.mark.parametrize(
    "record",
    [
        lambda m: m.call(CANARY, CANARY, 200, 0.1),
        lambda m: m.model_call(CallFacts(CANARY, CANARY, CANARY, error_type=CANARY, input_tokens=1, cost_micros=1), 0.1),
        lambda m: m.redacted(CANARY, {(CANARY, CANARY, CANARY): 1}),
        lambda m: m.telemetry_tombstone(CANARY, 1),
        lambda m: m.secret_read(CANARY, CANARY, 0.1),
        lambda m: m.outbox_sent(CANARY, CANARY, CANARY, 1),
        lambda m: m.outbox_accounts([Account(CANARY, CANARY, 1, 1, 0, 0, 0)]),
    ],
)
def test_an_unknown_label_value_becomes_other(record: object) -> None:
    metrics = measured()
    record(metrics)  # type: ignore[operator]

    assert CANARY.encode() not in metrics.render()
    assert b'"other"' in metrics.render()


def test_requests_refusals_and_the_loss_equation_are_counted() -> None:
    metrics = measured()
    metrics.call("openai.chat", "ok", 200, 0.1)
    metrics.count_unwritten_refusal()
    metrics.content_dropped()
    metrics.outbox_accounts([Account("sre", "traces", 5, 3, 1, 1, 0)])
    metrics.redacted("prompt", {("openai-project-key", "openai_key", "mask"): 2})
    metrics.ledger_commit(3, 0.001)
    metrics.ledger_commit(0, 0.5)

    assert value(metrics, "lockgate_requests_total", surface="openai.chat", outcome="ok", status="200") == 1
    assert value(metrics, "lockgate_unwritten_refusals_total") == 1
    assert value(metrics, "lockgate_content_dropped_total") == 1
    assert value(metrics, "lockgate_outbox_items", destination="sre", signal="traces", state="queued") == 1
    assert value(metrics, "lockgate_redactions_total", direction="prompt", rule="openai-project-key", action="mask") == 2
    assert value(metrics, "lockgate_ledger_entries_total") == 3
    assert value(metrics, "lockgate_ledger_failures_total") == 1


def test_two_processes_worth_of_metrics_do_not_share_a_registry() -> None:
    first, second = measured(), measured()
    first.count_unwritten_refusal()

    assert value(second, "lockgate_unwritten_refusals_total") == 0
