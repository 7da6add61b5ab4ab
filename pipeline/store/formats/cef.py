r"""ArcSight Common Event Format, version 0: one line an event, behind whatever syslog header a shipper adds.

`CEF:0|vendor|product|version|class|name|severity|extension`. In the header `\` and `|` are escaped, in values of the extension `\`, `=`
and line breaks (ArcSight CEF implementation standard, rev. 25).
"""

from __future__ import annotations

from typing import Any

from pipeline.store.formats.meaning import Row, detail, parts, peer, result
from pipeline.version import VERSION


def of_event(row: Row) -> str:
    """One event as a line, without its end."""
    source, _, action = parts(row)
    severity = 7 if source == "policy" and action == "block" else 5 if result(row) == "failure" else 2
    header = "|".join(_header(str(part)) for part in ("Lockgate", "Lockgate", VERSION, row["kind"], row["kind"], severity))
    fields: dict[str, Any] = {
        "rt": row["at_us"] // 1000,
        "externalId": row["id"],
        "cat": source,
        "act": action,
        "outcome": row["outcome"],
        "suid": row["actor"],
        "suser": row.get("actor_alias", ""),
        "src": peer(row) if ":" not in peer(row) else "",
        "c6a2": peer(row) if ":" in peer(row) else "",
        "reason": row["error"],
        "cn1": row["status"],
        "cn2": row["seq"],
        "cs1": row["request_id"],
        "cs2": row["key_id"],
        "cs3": row.get("workspace") or row["workspace_id"],
        "cs4": row["model"],
        "cs5": row["trace_id"],
        "cs6": row["hash"],
    }
    labels = {
        "c6a2": "Source IPv6 Address", "cn1": "status", "cn2": "sequence", "cs1": "requestId", "cs2": "keyId", "cs3": "workspace",
        "cs4": "model", "cs5": "traceId", "cs6": "hash",
    }  # fmt: skip
    given = {name: value for name, value in fields.items() if value not in ("", None, 0)}
    named = {f"{name}Label": labels[name] for name in given if name in labels}
    extension = " ".join(f"{name}={_value(str(value))}" for name, value in {**given, **named, "msg": _detail(row)}.items())
    return f"CEF:0|{header}|{extension}"


def _detail(row: Row) -> str:
    import json

    return json.dumps(detail(row), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _header(text: str) -> str:
    return " ".join(text.replace("\\", "\\\\").replace("|", "\\|").splitlines())


def _value(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("=", "\\=")
    return escaped.replace("\r\n", "\\n").replace("\n", "\\n").replace("\r", "\\r")
