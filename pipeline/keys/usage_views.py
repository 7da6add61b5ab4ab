"""How the use of secrets is shown: the JSON of `where-used`, for the admin API and the command line. Never a value."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection

from pipeline.clock import parse_rfc3339, rfc3339
from pipeline.errors import BadRequest, plain_name
from pipeline.keys.views import usd
from pipeline.store.read_usage import Usage, UsageFilter, usage, versions

QUERY_FIELDS: Final = frozenset({"reference", "version", "fingerprint", "since", "until"})


def read_usage_query(query: dict[str, str], *, reference: str = "") -> UsageFilter:
    """Read what is looked for; BadRequest for an unknown parameter, a wrong time, or nothing to look for."""
    unknown = sorted(query.keys() - (QUERY_FIELDS - ({"reference"} if reference else set())))
    if unknown:
        raise BadRequest(
            "There is an unknown query parameter.", hint=f"Known: {', '.join(sorted(QUERY_FIELDS))}.", param=plain_name(unknown[0])
        )
    asked = UsageFilter(
        reference=reference or query.get("reference", ""),
        version=query.get("version", ""),
        fingerprint=query.get("fingerprint", ""),
        since_us=_time(query, "since"),
        until_us=_time(query, "until"),
    )
    if not (asked.reference or asked.version or asked.fingerprint):
        raise BadRequest("Name a reference, a version or a fingerprint.", param="reference")
    return asked


def show_usage(connection: Connection, asked: UsageFilter, *, org_id: str = "default") -> dict[str, Any]:
    """Where a secret was used. Over a reading connection."""
    found = usage(connection, asked, org_id=org_id)
    return {
        "object": "secret-usage",
        "reference": asked.reference or None,
        "version": asked.version or None,
        "fingerprint": asked.fingerprint or None,
        "calls": found.calls,
        "cost_usd": usd(found.cost_micros),
        "first_used_at": _at(found.first_us),
        "last_used_at": _at(found.last_us),
        "keys": _distinct(found, "key_id"),
        "workspaces": _distinct(found, "workspace"),
        "models": _distinct(found, "model"),
        "shared_with": list(found.shared_with),
        "data": [
            {
                "workspace": row["workspace"],
                "key_id": row["key_id"],
                "key_alias": row["key_alias"],
                "model": row["model"],
                "target": row["target_id"],
                "reference": row["secret_reference"],
                "version": row["secret_version"],
                "fingerprint": row["secret_fingerprint"],
                "calls": int(row["calls"]),
                "cost_usd": usd(int(row["cost_micros"] or 0)),
                "first_used_at": _at(int(row["first_us"])),
                "last_used_at": _at(int(row["last_us"])),
            }
            for row in found.uses
        ],
    }


def show_versions(connection: Connection, reference: str, *, pinned: str | None, org_id: str = "default") -> dict[str, Any]:
    """The versions of a reference that are known. Over a reading connection."""
    data = [
        {
            "version": row["version"],
            "fingerprint": row["fingerprint"],
            "current": row["current"],
            "calls": row["calls"],
            "cost_usd": usd(row["cost_micros"]),
            "first_seen_at": _at(row["first_seen_us"]),
            "first_used_at": _at(row["first_used_us"]),
            "last_used_at": _at(row["last_used_us"]),
        }
        for row in versions(connection, reference, org_id=org_id)
    ]
    return {"object": "list", "reference": reference, "pinned": pinned, "data": data}


def _distinct(found: Usage, name: str) -> list[str]:
    return sorted({row[name] for row in found.uses if row[name]})


def _time(query: dict[str, str], name: str) -> int:
    text = query.get(name, "")
    if not text:
        return 0
    try:
        return parse_rfc3339(text)
    except (ValueError, OverflowError):
        raise BadRequest(f"{name} is not a time.", hint="Write RFC 3339: 2026-11-21T09:00:00Z.", param=name) from None


def _at(at_us: int) -> str | None:
    return rfc3339(at_us) if at_us else None
