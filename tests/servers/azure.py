"""Azure on loopback: a Key Vault, the tenant of Entra ID that gives tokens for it, and a managed identity endpoint, on one TLS address.

Shapes: Key Vault REST API (secret bundle, challenge, `error{code, message, innererror}`), Microsoft identity platform v2.0
(OpenID configuration, token and its errors), App Service's `IDENTITY_ENDPOINT`, IMDS.

The challenge names the resource `https://0.0.1:PORT`: Microsoft's client checks that the vault's host ends in a dot and the
resource's, and 127.0.0.1 does, so that the check stays in force here as it does in Azure.
"""

from __future__ import annotations

import secrets
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.servers.loopback import Answer, Call, Loopback

TENANT = "11111111-2222-4333-8444-555555555555"


@dataclass
class Bundle:
    """One version of a secret, with its attributes as Key Vault names them."""

    value: str
    version: str
    attributes: dict[str, Any]


@dataclass
class Application:
    """Who may ask for tokens, how, and for how many seconds they are good."""

    client_id: str
    secrets: set[str] = field(default_factory=set)
    assertions: set[str] = field(default_factory=set)
    expires_in: int = 3_599


class AzureServer(Loopback):
    """Use as a context manager; `url` is vault and authority, `app` the application that may read."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.secrets: dict[str, list[Bundle]] = {}
        self.app = Application(str(uuid.uuid4()), {secrets.token_urlsafe(24)})
        self.tokens: set[str] = set()
        self.identity_header = secrets.token_hex(8)
        self.identities = {""}  # client ids of managed identities; "": the system-assigned one
        self.refusal = ""  # the inner code of a 403
        self.resource = f"https://0.0.1:{self.port}"

    @property
    def client_secret(self) -> str:
        return next(iter(self.app.secrets))

    def put(self, name: str, value: str, **attributes: Any) -> str:
        """Write a secret; the identifier of its version."""
        now = int(time.time())
        version = secrets.token_hex(16)
        made = {"enabled": True, "created": now, "updated": now, "recoveryLevel": "Recoverable+Purgeable"} | attributes
        with self.lock:
            self.secrets.setdefault(name, []).append(Bundle(value, version, made))
        return version

    def answer(self, call: Call) -> Answer:
        match call.path.strip("/").split("/"):
            case ["secrets", name, *version]:
                return self._secret(call, name, version[0] if version else "")
            case [tenant, "v2.0", ".well-known", "openid-configuration"]:
                return self._configuration(tenant)
            case [tenant, "oauth2", "v2.0", "token"] if tenant == TENANT:
                return self._token(call.form)
            case ["metadata", "identity", *_]:
                return self._imds(call)
            case _:
                return Answer({"error": "not_found"}, 404)

    def _secret(self, call: Call, name: str, version: str) -> Answer:
        if call.bearer not in self.tokens:
            challenge = f'Bearer authorization="{self.url}/{TENANT}", resource="{self.resource}"'
            refused = _error("Unauthorized", "AKV10000: Request is missing a Bearer or PoP token.")
            return Answer(refused, 401, {"WWW-Authenticate": challenge})
        if self.refusal:
            return Answer(_error("Forbidden", "The caller may not.", self.refusal), 403)
        bundles = [bundle for bundle in self.secrets.get(name, []) if version in ("", bundle.version)]
        if not bundles:
            return Answer(_error("SecretNotFound", f"A secret with (name/id) {name} was not found in this key vault."), 404)
        found = bundles[-1]
        if not found.attributes["enabled"]:
            return Answer(_error("Forbidden", "Operation get is not allowed on a disabled secret.", "SecretDisabled"), 403)
        identifier = f"{self.url}/secrets/{name}/{found.version}"
        return Answer({"value": found.value, "id": identifier, "attributes": found.attributes, "tags": {}})

    def _configuration(self, tenant: str) -> Answer:
        if tenant != TENANT:
            return Answer({"error": "invalid_tenant", "error_description": "AADSTS90002: Tenant not found.", "error_codes": [90002]}, 400)
        base = f"{self.url}/{tenant}"
        told = {
            "issuer": f"{base}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
        }
        return Answer(told)

    def _token(self, form: dict[str, str]) -> Answer:
        app = self.app
        known = form.get("client_secret") in app.secrets or form.get("client_assertion") in app.assertions
        if form.get("client_id") != app.client_id:
            return Answer(_refused("unauthorized_client", 700016), 400)
        if not known:
            return Answer(_refused("invalid_client", 7000215), 401)
        if form.get("scope") != f"{self.resource}/.default":
            return Answer(_refused("invalid_scope", 70011), 400)
        return Answer({"token_type": "Bearer", "expires_in": app.expires_in, "access_token": self._issued()})

    def _imds(self, call: Call) -> Answer:
        """Azure's virtual machines (`Metadata: true`) and App Service (`X-IDENTITY-HEADER`) in one."""
        told = call.headers.get("x-identity-header") if "app-service" in call.path else self.identity_header
        if call.headers.get("metadata") != "true" or told != self.identity_header:
            return Answer({"error": "invalid_request"}, 400)
        if call.query.get("client_id", "") not in self.identities:
            return Answer({"error": "invalid_request", "error_description": "Identity not found"}, 400)
        expires = {"expires_in": str(self.app.expires_in), "expires_on": str(int(time.time()) + self.app.expires_in)}
        return Answer({"access_token": self._issued(), "resource": call.query["resource"], "token_type": "Bearer", **expires})

    def _issued(self) -> str:
        token = f"eyJ.{secrets.token_urlsafe(24)}"
        with self.lock:
            self.tokens.add(token)
        return token


def _error(code: str, message: str, inner: str = "") -> dict[str, Any]:
    told: dict[str, Any] = {"code": code, "message": message}
    return {"error": told | ({"innererror": {"code": inner}} if inner else {})}


def _refused(error: str, number: int) -> dict[str, Any]:
    description = f"AADSTS{number}: The request is refused. Trace ID: {uuid.uuid4()}"
    return {"error": error, "error_description": description, "error_codes": [number], "trace_id": str(uuid.uuid4())}
