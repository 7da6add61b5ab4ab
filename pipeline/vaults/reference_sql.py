"""Secret references in SQL: those made by REST, and the mirror of the document's. Never a value in clear.

Reads take a reading connection, writes stand in a ledger change, so that each has its audit event in the same transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, insert, or_, select, update

from pipeline.store.tables import reference_switches, secret_references
from pipeline.vaults.auth import ALIASES
from pipeline.vaults.local_keys import LocalKeys, RandomBytes
from pipeline.vaults.model import SecretRef
from pipeline.vaults.reference import named_slugs
from pipeline.vaults.sealing import opened_auth, sealed_auth

DEFAULT_ORG: Final = "default"
"""The organization whose references the document's targets can name."""

Origin = Literal["api", "document"]
UsageClass = Literal["standard", "admin", "tool"]

_R = secret_references.c
_ESCAPE: Final = "\\"


@dataclass(frozen=True, slots=True)
class StoredReference:
    """A reference as an object of the admin API. Field names are Portkey's, ours beside them; times are epoch microseconds.

    `auth_config` is open: the literals of its sensitive fields are `Secret`. `allowed_workspaces` are slugs. `max_age_days` 0 is none.
    `edition` moves on with every edit.
    """

    id: str
    slug: str
    name: str
    manager_type: str
    secret_path: str
    auth_config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    description: str | None = None
    secret_key: str | None = None
    version: str | None = None
    allow_all_workspaces: bool = True
    allowed_workspaces: tuple[str, ...] = ()
    tags: Mapping[str, str] | None = None
    cache_ttl_s: float = 300.0
    negative_ttl_s: float = 15.0
    max_stale_s: float = 900.0
    refresh_ahead_ratio: float = 0.8
    required: bool = True
    usage_class: UsageClass = "standard"
    environment: str | None = None
    max_age_days: int = 0
    origin: Origin = "api"
    org_id: str = DEFAULT_ORG
    created_us: int = 0
    updated_us: int = 0
    created_by: str = ""
    edition: int = 1

    def ref(self) -> SecretRef:
        """The reference as the resolver takes it. One of class `admin` is for rotation only: no workspace may use it."""
        everybody = self.allow_all_workspaces and self.usage_class != "admin"
        return SecretRef(
            slug=self.slug,
            manager_type=self.manager_type,
            secret_path=self.secret_path,
            auth_config=self.auth_config,
            secret_key=self.secret_key,
            version=self.version,
            allow_all_workspaces=everybody,
            allowed_workspaces=() if self.usage_class == "admin" else self.allowed_workspaces,
            cache_ttl_s=self.cache_ttl_s,
            negative_ttl_s=self.negative_ttl_s,
            max_stale_s=self.max_stale_s,
            refresh_ahead_ratio=self.refresh_ahead_ratio,
            required=self.required,
            revision=revision_name(self.id, self.edition),
            environment=self.environment,
        )


@dataclass(frozen=True, slots=True)
class Query:
    """What a list is asked for. `page` counts from 0."""

    manager_type: str = ""
    search: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    page: int = 0
    page_size: int = 20


@dataclass(frozen=True, slots=True)
class Switch:
    """What was done to a reference at once. Epoch microseconds; 0: never, or not any more."""

    slug: str
    disabled_us: int
    purged_us: int


def revision_name(ident: str, edition: int) -> str:
    """Names what a reference says: another after every edit, and after it was deleted and made again."""
    return f"{ident}.{edition}"


def find_reference(connection: Connection, ident: str, keys: LocalKeys, *, org_id: str = DEFAULT_ORG) -> StoredReference | None:
    """One reference by its id or its slug; an id goes first."""
    found = connection.execute(
        select(secret_references)
        .where(_R.org_id == org_id, or_(_R.id == ident, _R.slug == ident))
        .order_by((_R.id == ident).desc())
        .limit(1)
    ).first()
    return None if found is None else _stored(found, keys)


def slug_of_id(connection: Connection, ident: str, *, org_id: str = DEFAULT_ORG) -> str | None:
    """The slug of an id; None when it is none."""
    slug: str | None = connection.execute(select(_R.slug).where(_R.org_id == org_id, _R.id == ident)).scalar()
    return slug


def load_references(connection: Connection, keys: LocalKeys, *, org_id: str = DEFAULT_ORG, origin: Origin = "api") -> list[StoredReference]:
    """Every reference of an origin."""
    query = select(secret_references).where(_R.org_id == org_id, _R.origin == origin).order_by(_R.slug)
    return [_stored(row, keys) for row in connection.execute(query)]


