"""The gateway's own logs and metrics on their way to the destinations that ask for them, through the same outbox as everything."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from collectors.addressing import unless_full
from collectors.backlog import Backlog
from collectors.gate import TreeRedactor
from collectors.model import CollectorError, OutboxRow, OutboxStore, Record
from collectors.otlp.log_codec import encode_logs
from collectors.otlp.metric_codec import Sums, Temporality, encode_metrics, snapshot
from redactors.model import Clean

_log = logging.getLogger(__name__)


class LogExport:
    """Makes rows of clean log records, for the spool. Those of a full destination are only counted."""

    def __init__(self, destinations: Sequence[str], resource: Clean[dict[str, Any]], backlog: Backlog) -> None:
        self.destinations = tuple(destinations)
        self._resource = resource
        self._backlog = backlog

    def encode(self, records: Sequence[Clean[Record]]) -> tuple[OutboxRow, ...]:
        """Encode once for every destination. Raises CollectorError."""
        payload = encode_logs(records, self._resource)
        return unless_full([OutboxRow(destination, "logs", payload, len(records)) for destination in self.destinations], self._backlog)


class MetricExport:
    """Puts the registry's state into the outbox every `interval_s` seconds: a row a destination, cumulative or delta.

    `refresh` brings gauges up to date that are read from elsewhere. Deltas go on from what was stored last, so none is lost while the
    store is away.
    """

    def __init__(
        self,
        registry: Any,
        redactor: TreeRedactor,
        destinations: Mapping[str, Temporality],
        store: OutboxStore,
        backlog: Backlog,
        *,
        resource: Clean[dict[str, Any]],
        interval_s: float,
        version: str,
        refresh: Callable[[], Awaitable[None]],
        stored: Callable[[], None],
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._registry = registry
        self._redactor = redactor
        self._destinations = dict(destinations)
        self._store = store
        self._backlog = backlog
        self._resource = resource
        self._interval_s = interval_s
        self._version = version
        self._refresh = refresh
        self._stored = stored
        self._now_ns = now_ns
        self._started_ns = self._before_ns = now_ns()
        self._before: Sums = {}

    def follow(self, destinations: Mapping[str, Temporality]) -> None:
        """Send to these from now on."""
        self._destinations = dict(destinations)

    async def run(self) -> None:
        """Send them until cancelled. A failure is told and the next time tries again."""
        while True:
            await asyncio.sleep(self._interval_s)
            await self.push()

    async def push(self) -> None:
        """Send them once; raises nothing but cancellation."""
        if not self._destinations:
            return
        try:
            await self._refresh()
            rows, now, at_ns = await asyncio.to_thread(self._rows)
            await self._store.put(unless_full(rows, self._backlog))
        except Exception as failed:  # noqa: BLE001 - whatever fails (store, redactor), the gateway goes on and the next time tells the same sums
            _log.warning("metrics could not be put into the outbox: %s", type(failed).__name__)
            return
        self._before, self._before_ns = now, at_ns
        self._stored()

    def _rows(self) -> tuple[list[OutboxRow], Sums, int]:
        at_ns = self._now_ns()
        taken = snapshot(self._registry)
        clean = self._redactor.tree(taken.texts)
        rows: list[OutboxRow] = []
        now: Sums = {}
        for temporality in sorted(set(self._destinations.values())):
            start_ns = self._before_ns if temporality == "delta" else self._started_ns
            payload, points, now = encode_metrics(
                clean,
                taken.values,
                self._resource,
                start_ns=start_ns,
                at_ns=at_ns,
                temporality=temporality,
                before=self._before,
                version=self._version,
            )
            if len(payload) > MAX_ROW_BYTES:
                raise CollectorError("the metrics are too large for one row")
            rows += [OutboxRow(name, "metrics", payload, points) for name, wanted in self._destinations.items() if wanted == temporality]
        return rows, now, at_ns


MAX_ROW_BYTES = 16 * 1024 * 1024
