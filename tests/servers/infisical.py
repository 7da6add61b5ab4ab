"""Infisical's API on loopback: universal auth, and one secret by its name, by version 4 and 3 of the endpoint.

Shapes: `auth/universal-auth/login` (`accessToken, expiresIn, accessTokenMaxTTL, tokenType`), `v4/secrets/NAME`, `v3/secrets/raw/NAME`
(`secret{...}`), errors as `{reqId, statusCode, message, error}`, and Fastify's 404 for a route that an older release does not have.
"""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.servers.loopback import Answer, Call, Loopback

PROJECT, ENVIRONMENT = "8f0c1a2e-0000-4000-8000-000000000002", "prod"
_CREATED = "2026-01-02T03:04:05.678Z"


@dataclass
class Kept:
    values: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)


class InfisicalServer(Loopback):
    """Use as a context manager; `client_id` and `client_secret` are a machine identity's."""

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__(folder)
        self.client_id, self.client_secret = str(uuid.uuid4()), secrets.token_hex(32)
        self.tokens: set[str] = set()
        self.secrets: dict[tuple[str, str], Kept] = {}
        self.expires_in = 7_200
        self.has_v4 = True
        self.hides = False
        self.allowed = True

    def put(self, name: str, value: str, folder: str = "/") -> str:
        """Write a secret; the number of its version."""
        with self.lock:
            kept = self.secrets.setdefault((folder, name), Kept())
            kept.values.append(value)
            kept.updated.append(datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"))
            return str(len(kept.values))

    def answer(self, call: Call) -> Answer:
        match call.path.strip("/").split("/"):
            case ["api", "v1", "auth", "universal-auth", "login"] if call.method == "POST":
                return self._login(call)
            case ["api", "v4", "secrets", name] if self.has_v4:
                return self._secret(call, name, "projectId")
            case ["api", "v3", "secrets", "raw", name]:
                return self._secret(call, name, "workspaceId")
            case _:
                return Answer({"message": f"Route {call.method}:{call.path} not found", "error": "Not Found", "statusCode": 404}, 404)

    def _login(self, call: Call) -> Answer:
        if call.json != {"clientId": self.client_id, "clientSecret": self.client_secret}:
            return _refused(401, "UnauthorizedError")
        token = f"eyJ.{secrets.token_urlsafe(30)}"
        with self.lock:
            self.tokens.add(token)
        return Answer({"accessToken": token, "expiresIn": self.expires_in, "accessTokenMaxTTL": 2_592_000, "tokenType": "Bearer"})

    def _secret(self, call: Call, name: str, project: str) -> Answer:
        if call.bearer not in self.tokens:
            return _refused(401, "TokenError")
        if not self.allowed:
            return _refused(403, "PermissionDenied")
        if not call.query.get("version", "1").isdecimal():
            return _refused(422, "ValidationFailure")
        kept = self.secrets.get((call.query.get("secretPath", "/"), name))
        number = int(call.query.get("version", len(kept.values) if kept else 0))
        placed = call.query.get(project) == PROJECT and call.query.get("environment") == ENVIRONMENT
        if kept is None or not placed or not 0 < number <= len(kept.values):
            return _refused(404, "NotFound")
        told = {
            "id": str(uuid.uuid4()),
            "workspace": PROJECT,
            "environment": ENVIRONMENT,
            "version": number,
            "type": "shared",
            "secretKey": name,
            "secretValue": "<hidden-by-infisical>" if self.hides else kept.values[number - 1],
            "secretValueHidden": self.hides,
            "secretComment": "",
            "createdAt": _CREATED,
            "updatedAt": kept.updated[number - 1],
        }
        return Answer({"secret": told})


def _refused(status: int, error: str) -> Answer:
    return Answer({"reqId": secrets.token_hex(8), "statusCode": status, "message": "As the test wants it", "error": error}, status)
