"""1Password with a service account, through 1Password's own package (onepassword-sdk, the extra `onepassword`).

`secret_path` is as with Connect (`pipeline.vaults.onepassword`), resolved as `op://VAULT/ITEM[/SECTION]/FIELD`; without a field it is
`password`, with `secret_key` that field. There is no version: 1Password's package tells none.

The package is a native library that speaks an end-to-end encrypted protocol with 1Password's cloud alone. It names what is wrong with a
reference, and a rate limit; whatever else it says is words, which are not looked at: a token that was revoked is `unavailable`, as a cloud
that is away is. A read that takes too long is left to end in the library's own threads; ours is given back.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from pipeline.errors import ConfigError
from pipeline.vaults import failures
from pipeline.vaults.auth import text_of
from pipeline.vaults.failures import Failure, given
from pipeline.vaults.model import Fetched, SecretRef
from pipeline.vaults.registry import VaultContext
from pipeline.version import VERSION

Connect = Callable[[], Awaitable[Any]]
"""Gives the package's client, logged in."""

_ABSENT: Final = frozenset({"fieldNotFound", "vaultNotFound", "itemNotFound", "noMatchingSections", "fileNotFound"})
_SEVERAL: Final = frozenset({"tooManyVaults", "tooManyItems", "tooManyMatchingFields"})
_BEGINS: Final = "ops_"
"""How every service account's token begins."""


class OnePasswordAccount:
    """One service account. Logs in with the first read; a client that failed is made anew by the next one."""

    def __init__(self, connect: Connect, *, deadline_s: float) -> None:
        self._connect = connect
        self._deadline_s = deadline_s
        self._client: Any = None

    def fetch(self, ref: SecretRef) -> Fetched:
        """Read one field."""
        return given(self._answer(ref))

    def _answer(self, ref: SecretRef) -> Fetched | Failure:
        if ref.version is not None:
            return failures.misconfigured(ref.slug, "1Password's service accounts read the newest version alone", "Leave version out.")
        path = ref.secret_path.removeprefix("op://").split("/")
        if not 2 <= len(path) <= 4 or not all(segment.strip() and segment.isprintable() for segment in path):
            return failures.misconfigured(ref.slug, "secret_path of onepassword is VAULT/ITEM[/[SECTION/]FIELD]")
        by_key = len(path) == 2 and ref.secret_key is not None
        if len(path) == 2:
            path.append(ref.secret_key or "password")
        place = "op://" + "/".join(path)
        told = self._ask(ref, place)
        if isinstance(told, Failure):
            return told
        return Fetched(json.dumps({ref.secret_key: told}) if by_key else told)

    def _ask(self, ref: SecretRef, place: str) -> str | Failure:
        try:
            answer = asyncio.run(asyncio.wait_for(self._resolve(place), self._deadline_s))
        except TimeoutError:
            return failures.unavailable(ref.slug, f"1Password did not answer within {self._deadline_s:g} s.")
        except Exception as error:  # noqa: BLE001 - boundary: the package raises bare Exceptions whose texts may quote what it was given
            self._client = None
            if type(error).__name__ == "RateLimitExceededException":
                return failures.throttled(ref.slug)
            return failures.unavailable(ref.slug, "1Password cannot be reached, or does not take op_service_account_token any more.")
        return _value_of(ref, answer)

    async def _resolve(self, place: str) -> Any:
        client = self._client
        if client is None:
            client = self._client = await self._connect()
        answer = await client.secrets.resolve_all([place])
        return answer.individual_responses.get(place)


def _value_of(ref: SecretRef, answer: Any) -> str | Failure:
    secret = getattr(getattr(answer, "content", None), "secret", None)
    if isinstance(secret, str):
        return secret
    kind = getattr(getattr(answer, "error", None), "type", "")
    code = str(getattr(kind, "value", kind))
    if code in _ABSENT:
        return failures.not_found(ref.slug, "Check the vault, the item and the field in secret_path, and what the account may read.")
    if code in _SEVERAL:
        return failures.misconfigured(ref.slug, "more than one vault, item or field has the name in secret_path", "Write its identifier.")
    if code == "parsing":
        return failures.misconfigured(ref.slug, "secret_path of onepassword is VAULT/ITEM[/[SECTION/]FIELD]")
    if code in ("", "other"):
        return failures.unavailable(ref.slug, "The answer is not one that 1Password gives.")
    return failures.bad_value(ref.slug, "1Password cannot give that field as text", "Name a field that holds a key.")


def open_account(auth_config: Mapping[str, Any], context: VaultContext) -> OnePasswordAccount:
    """Make the adapter. Imports 1Password's package (a native library); makes no call. ConfigError without it, or for no such token."""
    token = text_of(auth_config, "op_service_account_token") or ""
    if not token.startswith(_BEGINS):
        raise ConfigError("auth_config.op_service_account_token is not a service account's token.", hint=f"Those begin with {_BEGINS}.")
    try:
        from onepassword.client import Client
    except ImportError:
        client: Any = None
    else:
        client = Client
    if client is None:
        raise ConfigError(
            "Service accounts of onepassword need 1Password's package, which is not installed.", hint="pip install 'lockgate[onepassword]'"
        )

    async def connect() -> Any:
        return await client.authenticate(auth=token, integration_name="Lockgate", integration_version=f"v{VERSION}")

    return OnePasswordAccount(connect, deadline_s=context.connect_timeout_s + context.read_timeout_s)
