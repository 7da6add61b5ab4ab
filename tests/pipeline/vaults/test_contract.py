"""What every adapter promises, against something real: one suite for all of them, and for a real Vault where VAULT_ADDR is set."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.errors import SecretError, SecretNotFound, VaultUnavailable
from tests.pipeline.vaults.cloud_stages import CLOUD_STAGES, CLOUD_VERSIONED, cloud_staged
from tests.pipeline.vaults.keychain_stage import real_keychain_staged
from tests.pipeline.vaults.rig import fresh_value
from tests.pipeline.vaults.stages import STAGES, Stage, real_vault_staged, staged
from tests.servers.secret_service import missing

_ADDRESS, _TOKEN = os.environ.get("VAULT_ADDR", ""), os.environ.get("VAULT_TOKEN", "")
_HAS_VAULT = bool(_ADDRESS and _TOKEN)
REAL_AUTH = ("token", "approle", "wrapped", "jwt")
REAL = tuple(f"real-vault-kv{kv}-{auth}" for kv in ("1", "2") for auth in REAL_AUTH) if _HAS_VAULT else ()
VERSIONED = (*(name for name in (*STAGES, *REAL) if "kv2" in name or name.startswith(("local", "aws"))), *CLOUD_VERSIONED)
REMOVABLE = (*(name for name in STAGES if name.startswith(("local", "keychain", "vault"))), *CLOUD_STAGES)


REAL_KEYCHAIN = pytest.param("real-keychain", marks=pytest.mark.keychain)


def _set(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    name: str = request.param
    if name == "real-keychain":
        if lacking := missing():
            pytest.skip(f"no real keychain: {', '.join(lacking)} is not installed")
        with real_keychain_staged() as made:
            yield made
        return
    if name in REAL:
        _, _, kv, auth = name.split("-")
        with real_vault_staged(_ADDRESS, _TOKEN, kv.removeprefix("kv"), auth, tmp_path) as made:
            yield made
        return
    if name in CLOUD_STAGES:
        with cloud_staged(name, tmp_path) as made:
            yield made
        return
    moto = request.getfixturevalue("moto") if name.startswith("aws") else None
    with staged(name, tmp_path, moto) as made:
        yield made


stage = pytest.fixture(params=(*STAGES, REAL_KEYCHAIN, *REAL, *CLOUD_STAGES))(_set)
versioned = pytest.fixture(params=VERSIONED)(_set)
removable = pytest.fixture(params=(*REMOVABLE, REAL_KEYCHAIN))(_set)


@pytest.mark.vault
@pytest.mark.skipif(not _HAS_VAULT, reason="no real Vault or OpenBao: VAULT_ADDR and VAULT_TOKEN are not set")
def test_a_real_vault_is_among_the_adapters_of_this_suite() -> None:
    assert len(REAL) == 2 * len(REAL_AUTH)


def unique(stem: str = "OPENAI_KEY") -> str:
    return f"{stem}_{os.urandom(4).hex()}"


def test_what_was_stored_is_read(stage: Stage) -> None:
    name, value = unique(), fresh_value()
    stage.put(name, value)
    assert stage.open().fetch(stage.ref(name)).value == value


def test_what_was_never_stored_is_not_found(stage: Stage) -> None:
    stage.put(unique(), fresh_value())
    with pytest.raises(SecretNotFound) as failed:
        stage.open().fetch(stage.ref(unique("ABSENT")))
    assert failed.value.reason == "not_found"
    assert "'staged'" in failed.value.message
    assert failed.value.hint
    assert failed.value.__context__ is None


def test_a_new_value_is_read_by_an_adapter_that_is_open(stage: Stage) -> None:
    name, first, second = unique(), fresh_value(), fresh_value()
    vault = stage.open()
    stage.put(name, first)
    before = vault.fetch(stage.ref(name))
    stage.put(name, second)
    after = vault.fetch(stage.ref(name))
    assert (before.value, after.value) == (first, second)
    assert not stage.versions or before.version != after.version != ""


def test_a_pinned_version_stays_what_it_was(versioned: Stage) -> None:
    stage = versioned
    name, first = unique(), fresh_value()
    vault = stage.open()
    stage.put(name, first)
    pinned = vault.fetch(stage.ref(name)).version
    stage.put(name, fresh_value())
    again = vault.fetch(stage.ref(name, version=pinned))
    assert (again.value, again.version) == (first, pinned)


def test_a_version_that_never_was_is_not_found(versioned: Stage) -> None:
    stage = versioned
    name = unique()
    stage.put(name, fresh_value())
    absent = "00000000-0000-4000-8000-000000000000" if stage.manager_type == "aws_sm" else stage.absent_version
    with pytest.raises(SecretNotFound):
        stage.open().fetch(stage.ref(name, version=absent))


def test_a_backend_that_is_away_is_unavailable(removable: Stage) -> None:
    stage = removable
    name = unique()
    stage.put(name, fresh_value())
    vault = stage.open()
    stage.take_down()
    with pytest.raises(VaultUnavailable) as failed:
        vault.fetch(stage.ref(name))
    assert failed.value.headers["Retry-After"]


def test_two_hundred_reads_on_sixteen_threads_give_the_same(stage: Stage) -> None:
    name, value = unique(), fresh_value()
    stage.put(name, value)
    vault = stage.open()
    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(lambda _: vault.fetch(stage.ref(name)).value, range(200)))
    assert found == {value}


def test_neither_adapter_nor_answer_shows_the_value(stage: Stage) -> None:
    name, value = unique(), fresh_value()
    stage.put(name, value)
    vault = stage.open()
    fetched = vault.fetch(stage.ref(name))
    shown = [repr(vault), str(vault), repr(fetched), str(fetched), repr(stage.ref(name)), repr(stage.context)]
    credentials = [secret.reveal() for secret in stage.auth_config.values() if hasattr(secret, "reveal") and secret.reveal() != "testing"]
    assert not [text for text in shown for hidden in (value, *credentials) if hidden in text]


def test_every_error_is_of_the_taxonomy(stage: Stage) -> None:
    with pytest.raises(SecretError):
        stage.open().fetch(stage.ref("no/such/../place"))
