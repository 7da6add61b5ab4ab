"""A 1Password Connect server on loopback: vaults and items by filter, one item with its fields.

Shapes: Connect API 1.8 (`/v1/vaults?filter=name eq "..."`, `/v1/vaults/ID/items?filter=title eq "..."`, `/v1/vaults/ID/items/ID`), errors
as `{status, message}`.
"""

from __future__ import annotations

import re
import secrets
import string
from pathlib import Path
from typing import Any

from tests.servers.loopback import Answer, Call, Loopback

VAULT = "Gateway"
_FILTER = re.compile(r'(name|title) eq "([^"]*)"')


def identifier() -> str:
    """26 characters, as 1Password makes them."""
    return "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(26))


class ConnectServer(Loopback):
    """Use as a context manager; `token` is an access token for the vault `Gateway` and not for `Other`."""

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__(folder)
        self.token = f"eyJ.{secrets.token_urlsafe(40)}"
        self.vaults = {identifier(): VAULT}
        self.hidden = identifier()
        self.items: dict[str, dict[str, Any]] = {}

    @property
    def vault_id(self) -> str:
        return next(iter(self.vaults))

    def put(self, title: str, value: str, *more: dict[str, Any]) -> str:
        """Write an item with a password and more fields, anew or as its next version; its identifier."""
        password = {"id": "password", "type": "CONCEALED", "purpose": "PASSWORD", "label": "password", "value": value}
        return self.write(title, [{"id": "username", "type": "STRING", "purpose": "USERNAME", "label": "username"}, password, *more])

    def write(self, title: str, fields: list[dict[str, Any]]) -> str:
        with self.lock:
            known = next((each for each in self.items.values() if each["title"] == title), None)
            item_id = known["id"] if known else identifier()
            version = known["version"] + 1 if known else 1
            self.items[item_id] = {
                "id": item_id,
                "title": title,
                "vault": {"id": self.vault_id},
                "category": "LOGIN",
                "version": version,
                "fields": fields,
                "createdAt": "2026-01-02T03:04:05Z",
                "updatedAt": f"2026-02-03T04:05:{version % 60:02d}Z",
            }
            return str(item_id)

    def answer(self, call: Call) -> Answer:
        if call.bearer != self.token:
            return _refused(401)
        told = _FILTER.fullmatch(call.query.get("filter", ""))
        match call.path.strip("/").split("/"):
            case ["v1", "vaults"] if told is not None:
                return Answer([{"id": each, "name": name} for each, name in self.vaults.items() if name == told[2]])
            case ["v1", "vaults", vault_id, *_] if vault_id == self.hidden:
                return _refused(403)
            case ["v1", "vaults", vault_id, *_] if vault_id not in self.vaults:
                return _refused(404)
            case ["v1", "vaults", _, "items"] if told is not None:
                named = [each for each in self.items.values() if each["title"] == told[2]]
                return Answer([{name: value for name, value in each.items() if name != "fields"} for each in named])
            case ["v1", "vaults", _, "items", item_id] if item_id in self.items:
                return Answer(self.items[item_id])
            case _:
                return _refused(404)


def _refused(status: int) -> Answer:
    return Answer({"status": status, "message": "As the test wants it"}, status)
