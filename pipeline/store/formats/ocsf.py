"""OCSF 1.6.0 (schema.ocsf.io): API Activity 6003, Authentication 3002, Account Change 3001, Detection Finding 2004.

A call, a read, a change of configuration is API Activity; log-ins and refused keys are Authentication; keys and users being made,
blocked, deleted are Account Change; a prompt that a policy blocked is a Detection Finding. `metadata.uid` is the event's id (as 1.6 has
it); what OCSF has no place for stands in `unmapped`.
"""

from __future__ import annotations

from typing import Any, Final

from pipeline.store.formats.meaning import Row, parts, peer, rest, result, verb
from pipeline.version import VERSION

SCHEMA: Final = "1.6.0"
_API: Final = {"create": 1, "read": 2, "update": 3, "delete": 4, "other": 99}
_ACCOUNT: Final = {"create": 1, "unblock": 2, "enable": 2, "block": 5, "disable": 5, "revoke": 5, "delete": 6}
_STATUS: Final = {"success": 1, "failure": 2, "unknown": 0}


def of_event(row: Row) -> dict[str, Any]:
    """One event as an OCSF object."""
    source, subject, action = parts(row)
    if source == "policy" and action == "block":
        return _finding(row)
    if source == "auth":
        return _authentication(row, action)
    if source == "admin" and subject in ("key", "user"):
        return _account(row, action)
    return _api(row)


def _common(row: Row, class_uid: int, activity: int) -> dict[str, Any]:
    ended = result(row)
    metadata: dict[str, Any] = {
        "version": SCHEMA,
        "uid": row["id"],
        "product": {"name": "Lockgate", "vendor_name": "Lockgate", "version": VERSION},
        "event_code": row["kind"],
        "log_name": "audit",
        "sequence": row["seq"],
    }
    if row["request_id"]:
        metadata["correlation_uid"] = row["request_id"]
    common = {
        "category_uid": class_uid // 1000,
        "class_uid": class_uid,
        "activity_id": activity,
        "type_uid": class_uid * 100 + activity,
        "severity_id": 1 if ended != "failure" else 3,
        "status_id": _STATUS[ended],
        "status": row["outcome"],
        "time": row["at_us"] // 1000,
        "metadata": metadata,
        "unmapped": rest(row, "request_id", "outcome"),
    }
    if activity == 99:
        common["activity_name"] = row["kind"]
    if row["error"]:
        common["status_code"] = row["error"]
    return common


def _api(row: Row) -> dict[str, Any]:
    api: dict[str, Any] = {"operation": row["kind"], "service": {"name": "lockgate"}}
    if row["request_id"]:
        api["request"] = {"uid": row["request_id"]}
    if row["status"]:
        api["response"] = {"code": row["status"]}
    return {**_common(row, 6003, _API[verb(row)]), "actor": _actor(row), "api": api, "src_endpoint": _from(row)}


def _authentication(row: Row, action: str) -> dict[str, Any]:
    activity = {"open": 1, "reject": 1, "close": 2}.get(action, 99)
    return {**_common(row, 3002, activity), "user": _user(row), "service": {"name": "lockgate"}, "src_endpoint": _from(row)}


def _account(row: Row, action: str) -> dict[str, Any]:
    target = {"uid": row["key_id"] or row["id"], "name": row.get("key_alias") or row["key_id"] or "user"}
    return {**_common(row, 3001, _ACCOUNT.get(action, 99)), "user": target, "actor": _actor(row), "src_endpoint": _from(row)}


def _finding(row: Row) -> dict[str, Any]:
    info = {"uid": row["id"], "title": f"Blocked by policy ({row['kind']})", "types": [row["kind"]], "created_time": row["at_us"] // 1000}
    return {**_common(row, 2004, 1), "finding_info": info, "is_alert": True}


def _actor(row: Row) -> dict[str, Any]:
    return {"user": _user(row)}


def _user(row: Row) -> dict[str, Any]:
    user = {"uid": row["actor"] or "system", "name": row.get("actor_alias") or row["actor"] or "system"}
    return {**user, "org": {"uid": row["org_id"]}} if row["org_id"] else user


def _from(row: Row) -> dict[str, Any]:
    address = peer(row)
    return {"ip": address} if address else {"svc_name": "lockgate"}
