from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import orjson
import pytest
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from collectors.model import CollectorError, Signal
from collectors.otlp.bodies import TooLarge
from collectors.otlp.cleanse import Cleansed, Cleanser
from collectors.otlp.density import refuse_dense
from collectors.otlp.from_json import protobuf_of
from collectors.otlp.gathering import Gathering, Seen
from collectors.otlp.shapes import shape_of
from redactors.model import Action, Clean, Json, Remark, Verdict, is_clean, seal
from tests.collectors.otlp_requests import REQUESTS, SIGNALS, as_json, filled
from tests.collectors.plain_redactor import FailingRedactor, PlainRedactor

CANARY = "canary-7Qk2vX9bLm4T"


def cleansed(signal: Signal, body: bytes, redactor: Any = None, seen: Seen | None = None, **more: Any) -> Cleansed:
    return Cleanser(redactor or PlainRedactor(CANARY), **more).cleanse(signal, body, seen or Seen(0))


def joined(done: Cleansed) -> bytes:
    """All parts as one request, as a sender may send them."""
    return b"".join(payload.value for payload, _ in done.parts)


def decoded(signal: Signal, done: Cleansed) -> Any:
    return REQUESTS[signal].FromString(joined(done))


def without_what_is_dropped(message: Any) -> Any:
    """The request without the two fields that are never kept."""
    for field, value in list(message.ListFields()):
        if field.name in ("trace_state", "entity_refs"):
            message.ClearField(field.name)
        elif field.message_type is not None:
            for inner in value if field.is_repeated else [value]:
                without_what_is_dropped(inner)
    return message


def spans(count: int, name: Callable[[int], str] = lambda number: f"work {number}") -> Any:
    request = REQUESTS["traces"]()
    scope = request.resource_spans.add().scope_spans.add()
    for number in range(count):
        span = scope.spans.add(trace_id=bytes([number % 255 + 1]) * 16, span_id=b"\x02" * 8, name=name(number), kind=2)
        span.start_time_unix_nano, span.end_time_unix_nano = 5, 6
        span.attributes.add(key="gen_ai.usage.input_tokens").value.int_value = 11
        span.attributes.add(key="app.note").value.string_value = f"note {number}"
        span.status.code = 2
        span.status.message = f"failed {number}"
    return request


def points(count: int, attribute: Callable[[int], str]) -> Any:
    request = REQUESTS["metrics"]()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="requests", unit="1")
    metric.sum.aggregation_temporality = 2
    for number in range(count):
        point = metric.sum.data_points.add(as_int=number, time_unix_nano=9)
        point.attributes.add(key="route").value.string_value = attribute(number)
    return request


@pytest.mark.parametrize("signal", SIGNALS)
def test_no_field_of_the_schema_leaks(signal: Signal) -> None:
    built = filled(signal, CANARY)
    body = built.SerializeToString()
    assert body.count(CANARY.encode()) > 30

    done = cleansed(signal, body)

    assert CANARY.encode() not in joined(done)
    assert done.tombstones == 0
    assert all(is_clean(payload) for payload, _ in done.parts)


@pytest.mark.parametrize("signal", SIGNALS)
def test_no_field_of_the_schema_leaks_as_json(signal: Signal) -> None:
    done = cleansed(signal, protobuf_of(signal, as_json(filled(signal, CANARY))))

    assert CANARY.encode() not in joined(done)
    assert done.tombstones == 0


@pytest.mark.parametrize("signal", SIGNALS)
def test_what_holds_nothing_secret_comes_out_as_it_came_in(signal: Signal) -> None:
    built = filled(signal, "harmless")

    done = cleansed(signal, built.SerializeToString())

    assert decoded(signal, done) == without_what_is_dropped(built)


@pytest.mark.parametrize("signal", SIGNALS)
def test_json_says_the_same_as_protobuf(signal: Signal) -> None:
    built = filled(signal, "harmless")

    assert REQUESTS[signal].FromString(protobuf_of(signal, as_json(built))) == built


