"""Which rows a viewer may see, as SQL conditions. Every query of the read model begins here."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Table, and_, false, or_, select

from pipeline.store.read_model import Filter, Tenant
from pipeline.store.tables import charges, events, redactions, workspaces

DEFAULT_ORG = "default"


@dataclass(frozen=True, slots=True)
class Scope:
    """The tenant with its workspace names resolved. `ids` is None for the whole organization, empty for nothing at all."""

    org_id: str
    ids: tuple[str, ...] | None
    slugs: dict[str, str]

    @property
    def whole(self) -> bool:
        """Whether nothing narrows the organization."""
        return self.ids is None

    def slug(self, workspace_id: str) -> str:
        """The slug of a workspace id; the id itself when the workspace is gone."""
        return self.slugs.get(workspace_id, workspace_id)


def resolve(connection: Connection, tenant: Tenant, asked: Filter) -> Scope:
    """Turn the viewer's restriction and the asked workspace into ids. A workspace that does not exist matches nothing."""
    rows = connection.execute(select(workspaces.c.id, workspaces.c.slug).where(workspaces.c.org_id == tenant.org_id))
    slugs = {row.id: row.slug for row in rows}
    wanted = [name for name in (tenant.workspace, asked.workspace) if name]
    if not wanted:
        return Scope(tenant.org_id, None, slugs)
    found = [{key for key, slug in slugs.items() if name in (key, slug)} for name in wanted]
    ids = set.intersection(*found)
    visible = {key: slug for key, slug in slugs.items() if key in found[0]} if tenant.restricted else slugs
    return Scope(tenant.org_id, tuple(sorted(ids)), visible)


def of_charges(scope: Scope, asked: Filter, table: Table = charges) -> ColumnElement[bool]:
    """The condition on `charges`, or on a table of their sums (which have no times and requests of their own: `asked` must name none)."""
    parts = [table.c.org_id == scope.org_id, *_common(table, scope, asked)]
    parts += [column == value for column, value in ((table.c.model, asked.model), (table.c.target_id, asked.target)) if value]
    return and_(*parts)


def of_events(scope: Scope, asked: Filter) -> ColumnElement[bool]:
    """The condition on `events`."""
    table = events
    parts = [table.c.org_id == scope.org_id, *_common(table, scope, asked)]
    pairs = (
        (table.c.model, asked.model),
        (table.c.target_id, asked.target),
        (table.c.outcome, asked.outcome),
        (table.c.actor, asked.actor),
        (table.c.trace_id, asked.trace_id),
        (table.c.error, asked.error),
    )
    parts += [column == value for column, value in pairs if value]
    if asked.kind.endswith("*"):
        parts.append(table.c.kind.startswith(asked.kind[:-1], autoescape=True))
    elif asked.kind:
        parts.append(table.c.kind == asked.kind)
    return and_(*parts)


def of_redactions(scope: Scope, asked: Filter) -> ColumnElement[bool]:
    """The condition on `redactions`, which name no organization: their workspace does (none at all belongs to the default one)."""
    table = redactions
    parts = _common(table, scope, asked)
    if scope.whole:
        mine: ColumnElement[bool] = table.c.workspace_id.in_(select(workspaces.c.id).where(workspaces.c.org_id == scope.org_id))
        parts.append(or_(mine, table.c.workspace_id == "") if scope.org_id == DEFAULT_ORG else mine)
    return and_(*parts)


def _common(table: Table, scope: Scope, asked: Filter) -> list[ColumnElement[bool]]:
    parts: list[ColumnElement[bool]] = []
    if scope.ids is not None:
        parts.append(table.c.workspace_id.in_(scope.ids) if scope.ids else false())
    if asked.from_us:
        parts.append(table.c.at_us >= asked.from_us)
    if asked.to_us:
        parts.append(table.c.at_us < asked.to_us)
    if asked.key:
        parts.append(table.c.key_id == asked.key)
    if asked.request_id:
        parts.append(table.c.request_id == asked.request_id)
    return parts
