"""What somebody asks for who makes, changes or lists secret references: JSON of Portkey's shape, checked field by field.

Field names, limits and defaults are Portkey's (`POST` and `PUT /v1/secret-references`), ours beside them. An error names the field,
never what stood in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final, get_args

from pipeline.errors import BadRequest, plain_name
from pipeline.vaults.permits import CONNECTION, Connection
from pipeline.vaults.reference_sql import Query, StoredReference, UsageClass
from pipeline.vaults.sealing import hold_literals, merged_auth

NOT_PERMITTED: Final = "reference_not_permitted"
"""The code of what the document does not let a reference made by REST name."""

MAX_NAME: Final = 255
MAX_DESCRIPTION: Final = 1024
MAX_PATH: Final = 1024
MAX_PAGE: Final = 100
MAX_TAGS: Final = 64
MAX_AUTH_FIELDS: Final = 64
MAX_AUTH_TEXT: Final = 65_536

_SLUG: Final = re.compile(r"[a-zA-Z0-9_-]{1,255}")
_NOT_SLUG: Final = re.compile(r"[^a-zA-Z0-9_-]+")
_RESERVED: Final = frozenset({"status", "usage"})
_SHARED: Final = frozenset(
    {"name", "description", "vault", "auth_config", "secret_path", "secret_key", "allow_all_workspaces", "allowed_workspaces", "tags",
     "version", "cache_ttl_s", "negative_ttl_s", "max_stale_s", "refresh_ahead_ratio", "required", "class", "environment", "max_age_days"}
)  # fmt: skip
CREATE_FIELDS: Final = _SHARED | {"slug", "manager_type", "organisation_id"}
CHANGE_FIELDS: Final = _SHARED
QUERY_FIELDS: Final = frozenset({"manager_type", "tags", "search", "current_page", "page_size"})

_SECONDS: Final[Mapping[str, float]] = {"cache_ttl_s": 86_400, "negative_ttl_s": 3_600, "max_stale_s": 86_400}
_DEFAULTS: Final = {each.name: each.default for each in fields(StoredReference)}


@dataclass(frozen=True, slots=True)
class Allowed:
    """Who may use it: everybody, or workspaces by id or slug, as they were sent."""

    everybody: bool
    workspaces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """A reference as it is asked for. `allowed` None: as it was. `sent` names the fields of the request, for the event."""

    stored: StoredReference
    allowed: Allowed | None
    sent: tuple[str, ...]


def read_new_reference(body: Mapping[str, Any], *, org_id: str, connections: Mapping[str, Connection]) -> Asked:
    """Read the body of `POST /v1/secret-references`. BadRequest names the wrong field in `param`.

    `vault` names one of the document's connections and stands for `manager_type` and `auth_config`.
    """
    _only(body, CREATE_FIELDS)
    if body.get("organisation_id") not in (None, org_id):
        raise BadRequest("A key makes references of its own organization.", hint="Leave organisation_id out.", param="organisation_id")
    name = _wanted(body, "name", MAX_NAME)
    slug = _text(body, "slug", 255) or slug_from(name)
    if not _SLUG.fullmatch(slug):
        raise BadRequest("A slug has 1 to 255 letters, digits, dashes and underscores.", param="slug")
    if slug in _RESERVED:
        raise BadRequest("This slug is the name of a report over all references.", hint="Send another slug.", param="slug")
    vault = _vault(body)
    if vault is not None and vault not in connections:
        raise BadRequest(
            "The document has no such connection.", hint="Name one that stands under `vaults`.", param="vault", code=NOT_PERMITTED
        )
    manager_type = (
        connections[vault].manager_type if vault is not None and "manager_type" not in body else _wanted(body, "manager_type", 32)
    )
    blank = StoredReference(
        id="", slug=slug, name=name, manager_type=manager_type, secret_path=_wanted(body, "secret_path", MAX_PATH), org_id=org_id
    )
    sent = {CONNECTION: vault} if vault is not None else _auth(body, required=True)
    auth_config = {key: value for key, value in sent.items() if value is not None}
    stored = replace(blank, auth_config=hold_literals(auth_config, slug), **_optional(body))
    return Asked(stored, _allowed(body) or Allowed(everybody=True), tuple(sorted(body)))


def read_reference_change(body: Mapping[str, Any], present: StoredReference) -> Asked:
    """Read the body of `PUT /v1/secret-references/{id}` and put it over what is there. BadRequest when nothing is to be changed."""
    if not body.keys() & CHANGE_FIELDS:
        raise BadRequest(
            "There are no valid fields to change.", hint=f"Send one of: {', '.join(sorted(CHANGE_FIELDS))}.", code="no_valid_fields"
        )
    for fixed in ("slug", "manager_type"):
        if fixed in body:
            raise BadRequest(f"The {fixed} of a reference cannot be changed.", hint="Make another reference.", param=fixed)
    _only(body, CHANGE_FIELDS)
    changes = _optional(body)
    for field, longest in (("name", MAX_NAME), ("secret_path", MAX_PATH)):
        if field in body:
            changes[field] = _wanted(body, field, longest)
    vault = _vault(body)
    if vault is not None:
        changes["auth_config"] = {CONNECTION: vault}
    elif "auth_config" in body:
        sent = hold_literals(_auth(body, required=True), present.slug)
        changes["auth_config"] = merged_auth(present.manager_type, present.auth_config, sent)
    return Asked(replace(present, **changes), _allowed(body), tuple(sorted(body)))


def read_query(query: Mapping[str, str]) -> Query:
    """Read the query of `GET /v1/secret-references`."""
    unknown = query.keys() - QUERY_FIELDS
    if unknown:
        raise BadRequest(
            "There is an unknown query parameter.", hint=f"Known: {', '.join(sorted(QUERY_FIELDS))}.", param=plain_name(sorted(unknown)[0])
        )
    search = query.get("search")
    if search is not None and not 1 <= len(search) <= MAX_NAME:
        raise BadRequest(f"search has 1 to {MAX_NAME} characters.", param="search")
    return Query(
        manager_type=query.get("manager_type", ""),
        search=search or "",
        tags=_sought_tags(query.get("tags")),
        page=_number(query, "current_page", 0, 0, 1_000_000),
        page_size=_number(query, "page_size", 20, 1, MAX_PAGE),
    )


def slug_from(name: str) -> str:
    """A slug made of a name: what it may not hold becomes a dash. BadRequest when nothing is left."""
    slug = _NOT_SLUG.sub("-", name.strip().lower()).strip("-")[:255]
    if not slug:
        raise BadRequest("No slug can be made of this name.", hint="Send a slug of letters, digits, dashes and underscores.", param="slug")
    return slug


def _only(body: Mapping[str, Any], known: frozenset[str]) -> None:
    unknown = sorted(body.keys() - known)
    if unknown:
        raise BadRequest(
            "The request has a field that is not known here.", hint=f"Known: {', '.join(sorted(known))}.", param=plain_name(unknown[0])
        )


def _optional(body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that may be left out, as they are kept; null puts one back to its default."""
    read: dict[str, Any] = {}
    for field, longest in (("description", MAX_DESCRIPTION), ("secret_key", 255), ("version", 255), ("environment", 255)):
        if field in body:
            read[field] = _text(body, field, longest) or None
    if "tags" in body:
        read["tags"] = None if body["tags"] is None else _tags(body["tags"], "tags")
    for field, most in _SECONDS.items():
        if field in body:
            read[field] = _real(body, field, most, zero=True)
    if "refresh_ahead_ratio" in body:
        read["refresh_ahead_ratio"] = _real(body, "refresh_ahead_ratio", 1, zero=False)
    if "required" in body:
        read["required"] = _switch(body, "required", default=True)
    if "class" in body:
        chosen = body["class"] if body["class"] is not None else "standard"
        if chosen not in get_args(UsageClass):
            raise BadRequest(f"class is one of: {', '.join(get_args(UsageClass))}.", param="class")
        read["usage_class"] = chosen
    if "max_age_days" in body:
        days = body["max_age_days"]
        if days is not None and (isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= 36_500):
            raise BadRequest("max_age_days is a number of days from 1 to 36500, or null.", param="max_age_days")
        read["max_age_days"] = days or 0
    return read


