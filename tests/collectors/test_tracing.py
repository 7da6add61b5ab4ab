from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collectors.gate import ExportGate
from collectors.genai import CLIENT, CallFacts, Content
from collectors.model import CollectorError, Record
from collectors.tracing import Tracing
from redactors.model import seal
from tests.collectors.plain_redactor import PlainRedactor

CANARY = "canary-7Qk2vX9bLm4T"
FACTS = CallFacts(
    "chat", "openai", "gpt-5-mini", response_model="gpt-5-mini-2026", input_tokens=10, output_tokens=5, finish_reasons=("stop",)
)
PARENT = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"


def tracing(**settings: Any) -> Tracing:
    return Tracing(ExportGate(PlainRedactor(CANARY), hash_key=b"k"), destinations=("a", "b"), version="1.0", **settings)


def decoded(payload: bytes) -> list[Any]:
    request = ExportTraceServiceRequest.FromString(payload)
    return [span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]


def test_a_call_and_its_children_become_one_row_for_each_destination() -> None:
    under_test = tracing()
    call = under_test.start(PARENT, started_ns=1_000)
    child = call.child(
        "lockgate.attempt", 1_100, 1_900, {"lockgate.attempt": 1, "lockgate.lane": "direct"}, kind=CLIENT, error_type="timeout"
    )
    call.event("gen_ai.guardrail.result", 1_200, {"gen_ai.guardrail.result.type": "redact"})

    rows = under_test.encode(under_test.finish(call, FACTS, ended_ns=2_000))

    assert [(row.destination, row.signal, row.items) for row in rows] == [("a", "traces", 2), ("b", "traces", 2)]
    root, attempt = decoded(rows[0].payload)
    assert root.name == "chat gpt-5-mini"
    assert (root.trace_id.hex(), root.parent_span_id.hex()) == ("ab" * 16, "cd" * 8)
    assert (root.start_time_unix_nano, root.end_time_unix_nano) == (1_000, 2_000)
    assert root.events[0].name == "gen_ai.guardrail.result"
    assert (attempt.parent_span_id, attempt.span_id.hex()) == (root.span_id, child)
    assert (attempt.status.code, attempt.kind) == (2, CLIENT)


def test_payloads_may_be_joined_into_one_request() -> None:
    under_test = tracing()
    payloads = [under_test.encode(under_test.finish(under_test.start(), FACTS))[0].payload for _ in range(3)]

    assert len(decoded(b"".join(payloads))) == 3


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "garbage",
        PARENT.upper(),
        PARENT + "-extra",
        "ff" + PARENT[2:],
        "00-" + "0" * 32 + "-" + "cd" * 8 + "-01",
        "00-" + "ab" * 16 + "-" + "0" * 16 + "-01",
        f"00-{CANARY}-{CANARY}-01",
    ],
)
def test_an_invalid_traceparent_starts_a_trace_of_our_own(header: str | None) -> None:
    call = tracing().start(header)

    assert call.parent_id == ""
    assert len(call.trace_id) == 32
    assert call.trace_id != "ab" * 16


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True), ("02", False), ("03", True)])
def test_what_the_caller_decided_about_its_trace_is_read(flags: str, sampled: bool) -> None:
    assert tracing().start(PARENT[:-2] + flags).parent_sampled is sampled
    assert tracing().start().parent_sampled is None


def test_a_later_version_of_traceparent_is_understood() -> None:
    assert tracing().start("01" + PARENT[2:] + "-more").trace_id == "ab" * 16


def test_the_outgoing_traceparent_names_the_reserved_child() -> None:
    call = tracing().start(PARENT)
    child = call.reserve()

    assert call.traceparent(child) == f"00-{'ab' * 16}-{child}-01"
    assert call.child("lockgate.attempt", 1, 2, span_id=child) == child


@pytest.mark.parametrize("place", ["facts", "attribute", "child", "event", "child name"])
def test_a_planted_value_comes_out_of_no_part_of_a_call(place: str) -> None:
    under_test = tracing(resource={"host.name": CANARY})
    call, facts = under_test.start(), FACTS
    if place == "facts":
        facts = CallFacts(
            CANARY, CANARY, CANARY, CANARY, CANARY, (CANARY,), error_type=CANARY, server_address=CANARY, workspace=CANARY, key_id=CANARY
        )
    elif place == "attribute":
        call.set(CANARY, CANARY)
    elif place == "child":
        call.child("lockgate.attempt", 1, 2, {CANARY: CANARY}, error_type=CANARY)
    elif place == "event":
        call.event(CANARY, 1, {CANARY: CANARY})
    else:
        call.child(CANARY, 1, 2)

    assert CANARY.encode() not in under_test.encode(under_test.finish(call, facts))[0].payload


def test_content_travels_only_when_it_is_clean() -> None:
    under_test = tracing()
    facts = CallFacts("chat", "openai", "m", content=Content(input=seal('[{"role":"user"}]')))
    span = decoded(under_test.encode(under_test.finish(under_test.start(), facts))[0].payload)[0]

    assert {pair.key: pair.value.string_value for pair in span.attributes}["gen_ai.input.messages"] == '[{"role":"user"}]'


def test_only_clean_records_are_encoded() -> None:
    with pytest.raises(CollectorError):
        tracing().encode([Record("traces", {"name": "raw"})])  # type: ignore[list-item]


def test_a_span_that_does_not_fit_leaves_as_a_tombstone_and_takes_no_other_with_it() -> None:
    under_test = tracing()
    good = under_test.finish(under_test.start(), FACTS)
    odd = seal(Record("traces", {"trace_id": "ab" * 16, "span_id": "cd" * 8, "name": CANARY, "start_time_unix_nano": -1, "attributes": {}}))

    names = [span.name for span in decoded(under_test.encode([*good, odd])[0].payload)]

    assert names == ["chat gpt-5-mini", "redaction_failed"]


def test_every_finished_call_is_measured() -> None:
    measured: list[tuple[CallFacts, float]] = []
    under_test = tracing(measured=lambda facts, seconds: measured.append((facts, seconds)))
    under_test.finish(under_test.start(started_ns=0), FACTS, ended_ns=2_000_000_000)

    assert measured == [(FACTS, 2.0)]


def test_no_destination_means_no_rows() -> None:
    under_test = Tracing(ExportGate(PlainRedactor(), hash_key=b"k"))

    assert under_test.encode(under_test.finish(under_test.start(), FACTS)) == ()
