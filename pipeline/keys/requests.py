"""What somebody asks for who makes a key, a workspace or a user: read from JSON or from command-line options, checked field by field.

Field names are the admin API's. An error names the field, never what stood in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast, get_args

from pipeline.clock import parse_rfc3339
from pipeline.errors import BadRequest
from pipeline.keys.budget_requests import read_terms
from pipeline.keys.caveat_requests import read_caveats
from pipeline.keys.caveats import Caveats
from pipeline.keys.model import Role
from pipeline.ledger.budget_rows import Terms

SECOND_US: Final = 1_000_000

_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DURATION: Final = re.compile(r"([0-9]{1,9})([smhdw])")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/@-]{0,254}")
_SLUG: Final = re.compile(r"[A-Za-z0-9_-]{1,255}")
_ENVIRONMENT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_USER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@+-]{0,254}")

KEY_FIELDS: Final = frozenset(
    {
        "alias",
        "workspace",
        "role",
        "models",
        "expires_at",
        "duration",
        "budget",
        "rpm_limit",
        "tpm_limit",
        "max_parallel_requests",
        "metadata",
        "policy",
        "caveats",
    }
)
WORKSPACE_FIELDS: Final = frozenset({"slug", "name", "policy", "budget", "environment"})
USER_FIELDS: Final = frozenset({"name", "role", "password", "workspace"})


Limit = Terms
"""What a key or a workspace may spend."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to be made. `workspace` is a slug, `expires_us` epoch microseconds (0: never), `budget` None for no limit."""

    alias: str = ""
    workspace: str = "default"
    role: Role = "key"
    models: tuple[str, ...] = ()
    expires_us: int = 0
    rpm_limit: int = 0
    policy: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    budget: Limit | None = None
    tpm_limit: int = 0
    max_parallel_requests: int = 0
    caveats: Caveats = field(default_factory=Caveats)


@dataclass(frozen=True, slots=True)
class NewWorkspace:
    """A workspace to be made."""

    slug: str
    name: str = ""
    policy: str = ""
    budget: Limit | None = None
    environment: str = ""
    budgets: tuple[Limit, ...] = ()


@dataclass(frozen=True, slots=True)
class NewUser:
    """A person who may look at the dashboard; a manager at one workspace (slug) of it."""

    name: str
    role: Role
    password: str = field(repr=False)
    workspace: str = ""


def read_new_key(body: Mapping[str, Any], now_us: int) -> NewKey:
    """Read the body of `POST /v1/keys`. BadRequest names the wrong field in `param`."""
    _only(body, KEY_FIELDS)
    if body.get("expires_at") is not None and body.get("duration") is not None:
        raise BadRequest("expires_at and duration say the same thing; send one of them.", param="duration")
    expires_us = 0
    if body.get("duration") is not None:
        expires_us = now_us + duration_us(_text(body, "duration"), "duration")
    elif body.get("expires_at") is not None:
        expires_us = _time(_text(body, "expires_at"), now_us)
    return NewKey(
        alias=_named(body, "alias", _NAME),
        workspace=_named(body, "workspace", _SLUG) or "default",
        role=_role(body, "key"),
        models=_models(body),
        expires_us=expires_us,
        rpm_limit=_whole(body, "rpm_limit", 1_000_000),
        tpm_limit=_whole(body, "tpm_limit", 1_000_000_000_000),
        max_parallel_requests=_whole(body, "max_parallel_requests", 1_000_000),
        policy=_named(body, "policy", _NAME),
        metadata=_metadata(body),
        budget=read_limit(body.get("budget")),
        caveats=read_caveats(body.get("caveats")),
    )


def read_new_workspace(body: Mapping[str, Any]) -> NewWorkspace:
    """Read the body of `POST /v1/workspaces`."""
    _only(body, WORKSPACE_FIELDS)
    slug = _named(body, "slug", _SLUG)
    if not slug:
        raise BadRequest("A workspace needs a slug.", hint="Letters, digits, dashes and underscores.", param="slug")
    name = _text(body, "name") if body.get("name") is not None else ""
    environment = _named(body, "environment", _ENVIRONMENT)
    return NewWorkspace(slug, name[:255], _named(body, "policy", _NAME), read_limit(body.get("budget")), environment)


