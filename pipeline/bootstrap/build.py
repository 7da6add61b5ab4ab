"""Puts the running parts together, in the order in which they may be trusted: redaction, store, ledger, keys, secrets, routes, doors.

Nothing is served before: the redactors work, the store is migrated, the ledger writes, every required reference resolved.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import socket
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from collectors.deadline import Deadline
from collectors.gate import ExportGate
from collectors.metrics import Closed, Metrics
from collectors.model import Account
from collectors.otlp.destination import Destination
from collectors.outbox import Outbox
from collectors.tracing import Tracing
from pipeline.bootstrap.compile import References, compile_limits, compile_prices, compile_references, compile_routes, folder_of
from pipeline.bootstrap.opening import key_opener
from pipeline.bootstrap.policies import PolicyBook, Redaction, compile_policies
from pipeline.bootstrap.preflight import refuse_if_missing
from pipeline.bootstrap.secret_audit import SecretAudit
from pipeline.clock import Clock, SystemClock
from pipeline.config.checks import is_loopback
from pipeline.config.document import Document
from pipeline.config.home import Home
from pipeline.gateway.app import Gateway
from pipeline.gateway.model import Desk, House, Load
from pipeline.gateway.table import route_table
from pipeline.ids import ulid
from pipeline.keys.authenticator import Authenticator
from pipeline.keys.failures import FailureLimit
from pipeline.keys.limits import RateLimits
from pipeline.keys.people import FrontDesk
from pipeline.keys.service import Office, ensure_admin_key
from pipeline.keys.sessions import Sessions
from pipeline.keys.store import mark_used
from pipeline.keys.workspaces import mirror_workspaces
from pipeline.ledger.budgets import Period
from pipeline.ledger.ledger import DurableLedger
from pipeline.routing.demo import DemoProvider
from pipeline.routing.direct import DirectProvider
from pipeline.routing.litellm_lane import LitellmProvider
from pipeline.routing.prices import read_price_map
from pipeline.routing.pricing import Pricer
from pipeline.routing.providers import Providers, read_catalog
from pipeline.routing.router import Router
from pipeline.store.engine import open_reader, sqlite_path
from pipeline.store.migrate import migrate
from pipeline.store.outbox import SqlOutbox
from pipeline.store.reads import open_reads
from pipeline.vaults.local_sql import SqlRows
from pipeline.vaults.model import SecretRef
from pipeline.vaults.registry import VaultContext, open_vault
from pipeline.vaults.resolver import Resolver
from pipeline.version import VERSION

WORKER_THREADS = 4
USED_EVERY_S = 5.0
REDACTION_S = 5.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to build: the document and where it came from, the data folder, the store, the environment as it was at start-up."""

    document: Document
    config: Path
    home: Home
    database_url: str
    host: str
    environment: Mapping[str, str]


class Swapped:
    """What a reload replaces while everything else keeps running: references, routes, prices, policies, by one assignment each."""

    __slots__ = ("document", "policies", "pricer", "references", "router")

    def __init__(self, document: Document, references: References, router: Router, pricer: Pricer, policies: PolicyBook) -> None:
        self.document = document
        self.references = references
        self.router = router
        self.pricer = pricer
        self.policies = policies

    @property
    def capture_content(self) -> bool:
        """Whether redacted prompts and answers are recorded on spans."""
        return self.document.telemetry.capture_content


class Running:
    """A built gateway: its application, its doors to the background, and how it ends."""

    def __init__(self, app: Gateway, house: House, ledger: DurableLedger, office: Office, stop: Callable[[], Any]) -> None:
        self.app = app
        self.house = house
        self.ledger = ledger
        self.office = office
        self._stop = stop

    async def stop(self) -> None:
        """Flush and close everything, the ledger last."""
        await self._stop()


