"""A stage on a real keychain, for the contract suite: gnome-keyring in a session of its own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import keyring

from pipeline.vaults.model import SecretRef, Vault
from pipeline.vaults.registry import VaultContext
from tests.pipeline.vaults.rig import Clock
from tests.pipeline.vaults.stages import KeychainStage, Stage
from tests.servers.secret_service import SecretService


class RealKeychainStage(KeychainStage):
    """The Secret Service of gnome-keyring, through the packages that people have: keyring, SecretStorage, jeepney."""

    service: SecretService | None = None

    def take_down(self) -> None:
        assert self.service is not None
        self.service.stop()

    def fail(self, fault: str, name: str) -> tuple[Vault, SecretRef]:
        import secretstorage

        assert fault == "sealed"
        with closing(secretstorage.dbus_init()) as bus:
            secretstorage.get_default_collection(bus).lock()
        return self.open(), self.ref(name)


@contextmanager
def real_keychain_staged() -> Iterator[Stage]:
    """The same stage on a real keychain, in a session of its own."""
    from keyring.backends import SecretService as Backend

    before, address = keyring.get_keyring(), os.environ.get("DBUS_SESSION_BUS_ADDRESS")
    with tempfile.TemporaryDirectory(prefix="kc-") as folder, SecretService(Path(folder) / "k") as service:
        os.environ["DBUS_SESSION_BUS_ADDRESS"] = service.environment["DBUS_SESSION_BUS_ADDRESS"]
        try:
            keyring.set_keyring(Backend.Keyring())
            stage = RealKeychainStage("keychain", VaultContext(Clock()))
            stage.service = service
            yield stage
        finally:
            keyring.set_keyring(before)
            os.environ.pop("DBUS_SESSION_BUS_ADDRESS")
            if address is not None:
                os.environ["DBUS_SESSION_BUS_ADDRESS"] = address
