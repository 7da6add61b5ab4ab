"""The data folder, `LOCKGATE_HOME`: what stands in it, made at the first start, readable by its owner only.

- `lockgate.db` the embedded database
- `journal/` the second audit device, `cache/` compiled detectors
- `run.json` where the running gateway is
- `pepper.json` the HMAC peppers of tokens, `store.key` the keys of the local encrypted store, `admin.key` one admin key
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline import ids
from pipeline.errors import ConfigError
from pipeline.keys.pepper import Peppers, dump_peppers, make_peppers, parse_peppers
from pipeline.vaults.local_keys import LocalKeys, dump_keys, make_keys, parse_keys

FOLDER_MODE: Final = 0o700
FILE_MODE: Final = 0o600

RandomBytes = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Home:
    """The layout of a data folder. `notes` say what had to be put right when it was prepared."""

    path: Path
    notes: tuple[str, ...] = ()

    @property
    def database(self) -> Path:
        """The embedded SQLite database."""
        return self.path / "lockgate.db"

    @property
    def database_url(self) -> str:
        """Its SQLAlchemy URL."""
        return f"sqlite:///{self.database}"

    @property
    def journal(self) -> Path:
        """The folder of the second audit device."""
        return self.path / "journal"

    @property
    def cache(self) -> Path:
        """The folder of what can be made again: compiled detectors."""
        return self.path / "cache"

    @property
    def run_file(self) -> Path:
        """Where the running gateway says its address."""
        return self.path / "run.json"

    @property
    def quickstart_file(self) -> Path:
        """The id of the key that the last `lockgate up` printed."""
        return self.path / "quickstart.id"

    @property
    def pepper_file(self) -> Path:
        """The peppers."""
        return self.path / "pepper.json"

    @property
    def store_key_file(self) -> Path:
        """The keys of the local store."""
        return self.path / "store.key"

    @property
    def admin_key_file(self) -> Path:
        """The admin key of the command line."""
        return self.path / "admin.key"

    def peppers(self) -> Peppers:
        """Read the peppers. ConfigError when the file is missing or damaged."""
        return parse_peppers(_read(self.pepper_file))

    def store_keys(self) -> LocalKeys:
        """Read the keys of the local store. ConfigError when the file is missing or damaged."""
        return parse_keys(_read(self.store_key_file))

    def admin_key(self) -> str:
        """Read the admin key. ConfigError when the file is missing or damaged."""
        token = _read(self.admin_key_file).strip()
        if not token.startswith("lgk_") or len(token) != len("lgk_") + ids.KEY_LENGTH:
            raise ConfigError(f"{self.admin_key_file} is damaged.", hint="Remove the file and start again: a new admin key is made.")
        return token


def prepare_home(path: Path, random_bytes: RandomBytes = os.urandom) -> Home:
    """Make what is missing and close what is open to others. Idempotent; two processes may do it at once. ConfigError when it cannot."""
    notes: list[str] = []
    home = Home(path)
    try:
        for folder in (home.path, home.journal, home.cache):
            folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            _close(folder, FOLDER_MODE, notes)
        _make(home.pepper_file, lambda: dump_peppers(make_peppers(random_bytes)))
        _make(home.store_key_file, lambda: dump_keys(make_keys(random_bytes)))
        _make(home.admin_key_file, lambda: ids.token("lgk", int.from_bytes(random_bytes(32), "big")) + "\n")
        for file in (home.pepper_file, home.store_key_file, home.admin_key_file, home.database, home.run_file):
            if file.exists():
                _close(file, FILE_MODE, notes)
    except OSError as error:
        what = error.filename or path
        raise ConfigError(
            f"The data folder cannot be prepared: {what} ({type(error).__name__}).",
            hint="Choose a folder that you own with LOCKGATE_HOME.",
        ) from None
    return Home(path, tuple(notes))


def secret_folders(document_folder: Path, home: Path) -> tuple[Path, ...]:
    """The folders from which `file:` references may read: the document's, the data folder, and where platforms mount secrets."""
    return (document_folder, home, *(Path(path) for path in ("/run/secrets", "/var/run/secrets", "/etc/lockgate", "/mnt/secrets")))


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads, all or nothing: beside it, synced, then renamed over it."""
    write_private_bytes(path, text.encode())


def write_private_bytes(path: Path, content: bytes) -> None:
    """The same for bytes."""
    _beside(path, content).replace(path)


def _beside(path: Path, content: bytes) -> Path:
    """Write into a new file of a name of its own in the same folder (mode 600), synced."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return Path(name)


def _make(path: Path, text: Callable[[], str]) -> None:
    """Create a file once; whoever comes second leaves it alone. A link makes it appear whole or not at all."""
    if path.exists():
        return
    beside = _beside(path, text().encode())
    try:
        os.link(beside, path)
    except FileExistsError:
        pass
    finally:
        beside.unlink()


def _close(path: Path, mode: int, notes: list[str]) -> None:
    """Take the permissions of others away. A path of another owner is refused: they could change it under us."""
    state = path.stat()
    if hasattr(os, "getuid") and state.st_uid != os.getuid():
        raise ConfigError(
            f"{path} belongs to another user.", hint="Run Lockgate as that user, or choose another folder with LOCKGATE_HOME."
        )
    found = stat.S_IMODE(state.st_mode)
    if found & ~mode & 0o077:
        path.chmod(found & mode)
        what = "folder" if mode == FOLDER_MODE else "file"
        notes.append(f"{path}: this {what} was open to others (mode {found:o}); it is now {found & mode:o}.")


def _read(path: Path) -> str:
    try:
        state = path.stat()
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"{path} is missing.", hint="Start Lockgate once (`lockgate up` or `lockgate serve`): it makes the data folder."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} cannot be read ({type(error).__name__}).", hint="Run Lockgate as the owner of its data folder."
        ) from None
    if stat.S_IMODE(state.st_mode) & 0o077:
        raise ConfigError(f"{path} is open to other users.", hint=f"chmod 600 {path}, and rotate what is in it if others may have read it.")
    return text