def load_changes(
    connection: Connection, keys: LocalKeys, known: Mapping[str, str], *, org_id: str = DEFAULT_ORG
) -> tuple[frozenset[str], list[StoredReference]]:
    """The slugs of all references made by REST, and those whose revision is not the `known` one: an edit costs one row, not all."""
    present = connection.execute(select(_R.id, _R.slug, _R.edition).where(_R.org_id == org_id, _R.origin == "api")).all()
    changed = [row.id for row in present if known.get(row.slug) != revision_name(row.id, row.edition)]
    found: list[StoredReference] = []
    for start in range(0, len(changed), 500):
        rows = connection.execute(select(secret_references).where(_R.id.in_(changed[start : start + 500])))
        found += [_stored(row, keys) for row in rows]
    return frozenset(row.slug for row in present), found


def list_references(
    connection: Connection, keys: LocalKeys, asked: Query, *, org_id: str = DEFAULT_ORG
) -> tuple[int, list[StoredReference]]:
    """How many there are, and one page of them, newest first."""
    where = _where(asked, org_id)
    order = (_R.created_us.desc(), _R.id.desc())
    if asked.tags:
        tagged = connection.execute(select(_R.id, _R.tags).where(where, _R.tags != "").order_by(*order))
        ids = [row.id for row in tagged if asked.tags.items() <= json.loads(row.tags).items()]
        page = ids[asked.page * asked.page_size : (asked.page + 1) * asked.page_size]
        rows = connection.execute(select(secret_references).where(_R.id.in_(page)).order_by(*order)) if page else ()
        return len(ids), [_stored(row, keys) for row in rows]
    total = connection.execute(select(func.count()).select_from(secret_references).where(where)).scalar_one()
    query = select(secret_references).where(where).order_by(*order).limit(asked.page_size).offset(asked.page * asked.page_size)
    return int(total), [_stored(row, keys) for row in connection.execute(query)]


def is_taken(connection: Connection, slug: str, *, org_id: str = DEFAULT_ORG) -> bool:
    """Whether a slug is in use, as a slug or as another reference's id."""
    query = select(_R.id).where(_R.org_id == org_id, or_(_R.slug == slug, _R.id == slug)).limit(1)
    return connection.execute(query).first() is not None


def insert_reference(connection: Connection, stored: StoredReference, keys: LocalKeys, random_bytes: RandomBytes) -> None:
    """Write a new row."""
    values = _values(stored, keys, random_bytes)
    connection.execute(insert(secret_references).values(id=stored.id, org_id=stored.org_id, slug=stored.slug, **values))


def update_reference(connection: Connection, stored: StoredReference, keys: LocalKeys, random_bytes: RandomBytes) -> None:
    """Write every field of a row that is there."""
    connection.execute(update(secret_references).where(_R.id == stored.id).values(**_values(stored, keys, random_bytes)))


def delete_reference(connection: Connection, stored: StoredReference) -> None:
    """Take a row away, and its switch with it: a later reference of the same slug is another one."""
    connection.execute(delete(secret_references).where(_R.id == stored.id))
    table = reference_switches
    connection.execute(delete(table).where(table.c.org_id == stored.org_id, table.c.slug == stored.slug))


def naming(connection: Connection, slug: str, keys: LocalKeys, *, org_id: str = DEFAULT_ORG) -> list[str]:
    """The slugs of other references whose `auth_config` may name this one."""
    pattern = f"%{_escaped(slug)}%"
    query = select(secret_references).where(_R.org_id == org_id, _R.slug != slug, _R.auth_config.like(pattern, escape=_ESCAPE))
    return [row.slug for row in connection.execute(query) if slug in named_slugs(_stored(row, keys).auth_config)]


def mirror_references(
    connection: Connection, refs: Iterable[tuple[str, StoredReference]], keys: LocalKeys, random_bytes: RandomBytes, *, now_us: int
) -> bool:
    """Bring the document's references into the store, where lists and the dashboard see them. True when anything changed.

    Each comes with the id that it gets when it is new. One whose slug was made by REST is left to that one here; where secrets are
    resolved the document's goes first.
    """
    known = {row.slug: row for row in load_references(connection, keys, origin="document")}
    changed = False
    for new_id, wanted in refs:
        row = known.pop(wanted.slug, None)
        if row is None:
            if not is_taken(connection, wanted.slug):
                insert_reference(connection, replace(wanted, id=new_id, created_us=now_us, updated_us=now_us), keys, random_bytes)
                changed = True
            continue
        same = replace(wanted, id=row.id, created_us=row.created_us, updated_us=row.updated_us, edition=row.edition)
        if same != row:
            update_reference(connection, replace(same, updated_us=now_us, edition=row.edition + 1), keys, random_bytes)
            changed = True
    for gone in known.values():
        connection.execute(delete(secret_references).where(_R.id == gone.id))
        changed = True
    return changed


