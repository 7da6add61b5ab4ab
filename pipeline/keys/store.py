"""Virtual keys in SQL: functions over a SQLAlchemy Connection, to be run inside one transaction with their audit event.

A token is never stored: only its HMAC, and a hint (`lgk_…` and its last four characters). A rotated key keeps its id, and with
it its budget and its history: the row takes the new digest, and the former token moves to a row of its own that names the key
in `replaced_by`, proves that same key, and ends with the overlap.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from sqlalchemy import Connection, bindparam, insert, select, update

from pipeline.errors import BadRequest
from pipeline.keys.caveats import parsed, plain
from pipeline.keys.descendants import end_descendants, hand_down_policy
from pipeline.keys.model import Descent, KeyStatus, Reach, Role, VirtualKey
from pipeline.keys.pepper import Peppers
from pipeline.keys.requests import NewKey
from pipeline.keys.revisions import KEYS, bump
from pipeline.keys.workspaces import workspace_by_slug
from pipeline.ledger.budget_rows import add_budget
from pipeline.ledger.model import Scope
from pipeline.store.tables import virtual_keys, workspaces

ALL: Final = Reach()
_K = virtual_keys.c


@dataclass(frozen=True, slots=True)
class Proof:
    """What proves a key: a token's digest, the key as it is now, and until when this token is good (epoch microseconds, 0: no own end)."""

    digest: str
    key: VirtualKey
    until_us: int
    workspace_policy: str
    workspace_environment: str = ""


class NoSuchKey(BadRequest):
    """No key has that id or alias."""

    code, status, type = "key_not_found", 404, "invalid_request_error"


def create_key(
    connection: Connection, peppers: Peppers, token: str, new: NewKey, *, key_id: str, now_us: int, created_by: str, within: Reach = ALL
) -> VirtualKey:
    """Store a new key under the digest of its token. BadRequest when the workspace does not exist or the alias is in use."""
    org_id = within.org_id
    workspace = workspace_by_slug(connection, new.workspace, within)
    _refuse_taken(connection, new.alias, org_id)
    pepper_id, digest = peppers.digest(token)
    connection.execute(
        insert(virtual_keys).values(
            id=key_id,
            org_id=org_id,
            workspace_id=workspace.id,
            digest=digest,
            pepper_id=pepper_id,
            hint=hint_of(token),
            alias=new.alias,
            role=new.role,
            status="active",
            models=json.dumps(new.models),
            expires_us=new.expires_us,
            rpm_limit=new.rpm_limit,
            tpm_limit=new.tpm_limit,
            max_parallel_requests=new.max_parallel_requests,
            policy=new.policy,
            metadata_json=json.dumps(dict(new.metadata), sort_keys=True),
            caveats_json=json.dumps(plain(new.caveats), sort_keys=True),
            created_us=now_us,
            created_by=created_by,
        )
    )
    if new.budget is not None:
        add_budget(connection, Scope("key", key_id), new.budget, now_us=now_us, org_id=org_id)
    bump(connection, KEYS)
    return get_key(connection, key_id, within)


def block_key(connection: Connection, key_id: str, *, within: Reach = ALL) -> VirtualKey:
    """Stop a key until it is unblocked. A revoked key stays revoked (BadRequest)."""
    return _set_status(connection, key_id, "blocked", within)


def unblock_key(connection: Connection, key_id: str, *, within: Reach = ALL) -> VirtualKey:
    """Let a blocked key work again."""
    return _set_status(connection, key_id, "active", within)


def revoke_key(connection: Connection, key_id: str, *, now_us: int, within: Reach = ALL) -> VirtualKey:
    """End a key for good, with every former token of it. Idempotent."""
    key = get_key(connection, key_id, within)
    if key.status != "revoked":
        ended = {"status": "revoked", "revoked_us": now_us}
        connection.execute(update(virtual_keys).where((_K.id == key.id) | (_K.replaced_by == key.id)).values(**ended))
        end_descendants(connection, key.id, at_us=now_us, now_us=now_us)
        bump(connection, KEYS)
    return get_key(connection, key.id, within)


