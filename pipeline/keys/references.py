"""What an administrator does to secret references: each act is one transaction with its audit event. For admin API and CLI.

A literal in a sensitive field of `auth_config` goes in here, sealed, and comes out only as a mask; events name fields, never values.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Connection, or_, select

from pipeline.errors import BadRequest, ConfigError
from pipeline.ids import uuid7
from pipeline.keys.reference_requests import NOT_PERMITTED, Allowed, Asked, read_new_reference, read_reference_change
from pipeline.keys.reference_views import made_view
from pipeline.keys.revisions import REFERENCES, bump
from pipeline.keys.service import Actor, Office, event, refuse_secrets
from pipeline.store.tables import workspaces
from pipeline.vaults import reference_sql as rows
from pipeline.vaults.auth import SHAPES, check_auth, inner_references
from pipeline.vaults.local_keys import LocalKeys, RandomBytes
from pipeline.vaults.model import Secret, SecretRef
from pipeline.vaults.permits import ADDRESSES, CONNECTION, NOTHING_ELSE, Permits, permitted
from pipeline.vaults.reference import is_reference
from pipeline.vaults.reference_sql import StoredReference
from pipeline.vaults.registry import can_open
from pipeline.vaults.sealing import literals_of, masked_fields

Announce = Callable[[str, str], Awaitable[None]]
"""`await announce(value, label)`: from its return on the value is caught on every exit."""

NOT_FOUND: Final = "reference_not_found"


@dataclass(frozen=True, slots=True)
class Registry:
    """What a change of references is checked against: the keys of the store, the references in force by slug, what uses one.

    `permits` is what the document lets references made by REST name.
    """

    keys: LocalKeys
    declared: Mapping[str, SecretRef]
    users_of: Callable[[str], Sequence[str]]
    announce: Announce
    permits: Permits = NOTHING_ELSE
    random_bytes: RandomBytes = os.urandom


async def create_reference(office: Office, actor: Actor, registry: Registry, body: Mapping[str, Any]) -> dict[str, Any]:
    """Make a reference (`POST /v1/secret-references`)."""
    asked = read_new_reference(body, org_id=actor.org_id, connections=registry.permits.connections)
    _refuse_masks(body.get("auth_config") or {}, {})
    _check(office, registry, asked.stored)
    if asked.stored.slug in registry.declared:
        raise _taken()
    now_us = office.clock.now_us()
    new = replace(asked.stored, id=uuid7(now_us), created_us=now_us, updated_us=now_us, created_by=actor.id)
    await _announce(registry, new)

    def apply(connection: Connection) -> StoredReference:
        if rows.is_taken(connection, new.slug, org_id=new.org_id):
            raise _taken()
        made = _scoped(connection, new, asked.allowed)
        rows.insert_reference(connection, made, registry.keys, registry.random_bytes)
        bump(connection, REFERENCES)
        return made

    detail = {"reference": new.slug, "reference_id": new.id, "manager_type": new.manager_type, "fields": list(asked.sent)}
    made = await office.ledger.change(event(office, actor, "admin:reference:create", {**detail, **_scope_detail(asked)}), apply)
    await office.changed()
    return made_view(made)


async def update_reference(office: Office, actor: Actor, registry: Registry, ident: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Change fields of a reference (`PUT /v1/secret-references/{id}`); `auth_config` is merged and checked again as a whole."""
    present = await office.ledger.run(lambda connection: _of_api(connection, ident, registry.keys, actor.org_id))
    asked = read_reference_change(body, present)
    sent = body.get("auth_config") or {}
    _refuse_masks(sent, present.auth_config)
    _refuse_moved_literals(present, asked.stored, sent)
    _check(office, registry, asked.stored)
    await _announce(registry, asked.stored)
    now_us = office.clock.now_us()

    def apply(connection: Connection) -> StoredReference:
        again = _of_api(connection, ident, registry.keys, actor.org_id)
        if again != present:
            raise BadRequest(
                "The reference was changed by somebody else meanwhile.", hint="Send the request again.", status=409, code="conflict"
            )
        changed = replace(_scoped(connection, asked.stored, asked.allowed), updated_us=now_us, edition=present.edition + 1)
        rows.update_reference(connection, changed, registry.keys, registry.random_bytes)
        bump(connection, REFERENCES)
        return changed

    detail = {"reference": present.slug, "reference_id": present.id, "fields": list(asked.sent), "edition": present.edition + 1}
    changed = await office.ledger.change(event(office, actor, "admin:reference:update", {**detail, **_scope_detail(asked)}), apply)
    await office.changed()
    return made_view(changed)


