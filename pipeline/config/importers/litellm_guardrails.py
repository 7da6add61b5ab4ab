"""LiteLLM's `guardrails`: patterns, words and entities become rules of the default policy, beside those that are always there.

The stricter of theirs and ours holds: what the default policy masks stays masked, whatever a guardrail leaves alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pipeline.config.importers.draft import Draft, mapping, sequence
from pipeline.config.policies import DIRECTIONS, default_policy

_DIRECTIONS: Final = {"pre_call": "prompt", "during_call": "prompt", "post_call": "answer", "logging_only": "telemetry"}
_ACTIONS: Final = {"BLOCK": "block", "MASK": "mask"}
_KINDS: Final = {
    "EMAIL_ADDRESS": "email",
    "PHONE_NUMBER": "phone",
    "CREDIT_CARD": "card",
    "IBAN_CODE": "iban",
    "IP_ADDRESS": "ip",
    "CRYPTO": "crypto_address",
    "US_SSN": "ssn",
    "US_ITIN": "itin",
    "US_PASSPORT": "passport",
    "US_DRIVER_LICENSE": "driving_licence",
    "UK_NHS": "nhs_number",
    "MEDICAL_LICENSE": "medical_id",
    "PERSON": "person",
}
_LOST: Final = {
    "blocked_words_file": "the words stand in a file of their own; write them under blocked_words",
    "categories": "prompts are not judged by category",
    "presidio_ad_hoc_recognizers": "recognizers in a file are not read; write their patterns as a content filter",
}
_PREBUILT: Final = {
    "email": "email",
    "credit_card": "card",
    "iban": "iban",
    "ipv4": "ip",
    "ipv6": "ip",
    "phone": "phone",
    "us_phone": "phone",
    "us_ssn": "ssn",
}


def read_guardrails(draft: Draft, guardrails: list[Any]) -> None:
    """Add the rules of every guardrail to the draft's default policy."""
    added = False
    for index, entry in enumerate(guardrails):
        place = f"guardrails[{index}]"
        params = mapping(mapping(entry).get("litellm_params"))
        rules = _rules(draft, place, params)
        if rules is None:
            continue
        if isinstance(params.get("mode"), Mapping):
            draft.refused(f"{place}.litellm_params.mode", "a mode by tags is not supported; name pre_call, post_call or logging_only")
            continue
        for name, why in _LOST.items():
            if params.get(name):
                draft.refused(f"{place}.litellm_params.{name}", why)
        directions = [_DIRECTIONS[mode] for mode in _modes(params) if mode in _DIRECTIONS] or ["prompt"]
        if not added:
            ours = default_policy().plain()
            draft.rules.update({name: list(ours[name]) for name in DIRECTIONS})
            added = True
        for direction in dict.fromkeys(directions):
            draft.rules[direction] = [*rules, *draft.rules[direction]]
        draft.mapped(place, f"{len(rules)} rules of policies.default for {', '.join(dict.fromkeys(directions))}; it holds for every call")


def _modes(params: Mapping[str, Any]) -> list[str]:
    mode = params.get("mode")
    return [str(each) for each in (mode if isinstance(mode, list) else [mode])]


def _rules(draft: Draft, place: str, params: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The rules of one guardrail; None when it is of a kind that is not known."""
    match params.get("guardrail"):
        case "hide-secrets":
            return [{"detect": ["secrets"], "action": "mask"}]
        case "litellm_content_filter":
            return [*_patterns(draft, place, params), *_words(draft, place, params)]
        case "presidio":
            return _entities(draft, place, mapping(params.get("pii_entities_config")))
    draft.refused(f"{place}.litellm_params.guardrail", "guardrails of other services are not supported; policies.* has what is done here")
    return None


def _patterns(draft: Draft, place: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = []
    for index, entry in enumerate(sequence(params.get("patterns"))):
        here = f"{place}.litellm_params.patterns[{index}]"
        pattern = mapping(entry)
        action = _ACTIONS.get(str(pattern.get("action", "MASK")).upper(), "mask")
        if isinstance(pattern.get("pattern"), str) and pattern["pattern"]:
            rules.append({"detect_patterns": [pattern["pattern"]], "action": action})
        elif kind := _PREBUILT.get(str(pattern.get("pattern_name"))):
            rules.append({"detect": ["pii"], "kinds": [kind], "action": action})
        elif action == "block":
            draft.refused(here, "a pattern by a name that is not known is to block the call; write the pattern itself")
        else:
            draft.ignored(here, "a pattern by a name that is not known; the detectors secrets and pii look for more than 300 formats")
    return rules


def _words(draft: Draft, place: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
    by_action: dict[str, list[str]] = {}
    for index, entry in enumerate(sequence(params.get("blocked_words"))):
        word = mapping(entry)
        if isinstance(word.get("keyword"), str) and word["keyword"]:
            by_action.setdefault(_ACTIONS.get(str(word.get("action", "BLOCK")).upper(), "block"), []).append(word["keyword"])
        else:
            draft.ignored(f"{place}.litellm_params.blocked_words[{index}]", "it names no keyword")
    return [{"blocked_terms": words, "action": action} for action, words in by_action.items()]


def _entities(draft: Draft, place: str, entities: Mapping[str, Any]) -> list[dict[str, Any]]:
    by_action: dict[str, list[str]] = {}
    others: dict[str, bool] = {}
    for entity, action in entities.items():
        ours = _ACTIONS.get(str(action).upper(), "mask")
        if kind := _KINDS.get(str(entity)):
            by_action.setdefault(ours, []).append(kind)
        else:
            others[ours] = True
    if "block" in others:
        draft.refused(
            f"{place}.litellm_params.pii_entities_config",
            "an entity without a counterpart is to block the call; mask it, or write a pattern",
        )
    elif others:
        draft.ignored(
            f"{place}.litellm_params.pii_entities_config", "entities without a counterpart are covered by the detector pii as a whole"
        )
    rules = [{"detect": ["pii"], "kinds": list(dict.fromkeys(kinds)), "action": action} for action, kinds in by_action.items()]
    return [*rules, {"detect": ["pii"], "action": "mask"}]
