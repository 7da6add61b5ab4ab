"""A vault's short-lived token: fetched when first needed, kept for two thirds of its life, fetched anew when the vault refuses it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from pipeline.clock import Clock
from pipeline.vaults.failures import Failure
from pipeline.vaults.model import SecretRef
from pipeline.vaults.rest import Said

_RENEW_AT: Final = 2 / 3


@dataclass(frozen=True, slots=True)
class Grant:
    """A token and for how many seconds it is good (0: until it is refused)."""

    token: str = field(repr=False)
    ttl_s: float = 0.0


Login = Callable[[SecretRef], Grant | Failure]
"""Gets a new token; the reference is for the words of the Failure."""


class Tokens:
    """Keeps one token. Thread-safe: who comes while it is fetched waits for it."""

    def __init__(self, login: Login, clock: Clock) -> None:
        self._login = login
        self._clock = clock
        self._lock = threading.Lock()
        self._grant: Grant | None = None
        self._until = 0.0

    def asked(self, ref: SecretRef, ask: Callable[[str], Said | Failure]) -> Said | Failure:
        """Ask with the token; once more with a new one when the vault answers 401."""
        grant = self._granted(ref, refused=None)
        if isinstance(grant, Failure):
            return grant
        said = ask(grant.token)
        if isinstance(said, Failure) or said.status != 401:
            return said
        again = self._granted(ref, refused=grant)
        return again if isinstance(again, Failure) else ask(again.token)

    def _granted(self, ref: SecretRef, *, refused: Grant | None) -> Grant | Failure:
        with self._lock:
            grant = self._grant
            if grant is not None and grant is not refused and self._clock.monotonic() < self._until:
                return grant
            self._grant = None
            made = self._login(ref)
            if isinstance(made, Grant):
                self._grant = made
                self._until = self._clock.monotonic() + made.ttl_s * _RENEW_AT if made.ttl_s > 0 else float("inf")
            return made
