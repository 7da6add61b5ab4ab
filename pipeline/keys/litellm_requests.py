"""What somebody asks of a key in LiteLLM's fields, as the body that our own API takes (`POST /v1/keys`, `PATCH /v1/keys/{id}`).

Pure: dictionaries in, dictionaries out; a BadRequest names LiteLLM's field. `user_id`, `agent_id` and `tags` are kept in a key's metadata:
they say whose it is and group its spend, and limit nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from pipeline.clock import rfc3339
from pipeline.errors import BadRequest
from pipeline.keys.litellm_fields import KEY_UNSUPPORTED, refuse_unsupported, says_nothing
from pipeline.keys.litellm_money import INCREASE, MONEY_FIELDS, Money, Terms, read_money, read_money_changes
from pipeline.keys.requests import SECOND_US, duration_us

LABELS: Final = ("user_id", "agent_id")
LLM_ROUTES: Final = ("chat", "completions", "embeddings", "messages", "count_tokens", "models")
ROUTE_PATHS: Final[Mapping[str, tuple[str, ...]]] = {
    "/chat/completions": ("chat",),
    "/completions": ("completions",),
    "/embeddings": ("embeddings",),
    "/messages": ("messages",),
    "/messages/count_tokens": ("count_tokens",),
    "/models": ("models",),
    "/model/info": ("models",),
    "/redact": ("redact",),
    "llm_api_routes": LLM_ROUTES,
    "openai_routes": ("chat", "completions", "embeddings", "models"),
    "anthropic_routes": ("messages", "count_tokens"),
}
KEY_FIELDS: Final = frozenset(
    {
        "key_alias", "duration", "models", "team_id", "organization_id", "tpm_limit", "rpm_limit", "max_parallel_requests", "metadata",
        "tags", "policies", "blocked", "allowed_routes", "key_type", *LABELS, *MONEY_FIELDS,
    }
)  # fmt: skip
_LIMITS: Final = ("tpm_limit", "rpm_limit", "max_parallel_requests")
_EVERY_MODEL: Final = frozenset({"all-team-models", "all-proxy-models"})
MAX_OVERLAP_S: Final = 30 * 86_400


@dataclass(frozen=True, slots=True)
class KeyWish:
    """A key as somebody wants it: `fields` in our names; `blocked` None where nothing was said of it.

    `money` are the budgets of a new key beside the one in `fields`. `changes` are those of a budget that is there: None takes it away,
    empty leaves it.
    """

    fields: dict[str, Any] = field(default_factory=dict)
    blocked: bool | None = None
    money: Money = field(default_factory=Money)
    changes: Terms | None = field(default_factory=dict)


def read_generate(body: Mapping[str, Any], now_us: int, *, org_id: str = "default") -> KeyWish:
    """Read the body of `POST /key/generate`."""
    advice = {**KEY_UNSUPPORTED, "key": "A key's text is made here and shown once.", **_OF_UPDATES}
    refuse_unsupported(body, KEY_FIELDS, advice)
    said = {name: value for name, value in body.items() if not says_nothing(value)}
    wish, money = _wish(said, now_us, org_id, {}), read_money(said)
    if not money.own:
        return replace(wish, money=money)
    return replace(wish, fields={**wish.fields, "budget": money.own[0]}, money=Money(money.own[1:], money.models))


def read_update(body: Mapping[str, Any], now_us: int, former: Mapping[str, str], *, org_id: str = "default") -> KeyWish:
    """Read the body of `POST /key/update` but for `key`; `former` is the key's metadata. What is absent stays, null takes a limit away."""
    advice = {**KEY_UNSUPPORTED, "team_id": "A key stays in its workspace: make another one there.", **_OF_UPDATES}
    refuse_unsupported(body, (KEY_FIELDS | INCREASE) - {"team_id"}, advice)
    wish = _wish({name: value for name, value in body.items() if name != "team_id"}, now_us, org_id, former)
    return replace(wish, changes=read_money_changes(body))


def read_grace(value: Any) -> int:
    """`grace_period` of `POST /key/regenerate` (`24h`, `30m`) in seconds: how long the former token still works. Empty: it ends at once."""
    if value is None or value == "":
        return 0
    seconds = duration_us(value, "grace_period") // SECOND_US if isinstance(value, str) else -1
    if 0 < seconds <= MAX_OVERLAP_S:
        return seconds
    raise BadRequest("grace_period is a duration of at most 30 days.", hint="Write 30s, 15m, 24h or 7d.", param="grace_period")


_OF_UPDATES: Final[Mapping[str, str]] = {
    "temp_budget_increase": "Raise the budget of a key that is there: POST /key/update.",
    "temp_budget_expiry": "Raise the budget of a key that is there: POST /key/update.",
    "new_key": "A key's text is made here and shown once.",
    "new_master_key": "There is no master key; rotate the admin key like any other.",
}


def _wish(body: Mapping[str, Any], now_us: int, org_id: str, former: Mapping[str, str]) -> KeyWish:
    fields: dict[str, Any] = {}
    if "key_alias" in body:
        fields["alias"] = body["key_alias"]
    if "duration" in body:
        fields.update(_expiry(body["duration"], now_us))
    if "models" in body:
        fields["models"] = _models(body["models"])
    if body.get("team_id") is not None:
        fields["workspace"] = body["team_id"]
    if body.get("organization_id") not in (None, org_id):
        raise BadRequest("There is no such organization.", hint="Leave it out.", param="organization_id")
    for name in _LIMITS:
        if name in body:
            fields[name] = _limit(body[name], name)
    if "policies" in body:
        fields["policy"] = read_policy(body["policies"])
    if {"metadata", "tags", *LABELS} & body.keys():
        fields["metadata"] = _metadata(body, former)
    routes = _routes(body)
    if routes is not None:
        fields["caveats"] = {"routes": routes or None}
    blocked = body.get("blocked")
    if blocked is not None and not isinstance(blocked, bool):
        raise BadRequest("blocked is true or false.", param="blocked")
    return KeyWish(fields, blocked)


