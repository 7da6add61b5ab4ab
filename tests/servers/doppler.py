"""Doppler's API on loopback: one secret of a config, service tokens bound to a config, and identities (OIDC).

Shapes: Doppler API v3 `configs/config/secret` (`name, value{raw, computed, note}, success`), `auth/oidc`, errors as
`{messages, success: false}`.
"""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.servers.loopback import Answer, Call, Loopback

PROJECT, CONFIG = "gateway", "prd"
IDENTITY = "c5a1b2d3-0000-4000-8000-000000000001"


class DopplerServer(Loopback):
    """Use as a context manager; `token` is a service token of the config `gateway/prd`."""

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__(folder)
        self.token = f"dp.st.{CONFIG}.{secrets.token_urlsafe(30)}"
        self.configs: dict[tuple[str, str], dict[str, str]] = {(PROJECT, CONFIG): {}}
        self.bound: dict[str, tuple[str, str] | None] = {self.token: (PROJECT, CONFIG)}
        self.assertions: set[str] = set()
        self.restricted = False
        self.lives_s = 600.0

    def put(self, name: str, value: str) -> None:
        with self.lock:
            self.configs[PROJECT, CONFIG][name] = value

    def answer(self, call: Call) -> Answer:
        match call.method, call.path:
            case "GET", "/v3/configs/config/secret":
                return self._secret(call)
            case "POST", "/v3/auth/oidc":
                return self._identity(call)
            case _:
                return _refused(404)

    def _secret(self, call: Call) -> Answer:
        if call.bearer not in self.bound:
            return _refused(401)
        own = self.bound[call.bearer]
        asked = (call.query.get("project", own[0] if own else ""), call.query.get("config", own[1] if own else ""))
        if own is not None and asked != own:
            return _refused(403)
        name = call.query.get("name", "")
        if name not in self.configs.get(asked, {}):
            return _refused(404)
        value = None if self.restricted else self.configs[asked][name]
        return Answer({"name": name, "value": {"raw": value, "computed": value, "note": ""}, "success": True})

    def _identity(self, call: Call) -> Answer:
        told = call.json
        if told.get("identity") != IDENTITY or told.get("token") not in self.assertions:
            return _refused(401)
        token = f"dp.said.{secrets.token_urlsafe(30)}"
        with self.lock:
            self.bound[token] = None
        ends = datetime.fromtimestamp(time.time() + self.lives_s, UTC).isoformat().replace("+00:00", "Z")
        return Answer({"success": True, "token": token, "expires_at": ends})


def _refused(status: int) -> Answer:
    return Answer({"messages": ["As the test wants it"], "success": False}, status)
