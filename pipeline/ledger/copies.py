"""Copies of checkpoints where the database's owner does not rule: a file or a folder (of another disk, host or owner), or a bucket.

A file gets one line for each checkpoint and is only ever appended to; a folder gets one file for each, `CHAIN/NUMBER.json`, made
once and never opened again. Copies are made after the checkpoint stands in SQL, outside of every request; a place that cannot be
written is tried again later, with everything that it still lacks.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from pipeline.clock import Clock
from pipeline.errors import LedgerError
from pipeline.ledger.notary import Run
from pipeline.store import checkpoints as sql
from pipeline.store.checkpoints import Stored
from pipeline.store.engine import StoreError

AT_ONCE: Final = 200
RETRY_S: Final = 30.0
TIMEOUT_S: Final = 60.0


class CopyFailed(Exception):
    """A place did not take a checkpoint; `why` is a code, never a text of the other side."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Place(Protocol):
    """Where copies go. `name` says where for people; `put` is called in a worker thread and raises CopyFailed."""

    @property
    def name(self) -> str:
        """What stands in the configuration."""
        ...

    def put(self, rows: Sequence[Stored]) -> None:
        """Keep these, durably; one that is there already is no failure."""
        ...


def line_of(row: Stored) -> bytes:
    """A checkpoint as it is kept outside, with a line end (checkpoint.py)."""
    return b'{"checkpoint":%b,"signature":"%b"}\n' % (row.body.encode(), row.signature.encode())


@dataclass(frozen=True, slots=True)
class FilePlace:
    """An append-only file. It is made for its owner only; `chattr +a` makes it so for root, too."""

    path: Path

    @property
    def name(self) -> str:
        """Its path."""
        return f"file:{self.path}"

    def put(self, rows: Sequence[Stored]) -> None:
        """Append a line each, and sync."""
        try:
            fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(b"".join(map(line_of, rows)))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise CopyFailed(os.strerror(error.errno or 0)) from None


@dataclass(frozen=True, slots=True)
class FolderPlace:
    """A folder, of a write-once file system if there is one."""

    path: Path

    @property
    def name(self) -> str:
        """Its path."""
        return f"directory:{self.path}"

    def put(self, rows: Sequence[Stored]) -> None:
        """Make a file each; one that exists must say the same."""
        try:
            for row in rows:
                folder = self.path / row.chain
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._one(folder / f"{row.number:08d}.json", line_of(row))
        except OSError as error:
            raise CopyFailed(os.strerror(error.errno or 0)) from None

    def _one(self, path: Path, content: bytes) -> None:
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            if path.read_bytes() != content:
                raise CopyFailed("another checkpoint of this number is there already") from None
            return
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())


def place_id(place: Place) -> str:
    """What SQL knows a place by."""
    return sha256(place.name.encode()).hexdigest()


@dataclass(slots=True)
class Copier:
    """Brings to each place what it lacks. `told` counts outcomes (`copied`, `failed`); `troubles` says which places fail, and why."""

    engine: Engine
    run_write: Run
    clock: Clock
    places: Callable[[], Sequence[Place]]
    told: Callable[[str, int], None]
    troubles: dict[str, str] = field(default_factory=dict)
    _not_before: dict[str, float] = field(default_factory=dict)

    async def look(self) -> None:
        """Copy what is missing where; never raises but for cancellation."""
        for place in self.places():
            if self.clock.monotonic() >= self._not_before.get(place.name, 0.0):
                await self._bring(place)

    async def _bring(self, place: Place) -> None:
        try:
            while rows := await asyncio.to_thread(self._missing, place):
                await asyncio.wait_for(asyncio.to_thread(place.put, rows), TIMEOUT_S)
                ids, now_us = [row.id for row in rows], self.clock.now_us()
                await self.run_write(partial(sql.mark_copied, place=place_id(place), ids=ids, at_us=now_us))
                self.told("copied", len(rows))
        except (CopyFailed, TimeoutError) as error:
            self._failed(place, error.why if isinstance(error, CopyFailed) else "no answer in time")
        except (SQLAlchemyError, StoreError, LedgerError) as error:
            self._failed(place, f"the store cannot be used ({type(error).__name__})")
        else:
            self.troubles.pop(place.name, None)

    def _failed(self, place: Place, why: str) -> None:
        self.told("failed", 1)
        self.troubles[place.name] = why
        self._not_before[place.name] = self.clock.monotonic() + RETRY_S

    def _missing(self, place: Place) -> list[Stored]:
        with self.engine.connect() as connection:
            return sql.not_copied(connection, place_id(place), AT_ONCE)
