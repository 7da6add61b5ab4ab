"""What a request carries through the house, step by step, and the parts the house is made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy import Engine

from collectors.addressing import Addressing
from collectors.backlog import Backlog
from collectors.metrics import Metrics
from collectors.tracing import CallSpan, Tracing
from pipeline.clock import Clock
from pipeline.errors import PipelineError
from pipeline.gateway.abandoned import ReadOn
from pipeline.gateway.contents import ContentStore
from pipeline.gateway.error_table import Dialect
from pipeline.gateway.http import Headers, HttpLimits
from pipeline.gateway.intake import Intake
from pipeline.gateway.kept import KeptAnswers
from pipeline.gateway.locality import Site
from pipeline.gateway.routes import RouteTable
from pipeline.keys.approval_rules import ApprovalRules
from pipeline.keys.attenuation import ChildRules
from pipeline.keys.authenticator import Authenticator
from pipeline.keys.caveats import RouteName
from pipeline.keys.identities import Identities
from pipeline.keys.limits import Admission, RateLimits
from pipeline.keys.model import Caller
from pipeline.keys.people import FrontDesk
from pipeline.keys.policy import PolicySource
from pipeline.keys.seen import EndUsers
from pipeline.keys.service import Office
from pipeline.keys.sessions import Sessions
from pipeline.ledger.ledger import DurableLedger
from pipeline.routing.attempts import OpenKey
from pipeline.routing.model import Plan, Surface, Usage
from pipeline.routing.pricing import Pricer
from pipeline.routing.providers import Providers
from pipeline.routing.router import Router
from pipeline.store.reads import Reads
from pipeline.vaults.local_keys import LocalKeys
from pipeline.vaults.model import Asker, SecretRef
from pipeline.vaults.permits import Permits
from pipeline.vaults.resolver import Resolver
from redactors.engine import Redactor
from redactors.model import AnswerRedactor
from redactors.policy import Restorable
from redactors.screen import Screen


@dataclass(frozen=True, slots=True)
class PolicySet:
    """One policy, compiled for its three directions. `source` is who named it, `digest` identifies the document it was compiled from.

    `restores` says which pseudonyms of the prompt the caller reads as values again. `recognizes`: prompts and captured content wait for
    a model in another process, which no event loop may.
    """

    name: str
    source: PolicySource
    digest: str
    prompt: Screen
    answer: AnswerRedactor
    telemetry: Redactor
    restores: Restorable = field(default_factory=Restorable)
    recognizes: bool = False

    @property
    def facts(self) -> dict[str, str]:
        """What every event says of the policy that applied."""
        return {"policy": self.name, "policy_source": self.source, "policy_digest": self.digest}


class Policies(Protocol):
    """Which policy applies to a call: its key's, else its route's, else its workspace's, else `default` (`pipeline.keys.policy`)."""

    def of(self, caller: Caller, route_policy: str = "") -> PolicySet:
        """The compiled policy of a call. Raises ConfigError for one that is gone."""
        ...

    def asked(self, caller: Caller, route_policy: str = "") -> PolicySet:
        """The same for what a caller asks to be redacted, with keys that nothing else is made with."""
        ...

    def has(self, name: str) -> bool:
        """Whether there is a policy of that name."""
        ...


class InForce(Protocol):
    """What a reload of the document replaces as a whole; a call reads it once per step."""

    @property
    def router(self) -> Router:
        """The routes."""
        ...

    @property
    def pricer(self) -> Pricer:
        """The prices."""
        ...

    @property
    def policies(self) -> Policies:
        """The redaction policies."""
        ...

    @property
    def capture_content(self) -> bool:
        """Whether redacted prompts and answers are recorded."""
        ...

    @property
    def stores_content(self) -> bool:
        """Whether they are recorded in our store instead of on spans."""
        ...

    @property
    def approval_rules(self) -> ApprovalRules:
        """Which calls need an approval."""
        ...

    @property
    def child_rules(self) -> ChildRules:
        """What child keys may be."""
        ...

    def destinations_of(self, workspace: str) -> frozenset[str] | None:
        """The destinations that a workspace names for the traces of its calls; None for all."""
        ...


class Overloaded(PipelineError):
    """The gateway takes no call now."""


