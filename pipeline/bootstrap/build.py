"""Puts the running parts together, in the order in which they may be trusted: redaction, store, ledger, keys, secrets, routes, doors.

Nothing is served before: the redactors work, the store is migrated, the ledger writes, every required reference resolved.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from pipeline.bootstrap.compile import References, compile_limits, folder_of
from pipeline.bootstrap.core import Core, core_of, migrated
from pipeline.bootstrap.identity import providers_of, service_aliases
from pipeline.bootstrap.life import Life, People, Secrets
from pipeline.bootstrap.opening import key_opener
from pipeline.bootstrap.parts import Plan, Swapped, mirror_spending, pricer_of, router_of, site_of, workspace_models
from pipeline.bootstrap.policies import Redaction, compile_policies
from pipeline.bootstrap.preflight import check_keys, refuse_if_missing
from pipeline.bootstrap.proof import proof_of
from pipeline.bootstrap.receiving import intake_of, receivers_of
from pipeline.bootstrap.recognition import WAITING, open_recognizer
from pipeline.bootstrap.reference_book import ReferenceBook
from pipeline.bootstrap.reference_mirror import mirror_document
from pipeline.bootstrap.secret_audit import SecretAudit
from pipeline.bootstrap.spans import Telemetry, follow, open_outbox, telemetry_of
from pipeline.clock import Clock, SystemClock
from pipeline.config.changes import needs_restart
from pipeline.config.checks import is_loopback
from pipeline.config.document import Document
from pipeline.config.home import secret_folders
from pipeline.config.otel import refuse_named_twice
from pipeline.gateway.abandoned import ReadOn
from pipeline.gateway.app import Gateway
from pipeline.gateway.content_keys import ContentKeys
from pipeline.gateway.contents import ContentStore
from pipeline.gateway.health import show_outbox
from pipeline.gateway.kept import KeptAnswers
from pipeline.gateway.model import Desk, House, Load, Reloaded
from pipeline.keys.authenticator import Authenticator
from pipeline.keys.failures import FailureLimit
from pipeline.keys.identities import Identities
from pipeline.keys.limits import RateLimits
from pipeline.keys.people import FrontDesk
from pipeline.keys.pepper import derived_key
from pipeline.keys.seen import EndUsers
from pipeline.keys.service import Office, ensure_admin_key
from pipeline.keys.sessions import Sessions
from pipeline.ledger.ledger import DurableLedger
from pipeline.routing.demo import DemoProvider
from pipeline.routing.direct import DirectProvider
from pipeline.routing.litellm_lane import LitellmProvider
from pipeline.routing.litellm_parts import Parts, load
from pipeline.routing.providers import Providers, read_catalog
from pipeline.store.reads import open_reads
from pipeline.vaults.local_sql import SqlRows
from pipeline.vaults.registry import VaultContext, open_vault
from pipeline.vaults.resolver import Resolver
from pipeline.version import VERSION
from redactors.detectors.ner import NerDetector

if TYPE_CHECKING:
    from collectors.sealed import SealedTracerProvider

WORKER_THREADS = 4
SCREENING_THREADS = 4
"""Of their own, so that nobody's long texts make an administrator wait."""


class Running:
    """A built gateway: its application, its doors to the background, and how it ends."""

    def __init__(
        self, app: Gateway, house: House, ledger: DurableLedger, office: Office, provider: SealedTracerProvider, stop: Callable[[], Any]
    ) -> None:
        self.app = app
        self.house = house
        self.ledger = ledger
        self.office = office
        self._provider = provider
        self._stop = stop

    def seal(self) -> None:
        """Make the sealed tracer provider the process's only one: spans of libraries then go through the same gate."""
        from collectors.sealed import make_global

        make_global(self._provider)

    async def stop(self) -> None:
        """Flush and close everything, the ledger last."""
        await self._stop()


