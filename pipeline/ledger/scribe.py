"""The writer's hand: one thread, one connection, one chain. Writes batches on both devices, and finds its way back when one fails.

Order within a transaction: rows, then the journal's lines, then the journal's sync and the commit side by side, and both are
waited for. So nothing is acknowledged that is not durable on every required device. What only the journal has (the commit failed) is
voided there, or given back to the database at the next start when the process died between the two. What only the database has (the
sync failed, or the machine lost power before it) was refused or never answered: its reservations are given back, and the journal
notes the gap. A batch with a change in it is not done side by side: a refused change must not stand.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, insert, select, text, update

from pipeline.clock import Clock
from pipeline.errors import LedgerError
from pipeline.ids import ulid
from pipeline.ledger.beside import Beside
from pipeline.ledger.book import Written, checkpoint, write
from pipeline.ledger.chain import Head, Row, link
from pipeline.ledger.journal import Journal, JournalError, event_line
from pipeline.ledger.model import Receipt
from pipeline.ledger.operations import Append, Change, Operation
from pipeline.store.engine import open_writer, sqlite_path
from pipeline.store.lock import SoleWriter
from pipeline.store.session import Session, hot_sql, reason, trouble
from pipeline.store.tables import checkpoints, epochs, events

Require = Literal["all", "any"]
Outcomes = list[Any]

_TRIES = 3
_RECONNECT_S = 0.25
_OWED_EVENTS = 10_000
_FOLD_EVERY = 400
_FOLD_AT_PAGES = 16_384
"""How many operations are written between two checkpoints of SQLite's log, and how far (64 MiB) it may grow without a quiet moment."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """One life of one process: the id names its chain. `host` must tell machines (and PID namespaces) apart."""

    id: str
    host: str
    pid: int
    version: str


class AwayError(LedgerError):
    """The database (or a required journal) cannot be written now; nothing of the operation stands."""

    def __init__(self, cause: str) -> None:
        super().__init__("The audit store cannot be written; the request was not carried out.", hint=cause, headers={"Retry-After": "1"})


class HalfWrittenError(LedgerError):
    """The operation stands in the database, but not in the journal that it must also stand in: its caller is refused."""

    def __init__(self, cause: str) -> None:
        super().__init__("The journal cannot be written; the request was not carried out.", hint=cause, headers={"Retry-After": "1"})


class Doubt(Exception):
    """The connection broke while committing: whether it was is known when the database is back."""


class Poisoned(Exception):
    """One row of a batch is refused by the database; the others are fine."""


