"""Doppler: places, tokens and identities, and what a restricted secret says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.clock import SystemClock
from pipeline.vaults.model import SecretRef, Vault
from pipeline.vaults.registry import VaultContext, open_vault
from tests.pipeline.vaults.cloud_stages import doppler_auth
from tests.pipeline.vaults.rig import Clock, fresh_value
from tests.pipeline.vaults.test_plain_https import refused
from tests.servers.doppler import CONFIG, IDENTITY, PROJECT, DopplerServer


@pytest.fixture
def doppler() -> Iterator[DopplerServer]:
    with DopplerServer() as server:
        yield server


def opened(server: DopplerServer, clock: Any = None, roots: tuple[Path, ...] = (), **changes: Any) -> Vault:
    context = VaultContext(clock or SystemClock(), file_roots=roots, connect_timeout_s=10.0, read_timeout_s=10.0)
    return open_vault("doppler", doppler_auth(server, **changes), context)


def ref(path: str = "OPENAI", **changes: Any) -> SecretRef:
    return SecretRef(slug="openai-prod", manager_type="doppler", secret_path=path, **changes)


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("OPENAI", {}),
        (f"{PROJECT}/{CONFIG}/OPENAI", {}),
        ("OPENAI", {"doppler_project": PROJECT, "doppler_config": CONFIG}),
        (f"{PROJECT}/{CONFIG}/OPENAI", {"doppler_project": "another", "doppler_config": "dev"}),
    ],
)
def test_a_secret_is_found_however_its_place_is_written(doppler: DopplerServer, path: str, changes: dict[str, str]) -> None:
    value = fresh_value()
    doppler.put("OPENAI", value)
    assert opened(doppler, **changes).fetch(ref(path)).value == value


def test_a_service_token_of_another_config_is_denied(doppler: DopplerServer) -> None:
    doppler.put("OPENAI", fresh_value())
    assert refused(opened(doppler), ref(f"{PROJECT}/dev/OPENAI")).reason == "denied"


def test_a_restricted_secret_is_denied(doppler: DopplerServer) -> None:
    doppler.put("OPENAI", fresh_value())
    doppler.restricted = True
    failed = refused(opened(doppler), ref())
    assert failed.reason == "denied"
    assert "restricted" in failed.hint


def test_a_version_cannot_be_pinned(doppler: DopplerServer) -> None:
    doppler.put("OPENAI", fresh_value())
    assert refused(opened(doppler), ref(version="1")).reason == "misconfigured"
    assert not doppler.requests


def by_identity(server: DopplerServer, mounted: Path, clock: Any = None) -> Vault:
    told = {"doppler_auth_mode": "identity", "doppler_identity_id": IDENTITY, "doppler_oidc_token_file": str(mounted)}
    place = {"doppler_project": PROJECT, "doppler_config": CONFIG}
    return opened(server, clock, (mounted.parent,), **told, **place, doppler_token=None)


def test_an_identitys_token_is_fetched_once_and_renewed_before_it_ends(doppler: DopplerServer, tmp_path: Path) -> None:
    mounted, value, clock = tmp_path / "token", fresh_value(), Clock()
    mounted.write_text(f"{fresh_value()}\n")
    doppler.assertions.add(mounted.read_text().strip())
    doppler.put("OPENAI", value)
    # the stand-in tells the end by the machine's clock, the adapter reckons by its own: 1,000 s of that are left here
    doppler.lives_s = clock.now_us() / 1_000_000 + 1_000 - _now_s()
    vault = by_identity(doppler, mounted, clock)
    for _ in range(3):
        assert vault.fetch(ref()).value == value
    assert doppler.requests["POST /v3/auth/oidc"] == 1
    clock.advance(700)
    assert vault.fetch(ref()).value == value
    assert doppler.requests["POST /v3/auth/oidc"] == 2


def _now_s() -> float:
    return SystemClock().now_us() / 1_000_000


def test_an_identitys_token_that_is_refused_is_fetched_anew(doppler: DopplerServer, tmp_path: Path) -> None:
    mounted, value = tmp_path / "token", fresh_value()
    mounted.write_text("first")
    doppler.assertions = {"first", "second"}
    doppler.put("OPENAI", value)
    vault = by_identity(doppler, mounted)
    vault.fetch(ref())
    doppler.bound.clear()
    doppler.assertions = {"second"}
    mounted.write_text("second")  # its issuer renews it in place
    assert vault.fetch(ref()).value == value
    doppler.assertions.clear()
    doppler.bound.clear()
    assert refused(vault, ref()).reason == "unauthenticated"


def test_an_identity_without_its_mounted_token_is_unauthenticated(doppler: DopplerServer, tmp_path: Path) -> None:
    failed = refused(by_identity(doppler, tmp_path / "absent"), ref())
    assert failed.reason == "unauthenticated"
    assert "mounted" in failed.hint
    assert not doppler.requests


def test_an_identitys_token_is_read_from_the_folders_of_secrets_alone(doppler: DopplerServer, tmp_path: Path) -> None:
    mounted = tmp_path / "token"
    mounted.write_text("first")
    doppler.assertions.add("first")
    (tmp_path / "elsewhere").mkdir()
    told = {"doppler_auth_mode": "identity", "doppler_identity_id": IDENTITY, "doppler_oidc_token_file": str(mounted)}
    vault = opened(doppler, None, (tmp_path / "elsewhere",), **told, doppler_token=None)
    assert refused(vault, ref()).reason == "unauthenticated"
    assert not doppler.requests