async def build(plan: Plan, redaction: Redaction, clock: Clock | None = None) -> Running:
    """Build the gateway. Raises ConfigError, SecretError or LedgerError when it must not start."""
    core = core_of(plan, redaction, clock or SystemClock())
    await migrated(plan.database_url)
    await core.ledger.start()
    try:
        recognizer = await _recognizer(core, plan.document)
        secrets = await _secrets(core, recognizer)
        try:
            await refuse_if_missing(secrets.swapped.references.preflight(), secrets.resolver, core.clock)
            people = await _people(core, secrets)
            telemetry = telemetry_of(core, secrets.swapped, secrets.resolver, lambda: show_outbox(house))
            await check_keys(core.plan.document, secrets.swapped.references, secrets.content_keys, secrets.resolver)
            proof = proof_of(core, secrets.swapped, secrets.resolver)
            house = replace(_house(core, secrets, people, telemetry), remarks=proof.remarks)
            await open_outbox(core, telemetry, house.desk.reads)
        except BaseException:
            await secrets.resolver.close()  # a start that is tried again and again must not leave leases behind each time
            raise
    except BaseException:
        await core.ledger.stop()
        raise
    if core.plan.count_log_failures is not None:
        core.plan.count_log_failures(partial(core.metrics.telemetry_tombstone, "logs"))
    life = Life(core, secrets, people, telemetry, house, proof)
    tasks = life.begin(redaction)
    return Running(Gateway(house, house.routes), house, core.ledger, people.office, telemetry.provider, partial(life.end, tasks))


async def _recognizer(core: Core, document: Document, running: NerDetector | None = None) -> NerDetector | None:
    """The document's recognizer; its models load beside the event loop. `running` stays when nothing about it changed."""
    folder, skipped = folder_of(core.plan.config), core.metrics.recognition_skipped
    return await asyncio.to_thread(open_recognizer, document, folder, running=running, skipped=skipped)


async def _secrets(core: Core, recognizer: NerDetector | None) -> Secrets:
    plan, document = core.plan, core.plan.document
    local_keys = plan.home.store_keys()
    book = ReferenceBook(core.reader, local_keys, core.redaction.announce)
    await book.refresh()
    references = book.compile(document)
    audit = SecretAudit(core.ledger, core.recorder, core.metrics, core.clock, core.new_id, references)
    context = VaultContext(
        clock=core.clock,
        environment=plan.environment,
        file_roots=secret_folders(folder_of(plan.config), plan.home.path),
        file_base=folder_of(plan.config),
        local_rows=SqlRows(core.reader),
        local_keys=local_keys,
    )
    routes = router_of(document, references, core.clock, core.random)
    policies = compile_policies(document, core.redaction, core.tenant_keys(), recognizer)
    swapped = Swapped(document, references, routes, pricer_of(document), policies, otel_content=plan.otel.capture_content)
    swapped.recognizer = recognizer
    resolver = Resolver(
        lambda manager_type, auth_config: open_vault(manager_type, auth_config, context),
        clock=core.clock,
        fingerprint_key=derived_key(core.peppers, "fingerprint"),
        announce=core.redaction.announce,
        retire=core.redaction.retire,
        on_read=audit.note,
        jitter=core.random.random,
        references=lambda: swapped.references.declared,
    )
    content_keys = ContentKeys(local_keys, resolver, lambda: swapped.references.content_key)

    def tell(now: References) -> None:
        swapped.references = now
        audit.follow(now)

    book.serve(document, resolver, tell)
    await book.refresh()  # the switches, now that there is somebody to set them
    return Secrets(swapped, resolver, audit, book, local_keys, content_keys)


async def _people(core: Core, secrets: Secrets) -> People:
    """Keys and sessions in memory, the document's workspaces and the admin key in the store."""
    document, clock = core.plan.document, core.clock
    authenticator = Authenticator(core.reader, core.peppers, clock, workspace_models=workspace_models(document))
    failures = FailureLimit(clock)
    sessions = Sessions(core.reader, core.peppers, clock, failures=failures)

    async def changed() -> None:
        await asyncio.to_thread(_refresh_all, authenticator, sessions)
        await secrets.book.look()

    office = Office(
        core.ledger, core.peppers, clock, core.recorder.tree, changed=changed, services=lambda: service_aliases(secrets.swapped.document)
    )
    await core.ledger.run(partial(mirror_spending, document=document, now_us=clock.now_us()))
    await mirror_document(core, document, secrets.local_keys)
    await ensure_admin_key(office, core.plan.home.admin_key())
    await changed()
    return People(authenticator, sessions, office, FrontDesk(office, core.reader, failures))


