"""What a Vault-shaped server holds: namespaces with mounts, engines, roles and policies; tokens, leases and wraps beside them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

FOREVER = float("inf")


@dataclass
class Version:
    data: dict[str, Any]
    created: str
    deleted: str = ""
    destroyed: bool = False


@dataclass
class Mount:
    version: str
    secrets: dict[str, list[Version]] = field(default_factory=dict)


@dataclass
class Engine:
    """Makes a credential for each read of `MOUNT/creds/ROLE`, good for `ttl` seconds and with renewals for `max_ttl`."""

    ttl: int
    max_ttl: int
    renewable: bool
    made: list[str] = field(default_factory=list)


@dataclass
class Token:
    namespace: str
    policies: tuple[str, ...]
    ttl: int = 0
    renewable: bool = False
    expires: float = FOREVER
    ends: float = FOREVER


@dataclass
class Lease:
    value: str
    token: str
    engine: Engine
    expires: float
    ends: float


@dataclass
class Wrap:
    creation_path: str
    body: dict[str, Any]


@dataclass
class Role:
    """An AppRole. `secret_ids` holds the uses that are left of each, 0 for any number."""

    policies: tuple[str, ...]
    role_id: str
    token_ttl: int
    secret_ids: dict[str, int] = field(default_factory=dict)
    token_max_ttl: int = 0


@dataclass
class IdentityRole:
    """A role of `jwt`, `kubernetes` or `cert`: whom it lets in (subject, or common name of a certificate)."""

    policies: tuple[str, ...]
    who: str
    token_ttl: int = 3600


@dataclass
class Namespace:
    mounts: dict[str, Mount] = field(default_factory=dict)
    engines: dict[str, Engine] = field(default_factory=dict)
    roles: dict[str, Role] = field(default_factory=dict)
    identities: dict[tuple[str, str], IdentityRole] = field(default_factory=dict)  # by auth mount and name
    keys: dict[str, str] = field(default_factory=dict)  # by auth mount: who signs the tokens, PEM
    policies: dict[str, list[str]] = field(default_factory=dict)


class RefusedError(Exception):
    def __init__(self, status: int, errors: tuple[str, ...] = (), data: Any = None) -> None:
        super().__init__(status)
        self.status = status
        self.body = {"errors": list(errors)} if data is None else {"errors": list(errors), "data": data}


def written_now() -> str:
    """The time as Vault writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "123Z"
