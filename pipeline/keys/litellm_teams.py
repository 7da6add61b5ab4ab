"""What somebody asks of a team or a user in LiteLLM's fields, as the bodies that our own API takes. Pure; a BadRequest names the field.

A user of LiteLLM is one of two things here: a person who looks at the dashboard (`proxy_admin`, `proxy_admin_viewer`: a name and a
password), or somebody who calls models (`internal_user`): then it is a name that stands on keys, and what is made is their key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pipeline.errors import BadRequest
from pipeline.keys.litellm_fields import KEY_UNSUPPORTED, TEAM_UNSUPPORTED, USER_UNSUPPORTED, refuse_unsupported, says_nothing
from pipeline.keys.litellm_money import INCREASE, MONEY_FIELDS, Terms, read_money, read_money_changes
from pipeline.keys.litellm_requests import KEY_FIELDS, read_policy

TEAM_FIELDS: Final = frozenset({"team_id", "team_alias", "organization_id", "policies", "models", *(MONEY_FIELDS - {"model_max_budget"})})
PERSON_FIELDS: Final = frozenset({"user_id", "user_email", "user_role", "password", "auto_create_key", "teams", "organizations"})
ROLES: Final[Mapping[str, str]] = {"proxy_admin": "admin", "proxy_admin_viewer": "auditor"}
_UNFIT: Final = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class UserWish:
    """A user as somebody wants one: `person` is the body of `POST /v1/users`, or None and `key` the fields of the key to make."""

    role: str
    email: str | None
    person: dict[str, Any] | None = field(default=None, repr=False)
    key: dict[str, Any] = field(default_factory=dict)


def read_new_team(body: Mapping[str, Any], fresh_id: str, *, org_id: str = "default") -> dict[str, Any]:
    """Read the body of `POST /team/new` as that of `POST /v1/workspaces`. Without a `team_id` the alias makes one, else `fresh_id`."""
    refuse_unsupported(body, TEAM_FIELDS, TEAM_UNSUPPORTED)
    money = read_money(body)
    if len(money.own) > 1:
        raise BadRequest("A new team has one budget.", hint="Further ones are made with POST /budget/new.", param="budget_limits")
    if body.get("organization_id") not in (None, org_id):
        raise BadRequest("There is no such organization.", hint="Leave it out.", param="organization_id")
    if not says_nothing(body.get("models")) and body["models"] not in (["all-proxy-models"], ["all-team-models"]):
        hint = "Name them at each key, or in the document: workspaces."
        raise BadRequest("models of a team are not set here.", hint=hint, code="unsupported_field", param="models")
    alias = body.get("team_alias")
    if alias is not None and not isinstance(alias, str):
        raise BadRequest("team_alias is a text.", param="team_alias")
    slug = body.get("team_id") or _UNFIT.sub("-", alias or "").strip("-").lower()[:255] or fresh_id.lower()
    wanted = {
        "slug": slug,
        "name": alias or None,
        "policy": read_policy(body.get("policies")),
        "budget": money.own[0] if money.own else None,
    }
    return {name: value for name, value in wanted.items() if value is not None}


def read_team_changes(body: Mapping[str, Any]) -> tuple[str, Terms | None]:
    """Read the body of `POST /team/update`: the team, and the changes of its budget (None takes it away)."""
    own = TEAM_FIELDS - {"team_alias", "policies", "models", "organization_id"}
    stays = dict.fromkeys(
        ("team_alias", "policies", "models", "organization_id"), "A workspace keeps its name, place and policy; change it in the document."
    )
    refuse_unsupported(body, own | INCREASE, {**TEAM_UNSUPPORTED, **stays})
    team_id = body.get("team_id")
    if not isinstance(team_id, str) or not 0 < len(team_id) <= 255:
        raise BadRequest("team_id names a team.", hint="GET /team/list shows them.", param="team_id")
    changes = read_money_changes(body)
    if changes == {}:
        raise BadRequest("The request changes nothing.", hint="Send max_budget, budget_duration or soft_budget.", param="max_budget")
    return team_id, changes


def read_new_user(body: Mapping[str, Any], fresh_id: str) -> UserWish:
    """Read the body of `POST /user/new`."""
    role = body.get("user_role") or "internal_user"
    if role not in (*ROLES, "internal_user"):
        hint = "internal_user is a key; proxy_admin and proxy_admin_viewer are people of the dashboard."
        raise BadRequest("user_role is internal_user, proxy_admin or proxy_admin_viewer.", hint=hint, param="user_role")
    email = body.get("user_email")
    user_id = body.get("user_id") or email or fresh_id
    if says_nothing(body.get("organizations")) is False:
        raise BadRequest("organizations is not supported here.", hint="There is one.", code="unsupported_field", param="organizations")
    if role in ROLES:
        return UserWish(role, email, _person(body, user_id, ROLES[role]))
    return UserWish(role, email, key=_key_of(body, user_id))


def role_of(role: str) -> str:
    """What LiteLLM calls the role of a person."""
    return next((theirs for theirs, ours in ROLES.items() if ours == role), "internal_user_viewer")


def _person(body: Mapping[str, Any], user_id: Any, role: str) -> dict[str, Any]:
    refuse_unsupported(
        body, PERSON_FIELDS, {**_of_keys("A person of the dashboard has no key: make one with POST /key/generate."), **USER_UNSUPPORTED}
    )
    if body.get("auto_create_key", False) is not False:
        hint = "Send auto_create_key: false, and make their key with POST /key/generate."
        raise BadRequest("A person of the dashboard gets no key with their login.", hint=hint, param="auto_create_key")
    if not says_nothing(body.get("teams")):
        raise BadRequest("A person of the dashboard sees every team.", hint="Leave teams out.", param="teams")
    if not body.get("password"):
        raise BadRequest("A person of the dashboard needs a password.", hint="10 to 1024 characters.", param="password")
    return {"name": user_id, "role": role, "password": body["password"]}


def _key_of(body: Mapping[str, Any], user_id: Any) -> dict[str, Any]:
    refuse_unsupported(body, KEY_FIELDS | PERSON_FIELDS - {"password"}, {**KEY_UNSUPPORTED, **_ONLY_KEYS, **USER_UNSUPPORTED})
    if body.get("auto_create_key", True) is not True:
        hint = "Name them when their key is made: POST /key/generate {user_id}."
        raise BadRequest("An internal_user without a key is nothing here.", hint=hint, param="auto_create_key")
    teams = body.get("teams")
    key = {name: value for name, value in body.items() if name in KEY_FIELDS or name in KEY_UNSUPPORTED}
    if isinstance(teams, list) and len(teams) == 1 and isinstance(teams[0], str) and not body.get("team_id"):
        key["team_id"] = teams[0]
    elif not says_nothing(teams):
        raise BadRequest("teams names the one team of the key.", hint="A key belongs to one: send team_id.", param="teams")
    return {**key, "user_id": user_id}


_ONLY_KEYS: Final[Mapping[str, str]] = {
    "password": "An internal_user does not log in: their key is what they have.",
}


def _of_keys(advice: str) -> dict[str, str]:
    return dict.fromkeys((*KEY_UNSUPPORTED, *KEY_FIELDS), advice)
