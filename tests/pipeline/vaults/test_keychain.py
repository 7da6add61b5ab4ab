"""The keychain adapter: the optional package, a refusing keychain, writing an entry."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import keyring
import keyring.errors
import pytest

from pipeline.errors import SecretError, SecretForbidden, VaultUnavailable
from pipeline.vaults.keychain import put_in_keychain
from pipeline.vaults.model import SecretRef
from pipeline.vaults.registry import VaultContext, open_vault
from tests.pipeline.vaults.keychain_stage import real_keychain_staged
from tests.pipeline.vaults.rig import Clock, fresh_value
from tests.pipeline.vaults.stages import MemoryKeyring
from tests.servers.secret_service import missing

REF = SecretRef(slug="keychain:openai", manager_type="keychain", secret_path="openai")


class Refusing(MemoryKeyring):
    """Raises the same error whatever is asked."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def get_password(self, service: str, username: str) -> str | None:
        raise self.error

    def set_password(self, service: str, username: str, password: str) -> None:
        raise self.error


@pytest.fixture(autouse=True)
def _own_keyring() -> Iterator[None]:
    before = keyring.get_keyring()
    keyring.set_keyring(MemoryKeyring())
    yield
    keyring.set_keyring(before)


def fetch(**auth: str) -> str:
    return open_vault("keychain", auth, VaultContext(Clock())).fetch(REF).value


def test_what_was_put_is_read_under_its_own_service() -> None:
    here, there = fresh_value(), fresh_value()
    put_in_keychain("lockgate", "openai", here)
    put_in_keychain("another", "openai", there)
    assert (fetch(), fetch(keychain_service="another")) == (here, there)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (keyring.errors.NoKeyringError(), VaultUnavailable),
        (keyring.errors.KeyringLocked(), VaultUnavailable),
        (keyring.errors.PasswordSetError(), SecretForbidden),
        (keyring.errors.InitError(), VaultUnavailable),
        (FileNotFoundError("no bus"), VaultUnavailable),
    ],
    ids=lambda given: getattr(given, "__name__", type(given).__name__),
)
def test_a_keychain_that_refuses_has_its_error(error: Exception, expected: type[SecretError]) -> None:
    keyring.set_keyring(Refusing(error))
    with pytest.raises(expected) as failed:
        fetch()
    assert failed.value.__context__ is None
    value = fresh_value()
    with pytest.raises(SecretError) as refused:
        put_in_keychain("lockgate", "openai", value)
    assert value not in f"{refused.value} {refused.value.hint}"


def test_without_the_optional_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(SecretError) as failed:
        fetch()
    assert failed.value.reason == "misconfigured"
    assert "lockgate[keychain]" in failed.value.hint


@pytest.mark.keychain
@pytest.mark.skipif(bool(missing()), reason=f"no real keychain: {', '.join(missing())} is not installed")
def test_a_real_keychain_that_is_locked_or_gone_is_unavailable_and_quotes_nothing() -> None:
    with real_keychain_staged() as stage:
        value = fresh_value()
        put_in_keychain("lockgate", "openai", value)
        assert stage.open().fetch(REF).value == value
        vault, _ = stage.fail("sealed", "openai")
        said = []
        for take_down in (None, stage.take_down):
            if take_down is not None:
                take_down()
            with pytest.raises(VaultUnavailable) as failed:
                vault.fetch(REF)
            assert failed.value.__context__ is None
            with pytest.raises(VaultUnavailable) as refused:
                put_in_keychain("lockgate", "openai", value)
            assert value not in f"{refused.value} {refused.value.hint} {failed.value} {failed.value.hint}"
            said.append(failed.value.hint)
        assert "locked" in said[0]
        assert "reached" in said[1]
