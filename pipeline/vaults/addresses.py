"""Addresses and names that a reference may carry when somebody else wrote it: parsed strictly, compared with rules of the document.

Nothing is looked up: a host is compared as it is written. What an HTTP client could read in two ways (userinfo, backslashes, queries,
other spellings of an IP address, trailing dots) is no address here.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_URL: Final = re.compile(r"(https?)://([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?(/[A-Za-z0-9._~/-]{0,1024})?")
_RULE: Final = re.compile(r"(\*\.)?([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?")
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER: Final = re.compile(r"[0-9]{1,253}|0x[0-9a-f]{0,251}")
_MAX_PORT: Final = 65_535

KINDS: Final = ("env", "file", "store", "keychain", "ref", "identity")
"""What a rule about names may speak of; `identity` is what the machine itself is to a cloud (`identity:aws`)."""
IDENTITIES: Final = ("aws", "azure", "gcp")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a URL leads. `host` is a name in lower case or an IP address in its canonical form."""

    host: str
    port: int
    secure: bool

    @property
    def is_loopback(self) -> bool:
        """Whether it stays on this machine, by its spelling."""
        return _is_loopback(self.host)


@dataclass(frozen=True, slots=True)
class HostRule:
    """A host that may be asked: itself, or with `below` every name below it. `port` None: on any port."""

    host: str
    port: int | None = None
    below: bool = False

    def admits(self, address: Address) -> bool:
        """Whether an address is this host's. Plain HTTP only on this machine."""
        if not (address.secure or address.is_loopback) or self.port not in (None, address.port):
            return False
        return address.host.endswith("." + self.host) if self.below else address.host == self.host


@dataclass(frozen=True, slots=True)
class NameRule:
    """A place that may be read, as `env:VAULT_TOKEN`: exactly it, or with `prefix` whatever begins so (in a path: in that folder)."""

    kind: str
    name: str
    prefix: bool = False

    def admits(self, kind: str, name: str) -> bool:
        """Whether a place is meant."""
        if kind != self.kind or (kind == "file" and not is_plain_path(name)):
            return False
        if not self.prefix:
            return name == self.name
        return name.startswith(self.name) and (kind != "file" or "/" not in name[len(self.name) :])


def read_address(url: str) -> Address | None:
    """Read a URL; None for one that is not plainly `https://HOST[:PORT][/PATH]` (or `http://`)."""
    found = _URL.fullmatch(url)
    host = None if found is None else _host(found[2])
    if found is None or host is None:
        return None
    port = int(found[3]) if found[3] else (443 if found[1] == "https" else 80)
    return Address(host, port, found[1] == "https") if 0 < port <= _MAX_PORT else None


def read_host_rule(text: str) -> HostRule:
    """Read a rule: `vault.example.com`, `*.vault.example.com:8200`, `127.0.0.1:8200`. ValueError says what is wrong."""
    found = _RULE.fullmatch(text.strip())
    host = None if found is None else _host(found[2])
    if found is None or host is None:
        raise ValueError("a host is written as vault.example.com, vault.example.com:8200 or *.vault.example.com")
    port = int(found[3]) if found[3] else None
    if port is not None and not 0 < port <= _MAX_PORT:
        raise ValueError("a port is a number from 1 to 65535")
    below = bool(found[1])
    if below and ("." not in host or _is_ip(host)):
        raise ValueError("a * stands for names below a domain of two parts or more, as *.vault.example.com")
    if port is None and _is_loopback(host):
        raise ValueError("a host on this machine needs its port, as 127.0.0.1:8200: other services listen here, too")
    return HostRule(host, port, below)


def read_name_rule(text: str, kinds: Sequence[str] = KINDS) -> NameRule:
    """Read a rule: `env:VAULT_TOKEN`, `env:VAULT_*`, `file:/run/secrets/*`, `identity:aws`. ValueError says what is wrong."""
    kind, colon, name = text.strip().partition(":")
    prefix = name.endswith("*")
    name = name.removesuffix("*")
    if not colon or kind not in kinds or "*" in name or not (name or prefix):
        raise ValueError(f"a place is written as KIND:NAME or KIND:BEGINNING*, KIND one of {', '.join(kinds)}")
    if kind == "identity" and (prefix or name not in IDENTITIES):
        raise ValueError(f"an identity is one of {', '.join('identity:' + each for each in IDENTITIES)}")
    if kind == "file" and not is_plain_path(name if not prefix else name + "x"):
        raise ValueError("a path has no empty part, no . and no ..")
    return NameRule(kind, name, prefix)


def is_plain_path(path: str) -> bool:
    """Whether a path is written without detours: no `.`, `..` or empty part."""
    return bool(path) and not any(part in ("", ".", "..") for part in path.removeprefix("/").split("/"))


def _host(text: str) -> str | None:
    """A host as it is compared; None for what is none, and for numbers that only some programs read as an address."""
    if text.startswith("["):
        try:
            six = ipaddress.IPv6Address(text[1:-1])
        except ValueError:
            return None
        return None if six.ipv4_mapped or six.scope_id else f"[{six.compressed}]"
    host = text.lower()
    labels = host.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels):
        return None
    if _NUMBER.fullmatch(labels[-1]):
        return host if _is_ip(host) else None
    return host


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    return _is_ip(host) and ipaddress.ip_address(host.strip("[]")).is_loopback
