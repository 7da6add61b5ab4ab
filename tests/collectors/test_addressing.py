"""Which destination gets a call, decided at its end; what is left out is counted, what is kept says why."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.sampling import Decision as SdkDecision
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from collectors.addressing import Addressed, Addressing, Recipient, Sampling, decide
from collectors.backlog import Backlog, Bound
from collectors.gate import ExportGate
from collectors.genai import CallFacts, Content
from collectors.model import OutboxRow
from collectors.tracing import Tracing
from tests.collectors.plain_redactor import PlainRedactor

FACTS = CallFacts("chat", "openai", "m")
NONE = Sampling(ratio=0.0)
LOW, HIGH = "0" * 32, "f" * 32


@pytest.mark.parametrize(
    ("sampling", "facts", "decision"),
    [
        (Sampling(), FACTS, "all"),
        (NONE, FACTS, "sampled"),
        (NONE, replace(FACTS, error_type="timeout"), "error"),
        (Sampling(0.0, keep_errors=False), replace(FACTS, error_type="timeout"), "sampled"),
        (NONE, replace(FACTS, redactions=1), "redaction"),
        (Sampling(0.0, keep_redactions=False), replace(FACTS, redactions=1), "sampled"),
        (Sampling(0.0, keep_cost_micros=100), replace(FACTS, cost_micros=100), "cost"),
        (Sampling(0.0, keep_cost_micros=100), replace(FACTS, cost_micros=99), "sampled"),
        (Sampling(0.0, keep_cost_micros=100), FACTS, "sampled"),
        (NONE, replace(FACTS, cost_micros=10**9), "sampled"),
    ],
)
def test_what_is_always_kept_is_kept_and_the_rest_by_ratio(sampling: Sampling, facts: CallFacts, decision: str) -> None:
    assert decide(sampling, facts, HIGH) == decision


@pytest.mark.parametrize("ratio", [0.001, 0.1, 0.5, 0.99])
def test_the_ratio_decides_as_the_samplers_of_opentelemetry(ratio: float) -> None:
    rng, other = Random(7), TraceIdRatioBased(ratio)
    for _ in range(500):
        trace_id = rng.getrandbits(128)
        theirs = other.should_sample(None, trace_id, "span").decision is SdkDecision.RECORD_AND_SAMPLE
        assert (decide(Sampling(ratio), FACTS, f"{trace_id:032x}") == "ratio") == theirs


@pytest.mark.parametrize("parent_sampled", [None, True, False])
@pytest.mark.parametrize("ratio", [0.0, 0.5, 1.0])
def test_a_caller_decides_as_for_the_parent_based_samplers_of_opentelemetry(ratio: float, parent_sampled: bool | None) -> None:
    rng, other = Random(8), ParentBased(TraceIdRatioBased(ratio))
    sampling = Sampling(ratio, keep_errors=False, keep_redactions=False, parent_based=True)
    for _ in range(200):
        trace_id = rng.getrandbits(128)
        parent = None
        if parent_sampled is not None:
            remote = SpanContext(trace_id, rng.getrandbits(64), True, TraceFlags(int(parent_sampled)))
            parent = set_span_in_context(NonRecordingSpan(remote))
        theirs = other.should_sample(parent, trace_id, "span").decision is SdkDecision.RECORD_AND_SAMPLE
        assert (decide(sampling, FACTS, f"{trace_id:032x}", parent_sampled) != "sampled") == theirs


def test_a_caller_decides_nothing_unless_it_is_asked_and_no_error_is_lost_to_it() -> None:
    assert decide(Sampling(), FACTS, HIGH, parent_sampled=False) == "all"
    assert decide(NONE, FACTS, HIGH, parent_sampled=True) == "sampled"
    assert decide(Sampling(parent_based=True), FACTS, HIGH, parent_sampled=True) == "parent"
    assert decide(Sampling(parent_based=True), replace(FACTS, error_type="timeout"), HIGH, parent_sampled=False) == "error"


class Noted:
    def __init__(self) -> None:
        self.decisions: list[tuple[str, str]] = []

    def sampled(self, destination: str, decision: str) -> None:
        self.decisions.append((destination, decision))


def addressed(
    recipients: list[Recipient], facts: CallFacts = FACTS, named: Any = None, backlog: Backlog | None = None, noted: Noted | None = None
) -> Addressed:
    tracing = Tracing(ExportGate(PlainRedactor(), hash_key=b"k"), destinations=[each.id for each in recipients])
    span = tracing.start()
    span.child("lockgate.attempt", 1, 2)
    addressing = Addressing(recipients, tracing.encode, backlog or Backlog({}), noted)
    return addressing.address(tracing.finish(span, facts), facts, HIGH, named)


def attributes(row: OutboxRow) -> dict[str, Any]:
    scope = ExportTraceServiceRequest.FromString(row.payload).resource_spans[0].scope_spans[0]
    root = next(span for span in scope.spans if not span.parent_span_id)
    return {pair.key: getattr(pair.value, str(pair.value.WhichOneof("value"))) for pair in root.attributes}


def test_a_sampled_call_is_counted_whole_and_a_kept_one_says_why() -> None:
    noted = Noted()
    recipients = [Recipient("all"), Recipient("few", NONE), Recipient("cost", Sampling(0.25, keep_cost_micros=5))]
    result = addressed(recipients, replace(FACTS, cost_micros=5), noted=noted)
    rows = {row.destination: row for row in result.rows}
    assert rows["few"] == OutboxRow("few", "traces", b"", 2, withheld="sampled")
    assert (rows["all"].items, rows["cost"].items) == (2, 2)
    assert "lockgate.sampling.decision" not in attributes(rows["all"])
    kept = attributes(rows["cost"])
    assert (kept["lockgate.sampling.decision"], kept["lockgate.sampling.ratio"]) == ("cost", 0.25)
    assert result.decisions == (("few", "sampled"), ("cost", "cost"))
    assert noted.decisions == list(result.decisions)


@pytest.mark.parametrize(("named", "given"), [(None, ["a", "b"]), (frozenset({"b"}), ["b"]), (frozenset(), []), (frozenset({"gone"}), [])])
def test_a_workspace_names_its_destinations(named: Any, given: list[str]) -> None:
    assert [row.destination for row in addressed([Recipient("a"), Recipient("b")], named=named).rows] == given


def test_a_full_destination_that_sheds_gets_the_span_without_what_was_said() -> None:
    backlog = Backlog({"full": Bound(1, "shed_content"), "roomy": Bound(1 << 20, "shed_content")})
    backlog.added([OutboxRow("full", "traces", b"xx", 1)])
    said: Any = PlainRedactor().tree("[]")
    facts = replace(FACTS, content=Content(input=said, output=said))
    both = addressed([Recipient("full"), Recipient("roomy")], facts, backlog=backlog)
    rows = {row.destination: attributes(row) for row in both.rows}
    assert {"gen_ai.input.messages", "gen_ai.output.messages"} <= rows["roomy"].keys()
    assert not {"gen_ai.input.messages", "gen_ai.output.messages"} & rows["full"].keys()
    assert rows["full"]["lockgate.content.shed"] is True
    assert {key: value for key, value in rows["full"].items() if key != "lockgate.content.shed"} == {
        key: value for key, value in rows["roomy"].items() if not key.endswith(".messages")
    }


def test_nobody_to_send_to_costs_nothing() -> None:
    assert addressed([]) == Addressed()