async def build(plan: Plan, redaction: Redaction, clock: Clock | None = None) -> Running:
    """Build the gateway. Raises ConfigError, SecretError or LedgerError when it must not start."""
    clock = clock or SystemClock()
    document, home = plan.document, plan.home
    peppers, local_keys = home.peppers(), home.store_keys()
    redaction.announce_process(plan.database_url, home.admin_key())
    await asyncio.to_thread(migrate, plan.database_url)
    random_source = random.SystemRandom()

    def new_id() -> str:
        return ulid(clock.now_us())

    recorder = redaction.recorder()
    metrics = Metrics(_closed(document, redaction), version=VERSION, profile=document.telemetry.semconv)
    ledger = DurableLedger(
        plan.database_url,
        clock=clock,
        journal_dir=home.journal,
        require=document.audit.require,
        epoch_id=new_id(),
        host=socket.gethostname(),
        pid=os.getpid(),
        version=VERSION,
    )
    await ledger.start()
    tasks: list[asyncio.Task[None]] = []
    try:
        reader = open_reader(plan.database_url)
        references = compile_references(document)
        audit = SecretAudit(ledger, recorder, metrics, clock, new_id, references)
        context = VaultContext(
            clock=clock,
            environment=plan.environment,
            file_roots=_file_roots(plan),
            file_base=folder_of(plan.config),
            local_rows=SqlRows(reader),
            local_keys=local_keys,
        )
        swapped = Swapped(
            document,
            references,
            _router(document, references, clock, random_source),
            _pricer(document),
            compile_policies(document, redaction),
        )
        resolver = Resolver(
            lambda manager_type, auth_config: open_vault(manager_type, auth_config, context),
            clock=clock,
            fingerprint_key=_derived(peppers.digest("fingerprint")[1], "fingerprint"),
            announce=redaction.announce,
            retire=redaction.retire,
            on_read=audit.note,
            jitter=random_source.random,
            references=lambda: swapped.references.declared,
        )
        await refuse_if_missing(references.all(), resolver, clock)
        authenticator = Authenticator(reader, peppers, clock, workspace_models=_workspace_models(document))
        login_failures = FailureLimit(clock)
        sessions = Sessions(reader, peppers, clock, failures=login_failures)

        async def changed() -> None:
            await asyncio.to_thread(_refresh_all, authenticator, sessions)

        office = Office(ledger, peppers, clock, recorder.tree, changed=changed)
        await ledger.run(lambda connection: mirror_workspaces(connection, _workspaces(document), now_us=clock.now_us()))
        await ensure_admin_key(office, home.admin_key())
        await changed()
        outbox_store = SqlOutbox(ledger.run, clock, postgres=sqlite_path(plan.database_url) is None)
        outbox = Outbox(
            outbox_store, _destinations(document, swapped, resolver), is_dirty=redaction.is_dirty, watched=metrics, now_us=clock.now_us
        )
        providers = Providers(
            direct=DirectProvider(read_catalog()), litellm=LitellmProvider(), demo=DemoProvider(clock), catalog=read_catalog()
        )
        gate = ExportGate(
            Deadline(redaction.recorder(), seconds=REDACTION_S),
            hash_key=_derived(peppers.digest("telemetry")[1], "telemetry"),
            remarked=metrics,
            generation=redaction.generation,
        )
        tracing = Tracing(
            gate,
            destinations=[destination.id for destination in document.telemetry.destinations],
            resource={"service.name": document.telemetry.service_name, "service.version": VERSION},
            profile=document.telemetry.semconv,
            version=VERSION,
            measured=metrics.model_call,
        )
        pool = ThreadPoolExecutor(WORKER_THREADS, thread_name_prefix="lockgate-work")
        reads = open_reads(plan.database_url)

        async def accounts() -> tuple[Account, ...]:
            return await outbox_store.accounts()

        async def reload() -> str:
            return await _reload(plan, redaction, swapped, resolver, audit, ledger, authenticator, clock, random_source)

        desk = Desk(
            office, FrontDesk(office, reader, login_failures), sessions, reads, reader, resolver, lambda: swapped.references,
            redaction.announce, local_keys, reload, accounts,
        )  # fmt: skip
        house = House(
            clock=clock,
            limits=compile_limits(document),
            authenticator=authenticator,
            rates=RateLimits(clock),
            recorder=recorder,
            swapped=swapped,
            providers=providers,
            ledger=ledger,
            open_key=key_opener(resolver, lambda: swapped.references.by_target, providers.forget),
            tracing=tracing,
            metrics=metrics,
            is_dirty=redaction.is_dirty,
            new_id=new_id,
            pool=pool,
            load=Load(document.limits.max_in_flight),
            desk=desk,
            routes=route_table(),
            version=VERSION,
            metrics_need_key=not is_loopback(plan.host),
            reasons=dict,
            wake_outbox=outbox.wake,
        )
        outbox.start()
        tasks += [
            asyncio.create_task(authenticator.run(), name="lockgate-keys"),
            asyncio.create_task(sessions.run(), name="lockgate-sessions"),
            asyncio.create_task(audit.run(), name="lockgate-secret-audit"),
            asyncio.create_task(_mark_used(ledger, authenticator), name="lockgate-used"),
            asyncio.create_task(_watch_lag(metrics), name="lockgate-lag"),
            asyncio.create_task(asyncio.to_thread(redaction.warm_up), name="lockgate-warm-up"),
        ]
    except BaseException:
        await ledger.stop()
        raise

    async def stop() -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await audit.flush()
        await ledger.run(lambda connection: mark_used(connection, authenticator.drain_used()))
        await outbox.stop()
        await providers.aclose()
        await resolver.close()
        await ledger.stop()
        reads.close()
        reader.dispose()
        pool.shutdown(wait=False, cancel_futures=True)

    return Running(Gateway(house, house.routes), house, ledger, office, stop)


