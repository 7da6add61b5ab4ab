"""Elastic Common Schema 8.17: `event.*`, `user.*`, `trace.id`; what it has no field for stands under `lockgate.*`."""

from __future__ import annotations

from typing import Any, Final

from pipeline.clock import rfc3339
from pipeline.store.formats.meaning import Row, parts, peer, rest, result, verb

SCHEMA: Final = "8.17.0"
_TYPES: Final = {"create": "creation", "read": "access", "update": "change", "delete": "deletion", "other": "info"}


def of_event(row: Row) -> dict[str, Any]:
    """One event as an ECS document."""
    source, _, action = parts(row)
    refused = result(row) == "failure"
    event: dict[str, Any] = {
        "id": row["id"],
        "kind": "alert" if source == "policy" and action == "block" else "event",
        "category": [_category(row)],
        "type": _types(row, refused=refused),
        "action": row["kind"],
        "outcome": result(row),
        "dataset": "lockgate.audit",
        "module": "lockgate",
        "provider": "lockgate",
        "sequence": row["seq"],
        "hash": row["hash"],
    }
    if row["error"]:
        event["reason"] = row["error"]
    found: dict[str, Any] = {
        "@timestamp": rfc3339(row["at_us"]),
        "ecs": {"version": SCHEMA},
        "event": event,
        "service": {"name": "lockgate", "type": "lockgate"},
        "user": {"id": row["actor"] or "system", "name": row.get("actor_alias") or row["actor"] or "system"},
        "organization": {"id": row["org_id"]},
        "lockgate": rest(row, "actor", "org_id", "error", "trace_id", "seq", "hash"),
    }
    if row["trace_id"]:
        found["trace"] = {"id": row["trace_id"]}
    if row["request_id"]:
        found["http"] = {"request": {"id": row["request_id"]}}
    if row["status"]:
        found.setdefault("http", {})["response"] = {"status_code": row["status"]}
    address = peer(row)
    if address:
        found["source"] = {"ip": address}
    return found


def _category(row: Row) -> str:
    source, subject, action = parts(row)
    if source == "policy" and action == "block":
        return "intrusion_detection"
    if source == "auth":
        return "authentication"
    if source == "admin" and subject in ("key", "user"):
        return "iam"
    return "configuration" if source == "config" else "api"


def _types(row: Row, *, refused: bool) -> list[str]:
    category, _ = _category(row), row
    if category == "intrusion_detection":
        return ["denied"]
    if category == "authentication":
        return ["end"] if parts(row)[2] == "close" else ["start"]
    found = _TYPES[verb(row)]
    if category == "iam":
        return ["user", found]
    if category == "configuration":
        return [found if found in ("access", "change", "creation", "deletion") else "info"]
    return [found, "denied"] if refused else [found]
