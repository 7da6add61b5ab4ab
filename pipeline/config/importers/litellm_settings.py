"""LiteLLM's `router_settings`, `litellm_settings`, `general_settings` and `environment_variables`: what has a place here, and why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pipeline.config.importers.draft import Draft, decimal, mapping, name_of, number, plain, sequence
from pipeline.config.importers.known_keys import KEY_VARIABLES

_RETRY_ON: Final = {
    "TimeoutErrorRetries": "timeout",
    "RateLimitErrorRetries": "rate_limit",
    "InternalServerErrorRetries": "5xx",
    "ServiceUnavailableErrorRetries": "5xx",
    "AuthenticationErrorRetries": "auth",
    "NotFoundErrorRetries": "not_found",
}
_TELEMETRY: Final = "telemetry goes to telemetry.destinations, redacted; LiteLLM's callbacks are never called"
_LEDGER: Final = "spend and audit are written before and after every call; this cannot be switched"
_IGNORED: Final[Mapping[str, str]] = {
    **dict.fromkeys(("callbacks", "success_callback", "failure_callback", "service_callback"), _TELEMETRY),
    **dict.fromkeys(("cache", "cache_params", "cache_responses"), "answers are not cached"),
    **dict.fromkeys(("redis_url", "redis_host", "redis_port", "redis_password", "redis_db"), "limits and budgets are kept in SQL"),
    **dict.fromkeys(("allowed_fails", "allowed_fails_policy", "cooldown_time", "disable_cooldowns"), "targets rest by a rule of the house"),
    **dict.fromkeys(("context_window_fallbacks", "content_policy_fallbacks"), "a refusal of content or length is the caller's to see"),
    **dict.fromkeys(("set_verbose", "debug_level", "json_logs"), "LOCKGATE_LOG_LEVEL; logs are redacted JSON lines"),
    **dict.fromkeys(("store_audit_logs", "proxy_batch_write_at", "use_redis_transaction_buffer"), _LEDGER),
    **dict.fromkeys(("fail_closed_rate_limit_enforcement", "fail_closed_budget_enforcement"), "always so"),
    **dict.fromkeys(("turn_off_message_logging", "redact_user_api_key_info", "redact_messages_in_exceptions"), "always so, and more"),
    "database_url": "the store is LOCKGATE_DATABASE_URL",
    "master_key": "Lockgate makes an administrator's key of its own; withdraw this one",
    "key_management_settings": "read with key_management_system",
    "key_management_system": "read before",
    "forward_client_headers_to_llm_api": "callers' headers are not sent to providers, but for those that the wire format names",
    "store_prompts_in_spend_logs": "telemetry.capture_content, after redaction; never in the ledger",
    "routing_strategy": "targets are tried in order or drawn by weight; several of one model are drawn by weight now",
    "retry_after": "the provider's Retry-After counts",
}
_REFUSED: Final[Mapping[str, str]] = {
    **dict.fromkeys(("disable_spend_logs", "disable_budget_reservation"), _LEDGER),
    "allow_requests_on_db_unavailable": "a call that cannot be written down is not made; audit.require: any keeps going with the journal",
    "dangerously_permit_weak_or_unset_master_key": "keys are never weak",
    **dict.fromkeys(
        ("allowed_ips", "allowed_routes", "admin_only_routes"), "who may call from where or what is not limited here; see a proxy"
    ),
    "custom_auth": "code of one's own is not imported; callers have virtual keys",
    "pass_through_endpoints": "there are no pass-through routes: what is not screened is not sent",
}
_PERIODS: Final = {"1d": "day", "24h": "day", "7d": "week", "1w": "week", "30d": "month", "1mo": "month"}


@dataclass(frozen=True, slots=True)
class Manner:
    """What LiteLLM sets once for all deployments. Seconds; None and empty where it says nothing."""

    retries: int | None
    timeout_s: float
    drop_params: bool
    retry_on: tuple[str, ...]


def manner_of(router: Mapping[str, Any], litellm: Mapping[str, Any]) -> Manner:
    """The settings that every deployment inherits; `router_settings` goes before `litellm_settings`, as in LiteLLM."""
    retries = router.get("num_retries", litellm.get("num_retries"))
    timeout = decimal(router.get("timeout", litellm.get("request_timeout"))) or 0
    policy = mapping(router.get("retry_policy"))
    retry_on = tuple(dict.fromkeys(ours for name, ours in _RETRY_ON.items() if policy.get(name)))
    return Manner(
        retries=min(retries, 16) if isinstance(retries, int) and not isinstance(retries, bool) and retries >= 0 else None,
        timeout_s=float(timeout),
        drop_params=litellm.get("drop_params") is True,
        retry_on=(*retry_on, "connect") if retry_on else (),
    )


def read_settings(draft: Draft, tree: Mapping[str, Any], manner: Manner) -> None:
    """The settings of a whole document, after its models are known."""
    router, litellm = mapping(tree.get("router_settings")), mapping(tree.get("litellm_settings"))
    for model in draft.models.values():
        _way(model, manner)
    _aliases(draft, mapping(router.get("model_group_alias")))
    for name, settings in (("router_settings", router), ("litellm_settings", litellm)):
        _fallbacks(draft, name, settings)
    _budget(draft, litellm)
    done = {"num_retries", "timeout", "request_timeout", "drop_params", "retry_policy", "model_group_alias"}
    done |= {"fallbacks", "default_fallbacks", "max_budget", "budget_duration"}
    general = mapping(tree.get("general_settings"))
    for name, settings in (("router_settings", router), ("litellm_settings", litellm), ("general_settings", general)):
        for key, value in settings.items():
            place = f"{name}.{plain(key)}"
            if key in _REFUSED and value:
                draft.refused(place, _REFUSED[key])
            elif key == "max_request_size_mb" and (size := decimal(value)):
                draft.sections.setdefault("limits", {})["max_body_bytes"] = min(int(size * 1024 * 1024), 1 << 30)
                draft.mapped(place, "limits.max_body_bytes")
            elif key == "ssl_verify" and value is False:
                draft.refused(place, "certificates of providers are always checked")
            elif name == "general_settings" or key not in done:
                draft.ignored(place, _IGNORED.get(key, "has no counterpart here"))
            else:
                draft.mapped(place, "taken into targets, models and workspaces")
    for name in mapping(tree.get("environment_variables")):
        known = KEY_VARIABLES.get(str(name))
        draft.ignored(
            f"environment_variables.{plain(name)}",
            "a provider's key: keep it in a vault and name it in secret_key_ref" if known else "the document sets no environment variables",
        )


def _way(section: dict[str, Any], manner: Manner) -> None:
    """Strategy and retries of one model."""
    if len(section["targets"]) > 1 and "strategy" not in section:
        section["strategy"] = "weighted"
    fallback: dict[str, Any] = {}
    if manner.retries is not None:
        fallback["max_retries"] = manner.retries
    if manner.retry_on:
        fallback["retry_on"] = list(manner.retry_on)
    if fallback:
        section["fallback"] = fallback


def _aliases(draft: Draft, aliases: Mapping[str, Any]) -> None:
    for alias, value in aliases.items():
        of = mapping(value).get("model", value)
        name, model = name_of(str(alias)), name_of(str(of))
        if name and model in draft.models:
            draft.models.setdefault(name, dict(draft.models[model]))
        else:
            draft.refused(f"router_settings.model_group_alias.{plain(alias)}", "it names a model that is not there")


def _fallbacks(draft: Draft, where: str, settings: Mapping[str, Any]) -> None:
    """`fallbacks: [{model: [others]}]` and `default_fallbacks: [others]`."""
    for index, entry in enumerate(sequence(settings.get("fallbacks"))):
        for model, others in mapping(entry).items():
            section = draft.models.get(name_of(str(model)))
            names = [name for other in sequence(others) if (name := name_of(str(other))) in draft.models]
            if section is None or len(names) != len(sequence(others)):
                draft.refused(f"{where}.fallbacks[{index}]", "it names a model that is not there")
            else:
                section["fallbacks"] = list(dict.fromkeys([*section.get("fallbacks", ()), *names]))
    default = [name for other in sequence(settings.get("default_fallbacks")) if (name := name_of(str(other))) in draft.models]
    for model, section in draft.models.items():
        # A model on the list falls back on nothing: two that fall back on one another are refused.
        if default and "fallbacks" not in section and model not in default:
            section["fallbacks"] = default


def _budget(draft: Draft, litellm: Mapping[str, Any]) -> None:
    limit = decimal(litellm.get("max_budget"))
    if limit is None and litellm.get("max_budget") is not None:
        draft.refused("litellm_settings.max_budget", "it is no number; without it nothing would bound what is spent")
    if not limit:
        return
    duration = litellm.get("budget_duration")
    period = _PERIODS.get(str(duration)) if duration else "total"
    if period is None:
        draft.refused("litellm_settings.budget_duration", "budgets begin anew each day, week or month, or never")
        return
    draft.sections.setdefault("workspaces", {})["default"] = {"budget": {"limit_usd": number(limit), "period": period}}
