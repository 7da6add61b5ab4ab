"""Events of a call, and how what was redacted is counted. Everything textual goes through the recorder first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from pipeline.gateway.model import Call, House
from pipeline.keys.lineage import facts
from pipeline.keys.model import Caller
from pipeline.ledger.model import Event, RedactionCount
from redactors.model import Totals


def event(
    house: House,
    call: Call,
    kind: str,
    outcome: str,
    detail: dict[str, Any],
    caller: Caller | None,
    *,
    model: str = "",
    target_id: str = "",
    status: int = 0,
    error: str = "",
) -> Event:
    """Make an event of this call. Detail and the caller's model name go through the recorder together."""
    told = {**detail, **facts(caller)} if caller is not None else detail
    clean = house.recorder.tree({"detail": told, "model": model})
    key = caller.key if caller else None
    name = clean.value["model"] if isinstance(clean.value, dict) else ""
    return Event(
        id=house.new_id(),
        at_us=house.clock.now_us(),
        kind=kind,
        actor=key.id if key else "anonymous",
        outcome=outcome,
        detail=clean.map(_detail),
        request_id=call.request_id,
        org_id=key.org_id if key else "default",
        workspace_id=key.workspace_id if key else "",
        key_id=key.id if key else "",
        model=name if isinstance(name, str) else "",
        target_id=target_id,
        status=status,
        error=error,
        trace_id=call.span.trace_id,
    )


def _detail(tree: Any) -> Any:
    return tree["detail"]


def counted(totals: Totals) -> dict[str, int]:
    """How often each rule acted, as `rule:action: count`; never what it matched."""
    acted: Counter[str] = Counter()
    for (_, rule, _, action), count in totals.items():
        acted[f"{rule}:{action}"] += count
    return dict(acted)


def by_rule(totals: Totals) -> Mapping[tuple[str, str, str], int]:
    """The same by (rule, kind, action), as metrics count."""
    acted: Counter[tuple[str, str, str]] = Counter()
    for (_, rule, kind, action), count in totals.items():
        acted[rule, kind, action] += count
    return acted


def redaction_counts(direction: str, totals: Totals) -> tuple[RedactionCount, ...]:
    """One row per rule and action of a direction."""
    return tuple(RedactionCount(direction, detector, rule, kind, action, count) for (detector, rule, kind, action), count in totals.items())
