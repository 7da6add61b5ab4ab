from __future__ import annotations

import io
import json

import pytest

from collectors.gate import ExportGate
from collectors.model import CollectorError, Record, Sink
from collectors.sinks.lines import LinesSink
from collectors.sinks.memory import MemorySink
from tests.collectors.plain_redactor import PlainRedactor

RAW = Record("traces", {"trace_id": "ab" * 16, "span_id": "cd" * 8, "name": "work", "attributes": {"raw": b"\x00\xff", "text": "canary"}})


def test_records_become_json_lines() -> None:
    stream = io.BytesIO()
    sink: Sink = LinesSink(stream)
    sink.write(ExportGate(PlainRedactor("canary"), hash_key=b"k").admit([RAW, RAW]))

    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len(lines) == 2
    assert lines[0]["attributes"] == {"raw": "AP8=", "text": "[gone]"}
    assert lines[0]["signal"] == "traces"


@pytest.mark.parametrize("sink", [LinesSink(io.BytesIO()), MemorySink()])
def test_a_raw_record_is_refused_at_run_time(sink: Sink) -> None:
    with pytest.raises(CollectorError):
        sink.write([RAW])  # type: ignore[list-item]


def test_a_stream_that_is_closed_is_told_without_text() -> None:
    stream = io.BytesIO()
    stream.close()
    with pytest.raises(CollectorError):
        LinesSink(stream).write(ExportGate(PlainRedactor(), hash_key=b"k").admit([RAW]))


def test_memory_keeps_the_last_records() -> None:
    sink = MemorySink(limit=1)
    sink.write(ExportGate(PlainRedactor(), hash_key=b"k").admit([RAW, RAW]))

    assert len(sink.records) == 1
