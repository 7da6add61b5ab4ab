"""Who may in at the Vault-shaped server: tokens with their lives, AppRole, JWT and Kubernetes, certificates, wrapped answers, leases."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.servers.tokens import claims_of
from tests.servers.vault_state import FOREVER, Engine, Lease, Namespace, RefusedError, Role, Token, Wrap


@dataclass
class Credentials:
    """Tokens, leases and wraps. `now` gives seconds, so that a test can let time pass."""

    now: Callable[[], float] = time.monotonic
    tokens: dict[str, Token] = field(default_factory=dict)
    leases: dict[str, Lease] = field(default_factory=dict)
    wraps: dict[str, Wrap] = field(default_factory=dict)

    def issue(self, namespace: str, policies: tuple[str, ...], ttl: int = 0, *, renewable: bool = False, max_ttl: int = 0) -> str:
        value = "hvs." + secrets.token_hex(12)
        now = self.now()
        ends = now + max_ttl if max_ttl else FOREVER
        self.tokens[value] = Token(namespace, policies, ttl, renewable, min(now + ttl, ends) if ttl else FOREVER, ends)
        return value

    def token(self, value: str, namespace: str) -> Token:
        token = self.tokens.get(value)
        if token is None or token.expires <= self.now() or not namespace.startswith(token.namespace):
            raise RefusedError(403, ("permission denied", "invalid token"))
        return token

    def look_up(self, token: Token) -> dict[str, Any]:
        left = 0 if token.expires == FOREVER else max(0, round(token.expires - self.now()))
        return {"ttl": left, "renewable": token.renewable, "policies": list(token.policies), "num_uses": 0}

    def renew(self, value: str) -> dict[str, Any]:
        token = self.tokens[value]
        if not token.renewable:
            raise RefusedError(400, ("lease is not renewable",))
        token.expires = min(self.now() + token.ttl, token.ends)
        return {"client_token": value, "lease_duration": round(token.expires - self.now()), "renewable": True}

    def revoke(self, value: str) -> None:
        """A token, and with it what was leased by it."""
        del self.tokens[value]
        self.leases = {name: lease for name, lease in self.leases.items() if lease.token != value}

    def logged_in(self, namespace: str, policies: tuple[str, ...], ttl: int, max_ttl: int = 0) -> dict[str, Any]:
        value = self.issue(namespace, policies, ttl, renewable=True, max_ttl=max_ttl)
        return {"client_token": value, "lease_duration": ttl, "renewable": True, "policies": list(policies)}

    def lease(self, path: str, engine: Engine, token: str) -> dict[str, Any]:
        value, name = "made" + secrets.token_hex(16), f"{path}/{secrets.token_hex(12)}"
        engine.made.append(value)
        self.leases[name] = Lease(value, token, engine, self.now() + engine.ttl, self.now() + engine.max_ttl)
        return {"lease_id": name, "lease_duration": engine.ttl, "renewable": engine.renewable, "data": {"api_key": value, "owner": "us"}}

    def renew_lease(self, name: str, increment: int) -> dict[str, Any]:
        lease = self._lease(name)
        if lease is None or not lease.engine.renewable:
            raise RefusedError(400, ("lease not found or lease is not renewable",))
        lease.expires = min(self.now() + (increment or lease.engine.ttl), lease.ends)
        return {"lease_id": name, "lease_duration": round(lease.expires - self.now()), "renewable": True}

    def look_up_lease(self, name: str) -> dict[str, Any]:
        lease = self._lease(name)
        if lease is None:
            raise RefusedError(400, ("invalid lease",))
        return {"data": {"id": name, "renewable": lease.engine.renewable, "ttl": round(lease.expires - self.now())}}

    def is_alive(self, value: str) -> bool:
        """Whether a leased credential works."""
        return any(lease.value == value and self._lease(name) is not None for name, lease in tuple(self.leases.items()))

    def _lease(self, name: str) -> Lease | None:
        lease = self.leases.get(name)
        owner = self.tokens.get(lease.token) if lease is not None else None
        alive = lease is not None and owner is not None and min(lease.expires, owner.expires) > self.now()
        return lease if alive else None

    def wrap(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        token = "hvs.wrap" + secrets.token_hex(12)
        self.wraps[token] = Wrap(path, body)
        return {"wrap_info": {"token": token, "ttl": 120, "creation_path": path}, "data": None}

    def look_up_wrap(self, token: str) -> dict[str, Any]:
        wrap = self.wraps.get(token)
        if wrap is None:
            raise RefusedError(400, ("wrapping token is not valid or does not exist",))
        return {"data": {"creation_path": wrap.creation_path, "creation_ttl": 120}}

    def unwrap(self, token: str) -> dict[str, Any]:
        wrap = self.wraps.pop(token, None)
        if wrap is None:
            raise RefusedError(400, ("wrapping token is not valid or does not exist",))
        return wrap.body


def log_in(held: Credentials, mount: str, name: str, namespace: Namespace, body: dict[str, Any], common_name: str) -> dict[str, Any]:
    """A login at `auth/MOUNT/login`: by what the body (or the certificate) shows."""
    if "role_id" in body:
        return _by_approle(held, name, namespace, body)
    if "jwt" in body:
        claims = claims_of(body["jwt"], namespace.keys.get(mount, ""))
        role = namespace.identities.get((mount, body.get("role", "")))
        if claims is None or role is None or claims["sub"] != role.who:
            raise RefusedError(403 if mount == "kubernetes" else 400, ("permission denied",))
        return held.logged_in(name, role.policies, role.token_ttl)
    for (at, role_name), role in namespace.identities.items():
        if at == mount and common_name and role.who == common_name and body.get("name", role_name) == role_name:
            return held.logged_in(name, role.policies, role.token_ttl)
    raise RefusedError(400, ("invalid certificate or no client certificate supplied",))


def _by_approle(held: Credentials, name: str, namespace: Namespace, body: dict[str, Any]) -> dict[str, Any]:
    for role in namespace.roles.values():
        left = role.secret_ids.get(body.get("secret_id", ""))
        if role.role_id == body.get("role_id") and left is not None:
            if left == 1:
                del role.secret_ids[body["secret_id"]]
            elif left:
                role.secret_ids[body["secret_id"]] = left - 1
            return held.logged_in(name, role.policies, role.token_ttl, role.token_max_ttl)
    raise RefusedError(400, ("invalid role or secret ID",))


def made_secret_id(role: Role, uses: int = 0) -> str:
    """A new secret id of a role, good for `uses` logins (0: any number)."""
    secret_id = secrets.token_hex(16)
    role.secret_ids[secret_id] = uses
    return secret_id