def _house(core: Core, secrets: Secrets, people: People, telemetry: Telemetry) -> House:
    document, swapped = core.plan.document, secrets.swapped
    catalog = read_catalog()

    def load_litellm() -> Parts:
        # LiteLLM puts handlers of its own on its loggers: they would write raw records.
        parts = load()
        core.plan.reseal()
        return parts

    providers = Providers(
        direct=DirectProvider(catalog),
        litellm=LitellmProvider(catalog, importer=load_litellm),
        demo=DemoProvider(core.clock),
        catalog=catalog,
    )

    async def reload() -> Reloaded:
        async with turn:  # one after another: what is sent where is the last document's
            before = replace(core.plan, document=swapped.document)
            digest = await _reload(core, secrets, people.authenticator)
            plan = replace(core.plan, document=swapped.document)
            identities.follow(providers_of(plan.document, folder_of(plan.config), core.clock))
            intake.destinations = receivers_of(plan)
            await follow(telemetry, core, swapped, secrets.resolver, reads, before, plan)
        return Reloaded(digest, needs_restart(document, swapped.document))

    turn = asyncio.Lock()
    identities = Identities(core.clock, providers_of(document, folder_of(core.plan.config), core.clock))
    reads, intake = open_reads(core.plan.database_url), intake_of(core)
    desk = Desk(
        office=people.office,
        front=people.front,
        sessions=people.sessions,
        reads=reads,
        reader=core.reader,
        resolver=secrets.resolver,
        references=lambda: swapped.references,
        announce=core.redaction.announce,
        local_keys=secrets.local_keys,
        reload=reload,
    )
    pool = ThreadPoolExecutor(WORKER_THREADS, thread_name_prefix="lockgate-work")
    return House(
        clock=core.clock,
        limits=compile_limits(document),
        authenticator=people.authenticator,
        rates=RateLimits(core.clock),
        recorder=core.recorder,
        swapped=swapped,
        providers=providers,
        ledger=core.ledger,
        open_key=key_opener(secrets.resolver, lambda: swapped.references, providers.forget),
        tracing=telemetry.tracing,
        metrics=core.metrics,
        is_dirty=core.redaction.is_dirty,
        new_id=core.new_id,
        pool=pool,
        screening=ThreadPoolExecutor(SCREENING_THREADS, thread_name_prefix="lockgate-screen"),
        waiting=ThreadPoolExecutor(WAITING, thread_name_prefix="lockgate-waiting"),
        load=Load(document.limits.max_in_flight),
        desk=desk,
        routes=core.plan.part.routes(),
        version=VERSION,
        metrics_need_key=not is_loopback(core.plan.host),
        reasons=dict,
        wake_outbox=telemetry.outbox.wake,
        addressing=telemetry.addressing,
        backlog=telemetry.backlog,
        kept=KeptAnswers(
            secrets.local_keys,
            os.urandom,
            keep_s=document.idempotency.keep_s,
            max_answer_bytes=document.idempotency.max_answer_bytes,
        ),
        contents=ContentStore(
            secrets.content_keys,
            core.ledger.run,
            is_dirty=core.redaction.is_dirty,
            random_bytes=os.urandom,
            limits=lambda: swapped.content_limits,
            pool=pool,
            failed=core.metrics.content_unstored,
        ),
        intake=intake,
        end_users=EndUsers(core.peppers),
        site=site_of(document),
        identities=identities,
        read_on=ReadOn(document.limits.read_on_s, document.limits.read_on_tokens, document.limits.read_on_streams),
    )


async def _reload(core: Core, secrets: Secrets, authenticator: Authenticator) -> str:
    """Read the document again. Everything is compiled and every new required reference resolved before anything is swapped."""
    from pipeline.config.loader import load_document

    swapped, clock = secrets.swapped, core.clock
    loaded = await asyncio.to_thread(load_document, core.plan.config, find_secrets=core.redaction.finder())
    document = core.plan.part.taken(loaded)
    refuse_named_twice(document, core.plan.otel)
    references = secrets.book.compile(document)
    router = router_of(document, references, clock, core.random)
    recognizer = await _recognizer(core, document, swapped.recognizer)
    pricer, policies = pricer_of(document), compile_policies(document, core.redaction, core.tenant_keys(), recognizer)
    await refuse_if_missing(references.preflight(), secrets.resolver, clock)
    await check_keys(document, references, secrets.content_keys, secrets.resolver)
    await core.ledger.run(partial(mirror_spending, document=document, now_us=clock.now_us()))
    await mirror_document(core, document, secrets.local_keys)
    references = secrets.book.compile(document)  # what was made by REST meanwhile counts
    secrets.book.follow(document)
    swapped.document, swapped.references, swapped.router, swapped.pricer, swapped.policies = document, references, router, pricer, policies
    swapped.recognizer = recognizer
    secrets.audit.follow(references)
    await asyncio.to_thread(authenticator.restrict, workspace_models(document))
    return document.digest


def _refresh_all(authenticator: Authenticator, sessions: Sessions) -> None:
    authenticator.refresh()
    sessions.refresh()
