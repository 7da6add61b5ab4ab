"""The hot path's SQL, compiled once: many rows per statement, lists as one parameter, one result row.

Every SQLite step gives up the interpreter's lock, and under load it takes long to come back; so a batch of any size is a
handful of statements here, not one per row. Rows are tuples in the order of the columns given.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, Protocol

import orjson
from sqlalchemy import Table, bindparam, column, insert
from sqlalchemy import table as sqlalchemy_table
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect

Row = tuple[Any, ...]

_LARGEST = 128  # rows per statement; PostgreSQL allows 65,535 parameters, the widest table has 31 columns

EVENT_COLUMNS = (
    "actor", "at_us", "chain", "detail", "error", "id", "key_id", "kind", "model", "org_id", "outcome", "request_id", "seq", "status",
    "target_id", "trace_id", "workspace_id", "prev_hash", "hash",
)  # fmt: skip

ALERT_COLUMNS = (
    "id", "at_us", "kind", "mark", "subject", "org_id", "scope_kind", "scope_id", "period", "period_start_us", "limit_micros",
    "spent_micros", "reserved_micros",
)  # fmt: skip


class Cursor(Protocol):
    """What is used of a DBAPI cursor."""

    def execute(self, statement: str, parameters: Sequence[Any] = ..., /) -> Any:
        """Run one statement."""
        ...

    def fetchone(self) -> Any:
        """The next row or None."""
        ...

    def fetchall(self) -> Any:
        """All rows that are left."""
        ...


class BulkInsert:
    """Inserts rows of one table, many per statement.

    A batch is cut into powers of two, so that few texts exist and every one of them is prepared once. `suffix` is what follows
    the rows (`ON CONFLICT …`).
    """

    def __init__(self, table: Table, columns: Sequence[str], *, postgres: bool, suffix: str = "") -> None:
        # A plain table, without the defaults that SQLAlchemy would add: the database has the same ones.
        plain = sqlalchemy_table(table.name, *(column(name, table.c[name].type) for name in columns))
        compiled = insert(plain).values({name: bindparam(name) for name in columns}).compile(dialect=_dialect(postgres))
        if tuple(compiled.positiontup or ()) != tuple(columns):
            raise ValueError(f"the columns of {table.name} come in another order")
        self._head, _, self._values = str(compiled).partition(" VALUES ")
        self._suffix = suffix
        self._texts: dict[int, str] = {}

    def __call__(self, cursor: Cursor, rows: Sequence[Row]) -> None:
        """Insert the rows; database errors pass through."""
        start, size = 0, _LARGEST
        while start < len(rows):
            while size > len(rows) - start:
                size >>= 1
            cursor.execute(self._text(size), tuple(chain.from_iterable(rows[start : start + size])))
            start += size

    def _text(self, size: int) -> str:
        text = self._texts.get(size)
        if text is None:
            text = self._texts[size] = self._head + " VALUES " + ", ".join([self._values] * size) + self._suffix
        return text


class Statements(Protocol):
    """The statements that take lists, in one database's dialect."""

    def reservations(self, cursor: Cursor, request_ids: Iterable[str]) -> list[Row]:
        """Read and lock (request_id, state, amount_micros, scopes, epoch_id) of those that exist."""
        ...

    def budgets(self, cursor: Cursor, scopes: Iterable[tuple[str, str]]) -> list[Row]:
        """Read and lock, in the order of their ids, the budget rows of scopes that have one; columns in the order of `Standing`."""
        ...

    def set_budgets(self, cursor: Cursor, rows: Sequence[Row]) -> None:
        """Write (id, period_start_us, spent_micros, reserved_micros, buckets, alerted)."""
        ...

    def end_reservations(self, cursor: Cursor, request_ids: Sequence[str], now_us: int) -> None:
        """Mark reservations closed."""
        ...

    def accept(self, cursor: Cursor, destination: str, signal: str, items: int, rejected: int) -> None:
        """Add to the accepted items of an outbox account, and to those that were rejected by policy at once."""
        ...

    def reject(self, cursor: Cursor, destination: str, signal: str, reason: str, items: int) -> None:
        """Add to the items that were rejected for a reason."""
        ...

    def last_event(self, cursor: Cursor, request_id: str) -> Row | None:
        """Read (chain, seq, hash) of the last event of a request."""
        ...


