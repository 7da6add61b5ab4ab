"""How keys, workspaces and users are shown: the JSON of the admin API and of the command line. Never a token, a digest or a hash."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pipeline.clock import rfc3339
from pipeline.keys.budget_views import standing_view, usd
from pipeline.keys.caveats import plain
from pipeline.keys.model import KeyStatus, VirtualKey
from pipeline.keys.users import User
from pipeline.keys.workspaces import Workspace
from pipeline.ledger.budgets import Budget

__all__ = ["budget_view", "key_view", "usd", "user_view", "workspace_view"]


def key_view(key: VirtualKey, budget: Budget | None, now_us: int) -> dict[str, Any]:
    """One key. `status` is `expired` once an active key is past its expiry."""
    expired = key.status == "active" and 0 < key.expires_us <= now_us
    return {
        "object": "key",
        "id": key.id,
        "alias": key.alias,
        "hint": key.hint,
        "workspace": key.workspace,
        "role": key.role,
        "status": "expired" if expired else key.status,
        "models": list(key.models),
        "policy": key.policy or None,
        "rpm_limit": key.rpm_limit or None,
        "tpm_limit": key.tpm_limit or None,
        "max_parallel_requests": key.max_parallel_requests or None,
        "caveats": plain(key.caveats),
        "calls_used": key.calls_used if key.caveats.max_calls is not None else None,
        "metadata": dict(key.metadata),
        "parent": key.descent.parent or None,
        "budget": budget_view(budget, now_us),
        "created_at": _at(key.created_us),
        "expires_at": _at(key.expires_us),
        "revoked_at": _at(key.revoked_us),
    }


def child_view(
    key: VirtualKey, lineage: tuple[VirtualKey, ...], budget: Budget | None, now_us: int, *, status: KeyStatus, expires_us: int
) -> dict[str, Any]:
    """A child key: what any key shows, as its `lineage` (itself first) leaves it, and whose it is. `budget` is its own.

    `max_budget_usd` is what it was given; once it has ended and was given back, its budget's limit is what it spent.
    """
    descent = key.descent
    return {
        **key_view(replace(key, status=status, expires_us=expires_us), budget, now_us),
        "lineage": [each.id for each in lineage[1:]],
        "depth": descent.depth,
        "purpose": descent.purpose or None,
        "agent_id": descent.agent_id or None,
        "session_id": descent.session_id or None,
        "actor": descent.actor_id or None,
        "max_budget_usd": usd(descent.budget_micros) if descent.budget_micros else None,
        "carved": descent.carved,
    }


def budget_view(budget: Budget | None, now_us: int) -> dict[str, Any] | None:
    """The first budget of a key or workspace in its current period; all of them stand under `/v1/budgets`."""
    return None if budget is None else standing_view(budget, now_us)


def workspace_view(workspace: Workspace, budget: Budget | None, now_us: int) -> dict[str, Any]:
    """One workspace."""
    return {
        "object": "workspace",
        "id": workspace.id,
        "slug": workspace.slug,
        "name": workspace.name,
        "policy": workspace.policy or "default",
        "environment": workspace.environment or None,
        "budget": budget_view(budget, now_us),
        "created_at": _at(workspace.created_us),
    }


def user_view(user: User) -> dict[str, Any]:
    """One user."""
    return {
        "object": "user",
        "name": user.name,
        "role": user.role,
        "workspace": user.workspace or None,
        "status": user.status,
        "created_at": _at(user.created_us),
        "last_login_at": _at(user.last_login_us),
    }


def _at(at_us: int) -> str | None:
    return rfc3339(at_us) if at_us else None