def update_key(connection: Connection, key: VirtualKey, *, within: Reach = ALL) -> VirtualKey:
    """Write what may change of a key: alias, metadata, policy, models, expiry, caveats, limits. BadRequest (409) when it is revoked."""
    former = get_key(connection, key.id, within)
    if former.status == "revoked":
        raise BadRequest("A revoked key cannot be changed.", hint="Create a new one.", code="key_revoked", status=409)
    _refuse_taken(connection, key.alias, former.org_id, but=key.id)
    values = {
        "alias": key.alias,
        "models": json.dumps(key.models),
        "expires_us": key.expires_us,
        "rpm_limit": key.rpm_limit,
        "tpm_limit": key.tpm_limit,
        "max_parallel_requests": key.max_parallel_requests,
        "policy": key.policy,
        "metadata_json": json.dumps(dict(key.metadata), sort_keys=True),
        "caveats_json": json.dumps(plain(key.caveats), sort_keys=True),
    }
    connection.execute(update(virtual_keys).where(_K.id == key.id).values(**values))
    if key.policy != former.policy:
        hand_down_policy(connection, key.id, former=former.policy, policy=key.policy)
    bump(connection, KEYS)
    return get_key(connection, key.id, within)


def rotate_key(
    connection: Connection, peppers: Peppers, key_id: str, token: str, *, overlap_us: int, former_id: str, now_us: int, within: Reach = ALL
) -> VirtualKey:
    """Give a key a new token; the former one works for `overlap_us` more microseconds (0: ends at once), and so do its children.

    BadRequest (409) for a revoked key and for a child key.
    """
    key = get_key(connection, key_id, within)
    if key.descent.parent:
        raise BadRequest("A child key is not rotated.", hint="Make another one, and revoke this.", code="child_key", status=409)
    if key.status == "revoked":
        raise BadRequest("A revoked key cannot be rotated.", hint="Create a new one.", code="key_revoked", status=409)
    row = connection.execute(select(virtual_keys).where(_K.id == key.id).with_for_update()).one()
    # Former tokens of earlier rotations end now: at most two tokens of a key are good at a time.
    connection.execute(
        update(virtual_keys).where(_K.replaced_by == key.id, _K.status != "revoked").values(status="revoked", revoked_us=now_us)
    )
    pepper_id, digest = peppers.digest(token)
    connection.execute(update(virtual_keys).where(_K.id == key.id).values(digest=digest, pepper_id=pepper_id, hint=hint_of(token)))
    if overlap_us > 0:
        until = now_us + overlap_us
        former = {
            **row._mapping,
            "id": former_id,
            "replaced_by": key.id,
            "expires_us": min(until, key.expires_us) if key.expires_us else until,
        }
        connection.execute(insert(virtual_keys).values(**former))
    end_descendants(connection, key.id, at_us=now_us + overlap_us, now_us=now_us)  # who had the former token may have made some
    bump(connection, KEYS)
    return get_key(connection, key.id, within)


def get_key(connection: Connection, key_id: str, within: Reach = ALL) -> VirtualKey:
    """One key by id, or by an alias that a key which is not revoked has. NoSuchKey otherwise."""
    row = connection.execute(_keys(within).where(_K.id == key_id, _K.replaced_by == "")).first()
    if row is None and key_id:
        row = connection.execute(_keys(within).where(_K.alias == key_id, _K.status != "revoked", _K.replaced_by == "")).first()
    if row is None:
        raise NoSuchKey("There is no key with that id or alias.", hint="`lockgate keys list` shows them.")
    return _key(row)


def list_keys(connection: Connection, *, workspace: str = "", within: Reach = ALL) -> tuple[VirtualKey, ...]:
    """The keys within reach, or those of one workspace (slug), newest first."""
    query = _keys(within).where(_K.replaced_by == "")
    if workspace:
        query = query.where(workspaces.c.slug == workspace)
    return tuple(_key(row) for row in connection.execute(query.order_by(_K.created_us.desc(), _K.id.desc())))