@pytest.mark.parametrize("signal", SIGNALS)
def test_nothing_leaks_when_the_same_comes_again_to_a_memory_of_harmless_ones(signal: Signal) -> None:
    cleanser, seen = Cleanser(PlainRedactor(CANARY)), Seen(0)
    first = cleanser.cleanse(signal, filled(signal, "harmless").SerializeToString(), seen)
    cleanser.cleanse(signal, filled(signal, "harmless").SerializeToString(), seen)
    again = cleanser.cleanse(signal, filled(signal, "harmless").SerializeToString(), seen)

    assert joined(again) == joined(first)
    assert CANARY.encode() not in joined(cleanser.cleanse(signal, filled(signal, CANARY).SerializeToString(), seen))
    assert not any(CANARY.encode() in pair for pair in seen.pairs)


def test_what_was_silent_twice_is_not_looked_at_again() -> None:
    redactor, seen = PlainRedactor(CANARY), Seen(0)
    cleanser = Cleanser(redactor)
    body = spans(3).SerializeToString()
    for _ in range(2):
        cleanser.cleanse("traces", body, seen)
    calls = redactor.calls

    assert cleanser.cleanse("traces", body, seen).items == 3
    assert redactor.calls == calls


def test_what_a_policy_only_counts_is_counted_every_time() -> None:
    class Counting(PlainRedactor):
        def tree(self, raw: Json) -> Clean[Json]:
            told = [Remark(f"/{place}", 0, 1, "r", "k", "terms", Action.ALLOW) for place, _ in enumerate(raw)] if raw else []  # type: ignore[arg-type]
            return seal(raw, told)

    cleanser, seen = Cleanser(Counting()), Seen(0)
    body = spans(2).SerializeToString()

    assert [cleanser.cleanse("traces", body, seen).totals for _ in range(2)] == [{("terms", "r", "k", "allow"): 6}] * 2


@pytest.mark.parametrize("signal", SIGNALS)
def test_unknown_fields_are_left_behind_everywhere(signal: Signal) -> None:
    field_99 = b"\x9a\x06" + bytes([len(CANARY)]) + CANARY.encode()
    built = filled(signal, "harmless")
    planted = 0

    def plant(message: Any) -> None:
        nonlocal planted
        for field, value in list(message.ListFields()):
            if field.message_type is not None:
                for inner in value if field.is_repeated else [value]:
                    plant(inner)
        message.MergeFromString(field_99)
        planted += 1

    plant(built)
    assert planted > 40
    assert len(UnknownFieldSet(built)) == 1

    assert CANARY.encode() not in joined(cleansed(signal, built.SerializeToString()))


@pytest.mark.parametrize(
    ("field", "value"), [("trace_id", CANARY.encode()), ("span_id", CANARY.encode()), ("parent_span_id", CANARY.encode())]
)
def test_an_id_of_another_length_is_taken_out(field: str, value: bytes) -> None:
    built = spans(1)
    setattr(built.resource_spans[0].scope_spans[0].spans[0], field, value)

    done = cleansed("traces", built.SerializeToString(), PlainRedactor())

    assert getattr(decoded("traces", done).resource_spans[0].scope_spans[0].spans[0], field) == b""


@pytest.mark.parametrize("failure", [ValueError(CANARY), RecursionError(), MemoryError()], ids=["raises", "recurses", "no memory"])
def test_only_the_item_that_cannot_be_redacted_becomes_a_tombstone(failure: Exception) -> None:
    def fail(raw: Json) -> Clean[Json]:
        if CANARY in orjson.dumps(raw).decode():
            raise failure
        return seal(raw)

    built = spans(20, lambda number: CANARY if number == 7 else f"work {number}")

    done = cleansed("traces", built.SerializeToString(), FailingRedactor(fail))

    found = decoded("traces", done).resource_spans[0].scope_spans[0].spans
    assert CANARY.encode() not in joined(done)
    assert (done.items, done.tombstones, done.rejected) == (20, 1, 0)
    assert [span.name for span in found] == ["redaction_failed" if number == 7 else f"work {number}" for number in range(20)]
    buried = found[7]
    assert (buried.trace_id, buried.kind, buried.start_time_unix_nano, buried.end_time_unix_nano) == (b"\x08" * 16, 2, 5, 6)
    assert [(pair.key, pair.value.int_value) for pair in buried.attributes] == [("gen_ai.usage.input_tokens", 11)]
    assert (buried.status.code, buried.status.message) == (2, "")