class Scribe:
    """Everything here runs on the writer's thread, except `abort` and the reading of `away`."""

    def __init__(self, url: str, epoch: Epoch, clock: Clock, journal_dir: Path | None, require: Require) -> None:
        path = sqlite_path(url)
        self._engine = open_writer(url)
        self._path = path
        self._lock = SoleWriter(path) if path is not None else None
        self._sql = hot_sql(postgres=path is None)
        self._epoch = epoch
        self._clock = clock
        self._journal = Journal(journal_dir, epoch.id, require) if journal_dir is not None else None
        self._require = require
        self._beside = Beside("lockgate-journal")
        self._session: Session | None = None
        self._entering: Session | None = None  # a connection that is not ready yet
        self._head = Head(epoch.id)
        self._doubt: tuple[int, Written] | None = None  # the batch whose commit is unknown: how many operations, and what it wrote
        self._repeatable = True  # whether a batch that does not stand may be written again: it had events to tell it by
        self._owed: list[tuple[Row, tuple[Row, ...]]] = []  # events that only the journal has (`require: any`), what was redacted
        self._spell: Head | None = None  # their chain, one for each time that the database is away
        self._tried = -_RECONNECT_S
        self._noted = 0  # the seq of the last checkpoint
        self._unfolded = 0  # operations since SQLite's log was last folded into the database
        self.away = "the ledger has not connected yet"

    @property
    def journal_trouble(self) -> str:
        """Why the journal cannot be written now; empty when it can."""
        return self._journal.trouble if self._journal is not None else ""

    def abort(self) -> None:
        """End a wait for the database that hangs (any thread)."""
        session = self._session or self._entering
        if session is not None:
            session.abort()

    def attach(self) -> Outcomes | None:
        """Connect, unless that was tried a moment ago. Gives the outcomes of a batch that was in doubt and stands after all."""
        if self._session is not None or time.monotonic() - self._tried < _RECONNECT_S:
            return None
        self._tried = time.monotonic()
        session = None
        try:
            if self._lock is not None:
                self._lock.take()
            session = self._entering = Session(self._engine, self._path)
            if not session.postgres:
                session.cursor.execute(f"PRAGMA wal_autocheckpoint={_FOLD_AT_PAGES}")
            tail = self._enter(session)
        except Exception as error:  # noqa: BLE001 - any failure to connect means: away, and tried again
            self._detach(session, _cause(error))
            return None
        finally:
            self._entering = None
        self._session, self.away, self._spell = session, "", None
        doubt, self._doubt, before, self._head = self._doubt, None, self._head, tail
        if doubt is None:
            return None
        self._repeatable = bool(doubt[1].events)
        if self._repeatable and tail == doubt[1].head != before:
            return doubt[1].outcomes
        if self._journal is not None:
            self._journal.void(doubt[1].events)
        return [AwayError("the connection broke while committing") for _ in range(doubt[0])]

    def commit(self, operations: Sequence[Operation]) -> Outcomes:
        """Make a batch durable and give its outcomes, errors among them.

        Raises Poisoned when one of several is refused by the database (nothing stands: halve it and call again), and Doubt
        when it is not known whether the batch stands: then `attach` gives its outcomes, and until it did there is no other.
        """
        for left in reversed(range(_TRIES)):
            if self._session is None:
                self.attach()
            session = self._session
            if session is None:
                break
            try:
                return self._write(session, operations)
            except Doubt as doubt:
                self._tried = -_RECONNECT_S
                found = self.attach()
                if found is None:
                    raise
                if not isinstance(found[0], AwayError) or not self._repeatable:
                    return found
                if left == 0 and self._session is not None:
                    self._detach(self._session, str(doubt))
            except Exception as error:  # noqa: BLE001 - sorted by code into row, busy and lost
                kind = self._undo(session, error)
                if kind == "row":
                    return self._reject(operations)
                if left > 1 and kind == "lost":
                    self._lose(session, error)
                    self._tried = -_RECONNECT_S  # a connection that has gone stale: once more, at once
                elif left == 0 or kind == "lost":
                    self._detach(session, _cause(error))
        return self.refuse(operations)

    def refuse(self, operations: Sequence[Operation]) -> Outcomes:
        """The outcomes of a batch while the database is away.

        With `require: any` an event that moves no money is written to the journal alone, and to the database when it is back.
        """
        return [self._without_database(operation) for operation in operations]

    def checkpoint(self, connection: Connection) -> None:
        """Note where the chain stands, when it has moved since the last time; a `Change` on this thread."""
        if self._head.seq == self._noted:
            return
        names = [column.name for column in checkpoints.columns]
        row = dict(zip(names, checkpoint(self._head, self._clock.now_us()), strict=True))
        place = (checkpoints.c.chain == self._head.chain) & (checkpoints.c.seq == self._head.seq)
        if connection.execute(select(checkpoints.c.id).where(place)).first() is None:
            connection.execute(insert(checkpoints).values(row))
        self._noted = self._head.seq

    def tidy(self) -> None:
        """What a batch would otherwise wait for, done when nothing waits: fold SQLite's log into the database, fill the journal ahead."""
        session = self._session
        if session is not None and not session.postgres and self._unfolded >= _FOLD_EVERY:
            try:
                session.cursor.execute("PRAGMA wal_checkpoint(PASSIVE)")
                session.cursor.fetchone()
            except Exception as error:  # noqa: BLE001 - whatever it was, the next attempt to connect tells
                self._detach(session, _cause(error))
            self._unfolded = 0
        if self._journal is not None:
            self._journal.fill()

    def finish(self) -> None:
        """Write the last checkpoint and the epoch's end, close both devices. Failing at it loses nothing: recovery does it later."""
        ended = False
        session = self._session
        if session is not None:
            try:
                session.begin(wrapped=True)
                self.checkpoint(session.connection)
                session.connection.execute(update(epochs).where(epochs.c.id == self._epoch.id).values(ended_us=self._clock.now_us()))
                session.commit()
                ended = True
            except Exception:  # noqa: BLE001 - the epoch is left for recovery to end
                self._undo(session, None)
            session.close()
            self._session = None
        self.away = "the ledger has stopped"
        if self._journal is not None and ended and not self._owed:
            self._journal.end("stopped", self._clock.now_us())
        self._beside.stop()
        self._engine.dispose()
        if self._lock is not None:
            self._lock.release()

    def _write(self, session: Session, operations: Sequence[Operation]) -> Outcomes:
        wrapped = any(isinstance(operation, Change) for operation in operations)
        session.begin(wrapped=wrapped)
        written = write(session, self._sql, operations, self._head, epoch_id=self._epoch.id, now_us=self._clock.now_us())
        self._unfolded += len(operations)
        lines = [event_line(row, body) for row, body in zip(written.events, written.bodies, strict=True)] if self._journal else []
        journaled = self._journaled(written, lines, synced=wrapped)
        if journaled is None:
            session.rollback()
            return [AwayError(self.journal_trouble) for _ in operations]
        pending = self._journal is not None and bool(lines) and journaled and not wrapped
        if pending and self._journal is not None:
            self._beside.begin(self._journal.sync)
        try:
            session.commit()
        except Exception as error:  # noqa: BLE001 - whatever it was, only the database knows now whether it stands
            if pending:
                self._synced(written, lines)
            self._doubt = (len(operations), written)
            self._lose(session, error)
            raise Doubt(_cause(error)) from None
        if pending:
            self._synced(written, lines)
        self._head = written.head
        return written.outcomes

    def _journaled(self, written: Written, lines: list[bytes], *, synced: bool) -> bool | None:
        """Write a batch's events to the journal, and wait for it if they must be `synced`; None when the transaction must not go on."""
        if self._journal is None or not lines:
            return True
        try:
            self._journal.put(lines)
            if synced:
                self._journal.sync()
        except JournalError:
            if self._require == "all":
                self._journal.void(written.events)
                return None
            self._journal.gap(written.events)
            return False
        return True

    def _synced(self, written: Written, lines: list[bytes]) -> None:
        """Wait for the journal's sync. One that failed is made up for in a new part; when that fails too, the outcomes say so."""
        assert self._journal is not None
        try:
            self._beside.end()
        except JournalError:
            try:
                self._journal.write(lines)
            except JournalError:
                self._journal.gap(written.events)
                if self._require == "all":
                    written.outcomes = [_half(outcome, self.journal_trouble) for outcome in written.outcomes]

    def _reject(self, operations: Sequence[Operation]) -> Outcomes:
        if len(operations) > 1:
            raise Poisoned
        return [LedgerError("The audit store refused this row; the request was not carried out.", code="audit_rejected")]

    def _without_database(self, operation: Operation) -> Any:
        if self._journal is None or self._require == "all" or not isinstance(operation, Append) or operation.charge or operation.outbox:
            return AwayError(self.away)
        if len(self._owed) >= _OWED_EVENTS:
            return AwayError(self.away)
        row, body = link(self._spell or Head(ulid(self._clock.now_us())), operation.draft)
        try:
            self._journal.write([event_line(row, body)])
        except JournalError:
            return AwayError(self.away + "; " + self.journal_trouble)
        self._spell = Head(row[2], row[12], row[18])
        self._owed.append((row, operation.redactions))
        return Receipt(*self._spell)

    def _enter(self, session: Session) -> Head:
        """Make this epoch known to the database, give it what only the journal has, and read where the chain stands."""
        session.begin(wrapped=True)
        connection = session.connection
        connection.execute(text("SELECT version_num FROM alembic_version")).one()
        now_us = self._clock.now_us()
        # Written in any case: a store that can only be read (a full disk) is not back.
        alive = connection.execute(update(epochs).where(epochs.c.id == self._epoch.id).values(heartbeat_us=now_us))
        if alive.rowcount == 0:
            values = {"id": self._epoch.id, "pid": self._epoch.pid, "host": self._epoch.host, "version": self._epoch.version[:32]}
            connection.execute(insert(epochs).values(started_us=now_us, heartbeat_us=now_us, **values))
        self._pay(session)
        last = (
            select(events.c.chain, events.c.seq, events.c.hash)
            .where(events.c.chain == self._epoch.id)
            .order_by(events.c.seq.desc())
            .limit(1)
        )
        row = connection.execute(last).one_or_none()
        session.commit()
        self._owed = []
        return Head(*row) if row is not None else Head(self._epoch.id)

    def _pay(self, session: Session) -> None:
        """Insert the events that only the journal has; a commit that broke may have brought them already."""
        present: set[str] = set()
        for chain in {row[2] for row, _ in self._owed}:
            present.update(session.connection.execute(select(events.c.id).where(events.c.chain == chain)).scalars())
        missing = [(row, counted) for row, counted in self._owed if row[5] not in present]
        if missing:
            self._sql.events(session.cursor, [row for row, _ in missing])
        counts = [count for _, counted in missing for count in counted]
        if counts:
            self._sql.redactions(session.cursor, counts)

    def _undo(self, session: Session, error: BaseException | None) -> str:
        """Roll back; a connection that cannot is lost."""
        kind = trouble(error) if error is not None else "row"
        try:
            session.rollback()
        except Exception:  # noqa: BLE001 - then it is of no more use
            return "lost"
        return kind

    def _detach(self, session: Session | None, cause: str) -> None:
        """Be without the database: from now on callers are refused at once, until `attach` has found it again."""
        if session is not None:
            self._drop(session)
        self.away = cause

    def _lose(self, session: Session, error: BaseException) -> None:
        """Be done with a connection. One that was cut is made anew at once, and meanwhile callers wait; after a hang they are refused."""
        self._drop(session)
        if session.aborted:
            self.away = _cause(error)

    def _drop(self, session: Session) -> None:
        session.close()
        self._session = None


def _half(outcome: Any, cause: str) -> Any:
    """The outcome of an operation that only the database holds; an error, which wrote nothing, stays what it is."""
    return outcome if isinstance(outcome, Exception) else HalfWrittenError(cause)


def _cause(error: BaseException) -> str:
    """Why the database is away, for `/health/ready`."""
    original = getattr(error, "orig", None) or error
    if getattr(original, "sqlstate", "") == "42P01" or "no such table" in str(original):
        return "the schema is missing; run: lockgate db migrate"
    return reason(error)
