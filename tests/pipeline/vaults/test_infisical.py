"""Infisical: folders and versions, both endpoints, and the machine identity's token."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pipeline.vaults.model import SecretRef, Vault
from pipeline.vaults.registry import VaultContext, open_vault
from tests.pipeline.vaults.cloud_stages import infisical_auth
from tests.pipeline.vaults.rig import Clock, fresh_value
from tests.pipeline.vaults.test_plain_https import refused
from tests.servers.infisical import InfisicalServer

LOGIN = "POST /api/v1/auth/universal-auth/login"


@pytest.fixture
def infisical() -> Iterator[InfisicalServer]:
    with InfisicalServer() as server:
        yield server


def opened(server: InfisicalServer, clock: Clock | None = None, **changes: Any) -> Vault:
    context = VaultContext(clock or Clock(), connect_timeout_s=10.0, read_timeout_s=10.0)
    return open_vault("infisical", infisical_auth(server, **changes), context)


def ref(path: str = "OPENAI", **changes: Any) -> SecretRef:
    return SecretRef(slug="openai-prod", manager_type="infisical", secret_path=path, **changes)


@pytest.mark.parametrize("has_v4", [True, False], ids=["v4", "v3"])
@pytest.mark.parametrize(("path", "folder"), [("OPENAI", "/"), ("/OPENAI", "/"), ("llm/eu/OPENAI", "/llm/eu"), ("/llm/OPENAI", "/llm")])
def test_a_secret_is_found_in_its_folder(infisical: InfisicalServer, has_v4: bool, path: str, folder: str) -> None:
    infisical.has_v4 = has_v4
    value = fresh_value()
    infisical.put("OPENAI", value, folder)
    found = opened(infisical).fetch(ref(path))
    assert (found.value, found.version) == (value, "1")
    assert found.created_us > 1_700_000_000_000_000


def test_an_older_release_is_asked_by_its_own_endpoint_from_then_on(infisical: InfisicalServer) -> None:
    infisical.has_v4 = False
    infisical.put("OPENAI", fresh_value())
    vault = opened(infisical)
    for _ in range(3):
        vault.fetch(ref())
    assert infisical.requests["GET /api/v4/secrets/OPENAI"] == 1
    assert infisical.requests["GET /api/v3/secrets/raw/OPENAI"] == 3


def test_a_secret_that_is_not_there_is_no_older_release(infisical: InfisicalServer) -> None:
    assert refused(opened(infisical), ref("ABSENT")).reason == "not_found"
    assert infisical.requests["GET /api/v3/secrets/raw/ABSENT"] == 0


def test_a_value_that_the_identity_may_not_see_is_denied(infisical: InfisicalServer) -> None:
    infisical.put("OPENAI", fresh_value())
    infisical.hides = True
    failed = refused(opened(infisical), ref())
    assert failed.reason == "denied"
    assert "Read Value" in failed.hint


def test_a_version_is_a_number(infisical: InfisicalServer) -> None:
    assert refused(opened(infisical), ref(version="latest")).reason == "misconfigured"
    assert not infisical.requests


def test_the_token_is_fetched_once_and_renewed_at_two_thirds_of_its_life(infisical: InfisicalServer) -> None:
    clock, value = Clock(), fresh_value()
    infisical.put("OPENAI", value)
    infisical.expires_in = 900
    vault = opened(infisical, clock)
    for seconds, logins in ((0, 1), (599, 1), (1, 2), (599, 2), (1, 3)):
        clock.advance(seconds)
        assert vault.fetch(ref()).value == value
        assert infisical.requests[LOGIN] == logins


def test_a_token_that_is_refused_is_fetched_anew_and_then_the_refusal_counts(infisical: InfisicalServer) -> None:
    value = fresh_value()
    infisical.put("OPENAI", value)
    vault = opened(infisical)
    vault.fetch(ref())
    infisical.tokens.clear()
    assert vault.fetch(ref()).value == value
    assert infisical.requests[LOGIN] == 2
    infisical.tokens.clear()
    infisical.client_secret = "another"
    assert refused(vault, ref()).reason == "unauthenticated"


def test_threads_that_come_at_once_log_in_once(infisical: InfisicalServer) -> None:
    value = fresh_value()
    infisical.put("OPENAI", value)
    vault = opened(infisical)
    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(lambda _: vault.fetch(ref()).value, range(64))) == {value}
    assert infisical.requests[LOGIN] == 1


@pytest.mark.parametrize(
    ("switch", "reason"),
    [({"status": 429}, "throttled"), ({"status": 503}, "unavailable"), ({"drops": True}, "unavailable"), ({"broken": True}, "unavailable")],
    ids=str,
)
def test_a_login_that_finds_nobody_is_no_refusal(infisical: InfisicalServer, switch: dict[str, Any], reason: str) -> None:
    infisical.put("OPENAI", fresh_value())
    infisical.faulty = "/api/v1/auth"
    for name, value in switch.items():
        setattr(infisical, name, value)
    assert refused(opened(infisical), ref()).reason == reason
