"""What an administrator does to keys and workspaces: each act is one transaction with its audit event. For admin API and CLI.

Bodies are the admin API's JSON; what comes back is its JSON. A new token stands in `key` of the answer of `create` and `rotate`,
once, and nowhere else: not in the event, not in the store.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import Connection

from pipeline import ids
from pipeline.clock import Clock
from pipeline.errors import BadRequest, ConfigError, KeyOutOfScope
from pipeline.keys import store, workspaces
from pipeline.keys.caveats import Caveats, every, plain
from pipeline.keys.child_changes import hold_child
from pipeline.keys.key_changes import changed_key, refuse_wider
from pipeline.keys.model import Reach, VirtualKey
from pipeline.keys.pepper import Peppers
from pipeline.keys.requests import NewKey, NewWorkspace, read_new_key, read_new_workspace
from pipeline.keys.views import key_view, workspace_view
from pipeline.ledger.budgets import Budget, get_budget, list_budgets
from pipeline.ledger.model import Event, Scope
from redactors.model import Clean, Json

T = TypeVar("T")
MAX_OVERLAP_S: Final = 30 * 86_400
_SECRET: Final = frozenset({"secrets", "known", "keynames"})


class Changes(Protocol):
    """The ledger's half that administration needs."""

    async def change(self, event: Event, apply: Callable[[Any], T]) -> T:
        """Run `apply(connection)` and write the event, in one transaction."""
        ...

    async def run(self, apply: Callable[[Connection], T], /) -> T:
        """Run `apply(connection)` in a transaction without an event: for looking before an act."""
        ...


async def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Office:
    """What administration works with. `clean` redacts an event's detail; `changed` is awaited after a change, to refresh memory.

    `services`: the aliases by which tokens of identity providers call models; whoever may take one gets those calls.
    """

    ledger: Changes
    peppers: Peppers
    clock: Clock
    clean: Callable[[Json], Clean[Json]] = field(repr=False)
    new_token: Callable[[str], str] = ids.token
    changed: Callable[[], Awaitable[None]] = _nothing
    services: Callable[[], frozenset[str]] = frozenset

    def new_id(self) -> str:
        """A ULID for now."""
        return ids.ulid(self.clock.now_us())


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a key id, `user:NAME`, or `cli:NAME`; and by which request.

    `workspaces` (ids) limit a manager, None is the whole organization; `home` is the slug of the only one. `limits` are the caveats that no
    key of their making may exceed, None for somebody who may make any.
    """

    id: str
    request_id: str = ""
    org_id: str = "default"
    peer: str = ""
    workspaces: frozenset[str] | None = None
    home: str = ""
    limits: Caveats | None = None

    @property
    def reach(self) -> Reach:
        """What they may touch."""
        return Reach(self.org_id, self.workspaces)


async def create_key(office: Office, actor: Actor, body: Mapping[str, Any]) -> dict[str, Any]:
    """Make a key (`POST /v1/keys`). The answer's `key` is the token, shown this once."""
    new = as_managed(actor, read_new_key(body, office.clock.now_us()), "workspace" in body)
    refuse_service(office, actor, new.alias)
    refuse_secrets(office, alias=new.alias, metadata=dict(new.metadata), models=list(new.models), caveats=plain(new.caveats))
    return await issue_key(office, actor, new)


