"""A real store and a real ledger in a temporary folder, with a clock that a test can move."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, create_engine

from pipeline import ids
from pipeline.keys.pepper import Peppers, make_peppers
from pipeline.keys.requests import NewWorkspace
from pipeline.keys.service import Actor, Office
from pipeline.keys.workspaces import create_workspace
from pipeline.ledger.ledger import DurableLedger
from pipeline.store.engine import open_reader
from pipeline.store.tables import metadata
from redactors import build_redactor
from redactors.engine import Redactor
from tests.pipeline.keys.clocks import START_US, MovableClock
from tests.pipeline.ledger.stores import postgres, postgres_template, postgres_url, sqlite_template, sqlite_url, url

__all__ = ["postgres", "postgres_template", "postgres_url", "sqlite_template", "sqlite_url", "url"]


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture(scope="session")
def peppers() -> Peppers:
    return make_peppers(os.urandom)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A store without a ledger, for the functions over a connection."""
    made = create_engine(f"sqlite:///{tmp_path}/plain.db")
    metadata.create_all(made)
    yield made
    made.dispose()


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    """A connection to a store with the workspace `default`."""
    with engine.connect() as opened:
        create_workspace(opened, NewWorkspace("default"), now_us=START_US)
        opened.commit()
        yield opened


@pytest.fixture(scope="session")
def recorder() -> Redactor:
    return build_redactor(rules=(), direction="telemetry")


@dataclass(frozen=True)
class Stood:
    """An office over a real ledger, and a reading engine beside it."""

    office: Office
    ledger: DurableLedger
    reader: Engine
    url: str
    actor: Actor


@pytest.fixture
async def stood(url: str, tmp_path: Path, clock: MovableClock, peppers: Peppers, recorder: Redactor) -> AsyncIterator[Stood]:
    """On SQLite and on PostgreSQL: both keep the same promises."""
    ledger = DurableLedger(
        url, clock=clock, journal_dir=tmp_path, require="all", epoch_id=ids.ulid(START_US), host="test", pid=os.getpid(), version="0"
    )
    await ledger.start()
    await ledger.run(lambda opened: create_workspace(opened, NewWorkspace("default"), now_us=START_US))
    reader = open_reader(url)
    yield Stood(Office(ledger, peppers, clock, recorder.tree), ledger, reader, url, Actor("tester"))
    reader.dispose()
    await ledger.stop()
