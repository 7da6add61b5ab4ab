"""`keychain`: the operating system's keychain through the optional package `keyring` (`pip install lockgate[keychain]`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.vaults import failures
from pipeline.vaults.auth import text_of
from pipeline.vaults.failures import Failure, given
from pipeline.vaults.model import Fetched, SecretRef
from pipeline.vaults.registry import VaultContext

_INSTALL = "Install it: pip install 'lockgate[keychain]'."
_AWAY = "The keychain of this user cannot be reached: is the session, and its D-Bus, still there?"


class KeychainVault:
    """Reads the entry of service `service` and user name `secret_path`. A keychain has no versions."""

    def __init__(self, service: str) -> None:
        self._service = service

    def fetch(self, ref: SecretRef) -> Fetched:
        """Read the entry; SecretNotFound, SecretForbidden (the user said no), VaultUnavailable (no keychain, or locked)."""
        return given(self._answer(ref))

    def _answer(self, ref: SecretRef) -> Fetched | Failure:
        try:
            import keyring
            from keyring import errors
        except ImportError:
            return failures.misconfigured(ref.slug, "the keychain needs the package keyring", _INSTALL)
        try:
            value = keyring.get_password(self._service, ref.secret_path)
        except errors.NoKeyringError:
            return failures.unavailable(ref.slug, "This machine has no keychain for this user; use store: or file: instead.")
        except errors.KeyringLocked:
            return failures.unavailable(ref.slug, "The keychain is locked: unlock it and try again.")
        except errors.InitError:
            return failures.unavailable(ref.slug, _AWAY)
        except errors.KeyringError:
            return failures.denied(ref.slug, "The keychain refused: allow access to the entry when it asks.")
        except Exception:  # noqa: BLE001 - boundary: where the session's bus is gone, errors of sockets and of D-Bus come through keyring
            return failures.unavailable(ref.slug, _AWAY)
        if value is None:
            return failures.not_found(ref.slug, f"Add it: lockgate secrets add {ref.secret_path} --keychain.")
        return Fetched(value)


def open_keychain(auth_config: Mapping[str, Any], context: VaultContext) -> KeychainVault:
    """Make the adapter; the service name is `keychain_service` or the context's."""
    return KeychainVault(text_of(auth_config, "keychain_service") or context.keychain_service)


def put_in_keychain(service: str, name: str, value: str) -> None:
    """Write an entry (`lockgate secrets add --keychain`). Raises SecretError without the value when the keychain refuses."""
    failed = _put(service, name, value)
    if failed is not None:
        raise failed.error()


def _put(service: str, name: str, value: str) -> Failure | None:
    slug = f"keychain:{name}"
    try:
        import keyring
        from keyring import errors
    except ImportError:
        return failures.misconfigured(slug, "the keychain needs the package keyring", _INSTALL)
    try:
        keyring.set_password(service, name, value)
    except errors.NoKeyringError:
        return failures.unavailable(slug, "This machine has no keychain for this user; use --store instead.")
    except (errors.InitError, errors.KeyringLocked):
        return failures.unavailable(slug, _AWAY)
    except errors.KeyringError:
        return failures.denied(slug, "The keychain refused to store the entry.")
    except Exception:  # noqa: BLE001 - boundary: as in reading
        return failures.unavailable(slug, _AWAY)
    return None
