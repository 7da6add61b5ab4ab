"""What everything else of a running gateway stands on: the plan, redaction, the ledger, the reader, identities."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import socket
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from collectors.metrics import Metrics
from pipeline.bootstrap.parts import Plan, closed_of
from pipeline.bootstrap.policies import Redaction
from pipeline.bootstrap.tenant_keys import TenantKeys
from pipeline.clock import Clock
from pipeline.errors import LedgerError
from pipeline.ids import ulid
from pipeline.keys.pepper import Peppers, derived_key
from pipeline.ledger.ledger import DurableLedger
from pipeline.store.engine import open_reader
from pipeline.store.migrate import migrate
from pipeline.version import VERSION
from redactors.engine import Redactor

STORE_WAIT_S = 300

log = logging.getLogger("lockgate")


async def migrated(url: str) -> None:
    """Bring the store to the newest schema; a database that is away at start-up is waited for, because nothing is lost by waiting."""
    for attempt in range(STORE_WAIT_S):
        try:
            await asyncio.to_thread(migrate, url)
        except OperationalError as error:
            if attempt == 0:
                log.warning("the database cannot be reached; waiting for it", extra={"error_type": type(error.orig).__name__})
            await asyncio.sleep(1.0)
        else:
            return
    raise LedgerError(f"The database could not be reached within {STORE_WAIT_S} seconds.", hint="Check the database URL and the server.")


@dataclass(frozen=True, slots=True)
class Core:
    """What everything else stands on."""

    plan: Plan
    redaction: Redaction
    clock: Clock
    peppers: Peppers
    recorder: Redactor
    metrics: Metrics
    ledger: DurableLedger
    reader: Engine
    random: random.SystemRandom

    def new_id(self) -> str:
        """A ULID for now."""
        return ulid(self.clock.now_us())

    def tenant_keys(self) -> TenantKeys:
        """What derives the keys of hashes and pseudonyms."""
        return TenantKeys(derived_key(self.peppers, "redaction"), self.clock)


def core_of(plan: Plan, redaction: Redaction, clock: Clock) -> Core:
    """Open what everything else stands on; nothing is written yet."""
    home, document = plan.home, plan.document
    redaction.announce_process(plan.database_url, home.admin_key())
    metrics = Metrics(closed_of(plan, redaction), version=VERSION, profile=document.telemetry.semconv)
    ledger = DurableLedger(
        plan.database_url,
        clock=clock,
        journal_dir=home.journal,
        require=document.audit.require,
        epoch_id=ulid(clock.now_us()),
        host=socket.gethostname(),
        pid=os.getpid(),
        version=VERSION,
        measured=metrics.ledger_commit,
    )
    reader = open_reader(plan.database_url)
    return Core(plan, redaction, clock, home.peppers(), redaction.recorder(), metrics, ledger, reader, random.SystemRandom())
