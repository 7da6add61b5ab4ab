"""`doppler`: Doppler over its HTTPS API (v3), with a service token or a service account's identity (OIDC).

`secret_path` is the secret's name, or `PROJECT/CONFIG/NAME`; a service token knows its project and config itself. The value is the
computed one, with references to other secrets resolved. Doppler keeps no versions of one secret that could be read, so none can be
pinned. Its Python client (doppler-sdk) is not used: it has no time-outs, and drops the statuses that the error taxonomy needs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from pipeline.clock import Clock
from pipeline.vaults import failures
from pipeline.vaults.auth import mode_of, text_of
from pipeline.vaults.failures import Failure, given
from pipeline.vaults.identity_file import IdentityFile, identity_file
from pipeline.vaults.model import Fetched, SecretRef
from pipeline.vaults.registry import VaultContext
from pipeline.vaults.rest import Rest, Said, by_status, micros_of, odd
from pipeline.vaults.tokens import Grant, Login, Tokens

_PATH: Final = re.compile(
    r"(?:(?P<project>[A-Za-z0-9_][A-Za-z0-9_.-]{0,254})/(?P<config>[A-Za-z0-9_][A-Za-z0-9_.-]{0,254})/)?(?P<name>[A-Za-z_][A-Za-z0-9_]{0,199})"
)
_API: Final = "https://api.doppler.com"
_MISSING: Final = "Check secret_path, doppler_project and doppler_config."
_DENIED: Final = "Give the token access to this config."


class Doppler:
    """Doppler's API with one credential. Thread-safe."""

    def __init__(self, rest: Rest, tokens: Tokens, *, project: str | None, config: str | None) -> None:
        self._rest = rest
        self._tokens = tokens
        self._project = project
        self._config = config

    def fetch(self, ref: SecretRef) -> Fetched:
        """Read the value that the secret has now."""
        return given(self._answer(ref))

    def _answer(self, ref: SecretRef) -> Fetched | Failure:
        told = _PATH.fullmatch(ref.secret_path)
        if told is None:
            return failures.misconfigured(ref.slug, "secret_path of doppler is NAME or PROJECT/CONFIG/NAME")
        if ref.version is not None:
            return failures.misconfigured(ref.slug, "Doppler has no versions to pin", "Leave version out.")
        place = {"project": told["project"] or self._project, "config": told["config"] or self._config, "name": told["name"]}
        params = {name: value for name, value in place.items() if value}
        said = self._tokens.asked(
            ref, lambda token: self._rest.ask(ref, "GET", "v3", "configs", "config", "secret", token=token, params=params)
        )
        if isinstance(said, Failure):
            return said
        if said.status != 200:
            return by_status(ref, said.status, missing=_MISSING, denied=_DENIED)
        return _fetched(ref, said)


def _fetched(ref: SecretRef, said: Said) -> Fetched | Failure:
    value = said.at("value", "computed")
    if isinstance(value, str):
        return Fetched(value)
    if isinstance(said.at("value"), dict):
        return failures.denied(ref.slug, "The secret's visibility is restricted for this token: use a service token of its config.")
    return odd(ref, "doppler_api_host")


def _with_identity(rest: Rest, clock: Clock, identity: str, file: IdentityFile, ref: SecretRef) -> Grant | Failure:
    """Exchange the mounted OIDC token for a token of the service account."""
    mounted = file.token(ref.slug)
    if isinstance(mounted, Failure):
        return mounted
    said = rest.ask(ref, "POST", "v3", "auth", "oidc", sent={"identity": identity, "token": mounted})
    if isinstance(said, Failure):
        return said
    token = said.at("token")
    if said.status in (400, 401, 403, 404):
        return failures.unauthenticated(ref.slug, "Doppler refuses the identity: check doppler_identity_id and the token's claims.")
    if said.status != 200:
        return by_status(ref, said.status, missing=_MISSING, denied=_DENIED)
    if not isinstance(token, str) or not token:
        return odd(ref, "doppler_api_host")
    ends_us = micros_of(said.at("expires_at"))
    return Grant(token, max(1.0, (ends_us - clock.now_us()) / 1_000_000) if ends_us else 0.0)


def open_doppler(auth_config: Mapping[str, Any], context: VaultContext) -> Doppler:
    """Make the adapter. Makes no call."""
    rest = Rest(
        text_of(auth_config, "doppler_api_host") or _API,
        ca_file=text_of(auth_config, "doppler_ca_cert"),
        context=context,
        named="doppler_api_host",
        ca_named="doppler_ca_cert",
    )
    login: Login
    if mode_of("doppler", auth_config) == "identity":
        file = identity_file(text_of(auth_config, "doppler_oidc_token_file") or "", context)
        login = partial(_with_identity, rest, context.clock, text_of(auth_config, "doppler_identity_id") or "", file)
    else:
        login = partial(_as_it_is, Grant(text_of(auth_config, "doppler_token") or ""))
    project, config = text_of(auth_config, "doppler_project"), text_of(auth_config, "doppler_config")
    return Doppler(rest, Tokens(login, context.clock), project=project, config=config)


def _as_it_is(grant: Grant, _ref: SecretRef) -> Grant:
    return grant
