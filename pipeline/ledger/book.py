"""One batch into the book: decided in order, written in a handful of statements.

Budgets and reservations that the batch touches are read (and on PostgreSQL locked) once, every operation is decided against
them in the order it came, and what came of it is written together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from collectors.model import OutboxRow
from pipeline.errors import LedgerError, PipelineError
from pipeline.ids import ulid
from pipeline.ledger.budgets import Standing, exceeded, reserve, roll, settle
from pipeline.ledger.chain import Head, Row, link
from pipeline.ledger.model import Receipt
from pipeline.ledger.operations import Append, Change, Close, Open, Operation
from pipeline.store.outbox import enqueue
from pipeline.store.session import HotSql, Session, trouble

CHECKPOINT_EVERY = 1_000

Scopes = list[tuple[str, str, str]]


@dataclass(slots=True)
class Written:
    """What a batch wrote, before it is durable: an outcome per operation (a Receipt, a value, or the error to raise), and the new head."""

    head: Head
    outcomes: list[Any] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)  # the events' canonical forms, for the journal


@dataclass(slots=True)
class _Page:
    """The rows of one segment (a run of operations without a change between them)."""

    events: list[Row] = field(default_factory=list)
    reservations: list[Row] = field(default_factory=list)
    charges: list[Row] = field(default_factory=list)
    redactions: list[Row] = field(default_factory=list)
    outbox: list[OutboxRow] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Held:
    state: str
    amount: int
    scopes: Scopes


def write(session: Session, sql: HotSql, operations: Sequence[Operation], head: Head, epoch_id: str, now_us: int) -> Written:
    """Write a batch in the transaction that is open on the session. Errors of the database pass through: nothing of it stands then."""
    written = Written(head)
    segment: list[Open | Close | Append] = []
    for operation in operations:
        if isinstance(operation, Change):
            _segment(session, sql, segment, written, epoch_id, now_us)
            segment = []
            _change(session, sql, operation, written)
        else:
            segment.append(operation)
    _segment(session, sql, segment, written, epoch_id, now_us)
    if written.head.seq // CHECKPOINT_EVERY > head.seq // CHECKPOINT_EVERY:
        sql.checkpoints(session.cursor, [checkpoint(written.head, now_us)])
    return written


def checkpoint(head: Head, now_us: int) -> Row:
    """A row of `checkpoints` that holds where a chain is."""
    return (ulid(now_us), head.chain, head.seq, head.hash, now_us)


def _change(session: Session, sql: HotSql, operation: Change, written: Written) -> None:
    """Run a change in a savepoint of its own, so that its failure undoes nothing but itself."""
    savepoint = session.connection.begin_nested()
    try:
        value = operation.apply(session.connection)
        savepoint.commit()
    except Exception as error:  # noqa: BLE001 - it is the caller's, and raised there; the database's own troubles go on up
        if not isinstance(error, PipelineError) and _is_database(error) and trouble(error) != "row":
            raise
        savepoint.rollback()
        written.outcomes.append(error)
        return
    if operation.draft is not None:
        page = _Page()
        _record(operation.draft, page, written)
        sql.events(session.cursor, page.events)
    written.outcomes.append(value)


def _is_database(error: Exception) -> bool:
    return type(error).__module__.partition(".")[0] in {"sqlalchemy", "sqlite3", "psycopg"}


def _segment(
    session: Session, sql: HotSql, operations: Sequence[Open | Close | Append], written: Written, epoch_id: str, now_us: int
) -> None:
    if not operations:
        return
    held = _read_reservations(session, sql, operations)
    standings = _read_budgets(session, sql, operations, held, now_us)
    page = _Page()
    outcomes = written.outcomes
    for operation in operations:
        if isinstance(operation, Open):
            outcomes.append(_open(operation, held, standings, page, written, epoch_id, now_us))
        elif isinstance(operation, Close):
            outcomes.append(_close(operation, held, standings, page, written) or _closed_before(session, sql, operation, written))
        else:
            for scope in operation.scopes:
                if scope in standings:
                    settle(standings[scope], 0, operation.cost)
            if operation.charge is not None:
                page.charges.append(operation.charge)
            outcomes.append(_record(operation.draft, page, written))
    _flush(session, sql, page, standings, now_us)


def _open(
    operation: Open,
    held: dict[str, _Held],
    standings: dict[tuple[str, str], Standing],
    page: _Page,
    written: Written,
    epoch_id: str,
    now_us: int,
) -> Receipt | PipelineError:
    if operation.request_id in held:
        return LedgerError(
            "A request with this id was already written down.", code="request_id_used", status=409, type="invalid_request_error"
        )
    limited = [standings[scope] for scope in operation.scopes if scope in standings]
    full = reserve(limited, operation.amount)
    if full is not None:
        return exceeded(full, operation.amount)
    scopes: Scopes = [(standing.kind, standing.scope_id, standing.id) for standing in limited]
    held[operation.request_id] = _Held("open", operation.amount, scopes)
    page.reservations.append(
        (operation.request_id, epoch_id, operation.amount, orjson.dumps(scopes).decode(), "open", now_us, 0, *operation.owner)
    )
    return _record(operation.draft, page, written)


def _close(
    operation: Close, held: dict[str, _Held], standings: dict[tuple[str, str], Standing], page: _Page, written: Written
) -> Receipt | PipelineError | None:
    """Settle; None when it was closed before."""
    found = held.get(operation.request_id)
    if found is None:
        return LedgerError("A call was settled that was never written down.", code="reservation_unknown")
    if found.state != "open":
        return None
    found.state = "closed"
    for kind, scope_id, budget_id in found.scopes:
        standing = standings.get((kind, scope_id))
        if standing is not None:
            # A budget that was deleted and made anew never held this reservation.
            settle(standing, found.amount if standing.id == budget_id else 0, operation.cost)
    page.ended.append(operation.request_id)
    page.charges.extend(operation.charges)
    page.redactions.extend(operation.redactions)
    page.outbox.extend(operation.outbox)
    for draft in operation.drafts:
        receipt = _record(draft, page, written)
    return receipt


def _closed_before(session: Session, sql: HotSql, operation: Close, written: Written) -> Receipt:
    for row in reversed(written.events):
        if row[11] == operation.request_id:  # closed earlier in this very batch
            return Receipt(row[2], row[12], row[18])
    row = sql.lists.last_event(session.cursor, operation.request_id) or (written.head.chain, 0, "")
    return Receipt(*row)


def _record(draft: Row, page: _Page, written: Written) -> Receipt:
    row, body = link(written.head, draft)
    written.head = head = Head(row[2], row[12], row[18])
    page.events.append(row)
    written.events.append(row)
    written.bodies.append(body)
    return Receipt(*head)


def _read_reservations(session: Session, sql: HotSql, operations: Sequence[Operation]) -> dict[str, _Held]:
    ids = {operation.request_id for operation in operations if not isinstance(operation, Append | Change)}
    if not ids:
        return {}
    rows = sql.lists.reservations(session.cursor, ids)
    return {id: _Held(state, amount, [tuple(scope) for scope in orjson.loads(scopes)]) for id, state, amount, scopes, _ in rows}


def _read_budgets(
    session: Session, sql: HotSql, operations: Sequence[Operation], held: dict[str, _Held], now_us: int
) -> dict[tuple[str, str], Standing]:
    wanted = {scope for operation in operations if isinstance(operation, Open | Append) for scope in operation.scopes}
    wanted.update((kind, id) for found in held.values() for kind, id, _ in found.scopes)
    if not wanted:
        return {}
    standings = {}
    for row in sql.lists.budgets(session.cursor, wanted):
        standing = Standing(*row)
        roll(standing, now_us)
        standings[standing.kind, standing.scope_id] = standing
    return standings


def _flush(session: Session, sql: HotSql, page: _Page, standings: dict[tuple[str, str], Standing], now_us: int) -> None:
    cursor = session.cursor
    if page.events:
        sql.events(cursor, page.events)
    if page.reservations:
        sql.reservations(cursor, page.reservations)
    if page.charges:
        sql.charges(cursor, page.charges)
    if page.redactions:
        sql.redactions(cursor, page.redactions)
    if page.outbox:
        enqueue(cursor, sql, page.outbox, now_us)
    if page.ended:
        sql.lists.end_reservations(cursor, page.ended, now_us)
    touched = [(standing.id, standing.start_us, standing.spent, standing.reserved) for standing in standings.values() if standing.touched]
    if touched:
        sql.lists.set_budgets(cursor, sorted(touched))
