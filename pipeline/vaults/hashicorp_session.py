"""The token by which Vault knows us, from login to its end: renewed at two thirds of its life, made anew when it cannot be.

now ──────────── renew_at ──── ends_at
    used as it is │ renewed, or logged in again; used on while neither works │ refused
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any, Final

from pipeline.clock import Clock
from pipeline.vaults import failures
from pipeline.vaults.failures import Failure
from pipeline.vaults.hashicorp_login import Login
from pipeline.vaults.hashicorp_wire import Answer, Refusal, Wire

log = logging.getLogger("lockgate.secrets")

RENEW_AT: Final = 2 / 3
"""The part of a token's or a lease's life after which it is renewed."""

_FOREVER: Final = float("inf")
_RETRY_S: Final = 1.0


class Session:
    """One token, by a login or as it was given. Thread-safe: a lock guards logging in and renewing. Times are the clock's, monotonic."""

    def __init__(self, wire: Wire, login: Login | None, clock: Clock) -> None:
        self._wire = wire
        self._login = login
        self._clock = clock
        self._lock = threading.Lock()
        self._known = False
        self._first_ttl = 0
        self._renew_at = _FOREVER
        self._ends_at = _FOREVER
        self.generation = 0
        """Moves on with every login: what hangs on an earlier token ends with that."""

    @property
    def ends_at(self) -> float:
        """When the token ends, if it is not renewed; infinity when it does not end or Vault does not say."""
        return self._ends_at

    def be_ready(self, slug: str) -> Failure | None:
        """Log in or renew when it is time. What a token may not tell or renew is not missed: it works until it does not."""
        with self._lock:
            if self._login is None and not self._known:
                told = self._look_up(slug)
                if isinstance(told, Failure) and told.transient:
                    return told
                self._known = True
                self._note(None if isinstance(told, Failure) else told)
            if self._login is not None and not self._wire.client.token:
                return self._log_in(slug, self._login)
            if self._clock.monotonic() >= self._renew_at:
                return self._go_on(slug)
        return None

    def after_refusal(self, slug: str, generation: int, *, start_over: bool) -> Failure | None:
        """After a 403 to the token of that `generation`: None when there is a new one to try again with, else what the refusal means.

        403 says "this token may not" or "this token is no more". With `start_over` a login that can be repeated finds out by a new
        token, which also has the policies that its role was given meanwhile. Otherwise, as where leases hang on the token, the token
        is asked about itself, and only one that is dead is replaced.
        """
        if self._login is not None and self._login.repeatable and start_over:
            return self._again(slug, self._login, generation, revoke=True)
        told = self._look_up(slug)
        if not isinstance(told, Failure):
            return failures.denied(slug, "Grant the token's policy `read` on the secret's path.")
        if self._login is None or told.transient:
            return told
        return self._again(slug, self._login, generation)

    def tend(self) -> None:
        """Renew a token that is due although nobody asks for a secret: one that ended could not be renewed any more."""
        if self._clock.monotonic() < self._renew_at:
            return
        failure = self.be_ready("vault token")
        if failure is not None:
            log.warning("a vault token could not be renewed", extra={"reason": failure.reason})

    def end(self) -> None:
        """Revoke the token if it came by a login, and with it all that hangs on it; one that we were given is somebody else's."""
        if self._login is not None and self._wire.client.token:
            self._wire.ask("vault token", self._wire.client.auth.token.revoke_self)
            self._wire.client.token = ""
            self._renew_at = self._ends_at = _FOREVER

    def _again(self, slug: str, login: Login, generation: int, *, revoke: bool = False) -> Failure | None:
        with self._lock:
            if self.generation != generation:
                return None
            before = self._wire.client.token
            failure = self._log_in(slug, login)
        if failure is None and revoke and before:
            self._wire.ask(
                slug, lambda: self._wire.stranger.adapter.post("/v1/auth/token/revoke-self", headers={"X-Vault-Token": before}, json={})
            )
        return failure

    def _go_on(self, slug: str) -> Failure | None:
        """Renew, or log in again where renewing gives little; a failure counts only when the token has ended."""
        ttl = self._renew(slug)
        if ttl > self._first_ttl / 2:
            return None
        failure = self._log_in(slug, self._login) if self._login is not None else None
        if failure is None and self._login is not None:
            return None
        now = self._clock.monotonic()
        if now >= self._ends_at:
            self._renew_at = _FOREVER if failure is None else now
            return failure
        self._renew_at = now + max(_RETRY_S, (self._ends_at - now) / 4)
        return None

    def _log_in(self, slug: str, login: Login) -> Failure | None:
        answer = login.ask(self._wire, slug)
        if isinstance(answer, Failure):
            return answer
        auth = answer.get("auth")
        if not isinstance(auth, dict) or not isinstance(auth.get("client_token"), str):
            return failures.unavailable(slug, "Vault's answer to the login is not one that it gives.")
        self._wire.client.token = auth["client_token"]
        self.generation += 1
        self._note({"ttl": auth.get("lease_duration"), "renewable": True})
        return None

    def _look_up(self, slug: str) -> Mapping[str, Any] | Failure:
        """What Vault says of our token; `unauthenticated` when it does not know it."""
        answer = self._wire.ask(slug, self._wire.client.auth.token.lookup_self)
        if isinstance(answer, Refusal):
            return answer.failure if answer.failure.transient else failures.unauthenticated(slug)
        data = answer.get("data")
        return data if isinstance(data, dict) else failures.unavailable(slug)

    def _renew(self, slug: str) -> int:
        """Renew: seconds that the token has from now on, 0 when Vault does not renew it."""
        answer: Answer = self._wire.ask(slug, self._wire.client.auth.token.renew_self)
        auth = None if isinstance(answer, Refusal) else answer.get("auth")
        ttl = auth.get("lease_duration") if isinstance(auth, dict) else None
        if not isinstance(ttl, int) or ttl <= 0:
            return 0
        self._note_ttl(ttl)
        return ttl

    def _note(self, told: Mapping[str, Any] | None) -> None:
        ttl = told.get("ttl") if told else None
        if told is None or not isinstance(ttl, int) or ttl <= 0:
            self._renew_at = self._ends_at = _FOREVER
            return
        self._first_ttl = ttl
        self._note_ttl(ttl)
        if told.get("renewable") is not True:
            self._renew_at = _FOREVER

    def _note_ttl(self, ttl: int) -> None:
        now = self._clock.monotonic()
        self._renew_at = now + ttl * RENEW_AT
        self._ends_at = now + ttl
