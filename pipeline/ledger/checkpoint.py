"""Checkpoints: what a chain was at a moment, small enough to be kept elsewhere, signed so that nobody else can make one.

Format `lockgate-checkpoint/1`: a JSON object in UTF-8 without spaces, keys in alphabetical order, values integers and strings:
`at_us` when it was made; `chain`; `config_digest` of the document in force; `count` of the segment's events; `first_at_us` and
`last_at_us`, the earliest and latest time among them (0: none); `first_seq` and `last_seq`; `head`, the hash of event `last_seq`; `id`;
`key_id` of the signature ("": not signed); `number`, from 1 in each chain; `prev`, SHA-256 of the checkpoint before it (64 zeros for
the first); `root`, the Merkle root over the segment (merkle.py); `v` 1. A segment without events (`count` 0, `last_seq` = `first_seq` - 1)
is a heartbeat: nothing happened, and that is provable.

The signature is Ed25519 (RFC 8032) over `lockgate:audit-checkpoint:v1`, a line feed, and that JSON; base64. A key's id is the first 16
hex digits of SHA-256 over its 32 public bytes. Kept outside, a checkpoint is one line: `{"checkpoint":{…},"signature":"…"}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

import orjson

VERSION = 1


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One checkpoint. Fields in the order of the canonical form; `root`, `head` and `prev` are 64 hex digits."""

    at_us: int
    chain: str
    config_digest: str
    count: int
    first_at_us: int
    first_seq: int
    head: str
    id: str
    key_id: str
    last_at_us: int
    last_seq: int
    number: int
    prev: str
    root: str
    v: int = VERSION

    def canonical(self) -> bytes:
        """The bytes that are hashed and signed."""
        return orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS)

    def digest(self) -> str:
        """What the next checkpoint of the chain names as `prev`."""
        return sha256(self.canonical()).hexdigest()


@dataclass(frozen=True, slots=True)
class Sealed:
    """A checkpoint with its signature (base64; "" when it has none)."""

    checkpoint: Checkpoint
    signature: str = ""

    def line(self) -> bytes:
        """The form in which it is kept outside, with a line end."""
        return b'{"checkpoint":%b,"signature":"%b"}\n' % (self.checkpoint.canonical(), self.signature.encode())


def read_checkpoint(body: str | bytes) -> Checkpoint | None:
    """A checkpoint from its canonical form; None for anything else, be it a space more."""
    try:
        tree = orjson.loads(body)
        found = Checkpoint(**tree)
    except (ValueError, TypeError):
        return None
    raw = body.encode() if isinstance(body, str) else body
    return found if found.v == VERSION and found.canonical() == raw else None


def of_tree(tree: Mapping[str, Any]) -> Checkpoint | None:
    """A checkpoint from a parsed line."""
    return read_checkpoint(orjson.dumps(dict(tree), option=orjson.OPT_SORT_KEYS))
