"""Every read of a secret is written down: a cache hit on its call's own event, a read of a vault as an event of its own.

The resolver notes reads synchronously on the hot path; this puts them aside and writes them in the background, at most half a
second later, together with the last known state of each reference (`secret_status`), which the dashboard and `secrets status` show.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from sqlalchemy import Connection, select

from collectors.metrics import Metrics
from pipeline.bootstrap.compile import References
from pipeline.clock import Clock
from pipeline.errors import LedgerError
from pipeline.ledger.ledger import DurableLedger
from pipeline.ledger.model import Event
from pipeline.store.tables import secret_status
from pipeline.vaults.model import SecretRead
from redactors.engine import Redactor

log = logging.getLogger("lockgate.secrets")

PAUSE_S = 0.5
LIMIT = 10_000
AT_ONCE = 50
"""Rows in one transaction: calls wait for the same writer, and after a preflight there may be thousands."""
_GOOD = frozenset({"hit", "stale", "fetched", "refreshed"})


@dataclass(frozen=True, slots=True)
class Standing:
    """The last that is known of one reference."""

    slug: str
    manager_type: str
    outcome: str = ""
    error: str = ""
    version: str = ""
    fingerprint: str = ""
    resolved_us: int = 0
    first_seen_us: int = 0
    used_us: int = 0
    latency_us: int = 0
    checked_us: int = 0


class SecretAudit:
    """Takes note of reads. `note` is called on the event loop for every use; `run` writes until it is cancelled."""

    def __init__(
        self, ledger: DurableLedger, recorder: Redactor, metrics: Metrics, clock: Clock, new_id: Callable[[], str], references: References
    ) -> None:
        self._ledger = ledger
        self._recorder = recorder
        self._metrics = metrics
        self._clock = clock
        self._new_id = new_id
        self._references = references
        self._waiting: deque[SecretRead] = deque()
        self._standing: dict[str, Standing] = {}
        self._dirty: set[str] = set()

    def follow(self, references: References) -> None:
        """Speak of other references from now on (the document was reloaded)."""
        self._references = references

    def note(self, read: SecretRead) -> None:
        """Put one read aside. Hits only move the time of last use; their call's event names the reference and version."""
        before = self._standing.get(read.reference) or Standing(read.reference, read.manager_type)
        good = read.outcome in _GOOD
        fetched = read.outcome in ("fetched", "refreshed")
        changed = good and read.version != before.version
        self._standing[read.reference] = replace(
            before,
            outcome=read.outcome if read.outcome != "hit" else before.outcome or "fetched",
            error="" if good else read.outcome,
            version=read.version if good else before.version,
            fingerprint=read.fingerprint if good else before.fingerprint,
            resolved_us=read.at_us if fetched else before.resolved_us,
            first_seen_us=read.at_us if changed or (good and not before.first_seen_us) else before.first_seen_us,
            used_us=read.at_us if good and read.request_id else before.used_us,
            latency_us=read.latency_us if fetched else before.latency_us,
            checked_us=read.at_us,
        )
        self._dirty.add(read.reference)
        if read.outcome != "hit" and len(self._waiting) < LIMIT:
            self._waiting.append(read)
        self._metrics.secret_read(read.manager_type, read.outcome, read.latency_us / 1_000_000)

    async def run(self) -> None:
        """Write what was noted, twice a second, until cancelled."""
        while True:
            await asyncio.sleep(PAUSE_S)
            await self.flush()

    async def flush(self) -> None:
        """Write everything now. What cannot be written stays and is tried again."""
        while self._waiting:
            read = self._waiting[0]
            try:
                await self._ledger.append(self._event(read))
            except LedgerError:
                return
            self._waiting.popleft()
        if not self._dirty:
            return
        slugs, self._dirty = sorted(self._dirty), set()
        required = {ref.slug: ref.required for ref in self._references.all()}
        for start in range(0, len(slugs), AT_ONCE):
            rows = [self._standing[slug] for slug in slugs[start : start + AT_ONCE]]
            try:
                await self._ledger.run(partial(_store, rows=rows, references=self._references, required=required))
            except LedgerError:
                self._dirty.update(slugs[start:])
                return

    def _event(self, read: SecretRead) -> Event:
        kind = (
            "vault:secret:read"
            if read.outcome in _GOOD
            else "vault:secret:deny"
            if read.outcome in ("denied", "out_of_scope")
            else "vault:secret:fail"
        )
        detail = {
            "reference": read.reference,
            "manager_type": read.manager_type,
            "result": read.outcome,
            "version": read.version,
            "fingerprint": read.fingerprint,
            "latency_us": read.latency_us,
            "workspace": read.workspace,
        }
        return Event(
            id=self._new_id(),
            at_us=read.at_us,
            kind=kind,
            actor=read.key_id or "system",
            outcome="ok" if read.outcome in _GOOD else "failed",
            detail=self._recorder.tree(detail),
            request_id=read.request_id,
            key_id=read.key_id if read.key_id != "system" else "",
            error="" if read.outcome in _GOOD else read.outcome,
        )


def _store(connection: Connection, rows: list[Standing], references: References, required: Mapping[str, bool]) -> None:
    """Write the standing of references; times that this process has not seen yet keep their stored value."""
    for row in rows:
        stored = connection.execute(select(secret_status).where(secret_status.c.slug == row.slug)).mappings().first()
        values = {
            "manager_type": row.manager_type,
            "outcome": row.outcome,
            "error": row.error,
            "version": row.version,
            "fingerprint": row.fingerprint,
            "resolved_us": row.resolved_us,
            "first_seen_us": row.first_seen_us,
            "used_us": row.used_us,
            "latency_us": row.latency_us,
            "checked_us": row.checked_us,
            "required": required.get(row.slug, False),
            "targets": json.dumps(references.targets_of(row.slug)),
        }
        if stored is None:
            connection.execute(secret_status.insert().values(slug=row.slug, **values))
            continue
        if row.fingerprint and stored["fingerprint"] == row.fingerprint and stored["version"] == row.version and stored["first_seen_us"]:
            values["first_seen_us"] = stored["first_seen_us"]
        for name in ("used_us", "resolved_us", "latency_us"):
            values[name] = values[name] or stored[name]
        connection.execute(secret_status.update().where(secret_status.c.slug == row.slug).values(**values))