def set_disabled(connection: Connection, slug: str, at_us: int, by: str, *, org_id: str = DEFAULT_ORG) -> None:
    """Set the kill switch of a slug, or take it back with 0."""
    _switch(connection, slug, org_id, disabled_us=at_us, disabled_by=by)


def set_purged(connection: Connection, slug: str, at_us: int, *, org_id: str = DEFAULT_ORG) -> None:
    """Ask every worker to forget the value of a slug."""
    _switch(connection, slug, org_id, purged_us=at_us)


def read_switches(connection: Connection, *, org_id: str = DEFAULT_ORG) -> list[Switch]:
    """Every switch there is."""
    table = reference_switches
    rows = connection.execute(select(table.c.slug, table.c.disabled_us, table.c.purged_us).where(table.c.org_id == org_id))
    return [Switch(*row) for row in rows]


def _switch(connection: Connection, slug: str, org_id: str, **values: Any) -> None:
    table = reference_switches
    here = and_(table.c.org_id == org_id, table.c.slug == slug)
    if not connection.execute(update(table).where(here).values(**values)).rowcount:
        connection.execute(insert(table).values(org_id=org_id, slug=slug, **values))


def _where(asked: Query, org_id: str) -> ColumnElement[bool]:
    parts = [_R.org_id == org_id]
    if asked.manager_type:
        names = {asked.manager_type, *(alias for alias, name in ALIASES.items() if name == asked.manager_type)}
        parts.append(_R.manager_type.in_(sorted(names)))
    if asked.search:
        pattern = f"%{_escaped(asked.search.lower())}%"
        parts.append(or_(func.lower(_R.name).like(pattern, escape=_ESCAPE), func.lower(_R.slug).like(pattern, escape=_ESCAPE)))
    return and_(*parts)


def _escaped(text: str) -> str:
    return text.replace(_ESCAPE, _ESCAPE * 2).replace("%", _ESCAPE + "%").replace("_", _ESCAPE + "_")


def _values(stored: StoredReference, keys: LocalKeys, random_bytes: RandomBytes) -> dict[str, Any]:
    return {
        "name": stored.name,
        "manager_type": stored.manager_type,
        "auth_config": json.dumps(sealed_auth(keys, stored.id, stored.auth_config, random_bytes), sort_keys=True),
        "secret_path": stored.secret_path,
        "secret_key": stored.secret_key or "",
        "allow_all_workspaces": stored.allow_all_workspaces,
        "allowed_workspaces": json.dumps(stored.allowed_workspaces),
        "required": stored.required,
        "origin": stored.origin,
        "status": "ACTIVE",
        "created_us": stored.created_us,
        "updated_us": stored.updated_us,
        "description": stored.description or "",
        "tags": json.dumps(dict(stored.tags), sort_keys=True) if stored.tags is not None else "",
        "version": stored.version or "",
        "cache_ttl_s": stored.cache_ttl_s,
        "negative_ttl_s": stored.negative_ttl_s,
        "max_stale_s": stored.max_stale_s,
        "refresh_ahead_ratio": stored.refresh_ahead_ratio,
        "usage_class": stored.usage_class,
        "environment": stored.environment or "",
        "max_age_days": stored.max_age_days,
        "created_by": stored.created_by,
        "edition": stored.edition,
    }


def _stored(row: Row[Any], keys: LocalKeys) -> StoredReference:
    return StoredReference(
        id=row.id,
        slug=row.slug,
        name=row.name,
        manager_type=row.manager_type,
        secret_path=row.secret_path,
        auth_config=opened_auth(keys, row.id, row.slug, json.loads(row.auth_config)),
        description=row.description or None,
        secret_key=row.secret_key or None,
        version=row.version or None,
        allow_all_workspaces=row.allow_all_workspaces,
        allowed_workspaces=tuple(json.loads(row.allowed_workspaces)),
        tags=json.loads(row.tags) if row.tags else None,
        cache_ttl_s=row.cache_ttl_s,
        negative_ttl_s=row.negative_ttl_s,
        max_stale_s=row.max_stale_s,
        refresh_ahead_ratio=row.refresh_ahead_ratio,
        required=row.required,
        usage_class=row.usage_class,
        environment=row.environment or None,
        max_age_days=row.max_age_days,
        origin=row.origin,
        org_id=row.org_id,
        created_us=row.created_us,
        updated_us=row.updated_us,
        created_by=row.created_by,
        edition=row.edition,
    )
