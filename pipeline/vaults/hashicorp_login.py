"""Vault's ways in: AppRole (with the secret id or a wrapped one), Kubernetes, JWT, TLS certificate. Each gives Vault's answer to a login.

Endpoints: `auth/MOUNT/login` of each method, `sys/wrapping/lookup` and `sys/wrapping/unwrap` (HashiCorp Vault's API documentation).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final, Protocol

from pipeline.errors import ConfigError
from pipeline.vaults import failures
from pipeline.vaults.auth import mode_of, text_of
from pipeline.vaults.failures import Failure
from pipeline.vaults.hashicorp_wire import Answer, Refusal, Wire
from pipeline.vaults.identity_file import identity_file
from pipeline.vaults.registry import VaultContext

log = logging.getLogger("lockgate.secrets")

SERVICE_ACCOUNT_TOKEN: Final = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 - a path
"""Where Kubernetes puts a pod's own token."""


class Login(Protocol):
    """One way in. `repeatable`: what it shows at the door is good more than once."""

    @property
    def repeatable(self) -> bool:
        """Whether Vault may be asked for another token while one is good."""
        ...

    def ask(self, wire: Wire, slug: str) -> dict[str, Any] | Failure:
        """Log in: Vault's answer, with its `auth`; `unauthenticated` when Vault refuses."""
        ...


@dataclass(frozen=True, slots=True)
class AppRole:
    """A role id and a secret id."""

    role_id: str
    secret_id: str = field(repr=False)
    mount: str
    repeatable: bool = True

    def ask(self, wire: Wire, slug: str) -> dict[str, Any] | Failure:
        """Log in with both."""
        answer = wire.ask(
            slug,
            lambda: wire.stranger.auth.approle.login(
                role_id=self.role_id, secret_id=self.secret_id, mount_point=self.mount, use_token=False
            ),
        )
        return _opened(answer, slug, "Vault refuses the AppRole: check vault_role_id, vault_secret_id and vault_auth_mount.")


class WrappedAppRole:
    """A role id and a response-wrapped secret id: a token that is good for one unwrapping, which shows when somebody was there before.

    Where the wrap came from is asked first, so that a wrap made by somebody else for another purpose is not opened. What was inside
    is kept for as long as this adapter lives; a secret id that is good for one login is used up with the first.
    """

    repeatable: Final = False

    def __init__(self, role_id: str, wrapped: str, mount: str, *, may_use_up: bool = True) -> None:
        self._may_use_up = may_use_up
        self._role_id = role_id
        self._wrapped = wrapped
        self._mount = mount
        self._lock = threading.Lock()
        self._inside: AppRole | None = None

    def ask(self, wire: Wire, slug: str) -> dict[str, Any] | Failure:
        """Unwrap once, then log in as any AppRole does."""
        with self._lock:
            if self._inside is None:
                secret_id = self._unwrap(wire, slug)
                if isinstance(secret_id, Failure):
                    return secret_id
                self._inside = AppRole(self._role_id, secret_id, self._mount)
        return self._inside.ask(wire, slug)

    def _unwrap(self, wire: Wire, slug: str) -> str | Failure:
        looked = wire.ask(slug, lambda: wire.stranger.adapter.post("/v1/sys/wrapping/lookup", json={"token": self._wrapped}))
        if isinstance(looked, Refusal):
            return _used_up(slug) if looked.final else looked.failure
        told = looked.get("data")
        path = told.get("creation_path") if isinstance(told, dict) else None
        if not isinstance(path, str) or not fnmatchcase(path, f"auth/{self._mount}/role/*/secret-id"):
            log.error("a wrapped secret id was not wrapped by its own AppRole: it may have been replaced", extra={"reference": slug})
            return failures.unauthenticated(slug, "The wrapping token in vault_secret_id does not wrap a secret id of vault_auth_mount.")
        if not self._may_use_up:
            return failures.untried(slug)
        opened = wire.ask(
            slug, lambda: wire.stranger.adapter.post("/v1/sys/wrapping/unwrap", headers={"X-Vault-Token": self._wrapped}, json={})
        )
        if isinstance(opened, Refusal):
            return _used_up(slug) if opened.final else opened.failure
        data = opened.get("data")
        secret_id = data.get("secret_id") if isinstance(data, dict) else None
        return secret_id if isinstance(secret_id, str) else failures.unavailable(slug, "Vault's answer to the unwrapping is not one.")


