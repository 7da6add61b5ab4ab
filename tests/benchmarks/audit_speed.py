"""How fast a chain is verified offline: events per second of one core's time, with and without the Merkle roots of checkpoints.

Run: `python -m tests.benchmarks.audit_speed [EVENTS]`. The events are what a call writes (about 800 bytes); the lines are in memory, so
that the disk is not measured. CPU time, median of five.
"""

from __future__ import annotations

import json
import statistics
import sys
import time

from pipeline.ledger.chain import Head, head_of, link
from pipeline.ledger.journal import event_line
from pipeline.ledger.offline_verifier import walk
from pipeline.ledger.operations import draft

DETAIL = json.dumps(
    {
        "answer_redactions": {}, "attempts": [{"outcome": "ok", "target": "openai-prod", "status": 200}], "policy": "default@3f9c2a77",
        "price_digest": "0f" * 16, "secret": {"reference": "openai-prod", "version": "7"}, "stream": True,
        "usage": {"input": 812, "output": 233},
    },
    sort_keys=True, separators=(",", ":"),
)  # fmt: skip


def lines_of(count: int) -> list[bytes]:
    """A chain of so many events, as a bundle has it."""
    head, lines = Head("01K9ZQ4S8V0000000000000000"), []
    for number in range(count):
        fields = {"detail": DETAIL, "request_id": f"01K9ZR{number:020d}", "model": "gpt-5-mini", "target_id": "openai-prod"}
        at_us, ident = 1_795_000_000_000_000 + number, f"01K9ZQ{number:020d}"
        row, body = link(
            head, draft(event_id=ident, at_us=at_us, kind="gateway:call:finish", actor="K1", outcome="ok", status=200, **fields)
        )
        head = head_of(row)
        lines.append(event_line(row, body))
    return lines


def rate(lines: list[bytes], segments: dict[int, int]) -> float:
    """Events per second, median of five."""
    times = []
    for _ in range(5):
        began = time.process_time()
        found = walk(lines, segments)
        times.append(time.process_time() - began)
        assert (found.fault, found.last) == ("", len(lines))
    return len(lines) / statistics.median(times)


def main(count: int) -> None:
    """Measure and print."""
    lines = lines_of(count)
    every = 10_000
    segments = {first: min(first + every - 1, count) for first in range(1, count + 1, every)}
    print(f"{count} events of {sum(map(len, lines)) // count} bytes")
    print(f"chain alone:                {rate(lines, {}):>10,.0f} events/s")
    print(f"chain and Merkle roots:     {rate(lines, segments):>10,.0f} events/s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
