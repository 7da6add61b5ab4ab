"""Dynamic secrets: credentials that an engine makes for us and takes back when their lease ends (`lease_id` in Vault's answer).

made ──────────── renew_at ─────────────── ends_at
    given as it is │ renewed; near its engine's max TTL replaced by a new one, and revoked an hour later │ gone

A lease belongs to one reference at one path, and to the token it was made with: it ends with that. Endpoints: `sys/leases/renew`,
`sys/leases/revoke` (HashiCorp Vault's API documentation).
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final
from weakref import WeakValueDictionary

from pipeline.clock import Clock
from pipeline.vaults.failures import Failure
from pipeline.vaults.hashicorp_answers import Mount, as_fetched
from pipeline.vaults.hashicorp_session import RENEW_AT, Session
from pipeline.vaults.hashicorp_wire import Refusal, Wire
from pipeline.vaults.model import LEASED, Fetched, SecretRef

log = logging.getLogger("lockgate.secrets")

LEAVE_S: Final = 3_600.0
"""How long a replaced lease still lives, for the calls that were begun with it."""

YOUNG_S: Final = 30.0
"""How long a lease is kept although a provider refused its value: what is made anew for each refusal would be a flood."""

REVOKE_TRIES: Final = 10
"""How often a lease that is to end is revoked before it is left to end by itself: over about twenty minutes."""

TURN_S: Final = 2.0
"""How long a reader waits for another one's credential of the same place, before it has one made for itself."""

_RETRY_S: Final = 5.0
_RETRY_MOST_S: Final = 300.0

Place = tuple[str, str]
"""Slug and path."""


@dataclass(frozen=True, slots=True)
class Lease:
    """One credential made for us. Times are monotonic seconds; `ttl` is what the engine gave at first."""

    id: str = field(repr=False)
    body: dict[str, Any] = field(repr=False)
    ttl: int
    renewable: bool
    generation: int
    made_at: float
    made_us: int
    renew_at: float
    ends_at: float


@dataclass(frozen=True, slots=True)
class _Owed:
    """A lease that could not be revoked: when that is tried again, and how often it was."""

    due_at: float
    tries: int
    lease: Lease


