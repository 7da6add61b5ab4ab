"""1Password's service accounts: its own package over a stand-in of its native core, which otherwise speaks with its cloud alone.

What was not tested against anything real: logging in, a token that was revoked, the cloud's limits. 1Password has no server to run.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import pytest

from pipeline.clock import SystemClock
from pipeline.errors import ConfigError, SecretError
from pipeline.vaults.model import SecretRef
from pipeline.vaults.onepassword_account import OnePasswordAccount
from pipeline.vaults.registry import VaultContext, open_vault
from tests.pipeline.vaults.rig import fresh_value
from tests.pipeline.vaults.said import error_of, everything_said
from tests.pipeline.vaults.stages import hidden

CONTEXT = VaultContext(SystemClock(), connect_timeout_s=0.5, read_timeout_s=0.5)
CODES = {
    "parsing": "misconfigured",
    "fieldNotFound": "not_found",
    "vaultNotFound": "not_found",
    "itemNotFound": "not_found",
    "noMatchingSections": "not_found",
    "tooManyVaults": "misconfigured",
    "tooManyItems": "misconfigured",
    "tooManyMatchingFields": "misconfigured",
    "unsupportedFileFormat": "bad_value",
    "unableToParsePrivateKey": "bad_value",
    "other": "unavailable",
}


class CoreError(Exception):
    """As the native library raises: its words as JSON in `msg`."""

    def __init__(self, **told: str) -> None:
        super().__init__()
        self.msg = json.dumps(told)


class Core:
    """The native core's interface, answered from a table by reference."""

    def __init__(self, values: dict[str, str], *, error: str = "", raises: Exception | None = None, hangs: bool = False) -> None:
        self.values, self.error, self.raises, self.hangs = values, error, raises, hangs
        self.asked: list[str] = []

    async def invoke(self, config: dict[str, Any]) -> str:
        from onepassword.errors import raise_typed_exception

        parameters = config["invocation"]["parameters"]
        assert parameters["name"] == "SecretsResolveAll"
        (place,) = parameters["parameters"]["secret_references"]
        self.asked.append(place)
        if self.hangs:
            await asyncio.Event().wait()
        if self.raises is not None:
            raise_typed_exception(self.raises)
        told: dict[str, Any] = {"content": None, "error": {"type": self.error or "itemNotFound", "message": "in words"}}
        if place in self.values and not self.error:
            told = {"content": {"secret": self.values[place], "itemId": "i", "vaultId": "v"}, "error": None}
        return json.dumps({"individualResponses": {place: told}})


def over(core: Core) -> OnePasswordAccount:
    """The adapter over the package's own client classes."""
    pytest.importorskip("onepassword", reason="1Password's package (the extra onepassword) is not installed")
    from onepassword.client import Client
    from onepassword.core import InnerClient
    from onepassword.secrets import Secrets

    async def connect() -> Any:
        client = Client()
        client.secrets = Secrets(InnerClient(1, core, {}))
        return client

    return OnePasswordAccount(connect, deadline_s=0.3)


def ref(path: str = "vault/item/field", **changes: Any) -> SecretRef:
    return SecretRef(slug="op", manager_type="onepassword", secret_path=path, **changes)


@pytest.mark.parametrize(
    ("path", "key", "place", "as_json"),
    [
        ("vault/item/field", None, "op://vault/item/field", False),
        ("op://vault/item/section/field", None, "op://vault/item/section/field", False),
        ("vault/item", None, "op://vault/item/password", False),
        ("vault/item", "api_key", "op://vault/item/api_key", True),
    ],
)
def test_a_field_is_read_by_its_place(path: str, key: str | None, place: str, as_json: bool) -> None:
    value = fresh_value()
    core = Core({place: value})
    vault = over(core)
    for _ in range(2):
        assert vault.fetch(ref(path, secret_key=key)).value == (json.dumps({key: value}) if as_json else value)
    assert core.asked == [place, place]


@pytest.mark.parametrize(("code", "reason"), CODES.items())
def test_each_error_of_the_package_has_its_reason(code: str, reason: str) -> None:
    value = fresh_value()
    error = error_of(over(Core({"op://vault/item/field": value}, error=code)), ref())
    assert error.reason == reason
    assert value not in everything_said(error)


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        (CoreError(name="RateLimitExceeded", message="canary words"), "throttled"),
        (CoreError(name="Another", message="canary words"), "unavailable"),
        (RuntimeError("canary words"), "unavailable"),
    ],
    ids=["rate-limit", "another", "broken"],
)
def test_what_the_package_says_in_words_is_not_repeated(raised: Exception, reason: str) -> None:
    core = Core({"op://vault/item/field": "v"}, raises=raised)
    vault = over(core)
    error = error_of(vault, ref())
    assert error.reason == reason
    assert "canary words" not in everything_said(error)
    core.raises = None
    assert vault.fetch(ref()).value == "v"


def test_a_cloud_that_does_not_answer_ends_at_the_deadline() -> None:
    with pytest.raises(SecretError) as failed:
        over(Core({}, hangs=True)).fetch(ref())
    assert failed.value.reason == "unavailable"


@pytest.mark.parametrize("path", ["item", "a/b/c/d/e", "a//c", "vault/ /field"])
def test_what_is_no_place_is_not_asked_for(path: str) -> None:
    with pytest.raises(SecretError) as failed:
        OnePasswordAccount(lambda: pytest.fail("asked"), deadline_s=1).fetch(ref(path))
    assert failed.value.reason == "misconfigured"


def test_a_version_is_refused_because_there_is_none() -> None:
    with pytest.raises(SecretError) as failed:
        OnePasswordAccount(lambda: pytest.fail("asked"), deadline_s=1).fetch(ref(version="3"))
    assert failed.value.reason == "misconfigured"


def opened(token: str) -> Any:
    return open_vault("onepassword", {"op_auth_mode": "serviceAccount", "op_service_account_token": hidden(token)}, CONTEXT)


def test_a_token_that_is_none_is_refused_and_not_quoted() -> None:
    token = fresh_value()
    with pytest.raises(ConfigError) as failed:
        opened(token)
    assert token not in failed.value.message + failed.value.hint


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onepassword", None)
    monkeypatch.setitem(sys.modules, "onepassword.client", None)
    with pytest.raises(ConfigError) as failed:
        opened("ops_" + fresh_value())
    assert "lockgate[onepassword]" in failed.value.hint


def test_the_real_library_refuses_a_broken_token_and_its_words_are_not_repeated() -> None:
    pytest.importorskip("onepassword", reason="1Password's package (the extra onepassword) is not installed")
    token = "ops_" + fresh_value()  # its form is wrong, which the library says without a connection
    error = error_of(opened(token), ref())
    assert error.reason == "unavailable"
    assert token not in everything_said(error)