def _allowed(body: Mapping[str, Any]) -> Allowed | None:
    """Who may use it; None when the body says nothing of it. Workspaces close it to everybody else; true opens it and drops them."""
    named = body.get("allowed_workspaces")
    everybody = body.get("allow_all_workspaces")
    if everybody is not None and not isinstance(everybody, bool):
        raise BadRequest("allow_all_workspaces is true or false.", param="allow_all_workspaces")
    if named is not None:
        if not isinstance(named, list) or not named or not all(isinstance(each, str) and 1 <= len(each) <= 255 for each in named):
            raise BadRequest("allowed_workspaces is a list of one or more ids or slugs of workspaces.", param="allowed_workspaces")
        if everybody:
            raise BadRequest(
                "allow_all_workspaces: true contradicts allowed_workspaces.", hint="Send one of them.", param="allowed_workspaces"
            )
        return Allowed(everybody=False, workspaces=tuple(dict.fromkeys(named)))
    return None if everybody is None else Allowed(everybody=everybody)


def _vault(body: Mapping[str, Any]) -> str | None:
    """The connection of the document that is asked for; None for a reference with an `auth_config` of its own."""
    vault = _text(body, CONNECTION, 255) or None
    if vault is not None and body.get("auth_config"):
        raise BadRequest("auth_config belongs to the connection when one is named.", hint="Send vault alone.", param="auth_config")
    return vault


