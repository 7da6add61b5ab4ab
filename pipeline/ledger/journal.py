"""The second device: an append-only, fsynced, hash-chained file beside the database.

One file per life of a writer (`<epoch>.0001.jsonl`, further parts when it grows or a write failed), JSON lines in blocks. A
block is what one transaction wrote; its last line seals it: `{"seal": lines, "link": SHA-256(previous link ‖ the block's
bytes)}`. What has no seal was never acknowledged. Other lines than events: the header of a part, `void` (the transaction of
these events failed after they were written here), `gap` (events that only the database has, because the journal could not be
written or the machine lost power between the two) and `end`.

A part that is written to is filled with zeros ahead of its lines, so that a sync has no new length or place of the file to write down
and waits for the data alone. Readers stop at what has no seal; a part that is closed is cut to its lines.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from pipeline.ledger.chain import GENESIS, Row

PART_BYTES = 64 * 1024 * 1024
AHEAD_BYTES = 1024 * 1024
"""How far a part is filled ahead, once it has been written to some times."""

_BLOCKS_BEFORE_FILLING = 16


class JournalError(Exception):
    """The journal could not be written; `errno` is the system's code."""

    def __init__(self, errno: int | None) -> None:
        super().__init__(f"the journal cannot be written (errno {errno})")
        self.errno = errno


def event_line(row: Row, body: bytes) -> bytes:
    """An event as a line: its canonical form, and its place in its chain."""
    place: str = f',"hash":"{row[18]}","prev_hash":"{row[17]}"}}\n'
    return body[:-1] + place.encode()


class Journal:
    """The files of one epoch. Used by the writer's thread only; the open part stays locked, which tells others that it lives."""

    def __init__(self, folder: Path, epoch_id: str, require: str) -> None:
        self._folder = folder
        self._epoch_id = epoch_id
        self._require = require
        self._fd: int | None = None
        self._part = 0
        self._size = 0  # bytes of sealed blocks
        self._room = 0  # bytes up to which the part is filled
        self._blocks = 0
        self._link = GENESIS
        self._put: tuple[int, str] | None = None  # size and link that hold once the block that was put is synced
        self._owed: dict[tuple[str, str], tuple[int, int]] = {}  # void and gap lines that are still to be written
        self.trouble = ""

    def write(self, lines: Sequence[bytes]) -> None:
        """Write a block durably; raises JournalError and then holds nothing of it that counts."""
        self.put(lines)
        self.sync()

    def put(self, lines: Sequence[bytes]) -> None:
        """Write a block that counts once `sync` returned; raises JournalError as `write` does. From here on it survives the process."""
        notes = [_line({kind: {"chain": chain, "from": span[0], "to": span[1]}}) for (kind, chain), span in self._owed.items()]
        try:
            if self._fd is None or self._size > PART_BYTES:
                self._begin_part()
            self._append([*notes, *lines])
        except OSError as error:
            self._fail(error)
            raise JournalError(error.errno) from None

    def sync(self) -> None:
        """Make the block that was put durable; any thread, while the writer's own leaves the journal alone."""
        assert self._fd is not None
        try:
            self._flush()
        except OSError as error:
            self._fail(error)
            raise JournalError(error.errno) from None
        self._owed.clear()
        self.trouble = ""

    def fill(self) -> None:
        """Fill the part ahead of its lines when little is left; done while nobody waits. A disk that has no room for it does without."""
        if self._fd is None or self._blocks < _BLOCKS_BEFORE_FILLING or self._room - self._size > AHEAD_BYTES // 4:
            return
        start, self._room = max(self._room, self._size), max(self._room, self._size) + AHEAD_BYTES
        try:
            _write(self._fd, bytes(self._room - start), start)
            os.fdatasync(self._fd)
        except OSError:
            self._room, self._blocks = start, 0  # tried again after some blocks
            with suppress(OSError):
                os.ftruncate(self._fd, start)

    def void(self, rows: Sequence[Row]) -> None:
        """Note, with the next block at the latest, that these events did not come to be."""
        self._owe("void", rows)

    def gap(self, rows: Sequence[Row]) -> None:
        """Note, with the next block, that only the database has these events."""
        self._owe("gap", rows)

    def _owe(self, kind: str, rows: Sequence[Row]) -> None:
        # Nothing else is written before these lines are, so that one span per kind and chain is exact.
        for row in rows:
            chain, seq = row[2], row[12]
            first, last = self._owed.get((kind, chain), (seq, seq))
            self._owed[kind, chain] = (min(first, seq), max(last, seq))

    def end(self, reason: str, at_us: int) -> None:
        """Write the last line and close. A journal that cannot be written is closed without it."""
        if self._fd is not None:
            try:
                self.write([_line({"end": reason, "at_us": at_us})])
                os.ftruncate(self._fd, self._size)
            except (JournalError, OSError):
                return
            finally:
                self._close()

    def _begin_part(self) -> None:
        self._close()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{self._epoch_id}.{self._part + 1:04d}.jsonl"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._fd, self._size, self._room, self._blocks = fd, 0, 0, 0
        self._part += 1
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._append([_line({"journal": 1, "epoch": self._epoch_id, "part": self._part, "require": self._require, "prev": self._link})])
        self._flush()
        _sync_folder(self._folder)

    def _append(self, lines: Sequence[bytes]) -> None:
        assert self._fd is not None
        block = b"".join(lines)
        link = sha256(self._link.encode() + block).hexdigest()
        block += b'{"seal":%d,"link":"%b"}\n' % (len(lines), link.encode())
        _write(self._fd, block, self._size)
        self._put = (self._size + len(block), link)

    def _flush(self) -> None:
        assert self._fd is not None
        assert self._put is not None
        os.fdatasync(self._fd)
        self._size, self._link = self._put
        self._put = None
        self._blocks += 1

    def _fail(self, error: OSError) -> None:
        """Go on in a new part: what fsync refused once cannot be trusted. What was half written is cut off, if that works."""
        self.trouble = "journal: " + os.strerror(error.errno or 0)
        if self._fd is not None:
            try:
                os.ftruncate(self._fd, self._size)
            except OSError:
                self.trouble += ", torn"
            self._close()

    def _close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _write(fd: int, data: bytes, at: int) -> None:
    left = memoryview(data)
    while left:
        written = os.pwrite(fd, left, at)
        left, at = left[written:], at + written


def _line(value: dict[str, Any]) -> bytes:
    return orjson.dumps(value) + b"\n"


def _sync_folder(folder: Path) -> None:
    """Make a new file's name durable too."""
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
