from __future__ import annotations

from enum import StrEnum
from typing import Any

import pytest

from collectors.gate import ExportGate
from collectors.model import CollectorError, Record
from redactors.model import RedactionError, Verdict, is_clean, seal
from tests.collectors.plain_redactor import FailingRedactor, PlainRedactor

CANARY = "canary-7Qk2vX9bLm4T"
TRACE, SPAN = "ab" * 16, "cd" * 8


class Shouting(StrEnum):
    CANARY = CANARY


class Talkative:
    def __str__(self) -> str:
        return CANARY


def span(**fields: Any) -> Record:
    return Record("traces", {"trace_id": TRACE, "span_id": SPAN, "name": "chat m", "kind": 3, "start_time_unix_nano": 5, **fields})


def gate(redactor: Any = None, **settings: Any) -> ExportGate:
    return ExportGate(redactor or PlainRedactor(CANARY), hash_key=b"key", **settings)


def admitted(attributes: dict[str, Any]) -> dict[str, Any]:
    attributes_out: dict[str, Any] = gate().admit([span(attributes=attributes)])[0].value.tree["attributes"]
    return attributes_out


class Counted:
    def __init__(self) -> None:
        self.tombstones = 0
        self.counts: dict[tuple[str, str, str], int] = {}

    def telemetry_redacted(self, counts: dict[tuple[str, str, str], int]) -> None:
        self.counts |= counts

    def telemetry_tombstone(self, signal: str, items: int) -> None:
        self.tombstones += items


@pytest.mark.parametrize(
    "tree",
    [
        {"name": f"chat {CANARY}"},
        {"attributes": {"note": CANARY}},
        {"attributes": {CANARY: "value"}},
        {"attributes": {"list": ["a", CANARY]}},
        {"attributes": {"nested": {"deep": [{"deeper": CANARY}]}}},
        {"attributes": {"nested": {CANARY: 1}}},
        {"attributes": {"bytes": CANARY.encode()}},
        {"attributes": {"bytes": b"\xff\xfe" + CANARY.encode()}},
        {"attributes": {"bytes": bytearray(CANARY.encode())}},
        {"attributes": {"json": f'{{"key": "{CANARY}"}}'}},
        {"attributes": {"enum": Shouting.CANARY}},
        {"attributes": {"object": Talkative()}},
        {"attributes": {"gen_ai.operation.name": CANARY}},
        {"attributes": {"gen_ai.request.model": CANARY}},
        {"attributes": {"gen_ai.response.id": CANARY}},
        {"attributes": {"gen_ai.response.finish_reasons": ["stop", CANARY]}},
        {"attributes": {"gen_ai.usage.input_tokens": CANARY}},
        {"attributes": {"lockgate.key.id": CANARY}},
        {"attributes": {"error.type": CANARY}},
        {"events": [{"name": CANARY, "time_unix_nano": 1, "attributes": {}}]},
        {"events": [{"name": "exception", "time_unix_nano": 1, "attributes": {"exception.message": CANARY}}]},
        {"links": [{"trace_id": TRACE, "span_id": SPAN, "attributes": {"why": CANARY}}]},
        {"status": {"code": 2, "message": CANARY}},
        {"resource": {"attributes": {"host.name": CANARY}}},
        {"resource": {"attributes": {}, "schema_url": CANARY}},
        {"scope": {"name": CANARY, "attributes": {}}},
        {"scope": {"name": "x", "version": CANARY, "attributes": {"where": CANARY}}},
    ],
    ids=range(27),
)
def test_a_planted_value_comes_out_of_no_field(tree: dict[str, Any]) -> None:
    clean = gate().admit([span(**tree)])[0]

    assert is_clean(clean)
    assert CANARY not in repr(clean.value.tree)
    assert CANARY.encode() not in repr(clean.value.tree).encode()


def test_numbers_vocabulary_and_own_ids_pass_without_the_redactor() -> None:
    redactor = PlainRedactor()
    known = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 3, "lockgate.request.id": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}
    under_test = gate(redactor)
    under_test.admit([span(attributes={})])
    before = redactor.calls

    tree = under_test.admit([span(attributes=known)])[0].value.tree

    assert tree["attributes"] == known
    assert redactor.calls == before


def test_a_label_goes_past_the_detectors_once() -> None:
    redactor = PlainRedactor()
    under_test = gate(redactor)
    record = span(attributes={"gen_ai.request.model": "gpt-5-mini"})
    under_test.admit([record])
    before = redactor.calls

    under_test.admit([record])

    assert redactor.calls == before


def test_a_new_live_secret_makes_the_gate_forget_what_it_let_pass() -> None:
    redactor, generation = PlainRedactor(), [0]
    under_test = gate(redactor, generation=lambda: generation[0])
    record = span(attributes={"gen_ai.request.model": CANARY})
    assert CANARY in repr(under_test.admit([record])[0].value.tree)

    redactor.words.append(CANARY)
    generation[0] += 1

    assert CANARY not in repr(under_test.admit([record])[0].value.tree)


def test_a_foreign_id_that_does_not_look_like_one_is_hashed_the_same_way_each_time() -> None:
    first, second = (admitted({"gen_ai.response.id": "an id with spaces"}) for _ in range(2))

    assert first == second
    assert first["gen_ai.response.id"].startswith("hmac:")