def _auth(body: Mapping[str, Any], *, required: bool) -> dict[str, Any]:
    auth_config = body.get("auth_config")
    if not isinstance(auth_config, dict) or (required and auth_config is None):
        raise BadRequest("auth_config is an object that says how to connect to the vault.", param="auth_config")
    if len(auth_config) > MAX_AUTH_FIELDS:
        raise BadRequest(f"auth_config has more than {MAX_AUTH_FIELDS} fields.", param="auth_config")
    for name, value in auth_config.items():
        if not (value is None or isinstance(value, str | bool | int | dict)) or (isinstance(value, str) and not _storable(value)):
            raise BadRequest(
                "A field of auth_config is a text, a number, true or false, or a secret_key_ref.", param=f"auth_config.{name[:64]}"
            )
    return dict(auth_config)


def _storable(text: str) -> bool:
    return len(text) <= MAX_AUTH_TEXT and "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def _wanted(body: Mapping[str, Any], field: str, longest: int) -> str:
    value = _text(body, field, longest)
    if not value:
        raise BadRequest(f"{field} is wanted: a text of 1 to {longest} characters.", param=field)
    return value


def _text(body: Mapping[str, Any], field: str, longest: int) -> str:
    value = body.get(field)
    if value is None:
        return ""
    if not isinstance(value, str) or not value.strip() or len(value) > longest or not _storable(value):
        raise BadRequest(f"{field} is a text of 1 to {longest} characters.", param=field)
    return value


def _real(body: Mapping[str, Any], field: str, most: float, *, zero: bool) -> float:
    value = body[field]
    if value is None:
        return float(_DEFAULTS[field])  # type: ignore[arg-type]
    if isinstance(value, bool) or not isinstance(value, int | float) or not (0 <= value <= most) or (value == 0 and not zero):
        raise BadRequest(f"{field} is a number {'from 0' if zero else 'above 0'} to {most:g}.", param=field)
    return float(value)


def _switch(body: Mapping[str, Any], field: str, *, default: bool) -> bool:
    value = body.get(field)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise BadRequest(f"{field} is true or false.", param=field)
    return value


def _tags(value: Any, param: str) -> dict[str, str]:
    good = isinstance(value, dict) and len(value) <= MAX_TAGS
    if not good or not all(isinstance(each, str) and len(each) <= 1024 and _storable(each) for pair in value.items() for each in pair):
        raise BadRequest(f"tags is an object of at most {MAX_TAGS} texts by name.", param=param)
    return dict(value)


def _sought_tags(text: str | None) -> dict[str, str]:
    if not text:
        return {}
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        tree = None
    return _tags(tree, "tags")


def _number(query: Mapping[str, str], field: str, default: int, least: int, most: int) -> int:
    text = query.get(field)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= 9 and least <= int(text) <= most):
        raise BadRequest(f"{field} is a number from {least} to {most}.", param=field)
    return int(text)