class _Turn:
    """A lock that can be weakly referred to, and is gone with its last reader."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


class Leases:
    """What is leased through one session. Thread-safe; a lock guards the table, not the calls."""

    def __init__(self, wire: Wire, session: Session, clock: Clock) -> None:
        self._wire = wire
        self._session = session
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[Place, Lease] = {}
        self._leaving: list[tuple[float, str, Lease]] = []
        self._owed: list[_Owed] = []
        self._turns: WeakValueDictionary[Place, _Turn] = WeakValueDictionary()

    @contextmanager
    def turn(self, ref: SecretRef) -> Iterator[None]:
        """One reader of a place at a time, so that two fields of one credential, asked for at once, are not two credentials."""
        with self._lock:
            turn = self._turns.setdefault((ref.slug, ref.secret_path), _Turn())
        taken = turn.lock.acquire(timeout=TURN_S)
        try:
            yield
        finally:
            if taken:
                turn.lock.release()

    @property
    def holds_any(self) -> bool:
        """Whether anything hangs on the session's token."""
        return bool(self._held or self._leaving)

    def held(self, ref: SecretRef) -> Fetched | Failure | None:
        """The credential that is held for a reference, renewed when it is time; None when a new one must be made."""
        place = (ref.slug, ref.secret_path)
        lease = self._held.get(place)
        now = self._clock.monotonic()
        if lease is None or lease.generation != self._session.generation or now >= lease.ends_at:
            return None
        if now >= lease.renew_at:
            before = lease
            lease = self._renewed(ref.slug, lease)
            if lease is None:
                return None
            with self._lock:
                if self._held.get(place) is not before:  # given up or replaced while it was renewed
                    return None
                self._held[place] = lease
        return self._given(ref, lease)

    def last(self, ref: SecretRef) -> Fetched | Failure | None:
        """The credential that is held although a new one was wanted and could not be made; None when it has ended."""
        lease = self._held.get((ref.slug, ref.secret_path))
        if lease is None or lease.generation != self._session.generation or self._clock.monotonic() >= lease.ends_at:
            return None
        return self._given(ref, lease)

    def hold(self, ref: SecretRef, answer: dict[str, Any], generation: int) -> Fetched | Failure | None:
        """Take a new credential in, and let the one before it leave; None when the answer is no lease.

        `generation` is the session's from before the question: a login meanwhile may have revoked the token that it was made with.
        """
        lease_id, ttl = answer.get("lease_id"), answer.get("lease_duration")
        if not (isinstance(lease_id, str) and lease_id and isinstance(ttl, int) and ttl > 0):
            return None
        now = self._clock.monotonic()
        lease = Lease(
            id=lease_id,
            body=answer,
            ttl=ttl,
            renewable=answer.get("renewable") is True,
            generation=generation,
            made_at=now,
            made_us=self._clock.now_us(),
            renew_at=now + ttl * RENEW_AT,
            ends_at=now + ttl,
        )
        place = (ref.slug, ref.secret_path)
        with self._lock:
            before = self._held.get(place)
            if before is not None:
                self._leaving.append((now + LEAVE_S, ref.slug, before))
            self._held[place] = lease
        return self._given(ref, lease)

    def tend(self) -> None:
        """Revoke what was replaced long enough ago or could not be revoked before, and forget what ended by itself."""
        now = self._clock.monotonic()
        with self._lock:
            due = [lease for leaves_at, _, lease in self._leaving if leaves_at <= now]
            self._leaving = [entry for entry in self._leaving if entry[0] > now and entry[2].ends_at > now]
            owed = [entry for entry in self._owed if entry.due_at <= now]
            self._owed = [entry for entry in self._owed if entry.due_at > now]
        self._revoke(due)
        for entry in owed:
            self._take_back(entry.lease, entry.tries)

    def give_up(self, slug: str | None) -> None:
        """Revoke what is leased for a reference, also what was replaced, or (None) everything."""
        with self._lock:
            gone = [self._held.pop(place) for place in tuple(self._held) if slug in (None, place[0])]
            gone += [lease for _, of, lease in self._leaving if slug in (None, of)]
            self._leaving = [entry for entry in self._leaving if slug not in (None, entry[1])]
            if slug is None:
                gone += [entry.lease for entry in self._owed]
                self._owed = []
        self._revoke(gone)

    def refused(self, ref: SecretRef) -> None:
        """A provider refused the credential: revoke it, so that the next read makes a new one.

        One that was made just now is kept if Vault says that it is still leased.
        """
        place, now = (ref.slug, ref.secret_path), self._clock.monotonic()
        lease = self._held.get(place)
        if lease is None or (now < lease.made_at + YOUNG_S and self._is_leased(ref.slug, lease)):
            return
        with self._lock:
            if self._held.get(place) is not lease:
                return
            del self._held[place]
        self._revoke([lease])

    def _is_leased(self, slug: str, lease: Lease) -> bool:
        """Whether Vault knows the lease (or cannot say); it does not when somebody revoked it there."""
        answer = self._wire.ask(slug, lambda: self._wire.client.sys.read_lease(lease.id))
        return not (isinstance(answer, Refusal) and answer.status in (400, 404))

    def _renewed(self, slug: str, lease: Lease) -> Lease | None:
        """The lease with more time; None when the engine gives it little more, so that a new one is wanted."""
        if not lease.renewable:
            return None
        answer = self._wire.ask(slug, lambda: self._wire.client.sys.renew_lease(lease.id, increment=lease.ttl))
        now = self._clock.monotonic()
        if isinstance(answer, Refusal):
            return None if answer.final else replace(lease, renew_at=now + _RETRY_S)
        ttl = answer.get("lease_duration")
        if not isinstance(ttl, int) or ttl <= lease.ttl / 2:
            return None
        return replace(lease, renew_at=now + ttl * RENEW_AT, ends_at=now + ttl)

    def _revoke(self, leases: list[Lease]) -> None:
        for lease in leases:
            self._take_back(lease, 0)

    def _take_back(self, lease: Lease, tries: int) -> None:
        """Revoke a lease; what fails in passing is owed and tried again when `tend` is called, and it is said."""
        now = self._clock.monotonic()
        if lease.ends_at <= now:
            return
        answer = self._wire.ask("lease", lambda: self._wire.client.sys.revoke_lease(lease.id))
        if not isinstance(answer, Refusal):
            return
        told = {"reason": answer.failure.reason, "ends_in_s": int(lease.ends_at - now), "tries": tries + 1}
        if answer.final or tries + 1 >= REVOKE_TRIES:
            # Vault's policy `default` renews leases but does not revoke them: the token needs update on sys/leases/revoke.
            log.warning("a lease could not be revoked; it ends by itself", extra=told)
            return
        with self._lock:
            self._owed.append(_Owed(now + min(_RETRY_S * 2**tries, _RETRY_MOST_S), tries + 1, lease))
        if tries == 0:
            log.warning("a lease could not be revoked yet; that is tried again", extra=told)

    def _given(self, ref: SecretRef, lease: Lease) -> Fetched | Failure:
        """The credential with how long it is good; its version names the lease without being it."""
        fetched = as_fetched(ref, Mount("", "1"), lease.body)
        if isinstance(fetched, Failure):
            return fetched
        left = min(lease.ends_at, self._session.ends_at) - self._clock.monotonic()
        version = LEASED + hashlib.sha256(lease.id.encode()).hexdigest()[:12]
        return replace(fetched, version=version, created_us=lease.made_us, lasts_s=max(left, 0.001))
