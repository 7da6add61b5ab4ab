"""Whom a destination's connection believes and what it shows of itself: certificates and key, read when a connection is made."""

from __future__ import annotations

import asyncio
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from collectors.otlp.destination import Destination

if TYPE_CHECKING:
    import ssl


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM bytes; None where the machine's own are believed, or nothing is shown."""

    ca: bytes | None = None
    client_cert: bytes | None = None
    client_key: bytes | None = field(default=None, repr=False)


async def certificates_of(destination: Destination) -> Certificates:
    """Read what a destination names. Raises OSError for a file that is not there, and whatever a key's resolver raises."""
    key = destination.client_key
    held = (await key()).encode("ascii") if callable(key) else None

    def read() -> Certificates:
        file = key if isinstance(key, str) else None
        return Certificates(_bytes(destination.ca_file), _bytes(destination.client_cert_file), held or _bytes(file))

    return await asyncio.to_thread(read)


def client_context(certificates: Certificates) -> ssl.SSLContext:
    """A TLS context for a client; blocking. Raises OSError (ssl.SSLError is one) or ValueError for what is no PEM."""
    import ssl

    context = ssl.create_default_context(cadata=certificates.ca.decode("ascii") if certificates.ca is not None else None)
    if certificates.client_cert is not None and certificates.client_key is not None:
        # The ssl module takes chains and keys from files only: one for its owner alone, gone before anything is sent.
        with tempfile.TemporaryDirectory(prefix="lockgate-") as folder:
            chain, key = Path(folder, "chain.pem"), Path(folder, "key.pem")
            _write(chain, certificates.client_cert)
            _write(key, certificates.client_key)
            context.load_cert_chain(chain, key, password=_no_password)
    return context


def _no_password() -> bytes:
    """An encrypted key is an error, not a question on a terminal."""
    return b""


def _write(path: Path, data: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)


def _bytes(path: str | None) -> bytes | None:
    return Path(path).read_bytes() if path is not None else None
