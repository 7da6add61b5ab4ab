"""What an event's kind means to those who do not know ours: which sort of act, done or tried, and from where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import orjson

Row = Mapping[str, Any]
Verb = Literal["create", "read", "update", "delete", "other"]
Result = Literal["success", "failure", "unknown"]

_VERBS: Final[Mapping[str, Verb]] = {
    "create": "create", "open": "create", "put": "create", "read": "read", "view": "read", "list": "read", "show": "read",
    "prove": "read", "search": "read", "check": "read", "verify": "read", "update": "update", "rotate": "update", "block": "update",
    "unblock": "update", "revoke": "update", "refresh": "update", "reload": "update", "disable": "update", "enable": "update",
    "set": "update", "replay": "update", "restore": "update", "delete": "delete", "drop": "delete", "close": "delete",
}  # fmt: skip
_GOOD: Final = frozenset({"ok", "success", "cached", "replayed", "fetched", "refreshed"})
_BAD: Final = frozenset({"refused", "failed", "blocked", "denied", "aborted", "too_large", "not_found", "unavailable"})


def parts(row: Row) -> tuple[str, str, str]:
    """Source, subject and action of a kind (`admin:key:revoke`)."""
    found = [*str(row["kind"]).split(":"), "", ""][:3]
    return found[0], found[1], found[2]


def verb(row: Row) -> Verb:
    """What was done, in four words and `other`."""
    source, subject, action = parts(row)
    if (source, subject) in {("policy", "prompt"), ("gateway", "call")}:
        return "other"
    return _VERBS.get(action, "other")


def result(row: Row) -> Result:
    """How it ended."""
    outcome = str(row["outcome"])
    return "success" if outcome in _GOOD else "failure" if outcome in _BAD else "unknown"


def detail(row: Row) -> Any:
    """The event's detail as JSON."""
    text = row["detail"]
    return orjson.loads(text) if isinstance(text, str | bytes) else text


def peer(row: Row) -> str:
    """The address that a request came from; "" when the event does not say."""
    found = detail(row)
    address = found.get("peer", "") if isinstance(found, Mapping) else ""
    return address if isinstance(address, str) else ""


def rest(row: Row, *known: str) -> dict[str, Any]:
    """What has no field of its own: everything else that is not empty, with the detail as it is."""
    left = {name: row[name] for name in _OURS if name not in known and row.get(name) not in ("", None, 0)}
    return {**left, "detail": detail(row)}


_OURS: Final = (
    "kind", "outcome", "actor", "org_id", "workspace_id", "workspace", "key_id", "key_alias", "model", "target_id", "status", "error",
    "request_id", "trace_id", "chain", "seq", "prev_hash", "hash",
)  # fmt: skip
