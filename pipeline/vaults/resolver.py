"""The resolver: a reference and an asker in, a `Secret` out.

scope ──> kill switch ──> cache ──> single flight ──> backend (threads, deadline, circuit) ──> checks ──> announce ──> cache ──> caller

Scope is checked on every use and before the cache. Authoritative failures are remembered for a short while and never
answered with an old value; transient ones are bridged with the last good value up to a hard stop. All methods are called on
one event loop; only adapters run in threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.clock import Clock
from pipeline.vaults import failures
from pipeline.vaults.announcements import Announce, Announcements, Retire
from pipeline.vaults.backends import Backends, Limits, Open
from pipeline.vaults.cache import Cache, CacheKey, key_of
from pipeline.vaults.failures import Failure
from pipeline.vaults.fetching import Reader
from pipeline.vaults.model import Asker, Outcome, Secret, SecretRead, SecretRef

SYSTEM: Final = Asker(workspace="", key_id="system")
"""Who asks for the vaults' own credentials."""

OnRead = Callable[[SecretRead], None]
"""Takes note of one use, for the audit. Called synchronously on every use, so it must only put it aside."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One read made to see whether it works: the secret or the failure, and how long it took."""

    secret: Secret | None
    failure: Failure | None
    latency_us: int


def _admits(ref: SecretRef, asker: Asker) -> bool:
    """Whether an asker may use a reference: its workspace, and for a reference of an environment that, too. We ourselves stand in all."""
    if not (ref.allow_all_workspaces or asker.workspace in ref.allowed_workspaces):
        return False
    return ref.environment is None or asker is SYSTEM or ref.environment in asker.environments


