"""Secret references over HTTP, in Portkey's shape (`/v1/secret-references`), and what is done to one: refresh, disable.

`{slug}` is a reference's slug or its id; what acts on a reference of the document or on one written in place (`env:NAME`) takes those too.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from sqlalchemy import Connection

from pipeline.gateway.admin_keys import actor_of, reading
from pipeline.gateway.model import House
from pipeline.gateway.request import AdminRequest, Reply, Who
from pipeline.keys import references
from pipeline.keys.reference_requests import read_query
from pipeline.keys.reference_views import detail_view, item_view
from pipeline.keys.usage_views import read_usage_query, show_usage, show_versions
from pipeline.vaults import reference_sql as rows
from pipeline.vaults.model import SecretRef
from pipeline.vaults.reference_sql import StoredReference

_ID_LENGTH: Final = 36
"""A UUID as it is written; a slug of that length is looked up in vain once more."""


async def create(house: House, request: AdminRequest, who: Who | None, body: dict[str, Any]) -> Reply:
    """`POST /v1/secret-references`: make a reference; its vault is not asked yet."""
    return Reply(json=await references.create_reference(house.desk.office, actor_of(request, who), _registry(house), body))


async def find(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /v1/secret-references?manager_type=&tags=&search=&current_page=0&page_size=20`: the references, newest first."""
    assert who is not None
    asked = read_query(request.query())
    total, found = await reading(
        house, lambda connection: rows.list_references(connection, house.desk.local_keys, asked, org_id=who.org_id)
    )
    return Reply(json={"object": "list", "total": total, "data": [item_view(each, _status(house, each)) for each in found]})


async def show(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /v1/secret-references/{slug}`: one reference by id or slug; sensitive fields masked."""
    assert who is not None
    stored = await reading(
        house,
        lambda connection: rows.find_reference(connection, request.params["slug"], house.desk.local_keys, org_id=who.org_id),
    )
    if stored is None:
        raise references.no_such_reference()
    return Reply(json=detail_view(stored, _status(house, stored)))


async def change(house: House, request: AdminRequest, who: Who | None, body: dict[str, Any]) -> Reply:
    """`PUT /v1/secret-references/{slug}`: change fields; `auth_config` is merged and checked again."""
    ident = request.params["slug"]
    return Reply(json=await references.update_reference(house.desk.office, actor_of(request, who), _registry(house), ident, body))


async def remove(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`DELETE /v1/secret-references/{slug}`: refused while something uses it."""
    ident = request.params["slug"]
    return Reply(json=await references.delete_reference(house.desk.office, actor_of(request, who), _registry(house), ident))


async def refresh(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`POST /v1/secret-references/{slug}/refresh`: every worker forgets the cached value; the next use reads the vault."""
    ref = await known_reference(house, request, who)
    await references.refresh_reference(house.desk.office, actor_of(request, who), ref.slug)
    return Reply(json={"refreshed": ref.slug})


async def disable(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`POST /v1/secret-references/{slug}/disable`: the kill switch; nobody is given its secret any more, on any worker."""
    ref = await known_reference(house, request, who)
    return Reply(json=await references.disable_reference(house.desk.office, actor_of(request, who), ref.slug))


async def enable(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`POST /v1/secret-references/{slug}/enable`: take the kill switch back."""
    ref = await known_reference(house, request, who)
    return Reply(json=await references.enable_reference(house.desk.office, actor_of(request, who), ref.slug))


async def used(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /v1/secret-references/usage?reference=&version=&fingerprint=&since=&until=`: who used a secret, when, for how much."""
    assert who is not None
    asked = read_usage_query(request.query())
    return Reply(json=await reading(house, lambda connection: show_usage(connection, asked, org_id=who.org_id)))


async def usage_of(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /v1/secret-references/{slug}/usage?version=&fingerprint=&since=&until=`: where one reference was used, and what uses it now."""
    ref = await known_reference(house, request, who)
    assert who is not None
    asked = read_usage_query(request.query(), reference=ref.slug)
    found = await reading(house, lambda connection: show_usage(connection, asked, org_id=who.org_id))
    return Reply(json={**found, "used_by": list(house.desk.references().users_of(ref.slug))})


async def versions_of(house: House, request: AdminRequest, who: Who | None, _body: dict[str, Any]) -> Reply:
    """`GET /v1/secret-references/{slug}/versions`: the versions that were read or used, by the vault's own names."""
    ref = await known_reference(house, request, who)
    assert who is not None
    return Reply(json=await reading(house, lambda connection: show_versions(connection, ref.slug, pinned=ref.version, org_id=who.org_id)))


async def known_reference(house: House, request: AdminRequest, who: Who | None) -> SecretRef:
    """The reference in force that a slug or an id names, whatever it came from; BadRequest 404."""
    assert who is not None
    ident = request.params["slug"]
    if len(ident) == _ID_LENGTH:

        def look(connection: Connection) -> str:
            return rows.slug_of_id(connection, ident, org_id=who.org_id) or ident

        slug = await reading(house, look)
    else:
        slug = ident
    for ref in house.desk.references().all():
        if ref.slug == slug:
            return ref
    raise references.no_such_reference()


def _registry(house: House) -> references.Registry:
    known = house.desk.references()

    async def announce(value: str, label: str) -> None:
        await asyncio.get_running_loop().run_in_executor(house.pool, house.desk.announce, value, label)

    return references.Registry(house.desk.local_keys, known.declared, known.users_of, announce, known.permits)


def _status(house: House, stored: StoredReference) -> str:
    """How a reference stands on this worker: Portkey knows ACTIVE alone."""
    resolver = house.desk.resolver
    if stored.slug in resolver.disabled():
        return "DISABLED"
    ref = house.desk.references().declared.get(stored.slug)
    if ref is None:
        return "ACTIVE"
    return "SUSPECT" if resolver.is_suspect(ref) else "DEGRADED" if resolver.is_degraded(ref) else "ACTIVE"
