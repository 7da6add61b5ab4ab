"""CloudEvents 1.0 in its JSON format: `type` per kind, `source` per chain, so that source and id name an event once."""

from __future__ import annotations

from typing import Any, Final

from pipeline.clock import rfc3339
from pipeline.store.formats.meaning import Row, rest

PREFIX: Final = "lockgate.audit."


def of_event(row: Row) -> dict[str, Any]:
    """One event as a CloudEvent. Extensions: `sequence` (the chain's number) and `traceid`."""
    found: dict[str, Any] = {
        "specversion": "1.0",
        "id": row["id"],
        "source": f"/lockgate/chains/{row['chain']}",
        "type": PREFIX + str(row["kind"]).replace(":", "."),
        "time": rfc3339(row["at_us"]),
        "datacontenttype": "application/json",
        "sequence": str(row["seq"]),
        "data": rest(row, "trace_id", "seq"),
    }
    if row["request_id"]:
        found["subject"] = row["request_id"]
    if row["trace_id"]:
        found["traceid"] = row["trace_id"]
    return found
