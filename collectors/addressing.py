"""At the end of a call: which destinations are given its spans, in which form, and why not when they are not.

Sampling is decided here, after everything was counted: errors, redactions and costly calls are kept, the rest by trace id, in the
way of OpenTelemetry's TraceIdRatioBased (opentelemetry.io/docs/specs/otel/trace/sdk), so that samplers of one ratio agree; of its
ParentBased, where a destination says so, the caller's decision comes before the ratio. What is
left out counts as accepted and rejected by policy; what is kept of a sampled destination says by which decision on the call's span.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal, Protocol

from collectors.backlog import Backlog
from collectors.genai import CONTENT_ATTRIBUTES, CallFacts
from collectors.model import OutboxRow, Record
from redactors.model import Clean

Decision = Literal["all", "error", "redaction", "cost", "parent", "ratio", "sampled"]
Encode = Callable[[Sequence[Clean[Record]], Sequence[str]], tuple[OutboxRow, ...]]

_TRACE_ID_LIMIT: Final = 1 << 64


@dataclass(frozen=True, slots=True)
class Sampling:
    """Which calls a destination gets: those that are kept in any case, and `ratio` of the others.

    `parent_based`: where the caller has decided about its trace, that decision takes the place of the ratio.
    """

    ratio: float = 1.0
    keep_errors: bool = True
    keep_redactions: bool = True
    keep_cost_micros: int | None = None
    parent_based: bool = False


@dataclass(frozen=True, slots=True)
class Recipient:
    """A destination of traces."""

    id: str
    sampling: Sampling = Sampling()


@dataclass(frozen=True, slots=True)
class Addressed:
    """The rows of a call, and what was decided for each destination that samples."""

    rows: tuple[OutboxRow, ...] = ()
    decisions: tuple[tuple[str, Decision], ...] = ()


class Noted(Protocol):
    """Told every decision; `Metrics` is one."""

    def sampled(self, destination: str, decision: str) -> None:
        """Count a decision."""
        ...


def decide(sampling: Sampling, facts: CallFacts, trace_id: str, parent_sampled: bool | None = None) -> Decision:
    """What a destination does with a finished call. `trace_id` is 32 hex digits; its lower half decides, as other samplers have it.

    `parent_sampled` is what the caller decided about its trace; None when it sent no trace.
    """
    follows = sampling.parent_based and parent_sampled is not None
    if sampling.ratio >= 1.0 and not follows:
        return "all"
    if sampling.keep_errors and facts.error_type:
        return "error"
    if sampling.keep_redactions and facts.redactions:
        return "redaction"
    if sampling.keep_cost_micros is not None and (facts.cost_micros or 0) >= sampling.keep_cost_micros:
        return "cost"
    if follows:
        return "parent" if parent_sampled else "sampled"
    return "ratio" if int(trace_id[16:], 16) < round(sampling.ratio * _TRACE_ID_LIMIT) else "sampled"


class Addressing:
    """Addresses the spans of finished calls. `encode` makes rows of records for the destinations named."""

    def __init__(self, recipients: Sequence[Recipient], encode: Encode, backlog: Backlog, noted: Noted | None = None) -> None:
        self._recipients = tuple(recipients)
        self._encode = encode
        self._backlog = backlog
        self._noted = noted

    def follow(self, recipients: Sequence[Recipient]) -> None:
        """Address these from now on."""
        self._recipients = tuple(recipients)

    def address(
        self,
        records: Sequence[Clean[Record]],
        facts: CallFacts,
        trace_id: str,
        named: Collection[str] | None,
        parent_sampled: bool | None = None,
    ) -> Addressed:
        """The rows for the destinations that a workspace names (None: all). Raises CollectorError when they cannot be encoded."""
        if not self._recipients or not records:
            return Addressed()
        forms: dict[tuple[bool, Decision, float], list[str]] = {}
        rows: list[OutboxRow] = []
        decisions: list[tuple[str, Decision]] = []
        for recipient in self._recipients:
            if named is not None and recipient.id not in named:
                continue
            decision = decide(recipient.sampling, facts, trace_id, parent_sampled)
            if decision != "all":
                decisions.append((recipient.id, decision))
                if self._noted is not None:
                    self._noted.sampled(recipient.id, decision)
            if decision == "sampled":
                rows.append(OutboxRow(recipient.id, "traces", b"", len(records), withheld="sampled"))
            else:
                sheds = facts.content is not None and self._backlog.sheds(recipient.id)
                forms.setdefault((sheds, decision, recipient.sampling.ratio), []).append(recipient.id)
        for (sheds, decision, ratio), destinations in forms.items():
            rows.extend(self._encode(_formed(records, sheds, decision, ratio), destinations))
        return Addressed(tuple(rows), tuple(decisions))


def _formed(records: Sequence[Clean[Record]], sheds: bool, decision: Decision, ratio: float) -> Sequence[Clean[Record]]:
    """The records as a destination gets them: the call's own span, the first, without content or with what was decided."""
    notes: dict[str, Any] = {}
    if decision != "all":
        notes |= {"lockgate.sampling.decision": decision, "lockgate.sampling.ratio": ratio}
    if sheds:
        notes["lockgate.content.shed"] = True
    if not notes:
        return records
    return [records[0].map(partial(_noted, notes=notes, sheds=sheds)), *records[1:]]


def _noted(record: Record, *, notes: dict[str, Any], sheds: bool) -> Record:
    kept = {key: value for key, value in record.tree.get("attributes", {}).items() if not (sheds and key in CONTENT_ATTRIBUTES)}
    return Record(record.signal, {**record.tree, "attributes": {**kept, **notes}})


def unless_full(rows: Sequence[OutboxRow], backlog: Backlog) -> tuple[OutboxRow, ...]:
    """Rows that belong to no call (nobody can be refused for them): those of a full destination are only counted."""
    return tuple(
        OutboxRow(row.destination, row.signal, b"", row.items, withheld="full") if backlog.full(row.destination) else row for row in rows
    )
