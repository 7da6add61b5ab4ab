"""Addresses of machines: IP addresses of the public network and hardware addresses."""

from __future__ import annotations

import ipaddress
import re
from random import Random

from redactors.later import compiled_later
from redactors.rules.model import Rule
from redactors.rules.personal import personal, plain
from redactors.rules.samples import HEX, draw


def public_ipv4(value: str) -> bool:
    """An IPv4 address of the public network; private, reserved, documentation, resolver addresses and versions stay."""
    parts = value.split(".")
    if len(parts) != 4 or any(len(part) > 1 and part[0] == "0" for part in parts) or any(int(part) > 255 for part in parts):
        return False
    if all(int(part) <= 20 for part in parts) or value in {
        "8.8.8.8",
        "8.8.4.4",
        "1.1.1.1",
        "1.0.0.1",
        "9.9.9.9",
        "208.67.222.222",
        "208.67.220.220",
    }:
        return False
    return ipaddress.IPv4Address(value).is_global and not int(parts[0]) >= 224


def public_ipv6(value: str) -> bool:
    """An IPv6 address of the public network; documentation and local addresses stay."""
    try:
        address = ipaddress.IPv6Address(value)
    except ValueError:
        return False
    return address.is_global and len([part for part in value.split(":") if part]) >= 3


def mac(value: str) -> bool:
    """A hardware address: neither broadcast, nor null, nor counted up."""
    text = "".join(c for c in value if c.isalnum()).lower()
    return len(text) == 12 and len(set(text)) > 3 and text not in {"001122334455", "0123456789ab", "aabbccddeeff", "112233445566"}


def _ipv4(rng: Random) -> str:
    return f"{rng.choice((84, 93, 185, 62, 203))}.{rng.randint(21, 250)}.{rng.randint(114, 250)}.{rng.randint(1, 254)}"


_VERSION = compiled_later(
    r"(?:\b|_)(?:versions?|releases?|build|firmware|driver|ver|rev|revision|patch|upgrade|upgraded|downgrade|update|updated)"
    r"(?:[ :=]|\bis\b|\bto\b|\bfrom\b|[\"'v]){1,6}\Z",
    re.IGNORECASE,
)


def _names_a_version(before: str) -> bool:
    """Whether a word for a version stands right before four numbers."""
    return _VERSION.search(before) is not None


RULES: tuple[Rule, ...] = (
    personal(
        "ipv4",
        "ip",
        "Public IPv4 address",
        r"(?:^|[^0-9A-Za-z._+-]|\\[nrt])([0-9]{1,3}(?:\.[0-9]{1,6}){3,})\b",
        "https://www.iana.org/assignments/iana-ipv4-special-registry/",
        validate=public_ipv4,
        against=_names_a_version,
        group=1,
        longest=128,
        must=plain(_ipv4),
        must_not=(
            ("listen on 127.0.0.1 and 10.0.0.12, docs use 192.0.2.7, broadcast 255.255.255.255", "special ranges"),
            ("version 4.12.0.1 and v93.21.115.7, oid 1.3.6.1.4.1.311", "versions and object ids"),
            ("version 6.26.25.15 of the driver, Chrome version: 131.0.86.204", "a word for versions before it"),
            ("resolver 8.8.8.8", "everybody's resolver"),
        ),
    ),
    personal(
        "ipv6",
        "ip",
        "Public IPv6 address",
        r"\b[23][0-9a-fA-F]{3}:(?:[0-9a-fA-F]{0,4}:){1,6}[0-9a-fA-F]{0,4}\b",
        "https://www.iana.org/assignments/iana-ipv6-special-registry/",
        validate=public_ipv6,
        longest=48,
        must=plain(lambda rng: "2a02:" + ":".join(draw(rng, HEX, 4) for _ in range(7))),
        must_not=(("2001:db8::1, fe80::1, ::1 and std::abc::def", "documentation, local, and names in code"),),
    ),
    personal(
        "mac-address",
        "mac",
        "Hardware address of a network interface",
        r"(?:^|[^0-9A-Za-z:-]|\\[nrt])([0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5,}|[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){5,})\b",
        "https://standards.ieee.org/products-programs/regauth/",
        validate=mac,
        group=1,
        longest=128,
        must=plain(lambda rng: ":".join(draw(rng, HEX, 2) for _ in range(6))),
        must_not=(
            ("ff:ff:ff:ff:ff:ff and 00:00:00:00:00:00", "broadcast and null"),
            ("SHA1 fingerprint aa:bb:cc:dd:ee:ff:00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd", "a digest"),
        ),
    ),
)