async def delete_reference(office: Office, actor: Actor, registry: Registry, ident: str) -> dict[str, Any]:
    """Take a reference away (`DELETE /v1/secret-references/{id}`); refused while something uses it."""
    present = await office.ledger.run(lambda connection: _of_api(connection, ident, registry.keys, actor.org_id))
    users = registry.users_of(present.slug)
    if users:
        raise _in_use(users)

    def apply(connection: Connection) -> None:
        again = _of_api(connection, ident, registry.keys, actor.org_id)
        naming = rows.naming(connection, again.slug, registry.keys, org_id=actor.org_id)
        if naming:
            raise _in_use([f"reference {slug}" for slug in naming])
        rows.delete_reference(connection, again)
        bump(connection, REFERENCES)

    detail = {"reference": present.slug, "reference_id": present.id}
    await office.ledger.change(event(office, actor, "admin:reference:delete", detail), apply)
    await office.changed()
    return {**made_view(present), "deleted": True}


async def disable_reference(office: Office, actor: Actor, slug: str) -> dict[str, Any]:
    """Set the kill switch of any reference (`POST …/disable`): no worker gives its secret to anybody from within a second on."""
    now_us = office.clock.now_us()
    return await _switch(
        office, actor, slug, "disable", lambda connection: rows.set_disabled(connection, slug, now_us, actor.id, org_id=actor.org_id)
    )


async def enable_reference(office: Office, actor: Actor, slug: str) -> dict[str, Any]:
    """Take the kill switch back (`POST …/enable`)."""
    return await _switch(
        office, actor, slug, "enable", lambda connection: rows.set_disabled(connection, slug, 0, actor.id, org_id=actor.org_id)
    )


async def refresh_reference(office: Office, actor: Actor, slug: str) -> None:
    """Have every worker forget what it holds of a reference (`POST …/refresh`)."""
    now_us = office.clock.now_us()

    def apply(connection: Connection) -> None:
        rows.set_purged(connection, slug, now_us, org_id=actor.org_id)
        bump(connection, REFERENCES)

    await office.ledger.change(event(office, actor, "admin:secret:refresh", {"reference": slug}), apply)
    await office.changed()


async def _switch(office: Office, actor: Actor, slug: str, action: str, change: Callable[[Connection], None]) -> dict[str, Any]:
    def apply(connection: Connection) -> None:
        change(connection)
        bump(connection, REFERENCES)

    await office.ledger.change(event(office, actor, f"admin:reference:{action}", {"reference": slug}), apply)
    await office.changed()
    return {"slug": slug, "object": "secret-reference", "status": "DISABLED" if action == "disable" else "ACTIVE"}


def no_such_reference() -> BadRequest:
    """What is answered when there is none."""
    return BadRequest("There is no such reference.", code=NOT_FOUND, status=404)


def _of_api(connection: Connection, ident: str, keys: LocalKeys, org_id: str) -> StoredReference:
    """A reference that may be changed here. BadRequest: 404, or 400 for one that stands in the document."""
    found = rows.find_reference(connection, ident, keys, org_id=org_id)
    if found is None:
        raise no_such_reference()
    if found.origin != "api":
        raise BadRequest("This reference stands in the document.", hint="Change it there and reload.", code="reference_of_document")
    return found


