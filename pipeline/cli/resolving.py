"""References resolved from a shell, without a gateway: to see whether they can be, and to know every live secret of a document."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.bootstrap.compile import References
    from pipeline.config.environment import Process
    from pipeline.vaults.resolver import Resolver


def _kept_to_oneself(_value: str, _label: str) -> None:
    return None


@asynccontextmanager
async def open_resolver(
    process: Process, declared: Mapping[str, Any], announce: Callable[[str, str], object] = _kept_to_oneself
) -> AsyncIterator[Resolver]:
    """A resolver over this shell's environment and the local store. `announce` is given every value with its reference's name."""
    import random

    from pipeline.clock import SystemClock
    from pipeline.config.environment import env_snapshot
    from pipeline.config.home import secret_folders
    from pipeline.vaults.registry import VaultContext, open_vault
    from pipeline.vaults.resolver import Resolver

    clock = SystemClock()
    folder = process.document_path.resolve().parent
    rows, keys, fingerprint_key = _local_store(process)
    context = VaultContext(
        clock=clock,
        environment=env_snapshot(),
        file_roots=secret_folders(folder, process.home),
        file_base=folder,
        local_rows=rows,
        local_keys=keys,
        may_use_up=False,
    )
    resolver = Resolver(
        lambda manager_type, auth_config: open_vault(manager_type, auth_config, context),
        clock=clock,
        fingerprint_key=fingerprint_key,
        announce=announce,
        retire=lambda *_: None,
        on_read=lambda _: None,
        jitter=random.random,
        references=lambda: declared,
    )
    try:
        yield resolver
    finally:
        await resolver.close()


@dataclass(frozen=True, slots=True)
class LiveSecrets:
    """Every live secret of a document, known for as long as a command looks: `is_dirty` tells whether bytes hold one."""

    references: References
    resolver: Resolver
    is_dirty: Callable[[bytes], bool]


@asynccontextmanager
async def live_secrets(process: Process) -> AsyncIterator[LiveSecrets]:
    """Resolve every reference of the document of this data folder. SecretError names those that do not resolve: nobody could tell then.

    What this installation itself holds (the admin key, the database's password, OpenTelemetry's headers) is known as well.
    """
    from sqlalchemy.engine import make_url

    from pipeline.bootstrap.compile import compile_references
    from pipeline.cli.engine import finder_of
    from pipeline.cli.made import made_references
    from pipeline.clock import SystemClock
    from pipeline.config.environment import database_url, env_snapshot
    from pipeline.config.loader import load_document
    from pipeline.config.otel import read_otel
    from pipeline.errors import SecretError
    from pipeline.vaults.check import check
    from pipeline.vaults.model import LEASED
    from pipeline.vaults.sealing import literals_of
    from redactors.detectors.known import KnownSecrets

    made = made_references(process)
    references = compile_references(load_document(process.document_path, find_secrets=finder_of(process)), made.references)
    known = KnownSecrets()
    for ref in made.references.values():
        for name, literal in literals_of(ref.auth_config).items():
            known.announce(literal.reveal(), f"{ref.slug}.{name}")
    password = make_url(database_url(process)).password
    own = [process.layout.admin_key(), *([str(password)] if password else []), *read_otel(env_snapshot()).secrets]
    for number, value in enumerate(own):
        known.announce(value, f"process:{number}")
    async with open_resolver(process, references.declared, known.announce) as resolver:
        statuses = await check(references.all(), resolver, SystemClock())
        # A leased value was made for this look alone: the gateway has another, which nobody here knows.
        lost = [status.slug for status in statuses if not status.resolvable or status.version.startswith(LEASED)]
        if lost:
            raise SecretError(
                f"These references do not resolve here: {', '.join(lost)}. Nobody can tell that none of their secrets is in it.",
                hint="Start the gateway (`lockgate serve`), or run the command where they resolve.",
                code="secret_missing",
            )
        yield LiveSecrets(references, resolver, known.contains)


class _NothingStored:
    """The local store before the first start: there, and empty."""

    def newest(self, name: str) -> None:
        """There is no row."""
        _ = name

    def version(self, name: str, version: int) -> None:
        """There is no row."""
        _ = name, version


def _local_store(process: Process) -> tuple[Any, Any, bytes]:
    """The local store's rows and keys, and the key of fingerprints; empty and fresh where no start has made them yet."""
    import os

    from pipeline.config.environment import database_url
    from pipeline.keys.pepper import derived_key, make_peppers
    from pipeline.store.engine import sqlite_path
    from pipeline.store.read_engine import open_read_engine
    from pipeline.vaults.local_keys import make_keys
    from pipeline.vaults.local_sql import SqlRows

    home = process.layout
    url = database_url(process)
    path = sqlite_path(url)
    peppers = home.peppers() if home.pepper_file.exists() else make_peppers(os.urandom)
    fingerprint_key = derived_key(peppers, "fingerprint")
    if not home.store_key_file.exists() or (path is not None and not path.exists()):
        return _NothingStored(), make_keys(os.urandom), fingerprint_key
    return SqlRows(open_read_engine(url)), home.store_keys(), fingerprint_key