def load_proofs(connection: Connection, *, forget_before_us: int = 0, forget_children_us: int = 0) -> tuple[Proof, ...]:
    """Everything that proves a key, for the authenticator; tokens revoked before `forget_before_us` are left out and so unknown.

    Child keys are many and short-lived: those that ended before `forget_children_us` are left out.
    """
    columns = (*_COLUMNS, _K.digest, _K.replaced_by, workspaces.c.policy.label("workspace_policy"), workspaces.c.environment)
    query = select(*columns).join(workspaces, workspaces.c.id == _K.workspace_id)
    remembered = query.where((_K.status != "revoked") | (_K.revoked_us >= forget_before_us))
    rows = connection.execute(remembered.where((_K.parent_id == "") | (_K.expires_us >= forget_children_us))).all()
    keys = {row.id: _key(row) for row in rows if not row.replaced_by}
    proofs = []
    for row in rows:
        key = keys.get(row.replaced_by or row.id)
        if key is None:
            continue
        if row.replaced_by and row.status == "revoked":
            key = _key(row)  # the former token is revoked although its key is not
        proofs.append(Proof(row.digest, key, row.expires_us, row.workspace_policy, row.environment))
    return tuple(proofs)


def mark_used(connection: Connection, used: Mapping[str, int]) -> None:
    """Write down when keys were last used (epoch microseconds by key id). No event: it is not an act."""
    if used:
        query = update(virtual_keys).where(_K.id == bindparam("key")).values(last_used_us=bindparam("at"))
        connection.execute(query, [{"key": key, "at": at} for key, at in used.items()])


def hint_of(token: str) -> str:
    """What a person may see of a token: its prefix and its last four characters."""
    return f"{token.split('_', 1)[0]}_…{token[-4:]}"


_COLUMNS: Final = (
    _K.id, _K.org_id, _K.workspace_id, workspaces.c.slug.label("workspace"), _K.alias, _K.role, _K.status, _K.hint, _K.models,
    _K.expires_us, _K.rpm_limit, _K.tpm_limit, _K.max_parallel_requests, _K.policy, _K.metadata_json, _K.created_us, _K.revoked_us,
    _K.caveats_json, _K.calls_used, _K.parent_id, _K.depth, _K.purpose, _K.agent_id, _K.session_id, _K.actor_id, _K.child_budget_micros,
    _K.carved,
)  # fmt: skip


def _keys(within: Reach) -> Any:
    query = select(*_COLUMNS).join(workspaces, workspaces.c.id == _K.workspace_id).where(_K.org_id == within.org_id)
    if within.workspaces is None:
        return query
    return query.where(_K.workspace_id.in_(sorted(within.workspaces)), _K.role == "key")


def _refuse_taken(connection: Connection, alias: str, org_id: str, *, but: str = "") -> None:
    if not alias:
        return
    taken = select(_K.id).where(_K.org_id == org_id, _K.alias == alias, _K.status != "revoked", _K.replaced_by == "", _K.id != but)
    if connection.execute(taken).first() is not None:
        raise BadRequest(
            "Another key has that alias.",
            hint="Choose another alias, or revoke that key first.",
            code="alias_taken",
            status=409,
            param="alias",
        )


def _set_status(connection: Connection, key_id: str, status: KeyStatus, within: Reach) -> VirtualKey:
    key = get_key(connection, key_id, within)
    if key.status == "revoked":
        raise BadRequest("The key is revoked, which is for good.", hint="Create a new one.", code="key_revoked", status=409)
    if key.status != status:
        connection.execute(update(virtual_keys).where(_K.id == key.id).values(status=status))
        bump(connection, KEYS)
    return get_key(connection, key.id, within)


def _key(row: Any) -> VirtualKey:
    return VirtualKey(
        id=row.id,
        org_id=row.org_id,
        workspace_id=row.workspace_id,
        workspace=row.workspace,
        alias=row.alias,
        role=cast(Role, row.role),
        status=cast(KeyStatus, row.status),
        hint=row.hint,
        models=tuple(_json(row.models, list)),
        expires_us=row.expires_us,
        rpm_limit=row.rpm_limit,
        tpm_limit=row.tpm_limit,
        max_parallel_requests=row.max_parallel_requests,
        policy=row.policy,
        metadata=_json(row.metadata_json, dict),
        created_us=row.created_us,
        revoked_us=row.revoked_us,
        caveats=parsed(_json(row.caveats_json, dict)),
        calls_used=row.calls_used,
        descent=Descent(
            row.parent_id, row.depth, row.purpose, row.agent_id, row.session_id, row.actor_id, row.child_budget_micros, bool(row.carved)
        ),
    )


def _json(text: str, kind: type[Any]) -> Any:
    tree = json.loads(text or "null")
    if not isinstance(tree, kind):
        raise TypeError("a key's row does not hold what it must")
    return tree