@pytest.mark.parametrize("signal", SIGNALS)
def test_when_nothing_can_be_redacted_only_tombstones_are_left(signal: Signal) -> None:
    def fail(_raw: Json) -> Clean[Json]:
        raise ValueError(CANARY)

    built = filled(signal, CANARY)

    done = cleansed(signal, built.SerializeToString(), FailingRedactor(fail))

    assert CANARY.encode() not in joined(done)
    assert done.items > 0
    assert b"redaction_failed" in joined(done)


def test_the_time_that_faults_may_take_is_bounded() -> None:
    now = [0.0]
    calls = []

    def slow(raw: Json) -> Clean[Json]:
        calls.append(raw)
        now[0] += 3.0
        raise ValueError

    built = spans(500)

    done = cleansed("traces", built.SerializeToString(), FailingRedactor(slow), fault_s=10.0, clock=lambda: now[0])

    assert done.tombstones == 500
    assert len(calls) <= 4


def test_a_blocked_item_is_taken_out_and_counted() -> None:
    class Blocking(PlainRedactor):
        def tree(self, raw: Json) -> Clean[Json]:
            assert isinstance(raw, list)
            told = [
                Remark(f"/{place}/app.note", 0, 1, "r", "k", "terms", Action.BLOCK) for place, node in enumerate(raw) if CANARY in str(node)
            ]
            return seal(raw, told, Verdict.BLOCK if told else Verdict.ALLOW)

    built = spans(6, lambda number: CANARY if number in (1, 4) else f"work {number}")

    done = cleansed("traces", built.SerializeToString(), Blocking())

    assert (done.items, done.rejected, done.tombstones) == (6, 2, 0)
    assert [span.name for span in decoded("traces", done).resource_spans[0].scope_spans[0].spans] == [
        "work 0",
        "work 2",
        "work 3",
        "work 5",
    ]
    assert done.totals == {("terms", "r", "k", "block"): 2}

    built = points(4, lambda number: f"/{number}")
    built.resource_metrics[0].scope_metrics[0].metrics[0].description = CANARY
    done = cleansed("metrics", built.SerializeToString(), Blocking())
    assert (done.items, done.rejected) == (4, 4)
    assert CANARY.encode() not in joined(done)


def test_a_metric_whose_point_fails_keeps_the_others_and_its_number() -> None:
    def fail(raw: Json) -> Clean[Json]:
        if CANARY in orjson.dumps(raw).decode():
            raise ValueError
        return seal(raw)

    built = points(3, lambda number: CANARY if number == 1 else f"/{number}")

    done = cleansed("metrics", built.SerializeToString(), FailingRedactor(fail))

    (metric,) = decoded("metrics", done).resource_metrics[0].scope_metrics[0].metrics
    assert metric.name == "requests"
    assert [(point.as_int, len(point.attributes)) for point in metric.sum.data_points] == [(0, 1), (1, 0), (2, 1)]


def test_a_value_nested_without_end_becomes_a_tombstone() -> None:
    built = spans(2)
    value = built.resource_spans[0].scope_spans[0].spans[0].attributes.add(key="deep").value
    for _ in range(40):
        value = value.array_value.values.add()
    value.string_value = CANARY

    done = cleansed("traces", built.SerializeToString())

    assert done.tombstones == 1
    assert CANARY.encode() not in joined(done)


def test_an_index_into_a_string_table_is_taken_out() -> None:
    built = spans(1)
    pair = built.resource_spans[0].scope_spans[0].spans[0].attributes.add(key_strindex=4)
    pair.value.string_value_strindex = 5

    done = cleansed("traces", built.SerializeToString())

    kept = decoded("traces", done).resource_spans[0].scope_spans[0].spans[0].attributes[-1]
    assert (kept.key_strindex, kept.value.WhichOneof("value")) == (0, None)


