"""Keeptrusts' gateway document: targets, routing and the policies that have a counterpart.

The shape is that of its public documentation (`providers.targets[]` with `secret_key_ref`, `providers.routing`, `policies.chain[]` with
`policy.<kind>`); its two generations of routing fields are both read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pipeline.config.importers.draft import Draft, mapping, name_of, plain, sequence
from pipeline.config.policies import DIRECTIONS, default_policy

_RETRY_ON: Final = {"5xx": "5xx", "timeout": "timeout", "rate_limit": "rate_limit", "connect": "connect", "auth": "auth"}
_FORMS: Final = ("env", "store", "file", "keychain")
_TARGET: Final = frozenset({"id", "provider", "model", "base_url", "secret_key_ref", "api_key", "required", "weight"})
_KINDS: Final[Mapping[str, str]] = {
    "audit-logger": "every act is audited in a hash chain, whatever a document says",
    "prompt-injection": "prompts are not judged",
    "agent-firewall": "tools are not limited by the document",
    "data-routing-policy": "targets are chosen by model, policy and workspace",
    "rbac": "roles belong to keys and users",
    "quality-scorer": "answers are not scored",
}


def import_keeptrusts(draft: Draft, tree: Any) -> None:
    """Read a gateway document into a draft."""
    root = mapping(tree)
    providers = mapping(root.get("providers"))
    by_model: dict[str, list[str]] = {}
    for index, each in enumerate(sequence(providers.get("targets"))):
        _target(draft, f"providers.targets[{index}]", mapping(each), by_model)
    section = _routing(draft, root, providers)
    for model, targets in by_model.items():
        draft.models[model] = {"targets": targets, **section}
    policies = mapping(root.get("policy"))
    for index, each in enumerate(sequence(mapping(root.get("policies")).get("chain"))):
        kind = str(each if isinstance(each, str) else mapping(each).get("kind") or mapping(each).get("type") or "")
        own = {} if isinstance(each, str) else mapping(mapping(each).get("config"))
        _policy(draft, f"policies.chain[{index}]", kind, {**mapping(policies.get(kind)), **own})
    for name in root.keys() - {"providers", "provider_routing", "policies", "policy", "pack"}:
        draft.ignored(plain(name), "this section has no counterpart here")
    if "pack" in root:
        draft.ignored("pack", "a document has no name and version of its own; its digest stands in every audit event")


def _target(draft: Draft, place: str, item: Mapping[str, Any], by_model: dict[str, list[str]]) -> None:
    provider, model = item.get("provider"), item.get("model")
    if not isinstance(provider, str) or not isinstance(model, str) or not name_of(model):
        draft.refused(place, "a target names its provider and its model")
        return
    target: dict[str, Any] = {"id": draft.target_id(str(item.get("id") or model)), "provider": provider.lower(), "model": model}
    form = _form(draft, place, target["id"], item)
    if form is None and ("secret_key_ref" in item or "api_key" in item):
        if not draft.lines or not draft.lines[-1].place.startswith(f"{place}."):
            draft.refused(f"{place}.api_key", "it is empty or no text; leave it out where the target needs no credential")
        return
    if form:
        target["secret_key_ref"] = form
    if isinstance(item.get("base_url"), str):
        target["base_url"] = item["base_url"].rstrip("/")
    if item.get("required") is False:
        target["required"] = False
    if isinstance(item.get("weight"), int) and not isinstance(item["weight"], bool) and item["weight"] > 0:
        target["weight"] = item["weight"]
    draft.targets.append(target)
    by_model.setdefault(name_of(model), []).append(target["id"])
    draft.mapped(place, f"target {target['id']} of model {name_of(model)}")
    for name in item.keys() - _TARGET:
        draft.ignored(f"{place}.{plain(name)}", "a target has no such setting")


def _form(draft: Draft, place: str, ident: str, item: Mapping[str, Any]) -> dict[str, str] | None:
    reference = mapping(item.get("secret_key_ref"))
    named = [kind for kind in _FORMS if isinstance(reference.get(kind), str)]
    if len(named) == 1:
        return {named[0]: reference[named[0]]}
    if "secret_key_ref" in item:
        draft.refused(f"{place}.secret_key_ref", f"exactly one of {', '.join(_FORMS)} is wanted")
        return None
    if isinstance(item.get("api_key"), str) and item["api_key"]:
        return draft.literal(f"{place}.api_key", item["api_key"], f"{ident}_key")
    return None


def _routing(draft: Draft, root: Mapping[str, Any], providers: Mapping[str, Any]) -> dict[str, Any]:
    """Strategy and fallback, which hold for every model."""
    strategy = str(mapping(providers.get("routing") or root.get("provider_routing")).get("strategy") or "ordered")
    section: dict[str, Any] = {}
    if strategy in ("round-robin", "round_robin", "random", "weighted"):
        section["strategy"] = "weighted"
    elif strategy != "ordered":
        draft.ignored("providers.routing.strategy", "targets are tried in order or drawn by weight; this becomes: in order")
    fallback = mapping(providers.get("fallback"))
    if fallback:
        found: dict[str, Any] = {"enabled": fallback.get("enabled") is not False}
        retries = fallback.get("max_retries")
        if isinstance(retries, int) and not isinstance(retries, bool) and retries >= 0:
            found["max_retries"] = min(retries, 16)
        retry_on = [_RETRY_ON[str(each)] for each in sequence(fallback.get("retry_on")) if str(each) in _RETRY_ON]
        if retry_on:
            found["retry_on"] = list(dict.fromkeys(retry_on))
        section["fallback"] = found
        draft.mapped("providers.fallback", "models.*.fallback")
        for name in fallback.keys() - {"enabled", "strategy", "max_retries", "retry_on"}:
            draft.ignored(f"providers.fallback.{plain(name)}", "a target is left for failures only")
    if "circuit_breaker" in providers:
        draft.ignored("providers.circuit_breaker", "targets rest after failures by a rule of the house")
    return section


def _policy(draft: Draft, place: str, kind: str, settings: Mapping[str, Any]) -> None:
    action = "block" if settings.get("action") == "block" else "mask"
    if kind == "pii-detector":
        _add_rules(draft, [{"detect": ["pii"], "action": action}])
        draft.mapped(place, f"the detector pii in prompts and answers ({action}), beside the rules that are always there")
        return
    if kind != "dlp-filter":
        why = _KINDS.get(kind)
        if why:
            draft.ignored(place, why)
        else:
            draft.refused(place, "a policy of this kind is not known; what it does would be lost")
        return
    rules: list[dict[str, Any]] = []
    patterns = [str(each) for each in sequence(settings.get("detect_patterns"))]
    terms = [str(each) for each in sequence(settings.get("blocked_terms"))]
    if patterns:
        rules.append({"detect_patterns": patterns, "action": action})
    if terms:
        fuzzy = settings.get("fuzzy_matching") is True
        more = {"fuzzy_matching": True, "max_distance": settings.get("max_distance", 1)} if fuzzy else {}
        rules.append({"blocked_terms": terms, **more, "action": action})
    _add_rules(draft, rules)
    draft.mapped(place, "rules of policies.default for prompt and answer, beside those that are always there")
    if "sensitivity_level" in settings:
        draft.ignored(f"{place}.sensitivity_level", "every detector is on at every level")


def _add_rules(draft: Draft, rules: list[dict[str, Any]]) -> None:
    """Rules for prompts and answers, since theirs looks at requests and responses, beside those of the default policy."""
    if not draft.rules:
        ours = default_policy().plain()
        draft.rules.update({name: list(ours[name]) for name in DIRECTIONS})
    for direction in ("prompt", "answer"):
        draft.rules[direction] = [*rules, *draft.rules[direction]]