class SqliteStatements:
    """SQLite: lists go in as JSON and come out as one JSON row, so that a statement is one step."""

    _RESERVATIONS = (
        "SELECT json_group_array(json_array(r.request_id, r.state, r.amount_micros, r.scopes, r.epoch_id)) "
        "FROM json_each(?) AS j CROSS JOIN reservations AS r ON r.request_id = j.value"
    )
    _BUDGETS = (
        "SELECT json_group_array(json_array(b.id, b.scope_kind, b.scope_id, b.limit_micros, b.period, b.period_start_us, b.spent_micros, "
        "b.reserved_micros, b.org_id, b.timezone, b.soft_micros, b.alert_at, b.alerted, b.increase_micros, b.increase_until_us, "
        "b.buckets)) FROM json_each(?) AS j CROSS JOIN budgets AS b ON b.scope_kind = json_extract(j.value, '$[0]') "
        "AND b.scope_id = json_extract(j.value, '$[1]')"
    )
    _SET_BUDGETS = (
        "UPDATE budgets SET period_start_us = json_extract(j.value, '$[1]'), spent_micros = json_extract(j.value, '$[2]'), "
        "reserved_micros = json_extract(j.value, '$[3]'), buckets = json_extract(j.value, '$[4]'), "
        "alerted = json_extract(j.value, '$[5]') FROM json_each(?) AS j WHERE budgets.id = json_extract(j.value, '$[0]')"
    )
    _END = "UPDATE reservations SET state = 'closed', closed_us = ? WHERE request_id IN (SELECT value FROM json_each(?))"
    _ACCEPT = (
        "INSERT INTO outbox_accounts (destination, signal, accepted, rejected_by_policy) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (destination, signal) DO UPDATE SET accepted = outbox_accounts.accepted + excluded.accepted, "
        "rejected_by_policy = outbox_accounts.rejected_by_policy + excluded.rejected_by_policy"
    )
    _REJECT = (
        "INSERT INTO outbox_rejections (destination, signal, reason, items) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (destination, signal, reason) DO UPDATE SET items = outbox_rejections.items + excluded.items"
    )
    _LAST = "SELECT chain, seq, hash FROM events WHERE request_id = ? ORDER BY at_us DESC, seq DESC LIMIT 1"

    def reservations(self, cursor: Cursor, request_ids: Iterable[str]) -> list[Row]:
        """Read (request_id, state, amount_micros, scopes, epoch_id); the whole database is locked by the transaction."""
        return _json_rows(cursor, self._RESERVATIONS, orjson.dumps(list(request_ids)).decode())

    def budgets(self, cursor: Cursor, scopes: Iterable[tuple[str, str]]) -> list[Row]:
        """Read the budget rows of scopes that have one."""
        return _json_rows(cursor, self._BUDGETS, orjson.dumps(list(scopes)).decode())

    def set_budgets(self, cursor: Cursor, rows: Sequence[Row]) -> None:
        """Write (id, period_start_us, spent_micros, reserved_micros, buckets, alerted)."""
        cursor.execute(self._SET_BUDGETS, (orjson.dumps(rows).decode(),))

    def end_reservations(self, cursor: Cursor, request_ids: Sequence[str], now_us: int) -> None:
        """Mark reservations closed."""
        cursor.execute(self._END, (now_us, orjson.dumps(request_ids).decode()))

    def accept(self, cursor: Cursor, destination: str, signal: str, items: int, rejected: int) -> None:
        """Add to the accepted items of an outbox account, and to those that were rejected by policy at once."""
        cursor.execute(self._ACCEPT, (destination, signal, items, rejected))

    def reject(self, cursor: Cursor, destination: str, signal: str, reason: str, items: int) -> None:
        """Add to the items that were rejected for a reason."""
        cursor.execute(self._REJECT, (destination, signal, reason, items))

    def last_event(self, cursor: Cursor, request_id: str) -> Row | None:
        """Read (chain, seq, hash) of the last event of a request."""
        cursor.execute(self._LAST, (request_id,))
        row: Row | None = cursor.fetchone()
        return row


