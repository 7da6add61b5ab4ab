"""The hash chain: a canonical form that any language can rebuild, and the check that names the first bad row.

`hash = SHA-256(prev ‖ canonical)`, both hashes in lower-case hex, `prev` of the first event being 64 zeros. `canonical` is a
JSON object in UTF-8 without spaces, keys in alphabetical order, whose values are strings and integers only (no floats:
`detail` is a string, the JSON text as it is stored). The field list is fixed; `seq` starts at 1 and has no gaps; each life of
a writer (epoch) has a chain of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from redactors.model import Json

GENESIS = "0" * 64
FIELDS = (
    "actor", "at_us", "chain", "detail", "error", "id", "key_id", "kind", "model", "org_id", "outcome", "request_id", "seq", "status",
    "target_id", "trace_id", "workspace_id",
)  # fmt: skip
"""The hashed fields, in canonical order. A stored row is these, then `prev_hash` and `hash`."""

_CHAIN, _ID, _SEQ, _PREV, _HASH = 2, 5, 12, 17, 18

Row = tuple[Any, ...]


class Head(NamedTuple):
    """Where a chain ends: its id, the last sequence number (0: empty) and the last hash."""

    chain: str
    seq: int = 0
    hash: str = GENESIS


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing that is wrong with a chain. `event_id` is empty when the row is missing."""

    chain: str
    seq: int
    event_id: str
    why: str


def canonical(row: Row) -> bytes:
    """The canonical form of a stored row (or of its first 17 values)."""
    return orjson.dumps(dict(zip(FIELDS, row, strict=False)))


def link(head: Head, draft: Row) -> tuple[Row, bytes]:
    """Append a draft (15 values: FIELDS without chain and seq) to a chain; gives the stored row and its canonical form.

    The new head is `Head(row[2], row[12], row[18])`.
    """
    actor, at_us, detail, error, ident, key_id, kind, model, org_id, outcome, request_id, status, target_id, trace_id, workspace_id = draft
    seq, chain, prev = head.seq + 1, head.chain, head.hash
    body = orjson.dumps(
        {
            "actor": actor, "at_us": at_us, "chain": chain, "detail": detail, "error": error, "id": ident, "key_id": key_id, "kind": kind,
            "model": model, "org_id": org_id, "outcome": outcome, "request_id": request_id, "seq": seq, "status": status,
            "target_id": target_id, "trace_id": trace_id, "workspace_id": workspace_id,
        }
    )  # fmt: skip
    digest = sha256(prev.encode() + body).hexdigest()
    row = (
        actor, at_us, chain, detail, error, ident, key_id, kind, model, org_id, outcome, request_id, seq, status, target_id, trace_id,
        workspace_id, prev, digest,
    )  # fmt: skip
    return row, body


def head_of(row: Row) -> Head:
    """The head of the chain that ends with this stored row."""
    return Head(row[_CHAIN], row[_SEQ], row[_HASH])


def verify(rows: Iterable[Row], start: Head | None = None) -> tuple[Head | None, Fault | None, int]:
    """Check stored rows of one chain, in the order of their seq: (head reached, the first fault or None, rows that are good).

    Tells an edited row from a deleted, inserted or reordered one. That the end was cut off cannot be seen from the rows
    alone: compare the head with a checkpoint or the journal.
    """
    head, good = start, 0
    dumps, digest_of, fields = orjson.dumps, sha256, FIELDS
    for row in rows:
        chain, seq = row[_CHAIN], row[_SEQ]
        if head is None:
            head = Head(chain)
        if seq != head.seq + 1 or row[_PREV] != head.hash:
            return head, _broken(head, row), good
        digest = digest_of(row[_PREV].encode() + dumps(dict(zip(fields, row, strict=False)))).hexdigest()
        if digest != row[_HASH]:
            return head, Fault(chain, seq, row[_ID], "edited: its content does not have its hash"), good
        head = Head(chain, seq, digest)
        good += 1
    return head, None, good


def detail_text(detail: Json) -> str:
    """The text of an event's detail: JSON, sorted keys, no spaces. Raises ValueError or RecursionError when it has none."""
    import json

    try:
        return orjson.dumps(detail, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError:
        # Lone surrogates and integers over 64 bits, which the standard library writes as ASCII escapes and digits.
        return json.dumps(detail, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _broken(head: Head, row: Row) -> Fault:
    chain, seq, ident = row[_CHAIN], row[_SEQ], row[_ID]
    if chain != head.chain:
        return Fault(head.chain, seq, ident, "it belongs to another chain")
    if seq > head.seq + 1:
        return Fault(chain, head.seq + 1, "", f"deleted: the next row that is there is {seq}")
    if seq <= head.seq:
        return Fault(chain, seq, ident, "inserted: its place is taken")
    own = sha256(row[_PREV].encode() + canonical(row)).hexdigest() == row[_HASH]
    why = "inserted or reordered: it does not follow the row before it" if own else "edited: neither its content nor its place has its hash"
    return Fault(chain, seq, ident, why)