async def update_key(office: Office, actor: Actor, key_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Change a key (`PATCH /v1/keys/{id}`): what `key_changes.CHANGE_FIELDS` names and nothing else."""
    now_us = office.clock.now_us()
    refuse_policy(actor, body.get("policy"))
    said = {name: body[name] for name in ("alias", "metadata", "models", "caveats") if body.get(name) is not None}
    refuse_secrets(office, **said)

    def change(connection: Connection) -> VirtualKey:
        former = store.get_key(connection, key_id, actor.reach)
        wanted = changed_key(former, body, now_us)
        refuse_service(office, actor, wanted.alias if wanted.alias != former.alias else "")
        refuse_policy(actor, wanted.policy != former.policy)  # also one that is taken away: the workspace's may allow more
        hold_child(connection, former, wanted, now_us)
        if actor.limits is not None:
            refuse_wider(wanted.limited_by, actor.limits)
        return store.update_key(connection, wanted, within=actor.reach)

    return await _change_key(office, actor, "admin:key:update", key_id, change, changed=dict(body))


async def issue_key(office: Office, actor: Actor, new: NewKey, *, token: str = "") -> dict[str, Any]:
    """Make a key from a checked request, with a token of one's own where a file already holds it (the first admin key)."""
    made = token or office.new_token("lgk")
    key_id, now_us = office.new_id(), office.clock.now_us()
    detail = {"alias": new.alias, "workspace": new.workspace, "role": new.role, "models": list(new.models), "policy": new.policy,
              "rpm_limit": new.rpm_limit, "tpm_limit": new.tpm_limit, "max_parallel_requests": new.max_parallel_requests,
              "caveats": plain(new.caveats), "expires_us": new.expires_us,
              "budget_micros": new.budget.limit_micros if new.budget else None}  # fmt: skip

    def apply(connection: Connection) -> dict[str, Any]:
        key = store.create_key(connection, office.peppers, made, new, key_id=key_id, now_us=now_us, created_by=actor.id, within=actor.reach)
        return _shown(connection, key, now_us)

    view = await office.ledger.change(event(office, actor, "admin:key:create", detail, key_id=key_id), apply)
    await office.changed()
    return {**view, "key": made}


def as_managed(actor: Actor, new: NewKey, placed: bool) -> NewKey:
    """A new key as somebody may make it: a manager's is of the role `key`, in a workspace of theirs, under its policy, and no wider."""
    if actor.workspaces is None:
        return new
    if new.role != "key":
        raise KeyOutOfScope("A manager makes keys of the role key.", hint="Ask an administrator.", code="role_not_allowed", param="role")
    refuse_policy(actor, new.policy)
    new = new if placed else replace(new, workspace=actor.home)
    if actor.limits is not None:
        refuse_wider(every(new.caveats, new.models, new.expires_us), actor.limits)
    return new


def refuse_service(office: Office, actor: Actor, alias: str) -> None:
    """The alias of a service is given by an administrator: its calls would run on a manager's key, and be charged and seen there."""
    if alias and actor.workspaces is not None and alias in office.services():
        hint = "Choose another, or ask an administrator."
        raise KeyOutOfScope("This alias is that of a service in the document.", hint=hint, code="alias_not_allowed", param="alias")


def refuse_policy(actor: Actor, policy: Any) -> None:
    """A key's own policy may allow what its workspace's does not, or the other way round, so only an administrator names or removes one."""
    if policy and actor.workspaces is not None:
        raise KeyOutOfScope(
            "A manager's keys have the policy of their workspace.", hint="Leave it out.", code="policy_not_allowed", param="policy"
        )


def refuse_secrets(office: Office, **said: Json) -> None:
    """Refuse what somebody calls a thing when a secret stands in it: names are kept and shown as they are. BadRequest names the field."""
    if not _holds_secret(office, list(said.values())):  # all at once: a look costs the same for one text and for ten
        return
    for param, value in said.items():
        if _holds_secret(office, value):
            raise BadRequest(
                f"The field {param} holds something that looks like a secret.",
                hint="Names and metadata are kept and shown as they are. Leave the secret out.",
                param=param,
            )


def _holds_secret(office: Office, said: Json) -> bool:
    return any(remark.detector in _SECRET for remark in office.clean(said).remarks)


async def ensure_admin_key(office: Office, token: str) -> None:
    """Make the admin key of a data folder (the token in `admin.key`) known. Idempotent; writes an event only when it makes one.

    ConfigError when that key was blocked or revoked: then the file must go, so that a new one is made.
    """
    now_us, key_id = office.clock.now_us(), office.new_id()
    digests = frozenset(office.peppers.candidates(token))

    def known(connection: Connection) -> bool:
        found = [proof for proof in store.load_proofs(connection) if proof.digest in digests]
        if found and found[0].key.status != "active":
            raise ConfigError(
                "The key in admin.key was blocked or revoked.", hint="Remove the file and start again: a new admin key is made."
            )
        return bool(found)

    def apply(connection: Connection) -> None:
        if not workspaces.list_workspaces(connection):
            workspaces.create_workspace(connection, NewWorkspace("default"), now_us=now_us)
        home = workspaces.list_workspaces(connection)[0].slug
        new = NewKey(alias=f"admin-{key_id[-6:].lower()}", workspace=home, role="admin", metadata={"origin": "admin.key"})
        store.create_key(connection, office.peppers, token, new, key_id=key_id, now_us=now_us, created_by="system")

    if await office.ledger.run(known):
        return
    detail = {"origin": "admin.key", "role": "admin"}
    await office.ledger.change(event(office, Actor("system"), "admin:key:create", detail, key_id=key_id), apply)
    await office.changed()


async def block_key(office: Office, actor: Actor, key_id: str) -> dict[str, Any]:
    """Stop a key until it is unblocked (`POST /v1/keys/{id}/block`)."""
    return await _change_key(
        office, actor, "admin:key:block", key_id, lambda connection: store.block_key(connection, key_id, within=actor.reach)
    )


async def unblock_key(office: Office, actor: Actor, key_id: str) -> dict[str, Any]:
    """Let a blocked key work again."""
    return await _change_key(
        office, actor, "admin:key:unblock", key_id, lambda connection: store.unblock_key(connection, key_id, within=actor.reach)
    )


async def revoke_key(office: Office, actor: Actor, key_id: str) -> dict[str, Any]:
    """End a key for good."""
    now_us = office.clock.now_us()
    return await _change_key(
        office,
        actor,
        "admin:key:revoke",
        key_id,
        lambda connection: store.revoke_key(connection, key_id, now_us=now_us, within=actor.reach),
    )


async def rotate_key(office: Office, actor: Actor, key_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Give a key a new token; the former one works for `overlap_s` more seconds. The answer's `key` is the new token, shown this once."""
    overlap_s = body.get("overlap_s", 0)
    if isinstance(overlap_s, bool) or not isinstance(overlap_s, int) or not 0 <= overlap_s <= MAX_OVERLAP_S or set(body) - {"overlap_s"}:
        raise BadRequest(f"overlap_s is a number of seconds from 0 to {MAX_OVERLAP_S}.", param="overlap_s")
    token, former_id, now_us = office.new_token("lgk"), office.new_id(), office.clock.now_us()

    def apply(connection: Connection) -> VirtualKey:
        if actor.limits is not None:  # who rotates a key has its token
            refuse_wider(store.get_key(connection, key_id, actor.reach).limited_by, actor.limits)
        return store.rotate_key(
            connection,
            office.peppers,
            key_id,
            token,
            overlap_us=overlap_s * 1_000_000,
            former_id=former_id,
            now_us=now_us,
            within=actor.reach,
        )

    view = await _change_key(office, actor, "admin:key:rotate", key_id, apply, overlap_s=overlap_s)
    return {**view, "key": token}


def list_keys(connection: Connection, now_us: int, *, workspace: str = "", within: Reach = store.ALL) -> dict[str, Any]:
    """The keys within reach, or those of one workspace (`GET /v1/keys`). Over a reading connection."""
    budgets = _budgets(connection)
    keys = store.list_keys(connection, workspace=workspace, within=within)
    return {"object": "list", "data": [key_view(key, budgets.get(("key", key.id)), now_us) for key in keys]}


def show_key(connection: Connection, key_id: str, now_us: int, *, within: Reach = store.ALL) -> dict[str, Any]:
    """One key by id or alias (`GET /v1/keys/{id}`); NoSuchKey (404) otherwise."""
    return _shown(connection, store.get_key(connection, key_id, within), now_us)


async def create_workspace(office: Office, actor: Actor, body: Mapping[str, Any]) -> dict[str, Any]:
    """Make a workspace (`POST /v1/workspaces`)."""
    new, now_us = read_new_workspace(body), office.clock.now_us()
    refuse_secrets(office, slug=new.slug, name=new.name)

    def apply(connection: Connection) -> dict[str, Any]:
        made = workspaces.create_workspace(connection, new, now_us=now_us, org_id=actor.org_id)
        return workspace_view(made, get_budget(connection, Scope("workspace", made.id)), now_us)

    detail = {"slug": new.slug, "policy": new.policy, "budget_micros": new.budget.limit_micros if new.budget else None}
    view = await office.ledger.change(event(office, actor, "admin:workspace:create", detail), apply)
    await office.changed()
    return view


def list_workspaces(connection: Connection, now_us: int, *, within: Reach = store.ALL) -> dict[str, Any]:
    """The workspaces within reach (`GET /v1/workspaces`)."""
    budgets = _budgets(connection)
    found = workspaces.list_workspaces(connection, within=within)
    return {"object": "list", "data": [workspace_view(each, budgets.get(("workspace", each.id)), now_us) for each in found]}


def event(office: Office, actor: Actor, kind: str, detail: Json, *, key_id: str = "", outcome: str = "ok") -> Event:
    """An administrative event. `key_id` is the key that is changed, so that a key's history is one filter; the detail is redacted here."""
    tree = {**detail, "peer": actor.peer} if isinstance(detail, dict) and actor.peer else detail
    return Event(
        id=office.new_id(),
        at_us=office.clock.now_us(),
        kind=kind,
        actor=actor.id,
        outcome=outcome,
        detail=office.clean(tree),
        request_id=actor.request_id,
        org_id=actor.org_id,
        key_id=key_id,
    )


async def _change_key(
    office: Office,
    actor: Actor,
    kind: str,
    key_id: str,
    change: Callable[[Connection], VirtualKey],
    **detail: Json,
) -> dict[str, Any]:
    now_us = office.clock.now_us()

    def apply(connection: Connection) -> dict[str, Any]:
        return _shown(connection, change(connection), now_us)

    # The key may be named by its alias; what is not an id stands in the detail only, because the column holds ids.
    named: dict[str, Json] = {"key": key_id, **detail}
    is_id = len(key_id) == 26 and key_id.isalnum()
    view = await office.ledger.change(event(office, actor, kind, named, key_id=key_id if is_id else ""), apply)
    await office.changed()
    return view


def _shown(connection: Connection, key: VirtualKey, now_us: int) -> dict[str, Any]:
    return key_view(key, get_budget(connection, Scope("key", key.id)), now_us)


def _budgets(connection: Connection) -> dict[tuple[str, str], Budget]:
    return {(budget.scope.kind, budget.scope.id): budget for budget in reversed(list_budgets(connection))}