@dataclass(slots=True)
class Load:
    """How much is under way, and whether the house still takes calls. Lives on the event loop only."""

    limit: int
    running: int = 0
    draining: bool = False
    waiting: int = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place among what runs, until the end of the block. Raises Overloaded when there is none, or none is given any more."""
        if self.draining or self.running >= self.limit:
            raise _overloaded("The gateway is shutting down." if self.draining else "The gateway is overloaded.")
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1

    @contextmanager
    def waiting_place(self) -> Iterator[None]:
        """A place for what mostly waits for its caller. At most a quarter of all places is given to such, so that calls find one."""
        if self.waiting >= max(1, self.limit // 4):
            raise _overloaded("The gateway reads as many streams as it can.")
        with self.place():
            self.waiting += 1
            try:
                yield
            finally:
                self.waiting -= 1


def _overloaded(message: str) -> Overloaded:
    return Overloaded(message, hint="Try again.", code="overloaded", status=503, headers={"retry-after": "1"})


class UsedReferences(Protocol):
    """The references in force: the document's, and those made by REST."""

    @property
    def declared(self) -> Mapping[str, SecretRef]:
        """Those that have a slug of their own, by it."""
        ...

    @property
    def permits(self) -> Permits:
        """What those made by REST may name."""
        ...

    @property
    def signing_key(self) -> SecretRef | None:
        """What checkpoints and bundles are signed with."""
        ...

    @property
    def by_target(self) -> Mapping[str, SecretRef]:
        """The reference of a target's credential, or of its first part, by target."""
        ...

    @property
    def parts(self) -> Mapping[str, Mapping[str, SecretRef]]:
        """All parts of credentials that have several, by target and field."""
        ...

    def all(self) -> tuple[SecretRef, ...]:
        """Each once."""
        ...

    def targets_of(self, slug: str) -> tuple[str, ...]:
        """The targets that use one."""
        ...

    def users_of(self, slug: str) -> tuple[str, ...]:
        """Everything that uses one, in words."""
        ...


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What a reload came to: the digest of the document in force, and the settings of it (by path) that wait for a restart."""

    digest: str
    needs_restart: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Desk:
    """What the admin API works with beside the data plane's parts."""

    office: Office
    front: FrontDesk
    sessions: Sessions
    reads: Reads
    reader: Engine
    resolver: Resolver
    references: Callable[[], UsedReferences]
    announce: Callable[[str, str], None]
    local_keys: LocalKeys = field(repr=False)
    reload: Callable[[], Awaitable[Reloaded]]


@dataclass(frozen=True, slots=True)
class House:
    """The running parts, put together by bootstrap and used by every request."""

    clock: Clock
    limits: HttpLimits
    authenticator: Authenticator
    rates: RateLimits
    recorder: Redactor
    swapped: InForce
    providers: Providers
    ledger: DurableLedger
    open_key: Callable[[Asker], OpenKey]
    tracing: Tracing
    metrics: Metrics
    is_dirty: Callable[[bytes], bool]
    new_id: Callable[[], str]
    pool: Executor
    screening: Executor
    waiting: Executor
    load: Load
    desk: Desk
    routes: RouteTable
    version: str
    metrics_need_key: bool
    reasons: Callable[[], dict[str, str]]
    wake_outbox: Callable[[], None]
    addressing: Addressing
    backlog: Backlog
    kept: KeptAnswers
    contents: ContentStore
    intake: Intake
    site: Site
    identities: Identities
    end_users: EndUsers
    remarks: Callable[[], dict[str, str]] = dict
    """What is wrong and does not keep calls from being taken: told by `/health/ready`."""
    read_on: ReadOn = field(default_factory=ReadOn)


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it arrived: its id, its surface, its headers, and when."""

    request_id: str
    surface: Surface
    dialect: Dialect
    headers: Headers
    at_us: int
    started: float
    peer: str
    span: CallSpan
    route: RouteName


@dataclass(frozen=True, slots=True)
class Asked:
    """What the caller wants: the parsed body, the model's name, and how the answer should come."""

    body: dict[str, Any]
    model: str
    stream: bool
    wants_usage: bool
    size: int


@dataclass(frozen=True, slots=True)
class Bound:
    """What a call may cost at worst, in micro-dollars, over every attempt that its plan allows, and its place within its key's limits.

    `unanswered` is what an attempt is charged for that was sent and never answered: our estimate of its input. `pricer` holds the
    prices of this call whatever a reload brings, so that what is charged by estimate was reserved.
    """

    micros: int
    plan: Plan
    pricer: Pricer
    unanswered: Usage
    admission: Admission

    @property
    def rate_headers(self) -> Mapping[str, str]:
        """How the key's limits stand now."""
        return self.admission.headers()
