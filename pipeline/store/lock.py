"""One writer per SQLite file: a lock that the kernel drops when its process dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from pipeline.store.engine import StoreError


class SoleWriter:
    """Holds `<database>.lock` exclusively from `take` to `release`, because two writers of one SQLite file break its rules."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + ".lock")
        self._fd: int | None = None

    def take(self) -> None:
        """Take the lock at once, or raise StoreError because another process has it or the folder cannot be written."""
        if self._fd is not None:
            return
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"the store's folder cannot be written (errno {error.errno})") from None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            raise StoreError("another process writes this database; use its admin API, or stop it first") from None
        self._fd = fd

    def release(self) -> None:
        """Give the lock back."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
