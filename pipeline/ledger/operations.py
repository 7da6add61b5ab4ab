"""What the writer is asked to do, as plain rows: built by the caller, so that the writer's thread has little to do per call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter, itemgetter, le
from typing import Any

from sqlalchemy import Connection, String

from collectors.model import OutboxRow
from pipeline.errors import LedgerError
from pipeline.ids import ulid
from pipeline.ledger.chain import Row, detail_text
from pipeline.ledger.model import Charge, Claim, Event, Intent, Kept, RedactionCount, Settlement, model_scope
from pipeline.store import tables
from redactors.model import is_clean

_CHARGE_COLUMNS = tuple(column.name for column in tables.charges.columns)
_charge_values = attrgetter(*_CHARGE_COLUMNS)
_REPLACEMENT = "\ufffd"
RELEASED = Kept("released")


def _lengths(table: Any, names: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    columns = [table.c[name] for name in names]
    return tuple(
        (index, column.type.length) for index, column in enumerate(columns) if isinstance(column.type, String) and column.type.length
    )


_CHARGE_TEXTS = _lengths(tables.charges, _CHARGE_COLUMNS)
_CHARGE_LENGTHS = tuple(length for _, length in _CHARGE_TEXTS)
_charge_texts = itemgetter(*(index for index, _ in _CHARGE_TEXTS))


@dataclass(frozen=True, slots=True, eq=False)
class Open:
    """Reserve and write the intent. `owner` is (org_id, workspace_id, key_id, model), what recovery needs of the call."""

    request_id: str
    draft: Row
    amount: int
    scopes: tuple[tuple[str, str], ...]
    owner: tuple[str, str, str, str]
    claim: Claim | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Close:
    """Settle: events, charge rows (and their sum), redaction counts and outbox rows, and the end of the reservation."""

    request_id: str
    drafts: tuple[Row, ...]
    charges: tuple[Row, ...] = ()
    cost: int = 0
    redactions: tuple[Row, ...] = ()
    outbox: tuple[OutboxRow, ...] = ()
    kept: Kept | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Take:
    """Take the claim of a request that is no call, and write the event that says so."""

    request_id: str
    draft: Row
    claim: Claim


@dataclass(frozen=True, slots=True, eq=False)
class Keep:
    """End the claim of a request that is no call, and write the event that says how."""

    request_id: str
    draft: Row
    kept: Kept


@dataclass(frozen=True, slots=True, eq=False)
class Append:
    """Write an event, and perhaps a charge outside a call, whose scopes spend it, what was redacted, and telemetry on its way out."""

    draft: Row
    charge: Row | None = None
    cost: int = 0
    scopes: tuple[tuple[str, str], ...] = ()
    redactions: tuple[Row, ...] = ()
    outbox: tuple[OutboxRow, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """Run a function of the connection, and write its event (if it has one) in the same transaction."""

    apply: Callable[[Connection], Any]
    draft: Row | None = None


Operation = Open | Close | Take | Keep | Append | Change
Owed = Close | Keep
"""What must be written however late: the act that it ends was carried out."""


def draft_of(event: Event) -> Row:
    """An event as the row that the chain takes. Raises LedgerError when its detail is not proven clean, or is not JSON."""
    if not is_clean(event.detail):
        raise LedgerError(
            "An event's detail was not redacted; it is not written down.", code="audit_unclean", hint="This is a defect of the gateway."
        )
    try:
        detail = detail_text(event.detail.value)
    except (ValueError, TypeError, RecursionError):
        raise LedgerError("An event's detail cannot be written as JSON.", code="audit_unclean") from None
    return draft(
        event_id=event.id, at_us=event.at_us, kind=event.kind, actor=event.actor, outcome=event.outcome, detail=detail,
        request_id=event.request_id, org_id=event.org_id, workspace_id=event.workspace_id, key_id=event.key_id, model=event.model,
        target_id=event.target_id, status=event.status, error=event.error, trace_id=event.trace_id,
    )  # fmt: skip


def draft(
    *, event_id: str, at_us: int, kind: str, actor: str, outcome: str, detail: str, request_id: str = "", org_id: str = "default",
    workspace_id: str = "", key_id: str = "", model: str = "", target_id: str = "", status: int = 0, error: str = "", trace_id: str = "",
) -> Row:  # fmt: skip
    """A row for the chain from plain values; texts are fitted to their columns. `detail` is JSON text made of clean values."""
    return (
        fit(actor, 255), at_us, detail, fit(error, 64), fit(event_id, 26), fit(key_id, 26), fit(kind, 64), fit(model, 255), fit(org_id, 64),
        fit(outcome, 32), fit(request_id, 26), status, fit(target_id, 255), fit(trace_id, 32), fit(workspace_id, 26),
    )  # fmt: skip


def fit(text: str, length: int) -> str:
    """Cut a text to its column and replace what a database cannot store (NUL, lone surrogates)."""
    if len(text) <= length and text.isascii() and "\0" not in text:
        return text
    return text[:length].replace("\0", _REPLACEMENT).encode("utf-8", "replace").decode()


def charge_row(charge: Charge) -> Row:
    """A charge as its row."""
    row: Row = _charge_values(charge)
    texts = _charge_texts(row)
    together = "".join(texts)
    if together.isascii() and "\0" not in together and all(map(le, map(len, texts), _CHARGE_LENGTHS)):
        return row
    values = list(row)
    for index, length in _CHARGE_TEXTS:
        values[index] = fit(values[index], length)
    return tuple(values)


def open_of(intent: Intent) -> Open:
    """The operation of an intent. Raises LedgerError for one without a request id or with a negative amount."""
    event = intent.event
    if not event.request_id or len(event.request_id) > 26 or not 0 <= intent.amount_micros < 1 << 62:
        raise LedgerError("A call cannot be written down without its request id and the most it may cost.", code="audit_unclean")
    scopes = tuple(dict.fromkeys((scope.kind, scope.id) for scope in intent.scopes))
    owner = (fit(event.org_id, 64), fit(event.workspace_id, 26), fit(event.key_id, 26), fit(event.model, 255))
    return Open(event.request_id, draft_of(event), intent.amount_micros, scopes, owner, intent.claim)


def close_of(settlement: Settlement, now_us: int) -> Close:
    """The operation of a settlement. Raises LedgerError when it has no event."""
    if not settlement.events:
        raise LedgerError("A settlement needs the event that says how the call ended.", code="audit_unclean")
    return Close(
        settlement.request_id,
        tuple([draft_of(event) for event in settlement.events]),
        tuple([charge_row(charge) for charge in settlement.charges]),
        sum([charge.cost_micros for charge in settlement.charges]),
        _counted(settlement.events[0], now_us, settlement.redactions),
        settlement.outbox,
        settlement.kept,
    )  # fmt: skip


def _counted(of: Event, at_us: int, counts: Sequence[RedactionCount]) -> tuple[Row, ...]:
    """The rows of what was redacted in the request of an event."""
    if not counts:
        return ()
    owner = (fit(of.request_id, 26), at_us, fit(of.workspace_id, 26), fit(of.key_id, 26))
    return tuple(
        [
            (
                *owner, fit(count.direction, 16), fit(count.detector, 16), fit(count.rule, 128), fit(count.kind, 128),
                fit(count.action, 16), count.count,
            )
            for count in counts
        ]
    )  # fmt: skip


def append_of(event: Event, charge: Charge | None, redactions: Sequence[RedactionCount] = (), outbox: Sequence[OutboxRow] = ()) -> Append:
    """The operation of an event outside a call."""
    counted = _counted(event, event.at_us, redactions)
    if charge is None:
        return Append(draft_of(event), redactions=counted, outbox=tuple(outbox))
    model = model_scope(charge.key_id, charge.model)
    scopes = (("org", charge.org_id), ("workspace", charge.workspace_id), ("key", charge.key_id), (model.kind, model.id))
    return Append(draft_of(event), charge_row(charge), charge.cost_micros, scopes, counted, tuple(outbox))


def abandoned(operation: Open | Take, now_us: int) -> Close | Keep:
    """The end of what was written down after its caller had been refused or had gone: nothing was done, nothing is charged or claimed."""
    if isinstance(operation, Take):
        of = operation.draft
        event = draft(
            event_id=ulid(now_us), at_us=now_us, kind="admin:request:abandon", actor="system", outcome="refused", detail="{}",
            request_id=operation.request_id, org_id=of[8], workspace_id=of[14], key_id=of[5], status=503, error="audit_unavailable",
        )  # fmt: skip
        return Keep(operation.request_id, event, RELEASED)
    org_id, workspace_id, key_id, model = operation.owner
    event = draft(
        event_id=ulid(now_us), at_us=now_us, kind="gateway:call:abandon", actor="system", outcome="refused", detail="{}",
        request_id=operation.request_id, org_id=org_id, workspace_id=workspace_id, key_id=key_id, model=model, status=503,
        error="audit_unavailable",
    )  # fmt: skip
    return Close(operation.request_id, (event,), kept=RELEASED if operation.claim is not None else None)
