"""One batch into the book: decided in order, written in a handful of statements.

Budgets and reservations that the batch touches are read (and on PostgreSQL locked) once, every operation is decided against
them in the order it came, and what came of it is written together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from collectors.model import OutboxRow
from pipeline.errors import LedgerError, PipelineError
from pipeline.ids import ulid
from pipeline.ledger.alerting import alert_event, alert_row, notice
from pipeline.ledger.budgets import Standing, exceeded, reserve, roll, settle
from pipeline.ledger.chain import Head, Row, link
from pipeline.ledger.claims import Claims, take_claims
from pipeline.ledger.model import Receipt
from pipeline.ledger.operations import RELEASED, Append, Change, Close, Keep, Open, Operation, Take
from pipeline.store.outbox import enqueue
from pipeline.store.rollups import late_hours
from pipeline.store.session import HotSql, Session, is_driver_error, trouble

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
class _Batch:
    """Where a batch is written, and what it has written so far."""

    session: Session
    sql: HotSql
    epoch_id: str
    now_us: int
    written: Written
    claims: Claims


@dataclass(slots=True)
class _Held:
    """A reservation as the batch sees it."""

    state: str
    amount: int
    scopes: Scopes


@dataclass(slots=True)
class _Page:
    """A run of operations without a change between them: what they found, and the rows that come of them."""

    batch: _Batch
    held: dict[str, _Held]
    standings: dict[tuple[str, str], list[Standing]]
    events: list[Row] = field(default_factory=list)
    reservations: list[Row] = field(default_factory=list)
    charges: list[Row] = field(default_factory=list)
    redactions: list[Row] = field(default_factory=list)
    outbox: list[OutboxRow] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)


def write(session: Session, sql: HotSql, operations: Sequence[Operation], head: Head, *, epoch_id: str, now_us: int) -> Written:
    """Write a batch in the transaction that is open on the session. Errors of the database pass through: nothing of it stands then."""
    written = Written(head)
    # Before anything else is locked: claims first, then reservations, then budgets, in every transaction of every worker.
    batch = _Batch(session, sql, epoch_id, now_us, written, take_claims(session.cursor, sql.claims, operations, epoch_id, now_us))
    run: list[Open | Close | Take | Keep | Append] = []
    for operation in operations:
        if isinstance(operation, Change):
            _run(batch, run)
            run = []
            _change(batch, operation)
        else:
            run.append(operation)
    _run(batch, run)
    batch.claims.flush()
    if written.head.seq // CHECKPOINT_EVERY > head.seq // CHECKPOINT_EVERY:
        sql.checkpoints(session.cursor, [checkpoint(written.head, now_us)])
    return written


def checkpoint(head: Head, now_us: int) -> Row:
    """A row of `checkpoints` that holds where a chain is."""
    return (ulid(now_us), head.chain, head.seq, head.hash, now_us)


def _change(batch: _Batch, operation: Change) -> None:
    """Run a change in a savepoint of its own, so that its failure undoes nothing but itself."""
    connection = batch.session.connection
    savepoint = connection.begin_nested()
    try:
        value = operation.apply(connection)
        savepoint.commit()
    except Exception as error:
        if is_driver_error(error) and trouble(error) != "row":
            raise  # the database's own trouble is that of the whole batch
        savepoint.rollback()
        batch.written.outcomes.append(error)
        return
    if operation.draft is not None:
        page = _Page(batch, {}, {})
        _record(operation.draft, page)
        _flush(page)
    batch.written.outcomes.append(value)


def _run(batch: _Batch, operations: Sequence[Open | Close | Take | Keep | Append]) -> None:
    if not operations:
        return
    held = _read_reservations(batch, operations)
    page = _Page(batch, held, _read_budgets(batch, operations, held))
    outcomes = batch.written.outcomes
    for operation in operations:
        if isinstance(operation, Open):
            outcomes.append(_open(operation, page))
        elif isinstance(operation, Close):
            outcomes.append(_close(operation, page) or _closed_before(operation, batch))
        elif isinstance(operation, Take):
            outcomes.append(batch.claims.taken(operation.request_id) or _record(operation.draft, page))
        elif isinstance(operation, Keep):
            batch.claims.end(operation.request_id, operation.kept)
            outcomes.append(_record(operation.draft, page))
        else:
            outcomes.append(_append(operation, page))
    _flush(page)


def _open(operation: Open, page: _Page) -> Receipt | Exception:
    request_id, claims = operation.request_id, page.batch.claims
    taken = claims.taken(request_id) if operation.claim is not None else None
    if taken is not None:
        return taken
    if request_id in page.held:
        return LedgerError(
            "A request with this id was already written down.", code="request_id_used", status=409, type="invalid_request_error"
        )
    limited = [standing for scope in operation.scopes for standing in page.standings.get(scope, ())]
    full = reserve(limited, operation.amount)
    if full is not None:
        if operation.claim is not None:
            claims.end(request_id, RELEASED)  # a refusal is not kept: there may be room the next time
        return exceeded(full, operation.amount)
    scopes: Scopes = [(standing.kind, standing.scope_id, standing.id) for standing in limited]
    page.held[request_id] = _Held("open", operation.amount, scopes)
    row = (request_id, page.batch.epoch_id, operation.amount, orjson.dumps(scopes).decode(), "open", page.batch.now_us, 0, *operation.owner)
    page.reservations.append(row)
    receipt = _record(operation.draft, page)
    passed = tuple(dict.fromkeys(each.kind for each in limited if each.soft and each.spent + each.reserved > each.soft))
    key_micros = next((each.spent for each in limited if each.kind == "key"), None)
    return receipt if key_micros is None and not passed else replace(receipt, soft=passed, key_micros=key_micros)


def _close(operation: Close, page: _Page) -> Receipt | PipelineError | None:
    """Settle; None when it was closed before."""
    found = page.held.get(operation.request_id)
    if found is None:
        return LedgerError("A call was settled that was never written down.", code="reservation_unknown")
    if found.state != "open":
        return None
    found.state = "closed"
    holding = {budget_id for _, _, budget_id in found.scopes}
    for scope in dict.fromkeys((kind, scope_id) for kind, scope_id, _ in found.scopes):
        for standing in page.standings.get(scope, ()):
            # A budget that was made (or deleted and made anew) since never held this reservation.
            settle(standing, found.amount if standing.id in holding else 0, operation.cost)
    if operation.kept is not None:
        page.batch.claims.end(operation.request_id, operation.kept)
    page.ended.append(operation.request_id)
    page.charges.extend(operation.charges)
    page.redactions.extend(operation.redactions)
    page.outbox.extend(operation.outbox)
    for draft in operation.drafts:
        receipt = _record(draft, page)
    return receipt


def _closed_before(operation: Close, batch: _Batch) -> Receipt:
    for row in reversed(batch.written.events):
        if row[11] == operation.request_id:  # closed earlier in this very batch
            return Receipt(row[2], row[12], row[18])
    last = batch.sql.lists.last_event(batch.session.cursor, operation.request_id)
    return Receipt(*(last or (batch.written.head.chain, 0, "")))


def _append(operation: Append, page: _Page) -> Receipt:
    for scope in operation.scopes:
        for standing in page.standings.get(scope, ()):
            settle(standing, 0, operation.cost)
    if operation.charge is not None:
        page.charges.append(operation.charge)
    page.redactions.extend(operation.redactions)
    page.outbox.extend(operation.outbox)
    return _record(operation.draft, page)


def _record(draft: Row, page: _Page) -> Receipt:
    written = page.batch.written
    row, body = link(written.head, draft)
    written.head = head = Head(row[2], row[12], row[18])
    page.events.append(row)
    written.events.append(row)
    written.bodies.append(body)
    return Receipt(*head)


def _read_reservations(batch: _Batch, operations: Sequence[Operation]) -> dict[str, _Held]:
    wanted = {operation.request_id for operation in operations if isinstance(operation, Open | Close)}
    if not wanted:
        return {}
    held = {}
    for request_id, state, amount, scopes, _ in batch.sql.lists.reservations(batch.session.cursor, wanted):
        held[request_id] = _Held(state, amount, [tuple(scope) for scope in orjson.loads(scopes)])
    return held


def _read_budgets(batch: _Batch, operations: Sequence[Operation], held: dict[str, _Held]) -> dict[tuple[str, str], list[Standing]]:
    wanted = {scope for operation in operations if isinstance(operation, Open | Append) for scope in operation.scopes}
    wanted.update((kind, scope_id) for found in held.values() for kind, scope_id, _ in found.scopes)
    if not wanted:
        return {}
    standings: dict[tuple[str, str], list[Standing]] = {}
    for row in batch.sql.lists.budgets(batch.session.cursor, wanted):
        standing = Standing(*row)
        roll(standing, batch.now_us)
        standings.setdefault((standing.kind, standing.scope_id), []).append(standing)
    return standings


def _flush(page: _Page) -> None:
    cursor, sql, now_us = page.batch.session.cursor, page.batch.sql, page.batch.now_us
    touched = [standing for some in page.standings.values() for standing in some if standing.touched]
    noticed = [alert_row(standing, mark, now_us) for standing in touched for mark in notice(standing)]
    for alert in noticed:
        _record(alert_event(alert), page)
    if page.events:
        sql.events(cursor, page.events)
    if page.reservations:
        sql.reservations(cursor, page.reservations)
    if page.charges:
        sql.charges(cursor, page.charges)
        late = late_hours(page.charges, now_us)
        if late:
            sql.spend_gaps(cursor, late)
    if page.redactions:
        sql.redactions(cursor, page.redactions)
    if page.outbox:
        enqueue(cursor, sql, page.outbox, now_us)
    if page.ended:
        sql.lists.end_reservations(cursor, page.ended, now_us)
    if noticed:
        sql.alerts(cursor, noticed)
    if touched:
        sql.lists.set_budgets(cursor, sorted(standing.row() for standing in touched))
