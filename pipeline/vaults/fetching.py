"""One read of a vault, in a vault thread: fetch, pick the field, check, fingerprint, announce; a `Secret` or a `Failure`.

Nothing is raised from here, so no stack ever holds a raw value.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import Final

from pipeline.clock import Clock
from pipeline.errors import ConfigError, SecretError
from pipeline.vaults import failures
from pipeline.vaults.announcements import Announcements
from pipeline.vaults.failures import Failure
from pipeline.vaults.model import Fetched, Holding, Secret, SecretRef, Vault, as_field

MAX_VALUE_BYTES: Final = 65_536
"""AWS Secrets Manager's limit, the largest of the backends'."""

_CONTROLS: Final = frozenset(map(chr, (*range(0x20), *range(0x7F, 0xA0))))
"""C0 and C1 control characters and DEL: none has a place in an HTTP header, where credentials go."""


@dataclass(frozen=True, slots=True)
class Reader:
    """What every read needs besides the vault: the clock, the key of the fingerprints, and who must know of each value."""

    clock: Clock
    announcements: Announcements
    fingerprint_key: bytes = field(repr=False)

    def read(self, vault: Vault, ref: SecretRef) -> Secret | Failure:
        """Read one reference. Blocking; never raises."""
        try:
            fetched = vault.fetch(ref)
        except SecretError as error:
            return failures.as_failure(error)
        except ConfigError as error:
            return failures.misconfigured(ref.slug, error.message.rstrip("."), error.hint)
        except Exception:  # noqa: BLE001 - boundary: an SDK's or plug-in's own error may quote the value, so nothing of it is kept
            return failures.unavailable(ref.slug, "The vault's adapter failed in a way it should not; try `lockgate check`.")
        if type(fetched) is not Fetched or type(fetched.value) is not str:
            return failures.bad_value(ref.slug, "its adapter did not return text", "Mend or remove the vault plug-in.")
        return self._checked(ref, fetched)

    def read_anew(self, vault: Vault, ref: SecretRef) -> Secret | Failure:
        """Read one reference whose value a provider refused: what the vault can take back and make again, it does."""
        if isinstance(vault, Holding):
            try:
                vault.refused(ref)
            except Exception:  # noqa: BLE001 - boundary: a plug-in's own error; reading goes on with what it still holds
                return self.read(vault, ref)
        return self.read(vault, ref)

    def _checked(self, ref: SecretRef, fetched: Fetched) -> Secret | Failure:
        try:
            value = as_field(fetched.value, ref.secret_key, ref.value_format)
        except ValueError as error:
            return failures.bad_value(ref.slug, str(error), "Check secret_key against the fields of the secret.")
        value = as_line(value)
        what = fault(value)
        if what is not None:
            return failures.bad_value(ref.slug, what)
        fingerprint = fingerprint_of(value, self.fingerprint_key)
        try:
            if ref.announced:
                self.announcements.hold((ref.slug, ref.version, ref.secret_key), f"{ref.slug}@{fingerprint}", value, self.clock.monotonic())
        except Exception:  # noqa: BLE001 - boundary: a value that no detector knows of must not be used (fail closed)
            return failures.bad_value(ref.slug, "it could not be announced to the redaction of known secrets", "See the gateway's log.")
        return Secret(
            value,
            reference=ref.slug,
            version=fetched.version,
            fingerprint=fingerprint,
            fetched_us=self.clock.now_us(),
            created_us=fetched.created_us,
            lasts_s=fetched.lasts_s,
        )


def as_line(value: str) -> str:
    """Write a JSON object of several lines (a service account's key, as Google gives it) as the same object in one; else as it is."""
    if "\n" not in value or not value.lstrip().startswith("{"):
        return value
    try:
        return json.dumps(json.loads(value), ensure_ascii=False, separators=(",", ":"))
    except (ValueError, RecursionError):
        return value


def fault(value: str) -> str | None:
    """Say why a value cannot be a credential (None: it can). A line break in one would let it forge headers.

    What is refused here would be refused at every call (`routing.direct.reveal`), so preflight says it before the first.
    """
    if not value.strip():
        return "it is empty"
    if not _CONTROLS.isdisjoint(value):
        return "it contains a control character, such as a line break, a tab or a NUL"
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        return "it is not valid Unicode text"
    return "it is longer than 64 KiB" if size > MAX_VALUE_BYTES else None


def fingerprint_of(value: str, key: bytes) -> str:
    """Name a value without telling it: the first 16 hex characters of HMAC-SHA256 (RFC 2104) under the installation's key."""
    return hmac.new(key, value.encode(), hashlib.sha256).hexdigest()[:16]
