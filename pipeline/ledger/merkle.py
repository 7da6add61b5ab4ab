"""Merkle trees over the hashes of events, as RFC 6962 (section 2.1) and RFC 9162 define them.

A leaf is `SHA-256(0x00 ‖ the event's hash, 32 bytes)`, a node `SHA-256(0x01 ‖ left ‖ right)`, the root of no leaves `SHA-256("")`. A
level's last node that has no neighbor goes up unchanged, which gives the same tree as the RFC's split at a power of two.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

EMPTY = sha256(b"").digest()


def leaf(event_hash: str) -> bytes:
    """The leaf of an event, from its hash (64 hex digits)."""
    return sha256(b"\0" + bytes.fromhex(event_hash)).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The root over leaves (32 bytes each), in order."""
    if not leaves:
        return EMPTY
    level = list(leaves)
    while len(level) > 1:
        level = _above(level)
    return level[0]


def path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The neighbors by which the leaf at `index` leads to the root, lowest first. IndexError when there is no such leaf."""
    if not 0 <= index < len(leaves):
        raise IndexError(index)
    level, found = list(leaves), []
    while len(level) > 1:
        neighbor = index ^ 1
        if neighbor < len(level):
            found.append(level[neighbor])
        level, index = _above(level), index >> 1
    return found


def climb(start: bytes, index: int, size: int, neighbors: Sequence[bytes]) -> bytes | None:
    """The root to which a leaf leads in a tree of `size` leaves; None when that many neighbors cannot be (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return None
    node, last, left = start, size - 1, list(neighbors)
    while last:
        if index & 1 or index < last:
            if not left:
                return None
            neighbor = left.pop(0)
            node = sha256(b"\1" + (neighbor + node if index & 1 else node + neighbor)).digest()
        index, last = index >> 1, last >> 1
    return None if left else node


def _above(level: list[bytes]) -> list[bytes]:
    pairs = [sha256(b"\1" + level[at] + level[at + 1]).digest() for at in range(0, len(level) - 1, 2)]
    if len(level) & 1:
        pairs.append(level[-1])
    return pairs
