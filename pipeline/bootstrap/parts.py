"""The small parts that `build` puts together, each made from the document."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from collectors.addressing import Recipient, Sampling
from collectors.backlog import Bound
from collectors.metrics import Closed
from collectors.model import Record, Signal
from collectors.otlp.destination import Destination
from pipeline.bootstrap.approvals import compile_approvals
from pipeline.bootstrap.compile import References, compile_prices, compile_routes, folder_of
from pipeline.bootstrap.policies import PolicyBook, Redaction
from pipeline.bootstrap.recognition import ner_rules
from pipeline.clock import Clock
from pipeline.config.destinations import DestinationSection
from pipeline.config.document import Document
from pipeline.config.environment import DEFAULT_PORT
from pipeline.config.home import Home
from pipeline.config.money import BudgetSection
from pipeline.config.otel import Otel
from pipeline.gateway.contents import Limits
from pipeline.gateway.locality import Site
from pipeline.gateway.routes import RouteTable
from pipeline.gateway.table import route_table
from pipeline.keys.approval_rules import NO_APPROVALS, ApprovalRules
from pipeline.keys.attenuation import ChildRules
from pipeline.keys.requests import NewWorkspace
from pipeline.keys.workspaces import mirror_workspaces
from pipeline.ledger.budget_rows import Terms
from pipeline.routing.prices import read_price_map
from pipeline.routing.pricing import Pricer
from pipeline.routing.router import Router
from pipeline.vaults.auth import SHAPES
from pipeline.vaults.model import SecretRef
from pipeline.vaults.resolver import SYSTEM, Resolver
from pipeline.version import VERSION
from redactors.detectors.ner import NerDetector
from redactors.model import Clean

FollowLogs = Callable[[Callable[[Clean[Record]], None] | None], None]


def _whole(document: Document) -> Document:
    return document


@dataclass(frozen=True, slots=True)
class Part:
    """What a process serves: its routes, what it takes of a document, and its ports where nobody says others.

    `grpc_port` None: OTLP over gRPC is served only where the document says so. `mirrors`: its document's references stand in the store.
    """

    routes: Callable[[], RouteTable] = route_table
    taken: Callable[[Document], Document] = _whole
    port: int = DEFAULT_PORT
    grpc_port: int | None = None
    mirrors: bool = True


@dataclass(frozen=True, slots=True)
class Plan:
    """What to build: the document and where it came from, the data folder, the store, the environment as it was at start-up."""

    document: Document
    config: Path
    home: Home
    database_url: str
    host: str
    environment: Mapping[str, str]
    reseal: Callable[[], object] = tuple
    """Takes away the handlers that a library put on its own loggers when it was loaded."""
    otel: Otel = field(default_factory=Otel)
    """What OpenTelemetry's own variables ask for."""
    follow_logs: FollowLogs | None = None
    """Has every redacted log record given to a function as well; None when logs are nobody's."""
    part: Part = Part()
    """Which part of Lockgate runs: the whole gateway, or the receiver of telemetry alone."""
    count_log_failures: Callable[[Callable[[int], None] | None], None] | None = None
    """Has log lines whose redaction failed counted by a function; None when logs are nobody's."""

    @property
    def destinations(self) -> tuple[DestinationSection, ...]:
        """The document's destinations, and those of the environment."""
        return () if self.otel.disabled else (*self.document.telemetry.destinations, *self.otel.destinations)


class Swapped:
    """What a reload replaces while everything else keeps running: references, routes, prices, policies, by one assignment each."""

    __slots__ = ("_otel_content", "document", "policies", "pricer", "recognizer", "references", "router")

    def __init__(
        self,
        document: Document,
        references: References,
        router: Router,
        pricer: Pricer,
        policies: PolicyBook,
        *,
        otel_content: bool | None = None,
    ) -> None:
        self._otel_content = otel_content
        self.document = document
        self.references = references
        self.router = router
        self.pricer = pricer
        self.policies = policies
        self.recognizer: NerDetector | None = None

    @property
    def capture_content(self) -> bool:
        """Whether redacted prompts and answers are recorded."""
        telemetry = self.document.telemetry
        if self._otel_content is not None and "capture_content" not in telemetry.model_fields_set:
            return self._otel_content
        return telemetry.capture_content is not False

    @property
    def stores_content(self) -> bool:
        """Whether they are recorded in our store instead of on spans."""
        return self.document.telemetry.capture_content == "stored"

    @property
    def approval_rules(self) -> ApprovalRules:
        """Which calls need an approval."""
        section = self.document.approvals
        return compile_approvals(section) if section.rules else NO_APPROVALS

    @property
    def child_rules(self) -> ChildRules:
        """What the document allows of child keys."""
        section = self.document.child_keys
        return ChildRules(section.default_ttl_s, section.max_ttl_s, section.max_depth, section.max_children)

    @property
    def content_limits(self) -> Limits:
        """How long and how much of what is stored is kept."""
        stored = self.document.telemetry.stored_content
        return Limits(keep_s=stored.keep_days * 86_400, max_bytes=stored.max_bytes)

    def destinations_of(self, workspace: str) -> frozenset[str] | None:
        """The destinations that a workspace of the document names for its traces; None for all."""
        section = self.document.workspaces.get(workspace)
        return None if section is None or section.destinations is None else frozenset(section.destinations)


