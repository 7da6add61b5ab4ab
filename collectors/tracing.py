"""The gateway's own spans: cheap to record, rebuilt clean by the gate, encoded for the outbox.

    call = tracing.start(traceparent=incoming)
    call.child("lockgate.attempt", started_ns, ended_ns, {"lockgate.attempt": 1}, kind=CLIENT)
    records = tracing.finish(call, facts, ended_ns=...)
    rows = tracing.encode(records)                 # into the ledger's settlement

A live SDK span costs 10 to 16 µs and gives other code a reference to raw attributes; these are plain objects that nobody
else sees. Spans of other libraries come through `collectors.sealed`; those that end while a call is gathering ride along.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from collectors.gate import ExportGate
from collectors.genai import CLIENT, DEFAULT_PROFILE, ERROR, INTERNAL, SCHEMA_URLS, CallFacts, Profile, call_attributes, span_name
from collectors.model import CollectorError, OutboxRow, Record
from collectors.otlp.codec import TraceEncoder, checked
from collectors.tombstone import tombstone
from redactors.model import Clean

_TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_REMOTE: Final = 0x300
_LOCAL: Final = 0x100

GATHERED: Final[ContextVar[list[Clean[Record]] | None]] = ContextVar("lockgate_gathered_spans", default=None)
"""Where spans of other libraries land while a call gathers them; None outside a call."""


class CallSpan:
    """One call being traced, and its children. Belongs to one task; its raw values are seen by nobody but the gate."""

    __slots__ = ("_bits", "attributes", "children", "events", "parent_id", "parent_sampled", "span_id", "started_ns", "trace_id")

    def __init__(
        self, trace_id: str, parent_id: str, started_ns: int, bits: Callable[[int], int], *, parent_sampled: bool | None = None
    ) -> None:
        self.trace_id = trace_id
        self.parent_id = parent_id
        self.parent_sampled = parent_sampled
        self.started_ns = started_ns
        self.span_id = f"{bits(64) or 1:016x}"
        self.attributes: dict[str, Any] = {}
        self.children: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self._bits = bits

    def set(self, key: str, value: Any) -> None:
        """Set one attribute of the call's span."""
        self.attributes[key] = value

    def child(
        self,
        name: str,
        started_ns: int,
        ended_ns: int,
        attributes: Mapping[str, Any] | None = None,
        *,
        kind: int = INTERNAL,
        error_type: str = "",
        span_id: str | None = None,
    ) -> str:
        """Add a finished child (an attempt, a vault read, a redaction, a reservation) after the fact; returns its span id.

        `span_id` is one reserved before with `reserve`, so that the upstream's spans could already name it.
        """
        own = span_id or self.reserve()
        tree: dict[str, Any] = {
            "trace_id": self.trace_id,
            "span_id": own,
            "parent_span_id": self.span_id,
            "flags": _LOCAL,
            "name": name,
            "kind": kind,
            "start_time_unix_nano": started_ns,
            "end_time_unix_nano": ended_ns,
            "attributes": dict(attributes) if attributes else {},
            "status": {"code": 0},
        }
        if error_type:
            tree["attributes"]["error.type"] = error_type
            tree["status"] = {"code": ERROR}
        self.children.append(tree)
        return own

    def event(self, name: str, at_ns: int, attributes: Mapping[str, Any] | None = None) -> None:
        """Add an event to the call's span."""
        self.events.append({"name": name, "time_unix_nano": at_ns, "attributes": dict(attributes) if attributes else {}})

    def reserve(self) -> str:
        """A span id for a child that will be added when it is finished."""
        return f"{self._bits(64) or 1:016x}"

    def traceparent(self, span_id: str | None = None) -> str:
        """The W3C header for what is called from here (the call's own span unless a reserved child is named)."""
        return f"00-{self.trace_id}-{span_id or self.span_id}-01"


