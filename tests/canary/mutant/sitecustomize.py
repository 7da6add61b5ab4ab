"""A gateway with a defect, for the positive controls of the matrix: Python imports this first where its folder is on the path.

`LOCKGATE_CANARY_MUTANT` says which. `talkative`: the name of the model that a caller asked for is logged, written into the event's detail
and made a metric's label, as careless code would; redaction and closed label sets are in place. `open`: the same without them, and
senders are answered with what they sent.
"""

from __future__ import annotations

import logging
import os
from typing import Any

import collectors.metrics
import pipeline.bootstrap.policies
import pipeline.gateway.accepting
import pipeline.gateway.events
from redactors.model import seal

WHICH = os.environ.get("LOCKGATE_CANARY_MUTANT", "")
event, decoded = pipeline.gateway.events.event, pipeline.gateway.accepting.decoded
sent: list[bytes] = []


def talkative(house: Any, call: Any, kind: str, outcome: str, detail: Any, caller: Any, **more: Any) -> Any:
    """The event, with what the caller asked for told to the log, the metrics and the audit."""
    asked = more.get("model", "")
    logging.getLogger("mutant").warning("a caller asked for %s", asked)
    house.metrics.call(asked, outcome, 200, 0.0)
    return event(house, call, kind, outcome, {**detail, "asked": asked}, caller, **more)


class Open:
    """A redactor that changes nothing."""

    def tree(self, raw: Any) -> Any:
        """The tree as it came, passed off as clean."""
        return seal(raw)


def remembered(body: bytes, coding: str, limits: Any) -> bytes:
    """The decoded body, kept for the answer."""
    found: bytes = decoded(body, coding, limits)
    sent.append(found)
    return found


def echoed(*_: Any) -> bytes:
    """An answer that says what was sent."""
    return sent[-1]


if WHICH in ("talkative", "open"):
    pipeline.gateway.events.event = talkative
if WHICH == "open":
    collectors.metrics._of = lambda _known, value: value
    pipeline.bootstrap.policies.Redaction.recorder = lambda _self: Open()  # type: ignore[assignment, method-assign, return-value]
    pipeline.gateway.accepting.decoded = remembered
    import pipeline.gateway.telemetry
    import pipeline.gateway.telemetry_grpc

    pipeline.gateway.telemetry.accepted = echoed
    pipeline.gateway.telemetry_grpc.accepted = echoed