def router_of(document: Document, references: References, clock: Clock, random_source: random.Random) -> Router:
    """The routes with their targets."""
    return Router(compile_routes(document, references), clock, random_source)


def pricer_of(document: Document) -> Pricer:
    """The prices: the bundled map, the document's own before it."""
    return Pricer(read_price_map(), compile_prices(document), unknown_price=document.unknown_price)


def wanted_workspaces(document: Document) -> list[Any]:
    """The workspaces that the document names, with their budgets."""
    return [
        NewWorkspace(
            slug,
            section.name,
            section.policy,
            budgets=tuple(_terms(budget) for budget in section.every_budget),
            environment=section.environment or "",
        )
        for slug, section in document.workspaces.items()
    ]


def mirror_spending(connection: Connection, document: Document, now_us: int) -> bool:
    """Bring the document's workspaces and budgets into the store. True when anything changed."""
    organization = [_terms(budget) for budget in document.organization.budgets]
    return mirror_workspaces(connection, wanted_workspaces(document), now_us=now_us, organization=organization)


def _terms(section: BudgetSection) -> Terms:
    zone = "" if section.timezone == "UTC" else section.timezone
    percents = ",".join(str(percent) for percent in sorted(set(section.alert_at)))
    return Terms(section.limit_micros, section.sql_period, zone, section.soft_micros, percents)


def workspace_models(document: Document) -> dict[str, tuple[str, ...]]:
    """Which models each workspace may use, where the document limits them."""
    return {slug: section.models for slug, section in document.workspaces.items() if section.models}


def site_of(document: Document) -> Site:
    """Where the gateway stands, for the caveats of keys. Like the listener's other facts it changes with a start, not with a reload."""
    server = document.server
    proxies = tuple(ip_network(text) for text in server.trusted_proxies)
    return Site(server.environment, frozenset(server.audience), proxies, server.litellm_headers)


def destinations_of(plan: Plan, swapped: Swapped, resolver: Resolver) -> list[Destination]:
    """The OTLP destinations; headers by reference are resolved when they are sent. Relative paths start beside the document."""
    folder = folder_of(plan.config)
    return [
        Destination(
            id=section.id,
            endpoint=section.endpoint,
            protocol=section.protocol,
            headers={
                name: value.text if value.text is not None else _header(value.prefix, swapped, (section.id, name), resolver)
                for name, value in section.headers.items()
            },
            compression=section.compression,
            timeout_s=section.timeout_s,
            signals=section.signals,
            ca_file=_in(folder, section.tls.ca_file),
            client_cert_file=_in(folder, section.tls.client_cert_file),
            client_key=_client_key(section, swapped, resolver, folder),
            path_is_exact=section.id in plan.otel.exact,
        )
        for section in plan.destinations
    ]


def _in(folder: Path, path: str | None) -> str | None:
    return str(folder / path) if path is not None else None


def _client_key(section: DestinationSection, swapped: Swapped, resolver: Resolver, folder: Path) -> Any:
    """The path of a destination's private key, or what resolves it when a connection is made."""
    if section.tls.client_key_ref is None:
        return _in(folder, section.tls.client_key_file)

    async def value() -> str:
        return (await resolver.resolve(swapped.references.client_keys[section.id], SYSTEM)).reveal()

    return value


def bounds_of(sections: Sequence[DestinationSection]) -> dict[str, Bound]:
    """How much is kept for each destination."""
    return {section.id: Bound(section.queue.max_bytes, section.queue.when_full, section.queue.block_s) for section in sections}


def takers_of(plan: Plan, signal: Signal) -> tuple[str, ...]:
    """The destinations that are sent a signal."""
    return tuple(section.id for section in plan.destinations if signal in section.signals)


def recipients_of(sections: Sequence[DestinationSection]) -> list[Recipient]:
    """The destinations of traces, each with what it keeps."""
    return [
        Recipient(
            section.id,
            Sampling(
                section.sampling.ratio,
                section.sampling.keep_errors,
                section.sampling.keep_redactions,
                section.sampling.keep_cost_micros,
                section.sampling.parent_based,
            ),
        )
        for section in sections
        if "traces" in section.signals
    ]


def _header(prefix: str, swapped: Swapped, place: tuple[str, str], resolver: Resolver) -> Callable[[], Any]:
    """A header whose value is resolved when it is sent, so that its rotation needs no restart."""

    async def value() -> str:
        ref: SecretRef = swapped.references.headers[place]
        return prefix + (await resolver.resolve(ref, SYSTEM)).reveal()

    return value


def resource_of(plan: Plan) -> dict[str, str]:
    """What describes this process in telemetry: the document's name, then what the environment says. Redacted like any text."""
    telemetry = plan.document.telemetry
    name = telemetry.service_name if "service_name" in telemetry.model_fields_set else plan.otel.service_name or telemetry.service_name
    return {**plan.otel.resource, "service.name": name, "service.version": VERSION}


def closed_of(plan: Plan, redaction: Redaction) -> Closed:
    """The label values that metrics may have."""
    document = plan.document
    return Closed(
        models=frozenset(document.models),
        destinations=frozenset(destination.id for destination in plan.destinations),
        rules=redaction.rule_ids() | ner_rules(document),
        manager_types=frozenset({*SHAPES, *(vault.manager_type for vault in document.vaults.values())}),
    )