class Tracing:
    """Starts, finishes and encodes call spans for the configured destinations.

    `resource` is what describes this process (`service.name`, …); it is redacted once, here. `measured` is told every
    finished call and its seconds (`Metrics.model_call`), whatever is exported. `bits` gives random bits, `now_ns` epoch nanoseconds.
    """

    def __init__(
        self,
        gate: ExportGate,
        *,
        destinations: Sequence[str] = (),
        resource: Mapping[str, Any] | None = None,
        profile: Profile = DEFAULT_PROFILE,
        version: str = "",
        measured: Callable[[CallFacts, float], None] | None = None,
        now_ns: Callable[[], int] = time.time_ns,
        bits: Callable[[int], int] = random.getrandbits,
    ) -> None:
        self.gate = gate
        self.profile: Profile = profile
        self.destinations = tuple(destinations)
        self._measured = measured
        self._now_ns = now_ns
        self._bits = bits
        self._encoder: TraceEncoder | None = None
        origin = {
            "name": "redaction_failed",
            "resource": {"attributes": {"service.name": "lockgate", **(resource or {})}},
            "scope": {"name": "lockgate", "version": version, "schema_url": SCHEMA_URLS[profile], "attributes": {}},
        }
        clean = gate.admit([Record("traces", origin)])[0]
        self._resource: Clean[dict[str, Any]] = clean.map(lambda record: record.tree["resource"])
        self._scope: Clean[dict[str, Any]] = clean.map(lambda record: record.tree["scope"])

    @property
    def resource(self) -> Clean[dict[str, Any]]:
        """What describes this process, redacted: for its logs and metrics as well."""
        return self._resource

    def start(self, traceparent: str | None = None, *, started_ns: int | None = None) -> CallSpan:
        """Start a call's span, below the caller's when it sent a valid W3C `traceparent`. Its tracestate is never read."""
        trace_id, parent, sampled = _parent(traceparent) if traceparent else ("", "", None)
        if not trace_id:
            trace_id = f"{self._bits(128) or 1:032x}"
        return CallSpan(trace_id, parent, self._now_ns() if started_ns is None else started_ns, self._bits, parent_sampled=sampled)

    def finish(self, call: CallSpan, facts: CallFacts, *, ended_ns: int | None = None) -> tuple[Clean[Record], ...]:
        """End the call: its span and all its children, rebuilt clean (tombstones when that fails). Raises nothing."""
        ended = self._now_ns() if ended_ns is None else ended_ns
        if self._measured is not None:
            self._measured(facts, max(0, ended - call.started_ns) / 1e9)
        attributes = call_attributes(facts, self.profile)
        if call.attributes:
            attributes.update(call.attributes)
        tree: dict[str, Any] = {
            "trace_id": call.trace_id,
            "span_id": call.span_id,
            "parent_span_id": call.parent_id,
            "flags": _REMOTE if call.parent_id else _LOCAL,
            "name": span_name(facts),
            "kind": CLIENT,
            "start_time_unix_nano": call.started_ns,
            "end_time_unix_nano": ended,
            "attributes": attributes,
            "status": {"code": ERROR if facts.error_type else 0},
            "resource": self._resource,
            "scope": self._scope,
        }
        if call.events:
            tree["events"] = call.events
        records = [Record("traces", tree)]
        for child in call.children:
            child["resource"] = self._resource
            child["scope"] = self._scope
            records.append(Record("traces", child))
        return self.gate.admit(records)

    def encode(self, records: Sequence[Clean[Record]], destinations: Sequence[str] | None = None) -> tuple[OutboxRow, ...]:
        """Encode clean spans once and address them to every destination (or those named). Raises CollectorError."""
        addressed = self.destinations if destinations is None else tuple(destinations)
        if not records or not addressed:
            return ()
        if self._encoder is None:
            self._encoder = TraceEncoder()
        try:
            payload = self._encoder.encode(records)
        except CollectorError:
            payload = self._encoder.encode([self._fitting(record) for record in records])
        return tuple(OutboxRow(destination, "traces", payload, len(records)) for destination in addressed)

    def _fitting(self, record: Clean[Record]) -> Clean[Record]:
        """The record itself when it can be encoded, else its tombstone: one odd span does not take the others with it."""
        encoder = self._encoder or TraceEncoder()
        checked(record, "traces")
        try:
            encoder.encode([record])
        except CollectorError:
            return record.map(tombstone)
        return record

    @contextmanager
    def gather(self) -> Iterator[list[Clean[Record]]]:
        """Collect the spans that other libraries end inside the block, so that they ride with the call's own."""
        gathered: list[Clean[Record]] = []
        token = GATHERED.set(gathered)
        try:
            yield gathered
        finally:
            GATHERED.reset(token)


def _parent(traceparent: str) -> tuple[str, str, bool | None]:
    """Trace id, span id and sampled flag of a W3C `traceparent` (w3.org/TR/trace-context); empty strings and None when it is not valid."""
    match = _TRACEPARENT.fullmatch(traceparent.strip())
    if match is None:
        return "", "", None
    version, trace_id, span_id, flags, rest = match.groups()
    if version == "ff" or (version == "00" and rest) or trace_id == "0" * 32 or span_id == "0" * 16:
        return "", "", None
    return trace_id, span_id, bool(int(flags, 16) & 1)
