"""A child key as somebody asks for it, held against its parent: whatever would be wider is refused with the field named, never clipped.

What is left out is inherited, with two exceptions: the child's time is short by default, and money has to be asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from pipeline.errors import BadRequest, KeyOutOfScope
from pipeline.keys.caveat_requests import read_caveats
from pipeline.keys.caveats import every
from pipeline.keys.lineage import earliest
from pipeline.keys.model import Descent, VirtualKey
from pipeline.keys.requests import SECOND_US, NewKey, duration_us, read_limit, read_new_key

_RATES: Final = ("rpm_limit", "tpm_limit", "max_parallel_requests")
_LIKE_A_KEY: Final = ("alias", "models", "metadata", *_RATES)
_TOLD: Final = ("purpose", "agent_id", "session_id")
CHILD_FIELDS: Final = frozenset({*_LIKE_A_KEY, *_TOLD, "caveats", "ttl", "max_budget_usd"})
MOST_TTL_US: Final = 366 * 86_400 * SECOND_US


@dataclass(frozen=True, slots=True)
class ChildRules:
    """What the document allows: the time of a child key in seconds, how deep they may descend, how many of one parent may be alive."""

    default_ttl_s: int = 900
    max_ttl_s: int = 86_400
    max_depth: int = 3
    max_children: int = 100


def read_child(
    body: Mapping[str, Any], lineage: tuple[VirtualKey, ...], rules: ChildRules, now_us: int, *, actor_id: str = ""
) -> tuple[NewKey, Descent]:
    """Read the body of `POST /v1/keys/{parent}/children`. `lineage` is the parent and what it descends from, the parent first.

    BadRequest names a wrong field in `param`, KeyOutOfScope (403 `wider_than_parent`) one that would permit more than the parent.
    """
    unknown = [name for name in body if name not in CHILD_FIELDS]
    if unknown:
        raise BadRequest(f"{len(unknown)} field(s) of the request are not known here.", hint=f"Known: {', '.join(sorted(CHILD_FIELDS))}.")
    parent = lineage[0]
    depth = parent.descent.depth + 1
    if depth > rules.max_depth:
        raise KeyOutOfScope(
            f"Child keys may descend {rules.max_depth} deep.", hint="Use a key nearer to the first.", code="too_deep", param="depth"
        )
    asked = read_new_key({name: body[name] for name in _LIKE_A_KEY if name in body}, now_us)
    child = replace(
        asked,
        workspace=parent.workspace,
        role="key",
        policy=parent.policy,
        models=asked.models or parent.models,
        expires_us=_end(body.get("ttl"), lineage, rules, now_us),
        metadata=_metadata(asked.metadata, parent.metadata),
        caveats=read_caveats(body.get("caveats"), parent.caveats),
        rpm_limit=_rate(body, "rpm_limit", asked.rpm_limit, parent.rpm_limit),
        tpm_limit=_rate(body, "tpm_limit", asked.tpm_limit, parent.tpm_limit),
        max_parallel_requests=_rate(body, "max_parallel_requests", asked.max_parallel_requests, parent.max_parallel_requests),
    )
    refuse_wider_child(child, parent)
    purpose, agent_id, session_id = (_told(body, name) for name in _TOLD)
    return child, Descent(parent.id, depth, purpose, agent_id, session_id, actor_id, _budget(body.get("max_budget_usd")))


def refuse_field(field: str, what: str) -> KeyOutOfScope:
    """The refusal of a field that would permit more than the parent does."""
    return KeyOutOfScope(f"The child key would have {what} than its parent.", hint="Ask for less.", code="wider_than_parent", param=field)


def refuse_wider_child(child: NewKey | VirtualKey, parent: VirtualKey) -> None:
    """Refuse a child that permits more than its parent: KeyOutOfScope (403 `wider_than_parent`) names the first field that does."""
    wider = every(child.caveats, child.models, child.expires_us).wider_than(parent.limited_by)
    if wider:
        names = {"models": "models", "expiry": "ttl"}
        raise refuse_field(names.get(wider[0], f"caveats.{wider[0]}"), "more")
    for name in _RATES:
        limit, above = getattr(child, name), getattr(parent, name)
        if above and not 0 < limit <= above:
            raise refuse_field(name, "a higher limit")


def _rate(body: Mapping[str, Any], name: str, asked: int, parent: int) -> int:
    return parent if body.get(name) is None else asked


def _end(ttl: Any, lineage: tuple[VirtualKey, ...], rules: ChildRules, now_us: int) -> int:
    last_us = earliest(*(key.expires_us for key in lineage))
    if ttl is None:
        return earliest(now_us + min(rules.default_ttl_s, rules.max_ttl_s) * SECOND_US, last_us)
    length = _length(ttl)
    if length > rules.max_ttl_s * SECOND_US:
        raise BadRequest(f"ttl is at most {rules.max_ttl_s} seconds here.", hint="child_keys.max_ttl_s says so.", param="ttl")
    if last_us and now_us + length > last_us:
        raise refuse_field("ttl", "a later end")
    return now_us + length


def _length(ttl: Any) -> int:
    if isinstance(ttl, str) and not ttl.isdigit():
        return duration_us(ttl, "ttl")
    seconds = int(ttl) if isinstance(ttl, str) and len(ttl) < 10 else ttl
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 1 <= seconds <= MOST_TTL_US // SECOND_US:
        raise BadRequest("ttl is a number of seconds or a duration.", hint="For example 900 or 15m.", param="ttl")
    return seconds * SECOND_US


def _metadata(asked: Mapping[str, str], parent: Mapping[str, str]) -> dict[str, str]:
    """The parent's, and more: rules may go by metadata, so that nobody writes over what a parent has."""
    if any(parent.get(name, value) != value for name, value in asked.items()):
        raise KeyOutOfScope("A child key keeps its parent's metadata.", hint="Use other names.", code="wider_than_parent", param="metadata")
    return {**parent, **asked}


def _budget(amount: Any) -> int:
    if amount is None:
        return 0
    try:
        limit = read_limit({"limit_usd": amount})
    except BadRequest:
        limit = None
    if limit is None:
        raise BadRequest("max_budget_usd is an amount in dollars, more than zero.", hint="For example 0.50.", param="max_budget_usd")
    return limit.limit_micros


def _told(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > 255 or not value.isprintable():
        raise BadRequest(f"{name} is a text of at most 255 characters in one line.", param=name)
    return value
