"""Portkey's secret references, as its API gives and takes them: each becomes a vault connection and a reference of the same slug.

Accepts one object, a list of them, or the answer of `GET /secret-references` (`{"object": "list", "data": […]}`). List items lack
`auth_config`; details have its sensitive fields masked: those become references that the operator fills.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pipeline.config.importers.draft import Draft, mapping, plain, sequence, slug_of
from pipeline.vaults.auth import ALIASES, CREDENTIALS, SENSITIVE, SHAPES
from pipeline.vaults.reference import is_reference

_SAME: Final = ("secret_path", "secret_key", "version", "cache_ttl_s", "negative_ttl_s", "max_stale_s", "refresh_ahead_ratio")
_ABOUT: Final = frozenset(
    {"id", "object", "status", "created_at", "last_updated_at", "created_by", "organisation_id", "name", "slug", "description", "tags"}
)
_SCOPES: Final = frozenset({"allow_all_workspaces", "allowed_workspaces"})
_MASKED: Final = "masked_"


def import_portkey(draft: Draft, tree: Any) -> None:
    """Read references (and the secret mappings of integrations and virtual keys) into a draft."""
    listed = sequence(tree) or sequence(mapping(tree).get("data"))
    items = [(f"data[{index}]", mapping(item)) for index, item in enumerate(listed)] if listed else [("the object", mapping(tree))]
    for place, item in items:
        if "manager_type" in item:
            _reference(draft, place, item)
        elif "secret_mappings" in item:
            _mappings(draft, place, item)
        else:
            draft.refused(place, "neither a secret reference (manager_type) nor something with secret_mappings")


def _reference(draft: Draft, place: str, item: Mapping[str, Any]) -> None:
    slug = slug_of(str(item.get("slug") or item.get("name") or ""))
    manager_type = str(item["manager_type"])
    if not slug or slug in draft.references:
        draft.refused(f"{place}.slug", "a reference needs a slug of its own")
        return
    if ALIASES.get(manager_type, manager_type) not in SHAPES:
        draft.refused(f"{place}.manager_type", f"this vault is not known; there are {', '.join(sorted(SHAPES))}")
        return
    if not item.get("secret_path"):
        draft.refused(f"{place}.secret_path", "a reference without a path; take it from GET /secret-references/{slug}, lists leave it out")
        return
    if item.get("status") not in (None, "active"):
        draft.ignored(f"{place}.status", "the reference is not active, so it is left out")
        return
    auth = _auth(draft, f"{place}.auth_config", slug, mapping(item.get("auth_config")))
    if auth is None:
        return
    found: dict[str, Any] = {"vault": _vault(draft, slug, manager_type, auth)}
    found |= {name: item[name] for name in _SAME if item.get(name) is not None}
    allowed = [str(name) for name in sequence(item.get("allowed_workspaces"))]
    if allowed:
        found["allowed_workspaces"] = allowed
        for name in allowed:
            draft.sections.setdefault("workspaces", {"default": {}}).setdefault(slug_of(name), {})
    elif item.get("allow_all_workspaces") not in (None, True) or item.get("allowed_workspaces"):
        draft.refused(f"{place}.allow_all_workspaces", "the export does not say which workspaces may use it; add allowed_workspaces")
        return
    draft.references[slug] = found
    draft.mapped(place, f"references.{slug} in vaults.{found['vault']}")
    for name in item.keys() - _ABOUT - _SCOPES - {"manager_type", "auth_config", *_SAME}:
        draft.ignored(f"{place}.{plain(name)}", "this field is not known")


def _auth(draft: Draft, place: str, slug: str, auth: Mapping[str, Any]) -> dict[str, Any] | None:
    """The connection, with every credential a reference; None when one is refused."""
    found: dict[str, Any] = {}
    for name, value in auth.items():
        field = name.removeprefix(_MASKED)
        here = f"{place}.{plain(field)}"
        if value is None:
            continue
        if name.startswith(_MASKED) and field in SENSITIVE:
            found[field] = {"secret_key_ref": draft.missing(here, f"{slug}_{field}")}
        elif field in CREDENTIALS and not is_reference(value):
            form = draft.literal(here, str(value), f"{slug}_{field}")
            if form is None:
                return None
            found[field] = {"secret_key_ref": form}
        else:
            found[field] = value
    return found


def _vault(draft: Draft, slug: str, manager_type: str, auth: dict[str, Any]) -> str:
    """The name of a connection: one that is the same already, or a new one."""
    section = {"manager_type": manager_type, "auth_config": auth}
    for name, known in draft.vaults.items():
        if known == section:
            return name
    draft.vaults[f"{slug}-vault"] = section
    return f"{slug}-vault"


def _mappings(draft: Draft, place: str, item: Mapping[str, Any]) -> None:
    for index, each in enumerate(sequence(item["secret_mappings"])):
        use = mapping(each)
        slug = slug_of(str(use.get("secret_reference_id", "")))
        part = f", secret_key: {use['secret_key']}" if isinstance(use.get("secret_key"), str) else ""
        draft.ignored(
            f"{place}.secret_mappings[{index}]",
            f"a target names its model, which is not in the export: write secret_key_ref: {{ref: {slug}{part}}} in the provider's targets",
        )
