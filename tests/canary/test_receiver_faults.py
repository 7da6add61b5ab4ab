"""The matrix of another program at the receiver while redaction breaks: every item becomes a tombstone and is counted."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from collectors.model import Signal
from collectors.otlp.cleanse import Cleanser
from collectors.otlp.gathering import Seen
from tests.canary.cells import cells, found, sent_by
from tests.canary.faults import FAULTS
from tests.canary.surfaces import MARKER
from tests.collectors.otlp_requests import REQUESTS
from tests.collectors.plain_redactor import FailingRedactor
from tests.walks.test_receiver import items_of

DRAWN = cells(20261121)


@pytest.fixture(scope="module")
def sent() -> Sequence[tuple[Signal, bytes]]:
    taken: Sequence[tuple[Any, bytes]] = list(sent_by(Path(sys.executable), "plain", DRAWN, {}))
    return taken


def _names(signal: Signal, body: bytes) -> Iterator[str]:
    """The names of the spans, metrics or log records of a request."""
    for group in REQUESTS[signal].FromString(body).ListFields()[0][1]:
        for field, scopes in group.ListFields():
            if field.name.startswith("scope_"):
                for scope in scopes:
                    for item in scope.spans if signal == "traces" else scope.log_records if signal == "logs" else scope.metrics:
                        yield item.event_name if signal == "logs" else item.name


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_the_redactor_does_only_tombstones_leave_the_receiver(sent: Sequence[tuple[Signal, bytes]], fault: str) -> None:
    for signal, body in sent:
        done = Cleanser(FailingRedactor(FAULTS[fault])).cleanse(signal, body, Seen(0))

        left = b"".join(payload.value for payload, _ in done.parts)
        assert sorted(found(DRAWN, left)) == []
        assert MARKER.encode() not in left
        assert done.items == items_of(REQUESTS[signal].FromString(body))
        assert done.tombstones >= done.items
        assert set(_names(signal, left)) == {"redaction_failed"}
