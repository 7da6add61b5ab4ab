"""What a reference is, what a secret is, and the one method every vault has."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NoReturn, Protocol, SupportsIndex, final, runtime_checkable

LEASED: Final = "lease-"
"""How the version of a value begins that was made for one reader and is taken back."""

ValueFormat = Literal["string", "json"]

ManagerType = str
"""`aws_sm`, `hashicorp_vault`, `env`, `file`, `local`, `keychain`, …: the name of a `lockgate.vaults` entry point."""


@final
class Secret:
    """A live secret value. Prints as stars, never serialises; `reveal()` is its one way out.

    `reveal()` is called where the value is spent (an outgoing header) and where it is announced to the `known`
    detector, nowhere else. `version` is the vault's own version, `fingerprint` a keyed hash (16 hex characters) by which
    the same value is recognised in audit without being known. `fetched_us` and `created_us` are epoch microseconds: when we
    read it, and when the vault says that this version was made (0: it does not say). `lasts_s`: for how many seconds from
    `fetched_us` on the value is good (None: until it is replaced). One that was put together of several has them as `parts`,
    by field, and the `settings` that came with them.
    """

    __slots__ = ("_value", "created_us", "fetched_us", "fingerprint", "lasts_s", "parts", "reference", "settings", "version")

    def __init__(
        self,
        value: str,
        *,
        reference: str,
        version: str = "",
        fingerprint: str = "",
        fetched_us: int = 0,
        created_us: int = 0,
        lasts_s: float | None = None,
        parts: Mapping[str, Secret] | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._value: Final = value
        self.reference = reference
        self.version = version
        self.fingerprint = fingerprint
        self.fetched_us = fetched_us
        self.created_us = created_us
        self.lasts_s = lasts_s
        self.parts: Mapping[str, Secret] = parts or {}
        self.settings: Mapping[str, str] = settings or {}

    def reveal(self) -> str:
        """The value itself."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret(****, reference={self.reference!r}, version={self.version!r})"

    def __str__(self) -> str:
        return "****"

    def __format__(self, _spec: str) -> str:
        return "****"

    def __reduce_ex__(self, _protocol: SupportsIndex) -> NoReturn:
        raise TypeError("a Secret is not serialised")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        import hmac

        return hmac.compare_digest(self._value.encode(), other._value.encode())

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class SecretRef:
    """A secret reference: a place in a vault, never a value. Field names are Portkey's where it has them.

    `slug` is unique per organization. `auth_config` connects to the vault; its sensitive fields are themselves inner
    references (`{"secret_key_ref": {...}}`) or, for references made by REST, values that are stored encrypted and shown
    masked. `secret_path` is the place in the vault, `secret_key` the field of a JSON secret. Times are seconds.
    `revision` changes with every edit and is part of the cache key. `value_format` `json`: the value is a JSON object. `announced` False:
    what it names is a setting (a region, an address) and no secret, so nobody looks for it in what passes. `environment`: only who stands
    in that environment may use it (None: whoever else may).
    """

    slug: str
    manager_type: ManagerType
    secret_path: str
    auth_config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    secret_key: str | None = None
    version: str | None = None
    allow_all_workspaces: bool = True
    allowed_workspaces: tuple[str, ...] = ()
    cache_ttl_s: float = 300.0
    negative_ttl_s: float = 15.0
    max_stale_s: float = 900.0
    refresh_ahead_ratio: float = 0.8
    required: bool = True
    vault: str | None = None
    revision: str = "0"
    value_format: ValueFormat = "string"
    announced: bool = True
    environment: str | None = None

    def allows(self, workspace: str) -> bool:
        """Whether a workspace (by slug) may use this reference."""
        return self.allow_all_workspaces or workspace in self.allowed_workspaces


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a vault answered: the raw value before field extraction and checks, the vault's version of it and when that was made.

    `lasts_s`: for how many seconds from now on the value is good, where the vault takes it back by itself.
    """

    value: str
    version: str = ""
    created_us: int = 0
    lasts_s: float | None = None

    def __repr__(self) -> str:
        return f"Fetched(****, version={self.version!r})"


class Vault(Protocol):
    """Reads secrets from one kind of backend. Blocking; called in the backend's own bounded thread pool.

    Raises `SecretNotFound`, `SecretForbidden` (authoritative: short negative cache, never served stale) or
    `VaultUnavailable` (transient: the last good value may be served up to `max_stale_s`). Decides on codes, never texts.
    """

    def fetch(self, ref: SecretRef) -> Fetched:
        """Read the current (or pinned) version. The deadline is the adapter's: 2 s for connect and read together."""
        ...


@runtime_checkable
class Holding(Protocol):
    """What an adapter offers besides `fetch` when it holds something that ends: a token, leased credentials. Blocking; raises nothing."""

    def refused(self, ref: SecretRef) -> None:
        """A provider refused what `fetch` gave: the next `fetch` should give something else if it can."""
        ...

    def tend(self) -> None:
        """Keep alive what is due, whether or not anybody reads. Called every few seconds; cheap when nothing is due."""
        ...

    def give_up(self, slug: str | None = None) -> None:
        """Give back what is held for a reference; without one everything: the adapter is not used again."""
        ...


Outcome = Literal["hit", "stale", "fetched", "refreshed", "denied", "not_found", "unavailable", "bad_value", "out_of_scope"]


@dataclass(frozen=True, slots=True)
class SecretRead:
    """One use of a reference, for the audit (S8): who asked, what happened, how long it took; never the value."""

    reference: str
    manager_type: str
    workspace: str
    key_id: str
    request_id: str
    outcome: Outcome
    version: str
    fingerprint: str
    latency_us: int
    at_us: int


@dataclass(frozen=True, slots=True)
class Asker:
    """On whose behalf a secret is resolved. `environments` are those that its key, its workspace and this gateway agree on."""

    workspace: str
    key_id: str = ""
    request_id: str = ""
    environments: frozenset[str] = frozenset()


def as_field(value: str, key: str | None, value_format: ValueFormat = "string") -> str:
    """Pick one field of a JSON secret (or the value itself when `key` is None); with `json` as the text of a JSON object.

    Raises ValueError (without quoting the value) when it is not a JSON object, the field is missing, or the field is
    not what `value_format` says: a string or a number, or an object (also as its text).
    """
    picked: Any = value
    if key is not None:
        tree = _object(value)
        if tree is None:
            raise ValueError("the secret is not a JSON object, so it has no fields")
        if key not in tree:
            raise ValueError("the secret has no such field")
        picked = tree[key]
    if value_format == "json":
        found = picked if isinstance(picked, dict) else _object(picked) if isinstance(picked, str) else None
        if found is None:
            raise ValueError("it is not a JSON object")
        return json.dumps(found, ensure_ascii=False, separators=(",", ":"))
    if isinstance(picked, bool) or not isinstance(picked, str | int | float):
        raise ValueError("the field is not a string")
    return str(picked)


def _object(text: str) -> dict[str, Any] | None:
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return tree if isinstance(tree, dict) else None
