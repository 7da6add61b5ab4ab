"""The resolver's cache: for how long a value is fresh, stale, suspect or known to be missing. Times are monotonic seconds.

fetched ── refresh_at ── fresh_until ──── expiry ──────────── stale_until
   served, refreshed in the background │ served only while reads fail in passing │ never
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pipeline.vaults.failures import Failure
from pipeline.vaults.model import Secret, SecretRef

CacheKey = tuple[str, str, str | None, str | None, str, str]
"""Slug, revision, pinned version, field, and where it points (so that an edit without a new revision is seen too)."""

JITTER: Final = 0.1
"""Times to live are shortened by up to this part, so that references made together do not expire together."""

SUSPECT_S: Final = 2.0
"""How long after a fruitless re-read no other is made for a refused value: a dead key costs its vault a read every two seconds at most."""

BACKOFF_S: Final = 2.0
"""How long after a transient failure the next background attempt is made."""


def key_of(ref: SecretRef) -> CacheKey:
    """The cache key of a reference."""
    return (ref.slug, ref.revision, ref.version, ref.secret_key, ref.manager_type, ref.secret_path)


@dataclass(slots=True)
class Entry:
    """What is known of one reference: a secret, or an authoritative failure."""

    secret: Secret | None
    failure: Failure | None
    refresh_at: float
    fresh_until: float
    stale_until: float
    degraded: bool = False
    suspect_until: float = 0.0


class Cache:
    """Entries by key, and a generation per slug that a purge moves on. Used on the event loop only."""

    def __init__(self, jitter: Callable[[], float]) -> None:
        self._jitter = jitter
        self._entries: dict[CacheKey, Entry] = {}
        self._keys: dict[str, set[CacheKey]] = {}
        self._generations: dict[str, int] = {}

    def get(self, key: CacheKey) -> Entry | None:
        """Whatever is known."""
        return self._entries.get(key)

    def fresh(self, key: CacheKey, now: float) -> Entry | None:
        """The entry if it holds a secret that is still fresh."""
        entry = self._entries.get(key)
        if entry is None or entry.secret is None or now >= entry.fresh_until:
            return None
        return entry

    def stale(self, key: CacheKey, now: float) -> Secret | None:
        """The last good secret, unless its hard stop has passed."""
        entry = self._entries.get(key)
        return entry.secret if entry is not None and now < entry.stale_until else None

    def store(self, key: CacheKey, ref: SecretRef, result: Secret | Failure, now: float) -> None:
        """Remember the outcome of a read. A transient failure keeps the last good value and paces the next attempts."""
        if isinstance(result, Failure) and result.transient:
            entry = self._entries.get(key)
            if entry is not None and entry.secret is not None:
                entry.degraded = True
                entry.refresh_at = now + BACKOFF_S * (1 + self._jitter())
            return
        keys = self._keys.setdefault(ref.slug, set())
        for other in [other for other in keys if other[1] != ref.revision]:  # an edited reference: nothing of it before counts any more
            keys.discard(other)
            self._entries.pop(other, None)
        keys.add(key)
        shortened = 1 - JITTER * self._jitter()
        if isinstance(result, Failure):
            self._entries[key] = Entry(None, result, 0.0, now + ref.negative_ttl_s * shortened, 0.0)
            return
        lasts_s = math.inf if result.lasts_s is None else result.lasts_s  # a value that its vault takes back is not used after that
        ttl = min(ref.cache_ttl_s, lasts_s)
        self._entries[key] = Entry(
            secret=result,
            failure=None,
            refresh_at=now + ttl * shortened * ref.refresh_ahead_ratio,
            fresh_until=now + ttl * shortened,
            stale_until=now + min(ttl + ref.max_stale_s, lasts_s),
        )

    def suspect(self, key: CacheKey, now: float) -> None:
        """Note that a provider refused the cached value and that the vault has no other: look again soon, but not at once."""
        entry = self._entries.get(key)
        if entry is not None:
            entry.suspect_until = now + SUSPECT_S
            entry.refresh_at = min(entry.refresh_at, entry.suspect_until)

    def is_suspect(self, key: CacheKey) -> bool:
        """Whether the value was refused by a provider since it was read."""
        entry = self._entries.get(key)
        return entry is not None and entry.suspect_until > 0

    def is_degraded(self, key: CacheKey) -> bool:
        """Whether the last read failed in passing."""
        entry = self._entries.get(key)
        return entry is not None and entry.degraded

    def generation(self, slug: str) -> int:
        """Moves on with every purge of the slug."""
        return self._generations.get(slug, 0)

    def slugs_of(self, manager_type: str) -> set[str]:
        """The slugs of which something is held, of one kind of vault."""
        return {key[0] for key in self._entries if key[4] == manager_type}

    def forget(self, slug: str) -> None:
        """Drop every entry of a slug, also those of reads that are still under way."""
        self._generations[slug] = self.generation(slug) + 1
        for key in self._keys.pop(slug, ()):
            self._entries.pop(key, None)

    def clear(self) -> None:
        """Drop everything."""
        self._entries.clear()
        self._keys.clear()