def test_two_keys_that_look_alike_after_redaction_are_both_kept() -> None:
    assert sorted(admitted({f"{CANARY}": 1, "[gone]": 2}).values()) == [1, 2]


def test_plain_values_keep_their_types() -> None:
    values = {
        "text": "t",
        "int": 1,
        "float": 0.5,
        "bool": True,
        "none": None,
        "bytes": b"\x00\xff",
        "list": [1, ["a"]],
        "map": {"a": {"b": 1}},
    }

    assert admitted(values) == values


def test_long_numbers_are_looked_at_and_numbers_beyond_64_bits_become_text() -> None:
    words = PlainRedactor("4111111111111111")
    tree = gate(words).admit([span(attributes={"card": 4111111111111111, "big": 2**70, "time": 1_700_000_000_000_000_000})])[0].value.tree

    assert tree["attributes"] == {"card": "[gone]", "big": str(2**70), "time": 1_700_000_000_000_000_000}


def test_lone_surrogates_are_replaced() -> None:
    assert admitted({"text": "a\ud800b"}) == {"text": "a?b"}


def test_what_is_clean_already_is_not_redacted_again() -> None:
    assert admitted({"gen_ai.input.messages": seal(CANARY)}) == {"gen_ai.input.messages": CANARY}


def recurse(raw: Any) -> Any:
    return recurse(raw)


def refuse(raw: Any) -> Any:
    raise RedactionError(CANARY)


def stop(raw: Any) -> Any:
    raise KeyboardInterrupt(CANARY)


@pytest.mark.parametrize(
    "fail", [refuse, recurse, lambda raw: raw, lambda raw: seal([]), lambda raw: seal(None), lambda raw: seal(raw, (), Verdict.BLOCK)]
)
def test_a_record_that_cannot_be_redacted_leaves_as_a_tombstone(fail: Any, caplog: pytest.LogCaptureFixture) -> None:
    counted = Counted()
    under_test = gate(FailingRedactor(fail), remarked=counted)
    attributes = {"note": CANARY, "gen_ai.usage.input_tokens": 7, "error.type": "timeout", CANARY: 1, "gen_ai.request.model": CANARY}

    tree = under_test.admit([span(attributes=attributes, status={"code": 2, "message": CANARY}, parent_span_id="ef" * 8)])[0].value.tree

    assert tree["name"] == "redaction_failed"
    assert (tree["trace_id"], tree["span_id"], tree["parent_span_id"]) == (TRACE, SPAN, "ef" * 8)
    assert tree["attributes"] == {"gen_ai.usage.input_tokens": 7, "error.type": "timeout"}
    assert tree["status"] == {"code": 2}
    assert CANARY not in repr(tree)
    assert counted.tombstones == 1
    assert CANARY not in caplog.text


def test_a_value_nested_too_deeply_leaves_as_a_tombstone() -> None:
    deep: Any = CANARY
    for _ in range(5_000):
        deep = [deep]

    assert gate().admit([span(attributes={"deep": deep})])[0].value.tree["name"] == "redaction_failed"


def test_a_tombstone_can_be_made_of_anything() -> None:
    tree = gate().admit([Record("traces", {"trace_id": CANARY, "status": 4, "attributes": 5, "kind": "x"})])[0].value.tree

    assert CANARY not in repr(tree)
    assert tree["name"] == "redaction_failed"


def test_an_interrupt_is_raised_after_its_tombstone_was_delivered() -> None:
    delivered: list[Any] = []
    under_test = gate(FailingRedactor(stop))

    with pytest.raises(KeyboardInterrupt):
        under_test.send([span(attributes={"note": CANARY})], delivered.extend)

    assert [record.value.tree["name"] for record in delivered] == ["redaction_failed"]


def test_an_interrupt_during_admit_lets_nothing_out() -> None:
    with pytest.raises(KeyboardInterrupt):
        gate(FailingRedactor(stop)).admit([span(attributes={"note": CANARY})])


def test_a_gate_is_not_built_on_a_redactor_that_makes_no_clean_values() -> None:
    class Careless:
        def tree(self, raw: Any) -> Any:
            return raw

    with pytest.raises(CollectorError):
        gate(Careless())


def test_replacements_are_counted_by_rule() -> None:
    counted = Counted()
    gate(remarked=counted).admit([span(attributes={"note": CANARY})])

    assert counted.counts == {("planted", "word", "replace"): 1}


def test_the_redactor_sees_a_text_below_all_the_keys_it_stands_under() -> None:
    seen: list[Any] = []

    def watch(raw: Any) -> Any:
        seen.extend(raw)
        return seal(raw)

    gate(FailingRedactor(watch)).admit([span(attributes={"password": {"current": {"value": "x"}}, "list": ["y"], "raw": b"z"})])

    assert {"password": {"current": {"value": "x"}}} in seen
    assert {"list": "y"} in seen
    assert {"raw": "z"} in seen


def test_what_the_redactor_removes_is_gone() -> None:
    def remove(raw: Any) -> Any:
        return seal([{} if isinstance(text, dict) else text for text in raw])

    tree = gate(FailingRedactor(remove)).admit([span(attributes={"password": "x", "deep": {"password": "y"}})])[0].value.tree

    assert tree["attributes"] == {"password": "[removed]", "deep": {"password": "[removed]"}}
