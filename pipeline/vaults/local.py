"""`local` (in references `store:`): the local encrypted store. Write-only from outside: only the resolver opens a value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from pipeline.errors import ConfigError
from pipeline.vaults import failures
from pipeline.vaults.failures import Failure, given
from pipeline.vaults.fetching import MAX_VALUE_BYTES
from pipeline.vaults.local_keys import LocalKeys, unseal
from pipeline.vaults.model import Fetched, SecretRef
from pipeline.vaults.registry import VaultContext

NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,255}")
"""What a secret of the local store may be called (Keeptrusts' rule)."""


@dataclass(frozen=True, slots=True)
class LocalRow:
    """One version of one secret, encrypted. `created_us` is epoch microseconds, UTC."""

    name: str
    version: int
    key_id: str
    nonce: bytes = field(repr=False)
    ciphertext: bytes = field(repr=False)
    created_us: int = 0
    created_by: str = ""


class RowsError(Exception):
    """The rows cannot be read at the moment (a database that is down or locked)."""


class LocalRows(Protocol):
    """Reads encrypted rows; its SQL form stands in `local_sql.py`."""

    def newest(self, name: str) -> LocalRow | None:
        """The row of the highest version, None when there is none. Raises RowsError."""
        ...

    def version(self, name: str, version: int) -> LocalRow | None:
        """One version, None when it does not exist. Raises RowsError."""
        ...


class LocalVault:
    """Opens rows of the local store; `secret_path` is the name, `version` a number."""

    def __init__(self, rows: LocalRows, keys: LocalKeys) -> None:
        self._rows = rows
        self._keys = keys

    def fetch(self, ref: SecretRef) -> Fetched:
        """Read and decrypt; SecretNotFound, VaultUnavailable (database), SecretError `bad_value` (changed, or another key)."""
        return given(self._answer(ref))

    def _answer(self, ref: SecretRef) -> Fetched | Failure:
        if ref.version is not None and not ref.version.isdecimal():
            return failures.misconfigured(ref.slug, "a version of the local store is a number")
        try:
            row = self._rows.newest(ref.secret_path) if ref.version is None else self._rows.version(ref.secret_path, int(ref.version))
        except RowsError:
            return failures.unavailable(ref.slug, "The database of the local store cannot be read.")
        if row is None:
            return failures.not_found(ref.slug, f"Add it: lockgate secrets add {ref.secret_path} --store.")
        value = unseal(self._keys, (row.key_id, row.nonce, row.ciphertext), row.name, row.version)
        if value is None:
            return failures.bad_value(
                ref.slug, "it does not decrypt", "The store key is not the one it was written with, or the row was changed."
            )
        return Fetched(value, str(row.version), row.created_us)


def open_local(_auth_config: Mapping[str, Any], context: VaultContext) -> LocalVault:
    """Make the adapter; ConfigError when there is no local store here."""
    if context.local_rows is None or context.local_keys is None:
        raise ConfigError("There is no local store here.", hint="Start Lockgate once, so that its home folder and store key are made.")
    return LocalVault(context.local_rows, context.local_keys)


def storable_fault(name: str, value: str) -> str | None:
    """Say why a secret cannot be stored (None: it can). Line breaks are allowed: a stored JSON document may have fields."""
    if not NAME.fullmatch(name):
        return "a name has 1 to 255 letters, digits, points, dashes or underscores"
    if not value.strip():
        return "the value is empty"
    if "\0" in value:
        return "the value contains a NUL character"
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        return "the value is not valid Unicode text"
    return "the value is longer than 64 KiB" if size > MAX_VALUE_BYTES else None
