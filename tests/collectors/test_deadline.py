from __future__ import annotations

import pytest

from collectors.deadline import Deadline
from collectors.gate import ExportGate
from collectors.model import Record
from redactors.model import RedactionError
from tests.collectors.plain_redactor import FailingRedactor, HangingRedactor, PlainRedactor


def test_a_hanging_redactor_costs_a_tombstone_and_then_fails_at_once() -> None:
    hanging = HangingRedactor()
    gate = ExportGate(Deadline(hanging, seconds=0.05, workers=1, inline_chars=4), hash_key=b"k")
    record = Record("traces", {"trace_id": "ab" * 16, "span_id": "cd" * 8, "name": "something long", "attributes": {}})

    names = [gate.admit([record])[0].value.tree["name"] for _ in range(3)]

    hanging.released.set()
    assert names == ["redaction_failed"] * 3


def test_large_trees_are_redacted_in_a_worker() -> None:
    deadline = Deadline(PlainRedactor("canary"), seconds=10, inline_chars=10)

    assert deadline.tree(["a long text with a canary in it", {"canary": ["x"]}]).value == [
        "a long text with a [gone] in it",
        {"[gone]": ["x"]},
    ]


def test_a_failure_in_a_worker_is_told_without_its_text() -> None:
    def refuse(_raw: object) -> None:
        raise ValueError("canary")

    with pytest.raises(RedactionError) as failed:
        Deadline(FailingRedactor(refuse), seconds=10, inline_chars=1).tree(["text"])
    assert "canary" not in str(failed.value)
