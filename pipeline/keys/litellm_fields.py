"""LiteLLM's request fields that have no counterpart here, each with what to use instead; and how an error is told in LiteLLM's names.

Field names are those of LiteLLM 1.106.2 (`GenerateKeyRequest`, `UpdateKeyRequest`, `RegenerateKeyRequest`, `NewTeamRequest`,
`NewUserRequest`, `BudgetNewRequest`) and of 1.109.1 where that has more. None of them is ever dropped in silence: null, false and what is
empty say nothing and pass, anything else is refused by its name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from pipeline.errors import BadRequest

_POLICY: Final = "Name a redaction policy of the document: `policies: [name]`."
_PER_KEY: Final = "Limits stand on keys: tpm_limit, rpm_limit, max_parallel_requests."
_DOCUMENT: Final = "It belongs into the document, see examples/CONFIG.md."
_ROUTES: Final = "Use allowed_routes, or the caveats of POST /v1/keys."
_METADATA: Final = "Put it into metadata."
_ROTATE: Final = "Rotate with POST /key/regenerate and grace_period, from a scheduler of yours."
_TEAM: Final = "A team is a workspace: make one for each project, with POST /team/new."

_SHARED: Final[Mapping[str, str]] = {
    "access_group_ids": "Name the models: models.",
    "allowed_passthrough_routes": "There are no pass-through routes.",
    "allowed_vector_store_indexes": "There are no vector stores.",
    "budget_fallbacks": "Fallbacks belong to a model of the document, not to a budget.",
    "budget_id": "Budgets belong to one key or team: send max_budget and budget_duration.",
    "default_estimated_output_tokens": "What a call may cost is bounded by its max_tokens and the model's own limit.",
    "default_estimated_output_tokens_per_model": "What a call may cost is bounded by its max_tokens and the model's own limit.",
    "denied_passthrough_routes": "There are no pass-through routes.",
    "disable_global_guardrails": "Redaction cannot be switched off by a key. " + _POLICY,
    "enable_prompt_caching": "Send cache_control in the request.",
    "enforced_params": "There is no such check.",
    "guardrails": _POLICY,
    "mcp_rpm_limit": _PER_KEY,
    "model_rpm_limit": _PER_KEY,
    "model_tpm_limit": _PER_KEY,
    "object_permission": _ROUTES,
    "permissions": _ROUTES,
    "prompts": "There is no store of prompts.",
    "router_settings": _DOCUMENT,
    "rpm_limit_type": "A limit is a limit: leave it out.",
    "secret_manager_settings": "Secrets stand in vaults of the document.",
    "tag_rpm_limit": _PER_KEY,
    "tpd_limit": "Use tpm_limit, or a budget with budget_duration 1d.",
    "tpm_limit_type": "A limit is a limit: leave it out.",
}
KEY_UNSUPPORTED: Final[Mapping[str, str]] = {
    **_SHARED,
    "aliases": "Another name for a model is a model of the document: models.",
    "allowed_cache_controls": "Answers are not cached by the gateway.",
    "auto_rotate": _ROTATE,
    "config": _DOCUMENT,
    "end_user_budget_id": "Budgets stand on keys and teams: give each end user a key.",
    "enforced_file_expires_after": "There are no files.",
    "project_id": _TEAM,
    "rotation_interval": _ROTATE,
    "send_invite_email": "No mail is sent.",
    "spend": "Spend is what the ledger says and cannot be set.",
    "throttle_on_budget_exceeded": "A budget is never exceeded: calls beyond it are refused.",
}
TEAM_UNSUPPORTED: Final[Mapping[str, str]] = {
    **_SHARED,
    "admins": "People have roles: POST /v1/users, or a key of the role manager.",
    "blocked": "Block its keys: POST /key/block.",
    "default_team_member_models": "Name them at each key: models.",
    "enforced_batch_output_expires_after": "There are no batches.",
    "enforced_file_expires_after": "There are no files.",
    "max_parallel_requests": _PER_KEY,
    "members": "Give each member a key with team_id and user_id.",
    "members_with_roles": "Give each member a key with team_id and user_id.",
    "metadata": "Metadata stands on keys.",
    "model_aliases": "Another name for a model is a model of the document: models.",
    "model_max_budget": "Budgets for one model stand on keys: model_max_budget of POST /key/generate.",
    "rpm_limit": _PER_KEY,
    "tags": "Tags stand on keys.",
    "team_member_budget": "Give each member's key its max_budget.",
    "team_member_budget_duration": "Give each member's key its max_budget.",
    "team_member_key_duration": "Give each member's key its duration.",
    "team_member_permissions": _ROUTES,
    "team_member_rpm_limit": _PER_KEY,
    "team_member_tpm_limit": _PER_KEY,
    "tpm_limit": _PER_KEY,
}
USER_UNSUPPORTED: Final[Mapping[str, str]] = {
    "sso_user_id": "People of an identity provider are named by the document: identity.",
    "user_alias": "A user has one name: user_id.",
}
BUDGET_UNSUPPORTED: Final[Mapping[str, str]] = {
    "allowed_models": "Name the models at the key: models.",
    "budget_reset_at": "A budget starts anew with its period: budget_duration.",
    "max_parallel_requests": _PER_KEY,
    "rpm_limit": _PER_KEY,
    "tpd_limit": "Use a budget with budget_duration 1d.",
    "tpm_limit": _PER_KEY,
}

# What our own errors call a thing, and what LiteLLM calls it.
_THEIRS: Final[Mapping[str, str]] = {
    "alias": "key_alias",
    "budget": "max_budget",
    "budget.limit_usd": "max_budget",
    "budget.period": "budget_duration",
    "budget.soft_limit_usd": "soft_budget",
    "caveats.routes": "allowed_routes",
    "expires_at": "duration",
    "limit_usd": "max_budget",
    "name": "team_alias",
    "overlap_s": "grace_period",
    "period": "budget_duration",
    "policy": "policies",
    "slug": "team_id",
    "soft_limit_usd": "soft_budget",
    "workspace": "team_id",
}


def says_nothing(value: Any) -> bool:
    """Whether a field's value is what it is when nobody sends it: null, false, or empty. A zero says something: it is a limit."""
    return value is None or value is False or value == "" or (isinstance(value, list | dict) and not value)


def refuse_unsupported(body: Mapping[str, Any], known: frozenset[str], unsupported: Mapping[str, str]) -> None:
    """Refuse what has no counterpart (by name) and what nobody knows (by number: a name could be anything)."""
    for name, value in body.items():
        if name in known or name not in unsupported:
            continue
        if not says_nothing(value) and not (name == "spend" and value == 0):
            raise BadRequest(f"{name} is not supported here.", hint=unsupported[name], code="unsupported_field", param=name)
    unknown = [name for name in body if name not in known and name not in unsupported]
    if unknown:
        names = ", ".join(sorted(known))
        raise BadRequest(f"{len(unknown)} field(s) of the request are not known here.", hint=f"Known: {names}.", code="unknown_field")


@contextmanager
def in_their_words(**more: str) -> Iterator[None]:
    """Raise a BadRequest of ours again with LiteLLM's name of the field. `more` are names that mean something else in this place."""
    try:
        yield
    except BadRequest as error:
        theirs = {**_THEIRS, **more}.get(error.param or "")
        if theirs is None or type(error) is not BadRequest:
            raise
        message = f"{theirs}: {error.message}"
        raise BadRequest(message, hint=error.hint, code=error.code, status=error.status, type=error.type, param=theirs) from None
