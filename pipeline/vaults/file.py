"""`file`: mounted secrets, as Docker and Kubernetes mount them. Read anew each time, so an atomic symlink swap is seen at the TTL.

The path is resolved first and checked after, and the open file itself is checked again, so that neither `..` nor a symbolic
link leads outside the allowed folders.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pipeline.vaults import failures
from pipeline.vaults.failures import Failure, given
from pipeline.vaults.fetching import MAX_VALUE_BYTES
from pipeline.vaults.model import Fetched, SecretRef
from pipeline.vaults.registry import VaultContext

_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class FileVault:
    """Reads the file `secret_path` (relative ones stand in `base`). The version is the file's modification time in nanoseconds."""

    def __init__(self, roots: tuple[Path, ...], base: Path | None, *, unsafe_allow_world_readable: bool = False) -> None:
        self._roots = roots
        self._base = base
        self._unsafe_allow_world_readable = unsafe_allow_world_readable

    def fetch(self, ref: SecretRef) -> Fetched:
        """Read the file without its one trailing newline. SecretForbidden when it is outside the folders or readable by everybody."""
        return given(self._answer(ref))

    def _answer(self, ref: SecretRef) -> Fetched | Failure:
        written = Path(ref.secret_path)
        if not written.is_absolute() and self._base is None:
            return failures.misconfigured(ref.slug, "a file reference needs an absolute path", "Write the whole path of the file.")
        try:
            path = (self._base / written if self._base else written).resolve(strict=True)
            if not any(path.is_relative_to(root.resolve()) for root in self._roots):
                return failures.denied(
                    ref.slug, "The file is outside the folders that secrets may come from: move it, or allow its folder."
                )
            descriptor = os.open(path, _FLAGS)
        except (FileNotFoundError, NotADirectoryError):
            return failures.not_found(ref.slug, "Check the path, and that the secret is mounted.")
        except (PermissionError, RuntimeError):
            return failures.denied(ref.slug, "Lockgate's user may not read the file: change its owner or mode.")
        except (OSError, ValueError):
            return failures.unavailable(ref.slug, "The file could not be opened; a mount may be gone.")
        try:
            return self._content(ref, descriptor)
        except OSError:
            return failures.unavailable(ref.slug, "The file could not be read; a mount may be gone.")
        finally:
            os.close(descriptor)

    def _content(self, ref: SecretRef, descriptor: int) -> Fetched | Failure:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return failures.bad_value(ref.slug, "it is not a regular file", "Point the reference at a file.")
        if status.st_mode & stat.S_IROTH and not self._unsafe_allow_world_readable:
            return failures.denied(ref.slug, "Everybody on this machine may read the file: chmod 600 (in Kubernetes defaultMode: 0400).")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            raw = file.read(MAX_VALUE_BYTES + 2)
        if len(raw) > MAX_VALUE_BYTES + 1:
            return failures.bad_value(ref.slug, "it is longer than 64 KiB")
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            return failures.bad_value(ref.slug, "it is not UTF-8 text")
        return Fetched(text.removesuffix("\n").removesuffix("\r"), str(status.st_mtime_ns), status.st_mtime_ns // 1_000)


def open_file(auth_config: Mapping[str, Any], context: VaultContext) -> FileVault:
    """Make the adapter over the folders that secrets may come from."""
    unsafe = auth_config.get("unsafe_allow_world_readable") is True
    return FileVault(context.file_roots, context.file_base, unsafe_allow_world_readable=unsafe)