def read_new_user(body: Mapping[str, Any]) -> NewUser:
    """Read the body of `POST /v1/users`."""
    _only(body, USER_FIELDS)
    name = _named(body, "name", _USER)
    if not name:
        raise BadRequest("A user needs a name.", hint="Letters, digits, and . _ @ + -.", param="name")
    role = _role(body, "auditor")
    if role == "key":
        raise BadRequest("A user is admin, manager or auditor.", param="role")
    password = _text(body, "password")
    if not 10 <= len(password) <= 1024:
        raise BadRequest("A password has 10 to 1024 characters.", hint="A few words make a good one.", param="password")
    workspace = _named(body, "workspace", _SLUG)
    if bool(workspace) != (role == "manager"):
        hint = "Whoever is no manager has the whole organization."
        raise BadRequest("A manager has a workspace, and nobody else.", hint=hint, param="workspace")
    return NewUser(name, role, password, workspace)


def read_limit(tree: Any) -> Limit | None:
    """Read a budget (`{"limit_usd": …, "period": …}`); None when there is none. Amounts are decimal, so that no cent is lost on the way."""
    if tree is None:
        return None
    if not isinstance(tree, Mapping):
        raise BadRequest("A budget is an object with limit_usd and period.", param="budget")
    return read_terms(tree, prefix="budget.")


def duration_us(text: str, param: str) -> int:
    """`90s`, `15m`, `24h`, `30d`, `2w` as microseconds; BadRequest for anything else."""
    match = _DURATION.fullmatch(text.strip())
    length = int(match[1]) * _UNITS[match[2]] if match else 0
    if not 0 < length <= 100 * 366 * 86_400:
        raise BadRequest(f"{param} is not a duration.", hint="Write 90s, 15m, 24h, 30d or 2w.", param=param)
    return length * SECOND_US


def _only(body: Mapping[str, Any], known: frozenset[str], prefix: str = "") -> None:
    unknown = [name for name in body if name not in known]
    if unknown:
        raise BadRequest(
            f"{len(unknown)} field(s) of the request are not known here.",
            hint=f"Known: {', '.join(sorted(prefix + name for name in known))}.",
        )


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value.strip():
        raise BadRequest(f"{name} is a text.", param=name)
    return value


def _named(body: Mapping[str, Any], name: str, shape: re.Pattern[str]) -> str:
    value = body.get(name)
    if value is None or value == "":
        return ""
    if not isinstance(value, str) or not shape.fullmatch(value):
        raise BadRequest(f"{name} is not a valid name.", hint="Letters, digits and a few marks such as - _ . are allowed.", param=name)
    return value


def _role(body: Mapping[str, Any], default: Role) -> Role:
    role = body.get("role") or default
    if role not in get_args(Role):
        raise BadRequest(f"role is one of: {', '.join(get_args(Role))}.", param="role")
    return cast(Role, role)


def _models(body: Mapping[str, Any]) -> tuple[str, ...]:
    models = body.get("models")
    if models is None:
        return ()
    if (
        not isinstance(models, list | tuple)
        or len(models) > 1000
        or not all(isinstance(name, str) and _NAME.fullmatch(name) for name in models)
    ):
        raise BadRequest("models is a list of model names.", param="models")
    return tuple(dict.fromkeys(models))


def _whole(body: Mapping[str, Any], name: str, most: int) -> int:
    value = body.get(name)
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise BadRequest(f"{name} is a whole number from 0 (no limit) to {most}.", param=name)
    return value


def _metadata(body: Mapping[str, Any]) -> dict[str, str]:
    metadata = body.get("metadata")
    if metadata is None:
        return {}
    fits = isinstance(metadata, Mapping) and len(metadata) <= 32
    if not fits or not all(
        isinstance(key, str) and isinstance(value, str) and len(key) <= 64 and len(value) <= 512 for key, value in metadata.items()
    ):
        raise BadRequest("metadata is an object of at most 32 short texts.", param="metadata")
    return dict(metadata)


def _time(text: str, now_us: int) -> int:
    try:
        at_us = parse_rfc3339(text.strip())
    except (ValueError, OverflowError):
        raise BadRequest("expires_at is not a time.", hint="Use RFC 3339, for example 2027-01-31T00:00:00Z.", param="expires_at") from None
    if at_us <= now_us:
        raise BadRequest("expires_at is in the past.", param="expires_at")
    return at_us