def test_two_keys_that_become_alike_stay_two() -> None:
    built = spans(1)
    span = built.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.add(key=CANARY).value.int_value = 1
    span.attributes.add(key="[gone]").value.int_value = 2

    done = cleansed("traces", built.SerializeToString())

    kept = decoded("traces", done).resource_spans[0].scope_spans[0].spans[0].attributes
    assert sorted(pair.key for pair in kept)[:2] == ["[gone]", "[gone]#2"]


def test_who_sent_it_is_said_by_the_key_and_not_by_the_sender() -> None:
    built = spans(1)
    resource = built.resource_spans[0].resource
    for key in ("service.name", "lockgate.workspace", "lockgate.workspace.note"):
        resource.attributes.add(key=key).value.string_value = "forged"

    done = cleansed("traces", built.SerializeToString(), resource=(("lockgate.workspace", "research"),))

    stamped = {pair.key: pair.value.string_value for pair in decoded("traces", done).resource_spans[0].resource.attributes}
    assert stamped == {"service.name": "forged", "lockgate.workspace.note": "forged", "lockgate.workspace": "research"}


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("body", [b"\xff\xff\xff", b"\x0a\x05ab", CANARY.encode()])
def test_bytes_that_are_no_request_are_refused_without_quoting_them(signal: Signal, body: bytes) -> None:
    with pytest.raises(CollectorError) as refused:
        cleansed(signal, body)
    assert CANARY not in str(refused.value)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"5", b'{"resourceSpans": 5}', b'{"resourceSpans": [5]}',
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "xyz"}]}]}]}',
        b'{"resourceSpans": [{"resource": {"attributes": [{"key": "k", "value": {"intValue": "canary"}}]}}]}',
        b'{"resourceSpans": [{"resource": {"attributes": [{"key": "k", "value": {"intValue": 1.5}}]}}]}',
        b'{"resourceSpans": [{"resource": {"attributes": [{"key": "k", "value": {"bytesValue": "*"}}]}}]}',
        b'{"resourceSpans": [{"resource": {"attributes": [{"key": 5}]}}]}',
        b'{"resourceSpans": [{"schemaUrl": "\\ud800"}]}',
        b'{"resourceSpans": [{"resource": {"attributes": [{"key": "k", "value": ' + b'{"arrayValue":{"values":[' * 300,
    ],
)  # fmt: skip
def test_json_that_is_no_request_is_refused_without_quoting_it(body: bytes) -> None:
    with pytest.raises(CollectorError) as refused:
        protobuf_of("traces", body)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"intValue": "-5"}, ("int_value", -5)),
        ({"intValue": 5.0}, ("int_value", 5)),
        ({"doubleValue": "Infinity"}, ("double_value", float("inf"))),
        ({"doubleValue": 1}, ("double_value", 1.0)),
        ({"bytesValue": "_-8"}, ("bytes_value", b"\xff\xef")),
        ({"boolValue": False}, ("bool_value", False)),
        ({"stringValue": "x", "later": {"a": 1}}, ("string_value", "x")),
        (None, (None, None)),
    ],
)
def test_the_spellings_of_values_in_json(value: Any, expected: tuple[str | None, Any]) -> None:
    body = orjson.dumps({"resourceSpans": [{"resource": {"attributes": [{"key": "k", "value": value}]}}]})
    (pair,) = REQUESTS["traces"].FromString(protobuf_of("traces", body)).resource_spans[0].resource.attributes
    kind = pair.value.WhichOneof("value")
    assert (kind, getattr(pair.value, kind) if kind else None) == expected


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("most", [1, 300, 2_000, 10_000_000])
def test_a_large_request_goes_in_parts_with_everything_in_its_place(signal: Signal, most: int) -> None:
    built = filled(signal, "harmless")
    for name, count in (("scope_spans", 5), ("scope_logs", 5), ("scope_metrics", 2)):
        groups = built.ListFields()[0][1]
        if name in groups[0].DESCRIPTOR.fields_by_name:
            for number in range(count):
                getattr(groups[0], name).add().CopyFrom(getattr(groups[0], name)[0])
                getattr(groups[0], name)[-1].scope.name = f"lib {number}"
    groups.add().CopyFrom(groups[0])

    done = cleansed(signal, built.SerializeToString(), part_bytes=most)

    assert sum(items for _, items in done.parts) == done.items
    assert (len(done.parts) == 1) == (most == 10_000_000)
    assert leaves(decoded(signal, done)) == leaves(without_what_is_dropped(built))


