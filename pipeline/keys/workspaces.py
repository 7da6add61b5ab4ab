"""Workspaces in SQL: those that somebody made, and those of the document, which are mirrored at start."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Connection, insert, select, update

from pipeline.errors import BadRequest
from pipeline.ids import ulid
from pipeline.keys.model import Reach
from pipeline.keys.requests import NewWorkspace
from pipeline.keys.revisions import KEYS, bump
from pipeline.ledger.budget_rows import Terms, add_budget, mirror_budgets
from pipeline.ledger.model import Scope
from pipeline.store.tables import organizations, workspaces

ALL: Final = Reach()
_W = workspaces.c


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace as the store knows it. `policy` "" means `default`, `environment` "" none; `created_us` is epoch microseconds."""

    id: str
    org_id: str
    slug: str
    name: str
    policy: str
    created_us: int
    environment: str = ""


def create_workspace(connection: Connection, new: NewWorkspace, *, now_us: int, org_id: str = "default") -> Workspace:
    """Make a workspace. BadRequest when the slug is in use."""
    if _find(connection, new.slug, org_id) is not None:
        raise BadRequest("There is a workspace with that slug.", code="workspace_exists", status=409, param="slug")
    workspace = Workspace(ulid(now_us), org_id, new.slug, new.name or new.slug, new.policy, now_us, new.environment)
    _insert(connection, workspace)
    if new.budget is not None:
        add_budget(connection, Scope("workspace", workspace.id), new.budget, now_us=now_us, org_id=org_id)
    bump(connection, KEYS)
    return workspace


def mirror_workspaces(
    connection: Connection, wanted: Iterable[NewWorkspace], *, now_us: int, org_id: str = "default", organization: Iterable[Terms] = ()
) -> bool:
    """Bring the document's workspaces into the store: policy and budgets as it says, also its organization's. True when anything changed.

    Workspaces that the document no longer names stay: their keys, budgets and history do not vanish with a line of YAML.
    """
    changed = _ensure_organization(connection, org_id, now_us)
    changed = mirror_budgets(connection, Scope("org", org_id), organization, now_us=now_us, org_id=org_id) or changed
    for new in wanted:
        known = _find(connection, new.slug, org_id)
        if known is None:
            known = create_workspace(connection, replace(new, budget=None), now_us=now_us, org_id=org_id)
            changed = True
        name = new.name or new.slug
        if (known.name, known.policy, known.environment) != (name, new.policy, new.environment):
            said = {"name": name, "policy": new.policy, "environment": new.environment}
            connection.execute(update(workspaces).where(_W.id == known.id).values(**said))
            changed = True
        changed = mirror_budgets(connection, Scope("workspace", known.id), _budgets(new), now_us=now_us, org_id=org_id) or changed
    if changed:
        bump(connection, KEYS)
    return changed


def workspace_by_slug(connection: Connection, slug: str, within: Reach) -> Workspace:
    """One workspace; BadRequest (404) when there is none within reach."""
    found = _find(connection, slug, within.org_id)
    if found is None or (within.workspaces is not None and found.id not in within.workspaces):
        raise BadRequest(
            "There is no such workspace.",
            hint="Name it under `workspaces` in the document, or POST /v1/workspaces.",
            code="workspace_not_found",
            status=404,
            param="workspace",
        )
    return found


def list_workspaces(connection: Connection, *, within: Reach = ALL) -> tuple[Workspace, ...]:
    """The workspaces within reach, by slug."""
    query = select(workspaces).where(_W.org_id == within.org_id).order_by(_W.slug)
    if within.workspaces is not None:
        query = query.where(_W.id.in_(sorted(within.workspaces)))
    return tuple(_workspace(row) for row in connection.execute(query))


def _find(connection: Connection, slug: str, org_id: str) -> Workspace | None:
    row = connection.execute(select(workspaces).where(_W.org_id == org_id, _W.slug == slug)).first()
    return None if row is None else _workspace(row)


def _workspace(row: Any) -> Workspace:
    return Workspace(row.id, row.org_id, row.slug, row.name, row.policy, row.created_us, row.environment)


def _insert(connection: Connection, workspace: Workspace) -> None:
    _ensure_organization(connection, workspace.org_id, workspace.created_us)
    values = {name: getattr(workspace, name) for name in ("id", "org_id", "slug", "name", "policy", "created_us", "environment")}
    connection.execute(insert(workspaces).values(**values))


def _ensure_organization(connection: Connection, org_id: str, now_us: int) -> bool:
    if connection.execute(select(organizations.c.id).where(organizations.c.id == org_id)).first() is not None:
        return False
    connection.execute(insert(organizations).values(id=org_id, name=org_id, created_us=now_us))
    return True


def _budgets(new: NewWorkspace) -> tuple[Terms, ...]:
    """All budgets that a workspace is to have."""
    return (*((new.budget,) if new.budget is not None else ()), *new.budgets)