def _expiry(duration: Any, now_us: int) -> dict[str, Any]:
    """`30d`, `1mo` as our `duration` or `expires_at`; null and `-1` are a key that never expires."""
    if duration is None or duration == "-1":
        return {"expires_at": None}
    text = duration.strip() if isinstance(duration, str) else ""
    count = text.removesuffix("mo")
    if text.endswith("mo") and count.isascii() and count.isdigit() and 0 < int(count[:4]) <= 1200:
        return {"expires_at": rfc3339(_months_later(now_us, int(count[:4])))}
    duration_us(text, "duration")
    return {"duration": text}


def _months_later(now_us: int, months: int) -> int:
    """The same day of a later month, or its last one; epoch microseconds."""
    now = datetime.fromtimestamp(now_us // 1_000_000, UTC)
    year, month = divmod(now.year * 12 + now.month - 1 + months, 12)
    for day in range(now.day, 27, -1):
        try:
            return int(now.replace(year=year, month=month + 1, day=day).timestamp()) * 1_000_000
        except ValueError:  # that month is shorter
            continue
    return int(now.replace(year=year, month=month + 1).timestamp()) * 1_000_000


def _models(models: Any) -> Any:
    if not isinstance(models, list):
        return models
    if "no-default-models" in models:
        raise BadRequest("no-default-models is not supported here.", hint="Send blocked: true for a key without models.", param="models")
    return [] if any(isinstance(name, str) and name in _EVERY_MODEL for name in models) else models


def _limit(value: Any, name: str) -> Any:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        # zero means nothing at all to LiteLLM, and no limit to us
        raise BadRequest(f"{name} is a whole number above zero.", hint="To stop a key, send blocked: true.", param=name)
    return value


def read_policy(policies: Any) -> Any:
    """The one redaction policy that `policies` names, or None."""
    if says_nothing(policies):
        return None
    if not isinstance(policies, list) or len(policies) != 1:
        raise BadRequest(
            "policies is a list of one redaction policy.", hint="A policy of the document holds all its rules.", param="policies"
        )
    return policies[0]


def _metadata(body: Mapping[str, Any], former: Mapping[str, str]) -> dict[str, Any]:
    """The metadata that the key shall have: what is sent in place of what it had, but for labels and tags that are not sent."""
    own = {*LABELS, "tags"}
    sent = body.get("metadata")
    if sent is not None and not isinstance(sent, Mapping):
        raise BadRequest("metadata is an object of short texts.", param="metadata")
    if sent is not None and any(not isinstance(value, str) for name, value in sent.items() if name != "tags"):
        raise BadRequest("metadata is an object of short texts.", hint="Write numbers and lists as text.", param="metadata")
    kept = {name: value for name, value in former.items() if name in own or "metadata" not in body}
    metadata: dict[str, Any] = {**kept, **(sent or {})}
    for name in LABELS:
        if name in body:
            metadata[name] = _label(body[name], name)
    if "tags" in body or "tags" in (sent or {}):
        metadata["tags"] = _tags(body["tags"] if "tags" in body else (sent or {})["tags"])
    return {name: value for name, value in metadata.items() if value is not None and value != ""}


def _label(value: Any, name: str) -> Any:
    if value is not None and (not isinstance(value, str) or len(value) > 255):
        raise BadRequest(f"{name} is a text of at most 255 characters.", param=name)
    return value


def _tags(tags: Any) -> str | None:
    if says_nothing(tags):
        return None
    if not isinstance(tags, Sequence) or isinstance(tags, str) or not all(isinstance(tag, str) and tag and "," not in tag for tag in tags):
        raise BadRequest("tags is a list of texts without commas.", param="tags")
    text = ",".join(tags)
    if len(text) > 512:
        raise BadRequest("tags have at most 512 characters in all.", param="tags")
    return text


def _routes(body: Mapping[str, Any]) -> list[str] | None:
    """The caveat `routes`: None when nothing is said, empty for one that is taken away."""
    kind, allowed = body.get("key_type"), body.get("allowed_routes")
    if kind not in (None, "default", "llm_api"):
        hint = "Make a key with a role: POST /v1/keys {role: manager} or {role: auditor}."
        raise BadRequest("key_type is default or llm_api.", hint=hint, param="key_type")
    if allowed is not None and not isinstance(allowed, list):
        raise BadRequest("allowed_routes is a list of paths.", param="allowed_routes")
    if kind == "llm_api":
        if allowed:
            raise BadRequest("key_type and allowed_routes say the same thing; send one of them.", param="allowed_routes")
        return list(LLM_ROUTES)
    if not allowed:
        return [] if "allowed_routes" in body else None
    names: set[str] = set()
    for path in allowed:
        found = ROUTE_PATHS.get(path.removeprefix("/v1")) if isinstance(path, str) else None
        if found is None:
            raise BadRequest(
                "There is a route in allowed_routes that keys cannot be limited to.",
                hint=f"Known: {', '.join(ROUTE_PATHS)}.",
                param="allowed_routes",
            )
        names.update(found)
    return sorted(names)
