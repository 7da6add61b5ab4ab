"""The sealed instrumentation of one process, with the whole matrix planted on it: what it spools, logs, exports and shows."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from collectors.deadline import Deadline
from collectors.gate import ExportGate, TreeRedactor
from collectors.genai import CallFacts
from collectors.logs import RedactingHandler
from collectors.metrics import Metrics, closed
from collectors.model import CollectorError, Record
from collectors.otlp.codec import TraceEncoder
from collectors.otlp.log_codec import encode_logs
from collectors.otlp.metric_codec import encode_metrics, snapshot
from collectors.sealed import SealedTracerProvider
from collectors.tracing import Tracing
from redactors.model import Clean, RedactionError
from tests.canary.cells import Cell
from tests.canary.surfaces import LOGS, RESOURCE, TRACES, Stage


@dataclass
class Sealed:
    """Sealed tracing, logging and metrics over one redactor. `strays` are spans that somebody else's processor was given."""

    redactor: TreeRedactor
    drawn: tuple[Cell, ...]
    deadline_s: float = 5.0
    inline_chars: int = 16_384
    kept: list[Clean[Record]] = field(default_factory=list)
    taken: list[Clean[Record]] = field(default_factory=list)
    strays: list[Any] = field(default_factory=list)
    stream: io.StringIO = field(default_factory=io.StringIO)

    def __post_init__(self) -> None:
        self.deadline = Deadline(self.redactor, seconds=self.deadline_s, workers=1, inline_chars=self.inline_chars)
        self.metrics = Metrics(closed(models=["m"], destinations=["d"], rules=["r"], manager_types=["env"]), version="0.1.0")
        self.gate = ExportGate(self.deadline, hash_key=b"k" * 32, remarked=self.metrics)
        of_resource = [cell.text for cell in self.drawn if cell.surface in RESOURCE]
        self.resource = {**{f"app.note.{n}": text for n, text in enumerate(of_resource)}, **dict.fromkeys(of_resource, "x")}
        self.provider = SealedTracerProvider(self.gate, self.kept.extend, resource=self.resource)
        self.handler = RedactingHandler(self.deadline, self.stream)
        self.handler.tap = self.taken.append

    def plant(self) -> None:
        """Record a span or a log record for every cell, and count under every cell's text."""
        stage = Stage(self.provider, self.strays.append, self._logger)
        for cell in self.drawn:
            table = TRACES if cell.surface in TRACES else LOGS
            if cell.surface in table:
                table[cell.surface](stage, cell.text)
            for count in COUNTED:
                count(self.metrics, cell.text)

    def tombstones(self) -> float:
        """Spans whose redaction failed, as `/metrics` counts them."""
        told = [line for line in self.metrics.render().decode().splitlines() if line.startswith("lockgate_telemetry_tombstones_total{")]
        return sum(float(line.rpartition(" ")[2]) for line in told)

    def exits(self) -> dict[str, bytes]:
        """Everything that leaves, by the exit's name."""
        resource = Tracing(ExportGate(self.deadline, hash_key=b"k" * 32), resource=self.resource).resource
        return {
            "OTLP traces": TraceEncoder().encode(self.kept),
            "OTLP logs": encode_logs(self.taken, resource),
            "OTLP metrics": self._metrics(resource),
            "log lines": self.stream.getvalue().encode(),
            "/metrics": self.metrics.render(),
            "strays": repr(self.strays).encode(),
        }

    def _logger(self, name: str) -> logging.Logger:
        logger = logging.Logger(name)  # one that nobody else in this process gets
        logger.addHandler(self.handler)
        return logger

    def _metrics(self, resource: Clean[dict[str, Any]]) -> bytes:
        taken = snapshot(self.metrics.registry)
        try:
            clean = self.deadline.tree(taken.texts)
            given = {"start_ns": 1, "at_ns": 2, "before": {}, "version": "0.1.0"}
            return encode_metrics(clean, taken.values, resource, temporality="cumulative", **given)[0]
        except (RedactionError, CollectorError, ValueError, RecursionError, MemoryError):
            return b""  # what `MetricExport` makes of it: nothing is sent this time


COUNTED: tuple[Callable[[Metrics, str], object], ...] = (
    lambda metrics, text: metrics.call(text, text, 200, 0.1),
    lambda metrics, text: metrics.model_call(CallFacts(text, text, text, error_type=text, input_tokens=1, cost_micros=1), 0.1),
    lambda metrics, text: metrics.redacted(text, {(text, text, text): 1}),
    lambda metrics, text: metrics.secret_read(text, text, 0.1),
    lambda metrics, text: metrics.outbox_sent(text, text, text, 1),
)
"""Where a text could become a label of the process's own metrics."""


def spans_of(drawn: Iterable[Cell]) -> int:
    """How many spans the cells make."""
    return sum(cell.surface in TRACES for cell in drawn)


def lines_of(drawn: Iterable[Cell]) -> int:
    """How many log records they make."""
    return sum(cell.surface in LOGS for cell in drawn)
