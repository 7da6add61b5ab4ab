"""`onepassword`: 1Password through a Connect server's HTTPS API (v1).

`secret_path` is `VAULT/ITEM`, `VAULT/ITEM/FIELD` or `VAULT/ITEM/SECTION/FIELD`, by name or by identifier, also as `op://...`. Without
a field it is the item's password, or its only concealed field; with `secret_key` any field by its label. The version is the item's;
Connect gives the newest alone, so a pinned version that is no longer the newest is gone.

1Password's Connect client (onepasswordconnectsdk) is not used: it puts the server's words in its errors and the status nowhere else.
Service accounts have no server of one's own: `pipeline.vaults.onepassword_account`.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pipeline.vaults import failures
from pipeline.vaults.auth import mode_of, text_of
from pipeline.vaults.failures import Failure, given
from pipeline.vaults.model import Fetched, SecretRef
from pipeline.vaults.onepassword_account import OnePasswordAccount, open_account
from pipeline.vaults.registry import VaultContext
from pipeline.vaults.rest import Rest, Said, by_status, micros_of, odd
from pipeline.vaults.tokens import Grant

_IDENTIFIER: Final = re.compile(r"[a-z0-9]{26}")
_MISSING: Final = "Check the vault, the item and the field in secret_path."
_DENIED: Final = "Give the Connect server's access token this vault."
_HOST: Final = "op_connect_host"
MAX_KNOWN: Final = 1_024
"""How many names of vaults and items are remembered with their identifiers."""


class OnePassword:
    """One Connect server with one access token. Thread-safe; identifiers of vaults and items are remembered by their names."""

    def __init__(self, rest: Rest, access: Grant) -> None:
        self._rest = rest
        self._access = access
        self._known: dict[tuple[str, ...], str] = {}
        self._lock = threading.Lock()

    def fetch(self, ref: SecretRef) -> Fetched:
        """Read a field of the item, or all of them as JSON when `secret_key` asks for one."""
        return given(self._answer(ref))

    def _answer(self, ref: SecretRef) -> Fetched | Failure:
        path = ref.secret_path.removeprefix("op://").split("/")
        if not 2 <= len(path) <= 4 or not all(map(_is_plain, path)):
            return failures.misconfigured(ref.slug, "secret_path of onepassword is VAULT/ITEM[/[SECTION/]FIELD], without quotes")
        said = self._item(ref, path[0], path[1])
        if isinstance(said, Said) and said.status == 404 and self._forgot(path):  # it may have been made anew under its name
            said = self._item(ref, path[0], path[1])
        if isinstance(said, Failure):
            return said
        if said.status != 200:
            return by_status(ref, said.status, missing=_MISSING, denied=_DENIED)
        return _fetched(ref, said, path[2:])

    def _item(self, ref: SecretRef, vault: str, item: str) -> Said | Failure:
        vault_id = self._identifier(ref, (vault,), "name", "v1", "vaults")
        if not isinstance(vault_id, str):
            return vault_id
        item_id = self._identifier(ref, (vault, item), "title", "v1", "vaults", vault_id, "items")
        if not isinstance(item_id, str):
            return item_id
        return self._ask(ref, "v1", "vaults", vault_id, "items", item_id)

    def _identifier(self, ref: SecretRef, named: tuple[str, ...], attribute: str, *path: str) -> str | Said | Failure:
        """The identifier of what has a name, which is asked for once."""
        name = named[-1]
        known = name if _IDENTIFIER.fullmatch(name) else self._known.get(named)
        if known is not None:
            return known
        said = self._ask(ref, *path, params={"filter": f'{attribute} eq "{name}"'})
        if isinstance(said, Failure) or said.status != 200:
            return said
        if not isinstance(said.body, list):
            return odd(ref, _HOST)
        found = [each["id"] for each in said.body if isinstance(each, dict) and isinstance(each.get("id"), str)]
        if len(found) > 1:
            return failures.misconfigured(ref.slug, "more than one vault or item has the name in secret_path", "Write its identifier.")
        if not found:
            return failures.not_found(ref.slug, _MISSING)
        with self._lock:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            self._known[named] = found[0]
        return str(found[0])

    def _forgot(self, path: Sequence[str]) -> bool:
        with self._lock:
            gone = [self._known.pop(named, None) for named in ((path[0],), (path[0], path[1]))]
        return any(gone)

    def _ask(self, ref: SecretRef, *path: str, params: Mapping[str, str] | None = None) -> Said | Failure:
        return self._rest.ask(ref, "GET", *path, token=self._access.token, params=params)


def _is_plain(segment: str) -> bool:
    return segment.strip() != "" and segment not in (".", "..") and segment.isprintable() and not {'"', "\\"} & set(segment)


def _fetched(ref: SecretRef, said: Said, asked: Sequence[str]) -> Fetched | Failure:
    fields, version = said.at("fields"), said.at("version")
    if not isinstance(fields, list):
        return odd(ref, _HOST)
    if said.at("state") in ("ARCHIVED", "DELETED"):
        return failures.version_gone(ref.slug, "The item is archived or deleted in 1Password: restore it.")
    if ref.version is not None and ref.version != str(version):
        return failures.version_gone(ref.slug, "1Password Connect gives the newest version of an item alone: pin that, or none.")
    chosen = [each for each in fields if isinstance(each, dict) and isinstance(each.get("value"), str)]
    if asked:
        chosen = [each for each in chosen if asked[-1] in (each.get("label"), each.get("id")) and _in_section(each, asked[:-1])]
        if not chosen:
            return failures.not_found(ref.slug, _MISSING)
    elif ref.secret_key is not None:
        return _made(json.dumps(_by_label(chosen)), said)
    else:
        passwords = [each for each in chosen if each.get("purpose") == "PASSWORD"]
        chosen = passwords or [each for each in chosen if each.get("type") == "CONCEALED"]
    if len(chosen) != 1:
        return failures.bad_value(ref.slug, f"{len(chosen)} of its fields may be meant", "Name the field in secret_path or secret_key.")
    return _made(chosen[0]["value"], said)


def _made(value: str, said: Said) -> Fetched:
    version = said.at("version")
    return Fetched(value, str(version if isinstance(version, int) else ""), micros_of(said.at("updatedAt")))


def _in_section(told: Mapping[str, Any], asked: Sequence[str]) -> bool:
    section = told.get("section")
    names = (section.get("label"), section.get("id")) if isinstance(section, dict) else ()
    return not asked or asked[0] in names


def _by_label(fields: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Fields by label; where two sections have the same label, the first one counts."""
    found: dict[str, str] = {}
    for each in fields:
        for name in (each.get("label"), each.get("id")):
            if isinstance(name, str) and name:
                found.setdefault(name, each["value"])
    return found


def open_onepassword(auth_config: Mapping[str, Any], context: VaultContext) -> OnePassword | OnePasswordAccount:
    """Make the adapter of the chosen `op_auth_mode`. Makes no call."""
    if mode_of("onepassword", auth_config) == "serviceAccount":
        return open_account(auth_config, context)
    rest = Rest(
        text_of(auth_config, "op_connect_host") or "",
        ca_file=text_of(auth_config, "op_ca_cert"),
        context=context,
        named=_HOST,
        ca_named="op_ca_cert",
    )
    return OnePassword(rest, Grant(text_of(auth_config, "op_connect_token") or ""))
