"""Writes to the local encrypted store, each with its audit event. Write-only: a value goes in here and comes out nowhere."""

from __future__ import annotations

import os
from typing import Any

from sqlalchemy import Connection

from pipeline.clock import rfc3339
from pipeline.errors import BadRequest
from pipeline.keys.revisions import SECRETS, bump
from pipeline.keys.service import Actor, Office, event, refuse_secrets
from pipeline.vaults.local_keys import LocalKeys, RandomBytes
from pipeline.vaults.local_sql import delete_secret, list_secrets, put_secret


async def store_secret(
    office: Office, actor: Actor, keys: LocalKeys, name: str, value: str, *, random_bytes: RandomBytes = os.urandom
) -> dict[str, Any]:
    """Store a value under the next version of its name (`POST /v1/secrets/{name}`). The answer and the event name it, never show it.

    BadRequest for a name that looks like a secret: names are kept and listed as they are.
    """
    refuse_secrets(office, name=name)
    now_us = office.clock.now_us()

    def apply(connection: Connection) -> int:
        version = put_secret(connection, keys, name, value, now_us=now_us, created_by=actor.id, random_bytes=random_bytes)
        bump(connection, SECRETS)
        return version

    version = await office.ledger.change(event(office, actor, "admin:secret:put", {"name": name}), apply)
    await office.changed()
    return {"object": "secret", "name": name, "version": version, "created_at": rfc3339(now_us)}


async def remove_secret(office: Office, actor: Actor, name: str) -> None:
    """Delete every version of a name. BadRequest (404) when there is none."""

    def apply(connection: Connection) -> None:
        if not delete_secret(connection, name):
            raise BadRequest("There is no such secret in the local store.", code="secret_not_found", status=404, param="name")
        bump(connection, SECRETS)

    await office.ledger.change(event(office, actor, "admin:secret:delete", {"name": name}), apply)
    await office.changed()


def stored_names(connection: Connection) -> dict[str, Any]:
    """What is stored, by name (`GET /v1/secrets`); never a value. Over a reading connection."""
    data = [
        {
            "object": "secret",
            "name": each.name,
            "version": each.version,
            "versions": each.versions,
            "created_at": rfc3339(each.created_us),
            "created_by": each.created_by,
        }
        for each in list_secrets(connection)
    ]
    return {"object": "list", "data": data}
