"""Keys, teams and users with LiteLLM's field names and types: amounts are dollars as numbers, times RFC 3339 texts, a team is a workspace.

Field names are those of LiteLLM 1.106.2 (`LiteLLM_VerificationToken`, `GenerateKeyResponse`, `LiteLLM_TeamTable`, `LiteLLM_UserTable`).
What a key of ours cannot have is null or empty, as LiteLLM shows a key without it. A token stands in `key` of a new key, and nowhere else:
`token` and `token_id` are the key's id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.clock import rfc3339
from pipeline.keys.litellm_lookup import KeyRecord
from pipeline.keys.litellm_money import duration_of
from pipeline.keys.litellm_requests import LABELS, LLM_ROUTES, ROUTE_PATHS

View = dict[str, Any]
_PATHS = {names[0]: path for path, names in reversed(tuple(ROUTE_PATHS.items())) if len(names) == 1}


def key_view(key: Mapping[str, Any], record: KeyRecord, total_micros: int, budgets: Sequence[View], *, org_id: str = "default") -> View:
    """One key from our own view of it (`keys.views.key_view`) and of its budgets. `total_micros` is what it spent in all."""
    metadata = dict(key["metadata"])
    labels = {name: metadata.pop(name, None) for name in LABELS}
    tags = metadata.pop("tags", "")
    routes = key["caveats"].get("routes")
    return {
        "token": key["id"],
        "token_id": key["id"],
        "key_name": key["hint"],
        "key_alias": key["alias"] or None,
        **_money(budgets, total_micros),
        "expires": key["expires_at"],
        "models": key["models"],
        "aliases": {},
        "config": {},
        **labels,
        "team_id": key["workspace"],
        "project_id": None,
        "max_parallel_requests": key["max_parallel_requests"],
        "metadata": {**metadata, "tags": tags.split(",")} if tags else metadata,
        "tpm_limit": key["tpm_limit"],
        "rpm_limit": key["rpm_limit"],
        "tpd_limit": None,
        "policies": [key["policy"]] if key["policy"] else [],
        "allowed_cache_controls": [],
        "allowed_routes": [] if routes is None else [_PATHS.get(name, f"/{name}") for name in routes],
        "key_type": "llm_api" if routes is not None and set(routes) == set(LLM_ROUTES) else "default",
        "permissions": {},
        "model_spend": {},
        "model_max_budget": {each["model"]: _window(each) for each in budgets if each["scope"] == "model"},
        "blocked": key["status"] == "blocked",
        "status": _status(key["status"]),
        "org_id": org_id,
        "organization_id": org_id,
        "budget_id": None,
        "created_at": key["created_at"],
        "created_by": record.created_by or None,
        "updated_at": rfc3339(record.updated_us) if record.updated_us else key["created_at"],
        "updated_by": None,
        "auto_rotate": False,
        "rotation_interval": None,
    }


def new_key_view(shown: View, token: str) -> View:
    """The answer of `/key/generate` and `/key/regenerate`: a key, and its new token in `key`, this once."""
    return {**shown, "key": token, "tags": shown["metadata"].get("tags"), "duration": None}


def team_view(workspace: Mapping[str, Any], total_micros: int, budgets: Sequence[View], *, org_id: str = "default") -> View:
    """One team from our own view of a workspace. `team_id` is its slug, by which keys name it too."""
    return {
        "team_id": workspace["slug"],
        "team_alias": workspace["name"],
        "organization_id": org_id,
        "admins": [],
        "members": [],
        "members_with_roles": [],
        "metadata": {},
        "tpm_limit": None,
        "rpm_limit": None,
        "max_parallel_requests": None,
        **_money(budgets, total_micros),
        "models": [],
        "policies": [] if workspace["policy"] == "default" else [workspace["policy"]],
        "blocked": False,
        "model_spend": {},
        "model_max_budget": {},
        "created_at": workspace["created_at"],
        "updated_at": None,
    }


def user_view(user_id: str, role: str, keys: list[View], *, created_at: str | None = None) -> View:
    """One user: a person of the dashboard, or a name that stands on keys (`user_id`)."""
    return {
        "user_id": user_id,
        "user_alias": None,
        "user_email": user_id if "@" in user_id else None,
        "user_role": role,
        "teams": sorted({key["team_id"] for key in keys}),
        "models": [],
        "max_budget": None,
        "spend": round(sum(key["total_spend"] for key in keys), 6),
        "metadata": {},
        "tpm_limit": None,
        "rpm_limit": None,
        "budget_duration": None,
        "budget_reset_at": None,
        "created_at": created_at,
        "updated_at": None,
    }


def micros_usd(micros: int) -> float:
    """Integer micro-dollars as LiteLLM's number of dollars."""
    return micros / 1_000_000


def budget_view(budget: Mapping[str, Any]) -> View:
    """One budget. LiteLLM's stand alone and are named by keys and teams; ours says whose it is in `team_id`, `key` and `model`."""
    return {
        "budget_id": budget["id"],
        "max_budget": _usd(budget["limit_usd"]),
        "soft_budget": _usd(budget["soft_limit_usd"]),
        "budget_duration": duration_of(budget),
        "budget_reset_at": budget["resets_at"],
        "spend": _usd(budget["spent_usd"]),
        "max_parallel_requests": None,
        "tpm_limit": None,
        "rpm_limit": None,
        "tpd_limit": None,
        "model_max_budget": None,
        "temp_budget_increase": _usd(budget["temp_budget_increase"]),
        "temp_budget_expiry": budget["temp_budget_expiry"],
        "created_at": budget["created_at"],
        "scope": budget["scope"],
        "team_id": budget["workspace"],
        "key": budget["key"],
        "model": budget["model"],
    }


def _money(budgets: Sequence[View], total_micros: int) -> View:
    """`spend` is that of the first budget's period, as LiteLLM sets it back to zero with each; without a budget all there was."""
    own = [budget for budget in budgets if budget["scope"] != "model"]
    first = own[0] if own else None
    return {
        "spend": micros_usd(total_micros) if first is None else _usd(first["spent_usd"]),
        "total_spend": micros_usd(total_micros),
        "max_budget": first and _usd(first["limit_usd"]),
        "soft_budget": first and _usd(first["soft_limit_usd"]),
        "budget_duration": duration_of(first),
        "budget_reset_at": first and first["resets_at"],
        "budget_limits": [{**_window(each), "reset_at": each["resets_at"]} for each in own] if len(own) > 1 else None,
    }


def _window(budget: Mapping[str, Any]) -> View:
    return {"budget_duration": duration_of(budget), "max_budget": _usd(budget["limit_usd"])}


def _usd(amount: str | None) -> float | None:
    """A decimal text of ours as LiteLLM's number of dollars."""
    return None if amount is None else float(amount)


def _status(status: str) -> str:
    """LiteLLM calls a blocked key revoked, and a revoked one deleted."""
    return {"blocked": "revoked", "revoked": "deleted"}.get(status, status)