def leaves(request: Any) -> list[bytes]:
    """Every span, log record or metric with its resource and its scope."""
    out = []
    for group in request.ListFields()[0][1]:
        around = group.resource.SerializeToString() + group.schema_url.encode()
        for field, scopes in group.ListFields():
            for scope in scopes if field.name.startswith("scope_") else ():
                own = around + scope.scope.SerializeToString() + scope.schema_url.encode()
                out += [own + item.SerializeToString() for inner, items in scope.ListFields() if inner.is_repeated for item in items]
    return out


def test_when_policy_takes_everything_out_nothing_is_sent() -> None:
    class Blocking(PlainRedactor):
        def tree(self, raw: Json) -> Clean[Json]:
            told = [Remark(f"/{place}", 0, 1, "r", "k", "terms", Action.BLOCK) for place, _ in enumerate(raw)] if raw else []  # type: ignore[arg-type]
            return seal(raw, told, Verdict.BLOCK if told else Verdict.ALLOW)

    done = cleansed("traces", spans(3).SerializeToString(), Blocking())

    assert (done.parts, done.items, done.rejected) == ((), 3, 3)


def dense(kind: str, count: int) -> bytes:
    """Many of something that is next to nothing, in one span: two bytes each."""

    def field(number: int, data: bytes) -> bytes:
        size = len(data)
        length = bytearray()
        while size > 0x7F:
            length.append(size & 0x7F | 0x80)
            size >>= 7
        return bytes([number << 3 | 2, *length, size]) + data

    inside = {"spans": b"\x12\x00", "attributes": field(2, b"\x4a\x00" * count), "events": field(2, b"\x5a\x00" * count)}[kind]
    return field(1, field(2, inside * count if kind == "spans" else inside))


@pytest.mark.parametrize("kind", ["spans", "attributes", "events"])
def test_a_request_of_next_to_nothing_is_refused_before_it_is_decoded(kind: str) -> None:
    shape = shape_of("traces").request
    refuse_dense(dense(kind, 5_000), shape, most=5_003)
    with pytest.raises(TooLarge):
        refuse_dense(dense(kind, 5_000), shape, most=4_900)
    refuse_dense(dense(kind, 5_000), shape)
    assert len(REQUESTS["traces"].FromString(dense(kind, 5)).resource_spans) == 1


@pytest.mark.parametrize("signal", SIGNALS)
def test_the_fields_of_a_large_request_are_counted_down_to_its_attributes(signal: Signal) -> None:
    body = filled(signal, "harmless").SerializeToString()
    shape = shape_of(signal).request
    refuse_dense(body, shape, most=len(body) // 2 - 1)
    with pytest.raises(TooLarge):
        refuse_dense(body, shape, most=30)


@pytest.mark.parametrize("body", [b"\x0b\x0c", b"\x0a\x05\x13", b"\xff" * 40, b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x09"])
def test_counting_what_is_no_protobuf_ends(body: bytes) -> None:
    with suppress(CollectorError):
        refuse_dense(body * 20, shape_of("traces").request, most=9)


class Counted(list[bytes]):
    """Attributes, and how many of them were read in turn."""

    read = 0

    def __iter__(self) -> Iterator[bytes]:
        for raw in super().__iter__():
            self.read += 1
            yield raw


@pytest.mark.parametrize(("key", "most"), [("k{}", 1), ("[REDACTED]", 2)])
def test_attributes_are_put_back_without_a_search_for_each(key: str, most: int) -> None:
    pairs = Counted(KeyValue(key=f"k{number}", value=AnyValue(string_value="x")).SerializeToString() for number in range(300))
    found = Gathering(Seen(0))
    found._pairs(pairs)
    for place in range(300):
        found.put(place, {key.format(place): "clean"})
    assert pairs.read <= most * 300
    put = [KeyValue.FromString(raw) for raw in pairs]
    assert {pair.value.string_value for pair in put} == {"clean"}
    assert len({pair.key for pair in put}) == 300