async def _reload(
    plan: Plan, redaction: Redaction, swapped: Swapped, resolver: Resolver, audit: SecretAudit, ledger: DurableLedger,
    authenticator: Authenticator, clock: Clock, random_source: random.Random,
) -> str:  # fmt: skip
    """Read the document again. Everything is compiled and every new required reference resolved before anything is swapped."""
    from pipeline.config.loader import load_document

    document = await asyncio.to_thread(load_document, plan.config, find_secrets=redaction.finder())
    references = compile_references(document)
    router = _router(document, references, clock, random_source)
    pricer = _pricer(document)
    policies = compile_policies(document, redaction)
    await refuse_if_missing(references.all(), resolver, clock)
    await ledger.run(lambda connection: mirror_workspaces(connection, _workspaces(document), now_us=clock.now_us()))
    swapped.document, swapped.references, swapped.router, swapped.pricer, swapped.policies = document, references, router, pricer, policies
    audit.follow(references)
    await asyncio.to_thread(authenticator.restrict, _workspace_models(document))
    return document.digest


def _refresh_all(authenticator: Authenticator, sessions: Sessions) -> None:
    authenticator.refresh()
    sessions.refresh()


def _router(document: Document, references: References, clock: Clock, random_source: random.Random) -> Router:
    return Router(compile_routes(document, references), clock, random_source)


def _pricer(document: Document) -> Pricer:
    return Pricer(read_price_map(), compile_prices(document), unknown_price=document.unknown_price)


def _workspaces(document: Document) -> list[Any]:
    from pipeline.keys.requests import Limit, NewWorkspace

    return [
        NewWorkspace(
            slug,
            section.name,
            section.policy,
            Limit(section.budget.limit_micros, cast(Period, section.budget.sql_period)) if section.budget else None,
        )
        for slug, section in document.workspaces.items()
    ]


def _workspace_models(document: Document) -> dict[str, tuple[str, ...]]:
    return {slug: section.models for slug, section in document.workspaces.items() if section.models}


def _file_roots(plan: Plan) -> tuple[Path, ...]:
    """Folders from which `file:` references may read: the document's, the data folder, and where platforms mount secrets."""
    return (
        folder_of(plan.config),
        plan.home.path,
        Path("/run/secrets"),
        Path("/var/run/secrets"),
        Path("/etc/lockgate"),
        Path("/mnt/secrets"),
    )


def _destinations(document: Document, swapped: Swapped, resolver: Resolver) -> list[Destination]:
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
        )
        for section in document.telemetry.destinations
    ]


def _header(prefix: str, swapped: Swapped, place: tuple[str, str], resolver: Resolver) -> Callable[[], Any]:
    """A header whose value is resolved when it is sent, so that its rotation needs no restart."""
    from pipeline.vaults.resolver import SYSTEM

    async def value() -> str:
        ref: SecretRef = swapped.references.headers[place]
        return prefix + (await resolver.resolve(ref, SYSTEM)).reveal()

    return value


def _closed(document: Document, redaction: Redaction) -> Closed:
    return Closed(
        models=frozenset(document.models),
        destinations=frozenset(destination.id for destination in document.telemetry.destinations),
        rules=redaction.rule_ids(),
        manager_types=frozenset({"env", "file", "local", "keychain", *(vault.manager_type for vault in document.vaults.values())}),
    )


def _derived(digest: str, label: str) -> bytes:
    """A key of its own for each use, from the pepper's digest of a label: rotating the pepper rotates it too."""
    return hashlib.sha256(f"{label}:{digest}".encode()).digest()


async def _mark_used(ledger: DurableLedger, authenticator: Authenticator) -> None:
    from pipeline.errors import LedgerError

    while True:
        await asyncio.sleep(USED_EVERY_S)
        used = authenticator.drain_used()
        if used:
            try:
                await ledger.run(lambda connection, used=used: mark_used(connection, used))  # type: ignore[misc]
            except LedgerError:
                continue


async def _watch_lag(metrics: Metrics) -> None:
    """How late the event loop is: the one figure that shows a blocked loop."""
    while True:
        before = time.monotonic()
        await asyncio.sleep(0.5)
        metrics.loop_lag(max(0.0, time.monotonic() - before - 0.5))