class Resolver:
    """Resolves references. See the module for the order in which things are asked."""

    def __init__(
        self,
        open_vault: Open,
        *,
        clock: Clock,
        fingerprint_key: bytes,
        announce: Announce,
        retire: Retire,
        on_read: OnRead,
        jitter: Callable[[], float],
        references: Callable[[], Mapping[str, SecretRef]] = dict,
        limits: Limits | None = None,
        retire_after_s: float = 3_600.0,
    ) -> None:
        """Put the parts together; opens nothing.

        `jitter` gives numbers in [0, 1); `references` gives the declared references by slug (for `resolve_slug` and for inner
        `ref:` forms); `retire` is called `retire_after_s` seconds or more after a value was replaced.
        """
        reader = Reader(clock, Announcements(announce, retire, retire_after_s), fingerprint_key)
        self._backends = Backends(
            open_vault, reader, inner=self._resolve_inner, references=references, clock=clock, jitter=jitter, limits=limits or Limits()
        )
        self._cache = Cache(jitter)
        self._clock = clock
        self._on_read = on_read
        self._references = references
        self._flights: dict[CacheKey, asyncio.Task[Secret | Failure]] = {}
        self._tasks: set[asyncio.Task[Secret | Failure]] = set()
        self._chores: set[asyncio.Task[None]] = set()
        self._disabled: set[str] = set()

    def cached(self, ref: SecretRef, asker: Asker) -> Secret | None:
        """The fresh cached secret, or None when `resolve` must be awaited. Raises SecretForbidden when out of scope or disabled."""
        if not _admits(ref, asker) or ref.slug in self._disabled:
            raise self._refuse(ref, asker).error()
        key = key_of(ref)
        now = self._clock.monotonic()
        entry = self._cache.fresh(key, now)
        if entry is None:
            return None
        if now >= entry.refresh_at:
            self._refresh_ahead(key, ref)
        self._note(ref, asker, "hit", entry.secret, 0)
        return entry.secret

    async def resolve(self, ref: SecretRef, asker: Asker) -> Secret:
        """The secret, from cache or vault. Raises SecretForbidden, SecretNotFound, VaultUnavailable or SecretError (`bad_value`)."""
        secret = self.cached(ref, asker)
        if secret is not None:
            return secret
        started = self._clock.monotonic()
        found, outcome = await self._obtain(ref)
        return self._given(ref, asker, found, outcome, started)

    async def resolve_slug(self, slug: str, asker: Asker) -> Secret:
        """Resolve a declared reference by its slug; one that does not exist is answered like one that is out of scope."""
        ref = self._references().get(slug)
        if ref is None:
            self._note(SecretRef(slug=slug, manager_type="", secret_path=""), asker, "out_of_scope", None, 0)
            raise failures.out_of_scope(slug).error()
        return await self.resolve(ref, asker)

    async def refresh(self, ref: SecretRef, rejected: Secret, asker: Asker | None = None) -> Secret | None:
        """After a provider refused `rejected` with 401 or 403: read the vault once more, all callers together.

        Gives the new secret when the vault has another value by now; else marks the cached one suspect for a moment, in which
        no further read is made, and gives None. Raises nothing.
        """
        asker = asker or SYSTEM
        if asker is not SYSTEM and not _admits(ref, asker):
            self._refuse(ref, asker)
            return None
        started = self._clock.monotonic()
        result, outcome = await self._reread(ref, rejected)
        if result is None:
            return None
        secret = result if isinstance(result, Secret) else None
        self._note(ref, asker, outcome, secret, self._since(started))
        return secret if outcome in ("refreshed", "hit") else None

    async def probe(self, ref: SecretRef, asker: Asker) -> Probe:
        """Read the vault now, whatever is cached, for preflight and `verify`. Regards the kill switch but no scope; raises nothing."""
        started = self._clock.monotonic()
        result: Secret | Failure = failures.disabled(ref.slug) if ref.slug in self._disabled else await self._fly(key_of(ref), ref)
        latency_us = self._since(started)
        if isinstance(result, Failure):
            self._note(ref, asker, result.outcome, None, latency_us)
            return Probe(None, result, latency_us)
        self._note(ref, asker, "fetched", result, latency_us)
        return Probe(result, None, latency_us)

    def purge(self, slug: str) -> None:
        """Forget what is cached of a reference; a read under way is given to those who wait for it and then forgotten too."""
        self._cache.forget(slug)
        for key in [key for key in self._flights if key[0] == slug]:
            del self._flights[key]

    def purge_type(self, manager_type: str) -> None:
        """Forget what is cached of every reference into one kind of vault."""
        for slug in self._cache.slugs_of(manager_type):
            self.purge(slug)

    def disable(self, slug: str) -> None:
        """Kill switch: from now on every use of the reference is refused, also by callers who are waiting for it."""
        self._disabled.add(slug)
        under_way = [flight for key, flight in self._flights.items() if key[0] == slug]
        self.purge(slug)
        task = asyncio.get_running_loop().create_task(self._given_back(slug, under_way))
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

    async def _given_back(self, slug: str, under_way: Sequence[asyncio.Task[Secret | Failure]]) -> None:
        """Credentials that were made for a disabled reference are revoked, beside everything else; also what a read still brings."""
        await self._backends.give_up(slug)
        if under_way:
            await asyncio.wait(under_way)
            await self._backends.give_up(slug)

    async def settled(self) -> None:
        """Wait for what was begun by `disable`."""
        await asyncio.gather(*self._chores, return_exceptions=True)

    async def tend(self) -> None:
        """Keep the vaults' tokens and leases alive; called every few seconds while the gateway runs."""
        await self._backends.tend()

    def enable(self, slug: str) -> None:
        """Take the kill switch back."""
        self._disabled.discard(slug)

    def disabled(self) -> frozenset[str]:
        """The slugs whose kill switch is set."""
        return frozenset(self._disabled)

    def is_suspect(self, ref: SecretRef) -> bool:
        """Whether a provider refused the cached value and the vault has no other."""
        return self._cache.is_suspect(key_of(ref))

    def is_degraded(self, ref: SecretRef) -> bool:
        """Whether the last attempt to read the reference failed in passing: old values are, or would be, served."""
        return self._cache.is_degraded(key_of(ref)) or self._backends.is_open(ref)

    async def close(self) -> None:
        """Forget every value, give back what vaults made for us, and let go of threads and reads under way."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *self._chores, return_exceptions=True)
        self._cache.clear()
        await self._backends.close()

    async def _obtain(self, ref: SecretRef) -> tuple[Secret | Failure, Outcome]:
        key = key_of(ref)
        now = self._clock.monotonic()
        entry = self._cache.get(key)
        if entry is not None and entry.failure is not None and now < entry.fresh_until:
            return entry.failure, entry.failure.outcome
        if entry is not None and entry.degraded and entry.secret is not None and now < entry.stale_until:
            if now >= entry.refresh_at:
                self._refresh_ahead(key, ref)
            return entry.secret, "stale"
        result = await self._fly(key, ref)
        if isinstance(result, Failure):
            bridge = self._cache.stale(key, self._clock.monotonic()) if result.transient else None
            return (bridge, "stale") if bridge is not None else (result, result.outcome)
        return result, "fetched"

    def _given(self, ref: SecretRef, asker: Asker, found: Secret | Failure, outcome: Outcome, started: float) -> Secret:
        if ref.slug in self._disabled:
            raise self._refuse(ref, asker).error()
        if isinstance(found, Failure):
            self._note(ref, asker, outcome, None, self._since(started))
            raise found.error()
        self._note(ref, asker, outcome, found, self._since(started))
        return found

    async def _resolve_inner(self, ref: SecretRef, refused: Secret | None) -> Secret | Failure:
        """Resolve a vault's own credential: not on a workspace's behalf, so without scope; the kill switch holds."""
        if ref.slug in self._disabled:
            return failures.disabled(ref.slug)
        if refused is not None:
            fresh = await self.refresh(ref, refused)
            return fresh if fresh is not None else failures.unauthenticated(ref.slug)
        started = self._clock.monotonic()
        entry = self._cache.fresh(key_of(ref), started)
        if entry is not None and entry.secret is not None:
            return entry.secret
        found, outcome = await self._obtain(ref)
        self._note(ref, SYSTEM, outcome, found if isinstance(found, Secret) else None, self._since(started))
        return found

    async def _reread(self, ref: SecretRef, rejected: Secret) -> tuple[Secret | Failure | None, Outcome]:
        """The vault's present word: `hit` or `refreshed` when it is another value, None when it was asked a moment ago."""
        key = key_of(ref)
        result: Secret | Failure = failures.disabled(ref.slug)
        for _ in range(2):  # a read that is joined may have begun before the rotation, so one more is made after it
            if ref.slug in self._disabled:
                return failures.disabled(ref.slug), "denied"
            now = self._clock.monotonic()
            entry = self._cache.get(key)
            if entry is not None and entry.secret is not None and now < entry.fresh_until and entry.secret != rejected:
                return entry.secret, "hit"
            if entry is not None and now < entry.suspect_until:
                return None, "hit"
            joined = key in self._flights
            result = await self._fly(key, ref, refused=True)
            if not joined or (isinstance(result, Secret) and result != rejected):
                break
        if ref.slug in self._disabled:
            return failures.disabled(ref.slug), "denied"
        if isinstance(result, Secret) and result != rejected:
            return result, "refreshed"
        if isinstance(result, Failure):
            return result, result.outcome
        self._cache.suspect(key, self._clock.monotonic())
        return result, "fetched"

    async def _fly(self, key: CacheKey, ref: SecretRef, *, refused: bool = False) -> Secret | Failure:
        """Join the read that is under way, or start one. Cancelling a caller does not cancel the others' read."""
        return await asyncio.shield(self._flights.get(key) or self._take_off(key, ref, refused=refused))

    def _take_off(self, key: CacheKey, ref: SecretRef, *, refused: bool = False) -> asyncio.Task[Secret | Failure]:
        flight = asyncio.get_running_loop().create_task(self._fetch(key, ref, refused=refused))
        self._flights[key] = flight
        self._tasks.add(flight)
        flight.add_done_callback(lambda done: self._landed(key, done))
        return flight

    def _landed(self, key: CacheKey, flight: asyncio.Task[Secret | Failure]) -> None:
        self._tasks.discard(flight)
        if self._flights.get(key) is flight:
            del self._flights[key]

    async def _fetch(self, key: CacheKey, ref: SecretRef, *, refused: bool) -> Secret | Failure:
        generation = self._cache.generation(ref.slug)
        result = await self._backends.read(ref, refused=refused)
        if self._cache.generation(ref.slug) == generation:
            self._cache.store(key, ref, result, self._clock.monotonic())
        return result

    def _refresh_ahead(self, key: CacheKey, ref: SecretRef) -> None:
        if key in self._flights:
            return
        started = self._clock.monotonic()
        self._take_off(key, ref).add_done_callback(lambda done: self._note_ahead(ref, done, started))

    def _note_ahead(self, ref: SecretRef, done: asyncio.Task[Secret | Failure], started: float) -> None:
        if done.cancelled():
            return
        result = done.result()
        secret = result if isinstance(result, Secret) else None
        self._note(ref, SYSTEM, result.outcome if isinstance(result, Failure) else "refreshed", secret, self._since(started))

    def _refuse(self, ref: SecretRef, asker: Asker) -> Failure:
        allowed = _admits(ref, asker)
        self._note(ref, asker, "denied" if allowed else "out_of_scope", None, 0)
        return failures.disabled(ref.slug) if allowed else failures.out_of_scope(ref.slug)

    def _since(self, started: float) -> int:
        return int((self._clock.monotonic() - started) * 1_000_000)

    def _note(self, ref: SecretRef, asker: Asker, outcome: Outcome, secret: Secret | None, latency_us: int) -> None:
        version, fingerprint = ("", "") if secret is None else (secret.version, secret.fingerprint)
        self._on_read(
            SecretRead(
                ref.slug,
                ref.manager_type,
                asker.workspace,
                asker.key_id,
                asker.request_id,
                outcome,
                version,
                fingerprint,
                latency_us,
                self._clock.now_us(),
            )
        )