class PostgresStatements:
    """PostgreSQL: lists are arrays; rows are locked in the order of their keys, so that two writers never wait for each other in a ring."""

    _RESERVATIONS = (
        "SELECT request_id, state, amount_micros, scopes, epoch_id FROM reservations WHERE request_id = ANY(%s::varchar[]) "
        "ORDER BY request_id FOR UPDATE"
    )
    _BUDGETS = (
        "SELECT id, scope_kind, scope_id, limit_micros, period, period_start_us, spent_micros, reserved_micros, org_id, timezone, "
        "soft_micros, alert_at, alerted, increase_micros, increase_until_us, buckets FROM budgets "
        "WHERE (scope_kind, scope_id) IN (SELECT * FROM unnest(%s::varchar[], %s::varchar[])) ORDER BY id FOR UPDATE"
    )
    _SET_BUDGETS = (
        "UPDATE budgets SET period_start_us = v.start, spent_micros = v.spent, reserved_micros = v.reserved, buckets = v.buckets, "
        "alerted = v.alerted FROM unnest(%s::varchar[], %s::bigint[], %s::bigint[], %s::bigint[], %s::text[], %s::varchar[]) "
        "AS v(id, start, spent, reserved, buckets, alerted) WHERE budgets.id = v.id"
    )
    _END = "UPDATE reservations SET state = 'closed', closed_us = %s WHERE request_id = ANY(%s::varchar[])"
    _ACCEPT = (
        "INSERT INTO outbox_accounts (destination, signal, accepted, rejected_by_policy) VALUES (%s, %s, %s, %s) "
        "ON CONFLICT (destination, signal) DO UPDATE SET accepted = outbox_accounts.accepted + excluded.accepted, "
        "rejected_by_policy = outbox_accounts.rejected_by_policy + excluded.rejected_by_policy"
    )
    _REJECT = (
        "INSERT INTO outbox_rejections (destination, signal, reason, items) VALUES (%s, %s, %s, %s) "
        "ON CONFLICT (destination, signal, reason) DO UPDATE SET items = outbox_rejections.items + excluded.items"
    )
    _LAST = "SELECT chain, seq, hash FROM events WHERE request_id = %s ORDER BY at_us DESC, seq DESC LIMIT 1"

    def reservations(self, cursor: Cursor, request_ids: Iterable[str]) -> list[Row]:
        """Read and lock (request_id, state, amount_micros, scopes, epoch_id)."""
        cursor.execute(self._RESERVATIONS, (list(request_ids),))
        return list(cursor.fetchall())

    def budgets(self, cursor: Cursor, scopes: Iterable[tuple[str, str]]) -> list[Row]:
        """Read and lock the budget rows of scopes that have one."""
        pairs = list(scopes)
        cursor.execute(self._BUDGETS, ([kind for kind, _ in pairs], [scope_id for _, scope_id in pairs]))
        return list(cursor.fetchall())

    def set_budgets(self, cursor: Cursor, rows: Sequence[Row]) -> None:
        """Write (id, period_start_us, spent_micros, reserved_micros, buckets, alerted)."""
        cursor.execute(self._SET_BUDGETS, tuple(list(column) for column in zip(*rows, strict=True)))

    def end_reservations(self, cursor: Cursor, request_ids: Sequence[str], now_us: int) -> None:
        """Mark reservations closed."""
        cursor.execute(self._END, (now_us, list(request_ids)))

    def accept(self, cursor: Cursor, destination: str, signal: str, items: int, rejected: int) -> None:
        """Add to the accepted items of an outbox account, and to those that were rejected by policy at once."""
        cursor.execute(self._ACCEPT, (destination, signal, items, rejected))

    def reject(self, cursor: Cursor, destination: str, signal: str, reason: str, items: int) -> None:
        """Add to the items that were rejected for a reason."""
        cursor.execute(self._REJECT, (destination, signal, reason, items))

    def last_event(self, cursor: Cursor, request_id: str) -> Row | None:
        """Read (chain, seq, hash) of the last event of a request."""
        cursor.execute(self._LAST, (request_id,))
        row: Row | None = cursor.fetchone()
        return row


def _json_rows(cursor: Cursor, statement: str, parameter: str) -> list[Row]:
    cursor.execute(statement, (parameter,))
    (text,) = cursor.fetchone()
    return [tuple(row) for row in orjson.loads(text)]


def _dialect(postgres: bool) -> Any:
    if postgres:
        from sqlalchemy.dialects.postgresql.psycopg import dialect as psycopg_dialect

        dialect: Any = psycopg_dialect
        return dialect(paramstyle="format")
    return sqlite_dialect(paramstyle="qmark")