def _check(office: Office, registry: Registry, stored: StoredReference) -> None:
    """Everything that can be known of a reference without asking its vault. BadRequest."""
    if not can_open(stored.manager_type):
        known = ", ".join(sorted(SHAPES))
        raise BadRequest("There is no such manager_type.", hint=f"Built in: {known}; others come as plug-ins.", param="manager_type")
    try:
        if CONNECTION not in stored.auth_config:  # a connection of the document was checked with it
            check_auth(stored.manager_type, stored.auth_config)
        ref = _permitted(registry, stored)
        # With itself as it will be: only so a circle through it is seen.
        inner_references(ref.auth_config, {**registry.declared, stored.slug: ref})
    except ConfigError as error:
        raise BadRequest(error.message, hint=error.hint, param="auth_config") from None
    empty = sorted(name for name, value in stored.auth_config.items() if isinstance(value, Secret) and not value.reveal().strip())
    if empty:
        raise BadRequest("A sensitive field of auth_config is empty.", param=f"auth_config.{empty[0]}")
    plain = [value for value in stored.auth_config.values() if isinstance(value, str) and not is_reference(value)]
    refuse_secrets(
        office,
        name=stored.name,
        slug=stored.slug,
        description=stored.description,
        tags=dict(stored.tags or {}),
        secret_path=stored.secret_path,
        secret_key=stored.secret_key,
        version=stored.version,
        environment=stored.environment,
        auth_config=list(plain),
    )


def _permitted(registry: Registry, stored: StoredReference) -> SecretRef:
    """The reference as it will be resolved. BadRequest names the field that the document does not allow."""
    found = permitted(stored.ref(), registry.permits)
    if isinstance(found, SecretRef):
        return found
    raise BadRequest(
        f"The document does not permit this reference: {found.param}: {found.what}.",
        hint=found.hint,
        param=found.param,
        code=NOT_PERMITTED,
    )


def _refuse_moved_literals(present: StoredReference, changed: StoredReference, sent: Mapping[str, Any]) -> None:
    """A credential that somebody stored for one address is not sent to another one without being sent here again."""
    if all(present.auth_config.get(name) == changed.auth_config.get(name) for name in ADDRESSES):
        return
    kept = sorted(name for name, value in changed.auth_config.items() if isinstance(value, Secret) and sent.get(name) is None)
    if kept:
        raise BadRequest(
            "The address of the vault changes, and a stored credential would go with it.",
            hint="Send the credential again, together with the address.",
            code="credential_wanted",
            param=f"auth_config.{kept[0][:64]}",
        )


async def _announce(registry: Registry, stored: StoredReference) -> None:
    # Before it is stored: nobody could use it before it is caught wherever it shows up.
    for name, value in literals_of(stored.auth_config).items():
        await registry.announce(value.reveal(), f"{stored.slug}.{name}")


def _scoped(connection: Connection, stored: StoredReference, allowed: Allowed | None) -> StoredReference:
    """The reference with its workspaces by slug. BadRequest for one that does not exist."""
    if allowed is None:
        return stored
    if not allowed.workspaces:
        return replace(
            stored, allow_all_workspaces=allowed.everybody, allowed_workspaces=() if allowed.everybody else stored.allowed_workspaces
        )
    table = workspaces.c
    query = select(table.id, table.slug).where(
        table.org_id == stored.org_id, or_(table.id.in_(allowed.workspaces), table.slug.in_(allowed.workspaces))
    )
    names = {name: row.slug for row in connection.execute(query) for name in (row.id, row.slug)}
    if not set(allowed.workspaces) <= names.keys():
        raise BadRequest("One of allowed_workspaces does not exist.", hint="GET /v1/workspaces lists them.", param="allowed_workspaces")
    slugs = tuple(dict.fromkeys(names[each] for each in allowed.workspaces))
    return replace(stored, allow_all_workspaces=False, allowed_workspaces=slugs)


def _scope_detail(asked: Asked) -> dict[str, Any]:
    """Who may use it from now on, for the event; nothing when that stays."""
    if asked.allowed is None:
        return {}
    return {"allow_all_workspaces": asked.allowed.everybody, "allowed_workspaces": list(asked.allowed.workspaces)}


def _refuse_masks(sent: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
    fields = masked_fields(sent, stored)
    if fields:
        raise BadRequest(
            "A masked value was sent back where a value belongs.",
            hint="Leave out the fields that are to stay as they are.",
            code="masked_value",
            param=f"auth_config.{fields[0][:64]}",
        )


def _taken() -> BadRequest:
    return BadRequest("There is a reference with that slug.", code="reference_exists", param="slug")


def _in_use(users: Sequence[str]) -> BadRequest:
    return BadRequest(
        "The reference is in use.",
        hint=f"Used by {', '.join(users[:10])}{', …' if len(users) > 10 else ''}. Point them elsewhere first.",
        code="reference_in_use",
    )
