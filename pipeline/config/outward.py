"""Addresses of the document that the gateway sends secrets or facts to: over TLS, or to this machine."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


def names_host(url: str) -> bool:
    """Whether an address names a host and no credential."""
    parts = urlsplit(url)
    return bool(parts.hostname) and "@" not in parts.netloc


def is_guarded(url: str) -> bool:
    """Whether what is sent to an address is encrypted on its way, or does not leave this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
