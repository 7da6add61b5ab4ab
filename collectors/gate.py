"""The only door out: raw records go in, `Clean[Record]` come out, and whatever goes wrong comes out as a tombstone.

Schema first, detectors second: what `collectors.classes` knows as number, closed vocabulary or own id passes by
grammar; every other string (name, key, value, event, link, status, resource, scope) goes through the redactor.
A value that is already `Clean` passes as it is. All texts of a batch are one call of the redactor.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from collectors.draft import Draft
from collectors.model import CollectorError, Record
from collectors.tombstone import tombstone
from collectors.verdicts import Verdicts
from redactors.model import Clean, Json, Verdict, is_clean

_log = logging.getLogger(__name__)

Deliver = Callable[[tuple[Clean[Record], ...]], None]


class TreeRedactor(Protocol):
    """The part of `redactors.engine.Redactor` that the gate uses, with a policy for the direction `telemetry`."""

    def tree(self, raw: Json) -> Clean[Json]:
        """Redact every string of a JSON tree; raises RedactionError when it cannot."""
        ...


class Remarked(Protocol):
    """Told what the gate did; `Metrics` is one."""

    def telemetry_redacted(self, counts: dict[tuple[str, str, str], int]) -> None:
        """Count replacements by (rule, kind, action)."""
        ...

    def telemetry_tombstone(self, signal: str, items: int) -> None:
        """Count records whose redaction failed."""
        ...


class ExportGate:
    """Redacts records; never raises for a record that it cannot redact, but answers with its tombstone.

    `hash_key` keys the hashes of foreign ids that do not look like ids. `generation` is asked per batch and forgets the
    cached verdicts when its answer changes (a new live secret was announced, a policy was reloaded).
    """

    def __init__(
        self,
        redactor: TreeRedactor,
        *,
        hash_key: bytes,
        remarked: Remarked | None = None,
        generation: Callable[[], object] | None = None,
    ) -> None:
        self._redactor = redactor
        self._remarked = remarked
        self._generation = generation
        self._seen_generation: object = None
        self._verdicts = Verdicts(hash_key)
        # The proof that this redactor works at all, and the seal of what holds no text: a gate without one is not built.
        self._blank: Final[Clean[Json]] = redactor.tree([])
        if not is_clean(self._blank):
            raise CollectorError("the telemetry redactor does not return Clean values")

    def admit(self, records: Sequence[Record]) -> tuple[Clean[Record], ...]:
        """Redact a batch. When that fails every record of it becomes a tombstone; an interrupt is raised and nothing leaves."""
        try:
            return self._clean(records)
        except Exception:  # noqa: BLE001 - fail closed: whatever the redactor raises, the content does not leave
            return self._bury(records)

    def send(self, records: Sequence[Record], deliver: Deliver) -> None:
        """Redact a batch and deliver it; on an interrupt the tombstones are delivered before it is raised again."""
        try:
            clean = self._clean(records)
        except Exception:  # noqa: BLE001 - fail closed, as above
            clean = self._bury(records)
        except BaseException:
            deliver(self._bury(records))
            raise
        deliver(clean)

    def _clean(self, records: Sequence[Record]) -> tuple[Clean[Record], ...]:
        if self._generation is not None:
            now = self._generation()
            if now != self._seen_generation:
                self._seen_generation = now
                self._verdicts.forget()
        draft = Draft(self._verdicts)
        drawn = [draft.record(record) for record in records]
        if not draft.texts:
            return tuple(self._blank.map(_pick(record)) for record in drawn)
        clean = self._redactor.tree(list(draft.texts))
        if not is_clean(clean):
            raise CollectorError("the telemetry redactor does not return Clean values")
        if clean.verdict is Verdict.BLOCK:
            raise CollectorError("the telemetry policy blocks this record")
        draft.fill(clean)
        if self._remarked is not None and clean.remarks:
            self._remarked.telemetry_redacted(clean.counts)
        return tuple(clean.map(_pick(record)) for record in drawn)

    def _bury(self, records: Sequence[Record]) -> tuple[Clean[Record], ...]:
        buried = tuple(self._blank.map(_pick(tombstone(record))) for record in records)
        if self._remarked is not None and records:
            self._remarked.telemetry_tombstone(records[0].signal, len(records))
        _log.error("telemetry redaction failed; %d records were replaced by tombstones", len(records))
        return buried


def _pick(record: Record) -> Callable[[Any], Record]:
    return lambda _texts: record
