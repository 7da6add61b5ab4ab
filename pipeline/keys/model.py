"""Who is asking: a virtual key, its role and its caveats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pipeline.keys.caveats import Caveat, Caveats, every

Role = Literal["admin", "manager", "auditor", "key"]
KeyStatus = Literal["active", "blocked", "revoked"]


@dataclass(frozen=True, slots=True)
class Descent:
    """Whose child a key is and what for; all empty for a key that is nobody's.

    `parent` and `actor_id` (who acts for the parent) are key ids. `budget_micros` is what it may spend at most, 0 without such a limit;
    `carved`: its parent's budget holds that much for it, so that its calls reserve nothing there.
    """

    parent: str = ""
    depth: int = 0
    purpose: str = ""
    agent_id: str = ""
    session_id: str = ""
    actor_id: str = ""
    budget_micros: int = 0
    carved: bool = False


@dataclass(frozen=True, slots=True)
class VirtualKey:
    """A key as the store knows it: never its text, which is shown once and kept only as an HMAC.

    `hint` is what a person may see (`lgk_…` and the last four characters). `models` empty means every model of the workspace.
    `rpm_limit` (requests a minute), `tpm_limit` (tokens a minute) and `max_parallel_requests` 0 mean none. Times are epoch microseconds,
    0 for never. `expires_us` also ends the overlap of a rotated key. `caveats` are those without a field of their own; `calls_used` counts
    what its caveat `max_calls` limits.
    """

    id: str
    org_id: str
    workspace_id: str
    workspace: str
    alias: str
    role: Role
    status: KeyStatus
    hint: str
    models: tuple[str, ...] = ()
    expires_us: int = 0
    rpm_limit: int = 0
    policy: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    created_us: int = 0
    revoked_us: int = 0
    tpm_limit: int = 0
    max_parallel_requests: int = 0
    caveats: Caveats = field(default_factory=Caveats)
    calls_used: int = 0
    descent: Descent = field(default_factory=Descent)

    @property
    def limited_by(self) -> Caveats:
        """Every caveat, with the models and the expiry that have fields of their own."""
        return every(self.caveats, self.models, self.expires_us)


@dataclass(frozen=True, slots=True)
class Reach:
    """What somebody who administers may touch: an organization; with `workspaces` (ids) only those, and there only keys of the role `key`.

    Whatever lies outside does not exist for them. That a manager reaches no other role is what keeps them from rotating an
    administrator's key and so becoming one.
    """

    org_id: str = "default"
    workspaces: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """A proven identity: what every later step knows of who is asking.

    `workspace_policy` and `workspace_environment` are those that its workspace names, or empty. `subject`: whose token proved it, where
    it was no key but a token of an identity provider.
    `ancestors` are those of a child key, its parent first: what limits them limits it.
    """

    key: VirtualKey
    workspace_policy: str = ""
    subject: str = ""
    workspace_environment: str = ""
    ancestors: tuple[VirtualKey, ...] = ()
    caveats: tuple[Caveat, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        caveats = tuple(caveat for key in self.lineage for caveat in key.limited_by.each())
        object.__setattr__(self, "caveats", caveats)  # once for the many calls of a key

    @property
    def lineage(self) -> tuple[VirtualKey, ...]:
        """The key and those that it descends from, the nearest first."""
        return (self.key, *self.ancestors)

    @property
    def workspace(self) -> str:
        """The workspace's slug."""
        return self.key.workspace

    def environments(self, gateway: str) -> frozenset[str]:
        """The environments in which it stands: those that its key, its workspace and this `gateway` ("" for none) agree on.

        Empty when none of them names any, or they contradict one another: no reference of an environment is in reach then.
        """
        named = self.key.caveats.environments
        said = [frozenset((name,)) for name in (self.workspace_environment, gateway) if name]
        if named is not None:
            said.append(frozenset(named.names))
        return frozenset.intersection(*said) if said else frozenset()
