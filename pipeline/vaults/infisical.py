"""`infisical`: Infisical over its HTTPS API, cloud or self-hosted, with a machine identity's universal auth.

`secret_path` is `[/FOLDER/...]/NAME`; project and environment are fields of `auth_config`. The endpoint is that of version 4; an
instance that does not have it yet is asked by version 3. Infisical's Python client (infisicalsdk) is not used: it keeps values in a
cache of its own, has no time-outs, and sleeps between up to four further attempts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from pipeline.vaults import failures
from pipeline.vaults.auth import text_of
from pipeline.vaults.failures import Failure, given
from pipeline.vaults.model import Fetched, SecretRef
from pipeline.vaults.registry import VaultContext
from pipeline.vaults.rest import Rest, Said, by_status, micros_of, odd
from pipeline.vaults.tokens import Grant, Tokens

_FOLDER: Final = re.compile(r"[A-Za-z0-9_-]{1,255}")
_NAME: Final = re.compile(r"[^/\\?#%\s\x00-\x1f]{1,255}")
_CLOUD: Final = "https://app.infisical.com"
_MISSING: Final = "Check secret_path, infisical_project_id, infisical_environment and the version."
_DENIED: Final = "Give the machine identity a role in the project that may read the values of this folder's secrets."
_UNKNOWN_ROUTE: Final = "Not Found"
"""The `error` of a 404 by the web framework (Fastify); a secret that is not there has Infisical's own code, `NotFound`."""


class Infisical:
    """One Infisical instance with one machine identity. Thread-safe."""

    def __init__(self, rest: Rest, tokens: Tokens, *, project: str, environment: str) -> None:
        self._rest = rest
        self._tokens = tokens
        self._project = project
        self._environment = environment
        self._has_v4 = True

    def fetch(self, ref: SecretRef) -> Fetched:
        """Read the newest version, or the pinned one."""
        return given(self._answer(ref))

    def _answer(self, ref: SecretRef) -> Fetched | Failure:
        *folders, name = ref.secret_path.removeprefix("/").split("/")
        if not _NAME.fullmatch(name) or name in (".", "..") or not all(map(_FOLDER.fullmatch, folders)):
            return failures.misconfigured(ref.slug, "secret_path of infisical is [/FOLDER/...]/NAME")
        if ref.version is not None and not ref.version.isdecimal():
            return failures.misconfigured(ref.slug, "a version of Infisical is a number")
        said = self._tokens.asked(ref, lambda token: self._asked(ref, token, name, "/" + "/".join(folders)))
        if isinstance(said, Failure):
            return said
        if said.status != 200:
            return by_status(ref, said.status, missing=_MISSING, denied=_DENIED)
        return _fetched(ref, said)

    def _asked(self, ref: SecretRef, token: str, name: str, folder: str) -> Said | Failure:
        params = {
            "environment": self._environment,
            "secretPath": folder,
            "type": "shared",
            "viewSecretValue": "true",
            "expandSecretReferences": "true",
        } | ({"version": ref.version} if ref.version is not None else {})
        if self._has_v4:
            newest = params | {"projectId": self._project, "includeImports": "true"}
            said = self._rest.ask(ref, "GET", "api", "v4", "secrets", name, token=token, params=newest)
            if isinstance(said, Failure) or said.status != 404 or said.at("error") != _UNKNOWN_ROUTE:
                return said
            self._has_v4 = False
        older = params | {"workspaceId": self._project, "include_imports": "true"}
        return self._rest.ask(ref, "GET", "api", "v3", "secrets", "raw", name, token=token, params=older)


def _fetched(ref: SecretRef, said: Said) -> Fetched | Failure:
    value, version = said.at("secret", "secretValue"), said.at("secret", "version")
    if said.at("secret", "secretValueHidden") is True:
        return failures.denied(ref.slug, "The machine identity may see that the secret exists and not its value: allow Read Value.")
    if not isinstance(value, str):
        return odd(ref, "infisical_site_url")
    # `createdAt` is of the secret, `updatedAt` of this version.
    return Fetched(value, str(version if isinstance(version, int) else ""), micros_of(said.at("secret", "updatedAt")))


def _login(rest: Rest, client_id: str, client_secret: str, ref: SecretRef) -> Grant | Failure:
    sent = {"clientId": client_id, "clientSecret": client_secret}
    said = rest.ask(ref, "POST", "api", "v1", "auth", "universal-auth", "login", sent=sent)
    if isinstance(said, Failure):
        return said
    if said.status in (400, 401, 403, 404, 422):
        return failures.unauthenticated(
            ref.slug, "Infisical refuses the machine identity: check infisical_client_id and infisical_client_secret, and its trusted IPs."
        )
    if said.status != 200:
        return by_status(ref, said.status, missing=_MISSING, denied=_DENIED)
    token, ttl_s = said.at("accessToken"), said.at("expiresIn")
    if not isinstance(token, str) or not token:
        return odd(ref, "infisical_site_url")
    return Grant(token, float(ttl_s) if isinstance(ttl_s, int | float) else 0.0)


def open_infisical(auth_config: Mapping[str, Any], context: VaultContext) -> Infisical:
    """Make the adapter. Makes no call."""
    rest = Rest(
        text_of(auth_config, "infisical_site_url") or _CLOUD,
        ca_file=text_of(auth_config, "infisical_ca_cert"),
        context=context,
        named="infisical_site_url",
        ca_named="infisical_ca_cert",
    )
    client_id, client_secret = text_of(auth_config, "infisical_client_id") or "", text_of(auth_config, "infisical_client_secret") or ""

    def login(ref: SecretRef) -> Grant | Failure:  # a partial would show its arguments
        return _login(rest, client_id, client_secret, ref)

    return Infisical(
        rest,
        Tokens(login, context.clock),
        project=text_of(auth_config, "infisical_project_id") or "",
        environment=text_of(auth_config, "infisical_environment") or "",
    )
