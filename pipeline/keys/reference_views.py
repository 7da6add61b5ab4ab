"""How secret references are shown: Portkey's JSON, our fields beside it. Literals of sensitive fields only as `masked_<field>`."""

from __future__ import annotations

from typing import Any

from pipeline.clock import rfc3339
from pipeline.vaults.permits import CONNECTION
from pipeline.vaults.reference_sql import StoredReference
from pipeline.vaults.sealing import shown_auth, static_credentials

OBJECT = "secret-reference"


def made_view(stored: StoredReference) -> dict[str, Any]:
    """The answer to a reference that was made or changed."""
    return {"id": stored.id, "slug": stored.slug, "object": OBJECT}


def item_view(stored: StoredReference, status: str) -> dict[str, Any]:
    """One reference in a list. `status` is ACTIVE, DEGRADED, SUSPECT or DISABLED."""
    return {
        "id": stored.id,
        "name": stored.name,
        "slug": stored.slug,
        "manager_type": stored.manager_type,
        "status": status,
        "created_at": rfc3339(stored.created_us),
        "last_updated_at": rfc3339(stored.updated_us),
        "object": OBJECT,
    }


def detail_view(stored: StoredReference, status: str) -> dict[str, Any]:
    """One reference with everything that may be shown of it."""
    return {
        **item_view(stored, status),
        "organisation_id": stored.org_id,
        "description": stored.description,
        "secret_path": stored.secret_path,
        "secret_key": stored.secret_key,
        "allow_all_workspaces": stored.allow_all_workspaces,
        "tags": None if stored.tags is None else dict(stored.tags),
        "created_by": stored.created_by,
        "auth_config": shown_auth(stored.auth_config),
        "vault": stored.auth_config.get(CONNECTION),
        "allowed_workspaces": list(stored.allowed_workspaces),
        "version": stored.version,
        "cache_ttl_s": stored.cache_ttl_s,
        "negative_ttl_s": stored.negative_ttl_s,
        "max_stale_s": stored.max_stale_s,
        "refresh_ahead_ratio": stored.refresh_ahead_ratio,
        "required": stored.required,
        "class": stored.usage_class,
        "environment": stored.environment,
        "max_age_days": stored.max_age_days or None,
        "origin": stored.origin,
        "warnings": [
            f"auth_config.{name} is a long-lived credential that is stored here; refer to it, or use workload identity"
            for name in static_credentials(stored.auth_config)
        ],
    }
