"""Keeps the references in force: the document's, those made by REST, and the switches, followed in the store by every worker.

A change anywhere bumps a revision in its transaction; every worker looks at it a few times a second and takes over what is new: the
references are compiled anew, what was cached of changed ones is forgotten, kill switches are set and taken back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from pipeline.bootstrap.compile import References, compile_permits, compile_references, gather_references
from pipeline.config.document import Document
from pipeline.keys.revisions import REFERENCES, SECRETS, read_revisions
from pipeline.keys.watch import POLL_S
from pipeline.vaults.auth import ALIASES
from pipeline.vaults.local_keys import LocalKeys
from pipeline.vaults.model import SecretRef
from pipeline.vaults.permits import NOTHING_ELSE, Permits, measured
from pipeline.vaults.reference_sql import Switch, load_changes, read_switches
from pipeline.vaults.resolver import Resolver
from pipeline.vaults.sealing import literals_of

log = logging.getLogger("lockgate.secrets")

_WATCHED: Final = (REFERENCES, SECRETS)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the store says, as of its revisions. `measured` is what was made by REST, measured by the document's `permits`."""

    revisions: Mapping[str, int] = field(default_factory=dict)
    made: Mapping[str, SecretRef] = field(default_factory=dict)
    permits: Permits = NOTHING_ELSE
    measured: Mapping[str, SecretRef] = field(default_factory=dict)
    switches: Mapping[str, Switch] = field(default_factory=dict)


class ReferenceBook:
    """The references in force. Used on the event loop; the store is read in a thread. `announce` makes a literal of theirs known."""

    def __init__(self, engine: Engine, keys: LocalKeys, announce: Callable[[str, str], object]) -> None:
        self._engine = engine
        self._keys = keys
        self._announce = announce
        self._loaded = Loaded()
        self._taking = asyncio.Lock()
        self._tell: Callable[[References], None] = lambda _: None
        self._document = Document()
        self._permits = NOTHING_ELSE
        self._resolver: Resolver | None = None

    @property
    def made(self) -> Mapping[str, SecretRef]:
        """The references that were made by REST, by slug."""
        return self._loaded.made

    def serve(self, document: Document, resolver: Resolver, tell: Callable[[References], None]) -> None:
        """Say whose references these are, and who is told of new ones."""
        self._resolver, self._tell = resolver, tell
        self.follow(document)

    def compile(self, document: Document) -> References:
        """The references of a document with those made by REST."""
        return compile_references(document, self.made)

    def follow(self, document: Document) -> None:
        """Speak of another document from now on (it was reloaded)."""
        self._document, self._permits = document, compile_permits(document)

    async def refresh(self) -> None:
        """Take over what the store says now. Raises SQLAlchemyError when it cannot be read."""
        async with self._taking:
            self._take(await asyncio.to_thread(self._load))

    async def look(self) -> None:
        """Take over what the store says if anything changed. Raises nothing: what is known stays in force while the store is away."""
        try:
            if await asyncio.to_thread(self._revisions) != self._loaded.revisions:
                await self.refresh()
        except SQLAlchemyError as error:  # that a change could be missed for too long is the keys' to judge: they refuse every call then
            log.warning("the references cannot be read", extra={"error_type": type(error).__name__})

    async def run(self, *, poll_s: float = POLL_S) -> None:
        """Follow the store until cancelled."""
        while True:
            await asyncio.sleep(poll_s)
            await self.look()

    def _revisions(self) -> dict[str, int]:
        with self._engine.connect() as connection:
            return read_revisions(connection, _WATCHED)

    def _load(self) -> Loaded:
        with self._engine.connect() as connection:
            # The numbers first: a change that comes in between is read again at the next look.
            revisions = read_revisions(connection, _WATCHED)
            before = self._loaded.made
            present, changed = load_changes(connection, self._keys, {slug: ref.revision for slug, ref in before.items()})
            switches = {switch.slug: switch for switch in read_switches(connection)}
        for each in changed:
            for name, value in literals_of(each.auth_config).items():
                self._announce(value.reveal(), f"{each.slug}.{name}")
        stays = {slug: ref for slug, ref in before.items() if slug in present}
        made = {**stays, **{each.slug: each.ref() for each in changed}}
        permits = self._permits
        return Loaded(revisions, made, permits, _measured(made, permits, self._loaded), switches)

    def _take(self, loaded: Loaded) -> None:
        before, self._loaded = self._loaded, loaded
        if self._resolver is None:
            return
        if {slug: ref.revision for slug, ref in before.made.items()} != {slug: ref.revision for slug, ref in loaded.made.items()}:
            fresh = loaded.measured if loaded.permits is self._permits else _measured(loaded.made, self._permits, Loaded())
            self._tell(gather_references(self._document, fresh, self._permits))
        for slug in _outdated(before, loaded):
            self._resolver.purge(slug)
        if before.revisions and before.revisions.get(SECRETS) != loaded.revisions.get(SECRETS):
            for manager_type in ("local", *(alias for alias, name in ALIASES.items() if name == "local")):
                self._resolver.purge_type(manager_type)
        wanted = {slug for slug, switch in loaded.switches.items() if switch.disabled_us}
        for slug in wanted - self._resolver.disabled():
            self._resolver.disable(slug)
        for slug in self._resolver.disabled() - wanted:
            self._resolver.enable(slug)


def _measured(made: Mapping[str, SecretRef], permits: Permits, before: Loaded) -> dict[str, SecretRef]:
    """What was made, measured by what the document permits; of thousands only those that changed, unless the document did."""
    kept = before.measured if before.permits is permits else {}
    return {slug: kept[slug] if slug in kept and before.made.get(slug) is ref else measured(ref, permits) for slug, ref in made.items()}


def _outdated(before: Loaded, now: Loaded) -> set[str]:
    """The slugs whose cached values are void: edited or deleted references, and those that somebody asked to be forgotten."""
    edited = {slug for slug, ref in before.made.items() if slug not in now.made or now.made[slug].revision != ref.revision}
    purged = {
        slug
        for slug, switch in now.switches.items()
        if switch.purged_us and (slug not in before.switches or before.switches[slug].purged_us != switch.purged_us)
    }
    return edited | purged
