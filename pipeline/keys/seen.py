"""Was this value ever seen? Keyed hashes that events and charges hold, made again from a value and searched; the value goes nowhere.

Two kinds of values leave a keyed hash behind:
- **secrets** that a vault gave: `fingerprint` of `vault:secret:read`, `secret_fingerprint` of charges, `secret_status`: the first 16 hex
  digits of HMAC-SHA256 under the installation's fingerprint key;
- **end users** whom callers name (`user` or `safety_identifier` of OpenAI's bodies, `metadata.user_id` of Anthropic's): `end_user` of
  `gateway:call:start`, `KEY:32 hex digits` of HMAC-SHA256 under a key of its own.
Both keys are derived from a pepper; `key_id` is the pepper's id, and values are searched under every pepper that there is, so that what
was hashed before a rotation is found until its pepper is removed.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import Connection, func, or_, select

from pipeline.errors import BadRequest
from pipeline.keys.pepper import Peppers, derived_key
from pipeline.store.tables import charges, events, secret_status
from pipeline.vaults.fetching import fingerprint_of

Use = Literal["secret", "end_user"]
MAX_CHARACTERS: Final = 65_536
_END_USER: Final = "end-user"


@dataclass(frozen=True, slots=True)
class KeyedHash:
    """What a value looks like under one key: 16 hex digits of a secret, 32 of an end user."""

    use: Use
    key_id: str
    hash: str


class EndUsers:
    """Makes the keyed hash of the end user that a body names."""

    def __init__(self, peppers: Peppers) -> None:
        self._key_id = peppers.current
        self._key = derived_key(peppers, _END_USER)

    def named_by(self, body: Mapping[str, Any]) -> str:
        """`KEY:HASH` of who is named; "" when nobody is."""
        metadata = body.get("metadata")
        inner = metadata.get("user_id") if isinstance(metadata, Mapping) else None
        for name in (body.get("safety_identifier"), body.get("user"), inner):
            if isinstance(name, str) and name.strip():
                return f"{self._key_id}:{_end_user(name, self._key)}"
        return ""


def hashes_of(value: str, peppers: Peppers) -> tuple[KeyedHash, ...]:
    """Every keyed hash that a value may have left, the current pepper's first."""
    names = (peppers.current, *(name for name in peppers.peppers if name != peppers.current))
    found = []
    for name in names:
        alone = Peppers(name, peppers.peppers)
        found.append(KeyedHash("secret", name, fingerprint_of(value, derived_key(alone, "fingerprint"))))
        found.append(KeyedHash("end_user", name, _end_user(value, derived_key(alone, _END_USER))))
    return tuple(found)


def value_of(body: Mapping[str, Any]) -> str:
    """The value of a request's body. BadRequest, without quoting it, when there is none."""
    value = body.get("value")
    if not isinstance(value, str) or not value or len(value) > MAX_CHARACTERS:
        raise BadRequest(f"`value` is a text of at most {MAX_CHARACTERS} characters.", param="value")
    return value


def where_seen(connection: Connection, hashes: Sequence[KeyedHash], org_id: str) -> dict[str, Any]:
    """Where these hashes stand in an organization's record: events and charges with their first and last time, references that hold it."""
    secrets = [one.hash for one in hashes if one.use == "secret"]
    users = [f'"end_user":"{one.key_id}:{one.hash}"' for one in hashes if one.use == "end_user"]
    e, c = events.c, charges.c
    read = (e.kind == "vault:secret:read") & or_(*(e.detail.contains(f'"fingerprint":"{one}"') for one in secrets))
    named = (e.kind == "gateway:call:start") & or_(*(e.detail.contains(one) for one in users))
    spent = select(func.count(), func.min(c.at_us), func.max(c.at_us)).where(c.org_id == org_id, c.secret_fingerprint.in_(secrets))
    holds = select(secret_status.c.slug).where(secret_status.c.fingerprint.in_(secrets)).order_by(secret_status.c.slug)
    parts = {
        "secret_reads": _span(connection, select(func.count(), func.min(e.at_us), func.max(e.at_us)).where(e.org_id == org_id, read)),
        "charges": _span(connection, spent),
        "end_user_calls": _span(connection, select(func.count(), func.min(e.at_us), func.max(e.at_us)).where(e.org_id == org_id, named)),
    }
    references = [*connection.execute(holds).scalars()] if org_id == "default" else []  # they belong to the installation
    return {"seen": bool(references) or any(part["count"] for part in parts.values()), "references": references, **parts}


def view(hashes: Sequence[KeyedHash], found: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of `POST /v1/audit/hash`."""
    told = [{"use": one.use, "key_id": one.key_id, "hash": one.hash} for one in hashes]
    return {"object": "audit.hash", "hashes": told, **found}


def _span(connection: Connection, query: Any) -> dict[str, int]:
    count, first, last = connection.execute(query).one()
    return {"count": int(count), "first_us": int(first or 0), "last_us": int(last or 0)}


def _end_user(name: str, key: bytes) -> str:
    return hmac.digest(key, name.strip().encode("utf-8", "surrogatepass"), "sha256").hex()[:32]
