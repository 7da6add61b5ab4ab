"""What runs beside the calls as long as the gateway does, and how all of it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from pipeline.bootstrap.alerts import alert_desk, tell_alerts, watch_spending
from pipeline.bootstrap.core import Core
from pipeline.bootstrap.parts import Swapped
from pipeline.bootstrap.policies import Redaction
from pipeline.bootstrap.proof import Proof
from pipeline.bootstrap.reference_book import ReferenceBook
from pipeline.bootstrap.secret_audit import SecretAudit
from pipeline.bootstrap.spans import Telemetry
from pipeline.bootstrap.upkeep import (
    forget_expired_claims,
    forget_expired_contents,
    keep_what_is_loaded,
    mark_used_keys,
    roll_up_spend,
    tend_vaults,
    watch_backlog,
    watch_lag,
)
from pipeline.errors import LedgerError
from pipeline.gateway.content_keys import ContentKeys
from pipeline.gateway.model import House
from pipeline.keys.authenticator import Authenticator
from pipeline.keys.people import FrontDesk
from pipeline.keys.returning import Steward, return_carves
from pipeline.keys.service import Office
from pipeline.keys.sessions import Sessions
from pipeline.keys.store import mark_used
from pipeline.vaults.local_keys import LocalKeys
from pipeline.vaults.resolver import Resolver


@dataclass(frozen=True, slots=True)
class Secrets:
    """References and what resolves them."""

    swapped: Swapped
    resolver: Resolver
    audit: SecretAudit
    book: ReferenceBook
    local_keys: LocalKeys = field(repr=False)
    content_keys: ContentKeys


@dataclass(frozen=True, slots=True)
class People:
    """Who may do what."""

    authenticator: Authenticator
    sessions: Sessions
    office: Office
    front: FrontDesk


@dataclass(frozen=True, slots=True)
class Life:
    """The parts of a running gateway that something has to be done for, again and again, and at the end."""

    core: Core
    secrets: Secrets
    people: People
    telemetry: Telemetry
    house: House
    proof: Proof

    def begin(self, redaction: Redaction) -> list[asyncio.Task[None]]:
        """Start every task."""
        desk = alert_desk(self.core, self.secrets.swapped, self.secrets.resolver, self.people.office)
        return [
            asyncio.create_task(work, name=f"lockgate-{name}")
            for name, work in (
                ("keys", self.people.authenticator.run()),
                ("sessions", self.people.sessions.run()),
                ("secret-audit", self.secrets.audit.run()),
                ("references", self.secrets.book.run()),
                ("used", mark_used_keys(self.core.ledger, self.people.authenticator)),
                ("spool", self.telemetry.spool.run()),
                ("logs", self.telemetry.logs.run()),
                ("metrics", self.telemetry.metrics.run()),
                ("vaults", tend_vaults(self.secrets.resolver)),
                ("lag", watch_lag(self.core.metrics)),
                ("backlog", watch_backlog(self.telemetry.backlog, self.house.desk.reads)),
                ("idempotency", forget_expired_claims(self.core.ledger, self.core.clock)),
                ("contents", forget_expired_contents(self.core.ledger, self.core.clock)),
                ("carves", return_carves(Steward(self.people.office, self.core.ledger, self.core.reader))),
                ("spend", roll_up_spend(self.core.ledger, self.core.clock)),
                ("proof", self.proof.run()),
                ("alerts", tell_alerts(desk)),
                ("spending", watch_spending(desk)),
                ("warm-up", _warm_up(redaction, self.house)),
            )
        ]

    async def end(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        """Flush and close everything, the ledger last."""
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.secrets.audit.flush()
        with suppress(LedgerError):
            await self.core.ledger.run(lambda connection: mark_used(connection, self.people.authenticator.drain_used()))
        if self.core.plan.follow_logs is not None:
            self.core.plan.follow_logs(None)
        if self.core.plan.count_log_failures is not None:
            self.core.plan.count_log_failures(None)
        await self.telemetry.spool.close()
        await self.telemetry.logs.close()
        await self.telemetry.metrics.push()
        await self.telemetry.outbox.stop()
        await self.house.providers.aclose()
        await self.proof.finish()
        await self.secrets.resolver.close()
        await self.core.ledger.stop()
        self.house.desk.reads.close()
        self.core.reader.dispose()
        self.house.pool.shutdown(wait=False, cancel_futures=True)
        self.house.screening.shutdown(wait=False, cancel_futures=True)
        self.house.waiting.shutdown(wait=False, cancel_futures=True)
        self.house.intake.pool.shutdown(wait=False, cancel_futures=True)
        if self.secrets.swapped.recognizer is not None:
            self.secrets.swapped.recognizer.close()


async def _warm_up(redaction: Redaction, house: House) -> None:
    """Load in the background what the first call that needs it would wait for: Presidio, and LiteLLM where a target needs its lane."""
    keep_what_is_loaded()
    await asyncio.to_thread(redaction.warm_up)
    if any(house.providers.lane(target, "openai.chat") == "litellm" for target in house.swapped.router.targets()):
        await house.providers.warm()
    keep_what_is_loaded()