def _used_up(slug: str) -> Failure:
    log.error(
        "a wrapped secret id was opened before or is too old: if nobody of yours opened it, it was intercepted", extra={"reference": slug}
    )
    return failures.unauthenticated(
        slug,
        "The wrapping token in vault_secret_id was opened before or has expired. If nobody of yours opened it, revoke the secret id "
        "it held; then wrap a new one. It is good for one process and one start.",
    )


@dataclass(frozen=True, slots=True)
class JwtLogin:
    """A role and a signed token, read for each login: Kubernetes' and any other issuer's (both logins have the same form)."""

    role: str
    mount: str
    token: Callable[[str], str | Failure] = field(repr=False)
    repeatable: bool = True

    def ask(self, wire: Wire, slug: str) -> dict[str, Any] | Failure:
        """Log in with the token of now."""
        token = self.token(slug)
        if isinstance(token, Failure):
            return token
        answer = wire.ask(
            slug,
            lambda: wire.stranger.auth.kubernetes.login(role=self.role, jwt=token, mount_point=self.mount, use_token=False),
        )
        return _opened(
            answer,
            slug,
            "Vault refuses the JWT: check vault_role and its bounds, vault_auth_mount, and this machine's clock against Vault's.",
        )


@dataclass(frozen=True, slots=True)
class CertificateLogin:
    """The certificate that the wire shows; `role` "" lets Vault find the role that fits."""

    role: str
    mount: str
    repeatable: bool = True

    def ask(self, wire: Wire, slug: str) -> dict[str, Any] | Failure:
        """Log in with what TLS has shown."""
        body = {"name": self.role} if self.role else {}
        answer = wire.ask(slug, lambda: wire.stranger.adapter.post(f"/v1/auth/{self.mount}/login", json=body))
        return _opened(answer, slug, "Vault refuses the certificate: check vault_client_cert, vault_role and vault_auth_mount.")


def _opened(answer: Answer, slug: str, hint: str) -> dict[str, Any] | Failure:
    if isinstance(answer, Refusal):
        return failures.unauthenticated(slug, hint) if answer.final else answer.failure
    return answer


def login_of(auth_config: Mapping[str, Any], context: VaultContext) -> Login | None:
    """The way in that `auth_config` describes; None for a token, which is in already. Makes no call, reads no file."""
    mode = mode_of("hashicorp_vault", auth_config)
    mount = (text_of(auth_config, "vault_auth_mount") or mode).strip("/")
    role = text_of(auth_config, "vault_role") or ""
    match mode:
        case "approle":
            role_id, secret_id = text_of(auth_config, "vault_role_id") or "", text_of(auth_config, "vault_secret_id") or ""
            wrapped = auth_config.get("vault_secret_id_wrapped", False)
            if not isinstance(wrapped, bool):
                raise ConfigError("auth_config.vault_secret_id_wrapped must be true or false.")
            if wrapped:
                return WrappedAppRole(role_id, secret_id, mount, may_use_up=context.may_use_up)
            return AppRole(role_id, secret_id, mount)
        case "kubernetes":
            file = identity_file(text_of(auth_config, "vault_jwt_file") or SERVICE_ACCOUNT_TOKEN, context)
            return JwtLogin(role, mount, file.token)
        case "jwt":
            return JwtLogin(role, mount, _jwt(auth_config, context))
        case "cert":
            if not (text_of(auth_config, "vault_addr") or "").startswith("https://"):
                raise ConfigError("auth_config.vault_addr must begin with https:// to show a certificate.")
            return CertificateLogin(role, mount)
        case _:
            return None


def _jwt(auth_config: Mapping[str, Any], context: VaultContext) -> Callable[[str], str | Failure]:
    written, path = text_of(auth_config, "vault_jwt"), text_of(auth_config, "vault_jwt_file")
    if (written is None) == (path is None):
        raise ConfigError("auth_config of hashicorp_vault by jwt wants exactly one of vault_jwt and vault_jwt_file.")
    if path is not None:
        return identity_file(path, context).token
    return lambda _slug: written or ""
