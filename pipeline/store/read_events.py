"""The audit trail: pages of events, counts, a stream for exports, one event with what belongs to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from sqlalchemy import Connection, Select, and_, func, or_, select

from pipeline.errors import BadRequest
from pipeline.store.read_model import CallCounts, EventPage, Filter, Row
from pipeline.store.read_scope import Scope, of_events
from pipeline.store.tables import events, virtual_keys

BATCH: Final = 1_000
MAX_PAGE: Final = 1_000

_E = events.c
_FINISH, _BLOCK, _REFUSE, _REJECT = "gateway:call:finish", "policy:prompt:block", "gateway:call:refuse", "auth:key:reject"
_REDACT = "gateway:redaction:finish"


def count_events(connection: Connection, scope: Scope, asked: Filter) -> int:
    """How many events match: exactly what a page series and an export of the same filter hold."""
    return int(connection.execute(select(func.count()).select_from(events).where(of_events(scope, asked))).scalar_one())


def events_page(connection: Connection, scope: Scope, asked: Filter, *, limit: int, cursor: str, newer: bool) -> EventPage:
    """One page, newest first. `cursor` is `EventPage.older`, or `EventPage.newer` together with `newer=True`."""
    limit = max(1, min(limit, MAX_PAGE))
    query = _ordered(scope, asked, cursor, newer).limit(limit + 1)
    found = [dict(row._mapping) for row in connection.execute(query)]
    more, found = len(found) > limit, found[:limit]
    if newer:
        found.reverse()
    rows = tuple(_named(connection, scope, found))
    if not rows:
        return EventPage((), "", "")
    has_older = more or newer
    has_newer = bool(cursor) and (more or not newer)
    return EventPage(rows, _cursor(rows[-1]) if has_older else "", _cursor(rows[0]) if has_newer else "")


def iterate_events(read: Callable[[str], EventPage]) -> Iterator[Row]:
    """Every matching event, newest first, in short reads of BATCH rows: an export never holds a transaction open."""
    cursor = ""
    while True:
        page = read(cursor)
        yield from page.rows
        if not page.older:
            return
        cursor = page.older


def event_by_id(connection: Connection, scope: Scope, event_id: str) -> Row | None:
    """One event with every column, or None when it does not exist or is not the viewer's."""
    query = select(events).where(of_events(scope, Filter()), _E.id == event_id)
    found = [dict(row._mapping) for row in connection.execute(query)]
    return next(iter(_named(connection, scope, found)), None)


def events_of_request(connection: Connection, scope: Scope, request_id: str) -> list[Row]:
    """What happened to one request, in the order in which it happened."""
    query = select(events).where(of_events(scope, Filter(request_id=request_id))).order_by(_E.at_us, _E.id).limit(MAX_PAGE)
    return _named(connection, scope, [dict(row._mapping) for row in connection.execute(query)])


def call_counts(connection: Connection, scope: Scope, asked: Filter) -> CallCounts:
    """How calls ended, from the events that say so."""
    kinds = (_FINISH, _BLOCK, _REFUSE, _REJECT, _REDACT)
    query = select(_E.kind, _E.outcome, func.count()).where(of_events(scope, asked), _E.kind.in_(kinds)).group_by(_E.kind, _E.outcome)
    counts = {(kind, outcome): int(count) for kind, outcome, count in connection.execute(query)}

    def total(kind: str, *outcomes: str) -> int:
        return sum(count for (found, outcome), count in counts.items() if found == kind and (not outcomes or outcome in outcomes))

    finished, ok, aborted = total(_FINISH), total(_FINISH, "ok"), total(_FINISH, "aborted")
    return CallCounts(finished, ok, finished - ok - aborted, aborted, total(_BLOCK), total(_REFUSE), total(_REJECT), total(_REDACT))


def vocabulary(connection: Connection, scope: Scope, asked: Filter) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The kinds and outcomes that occur."""
    found = connection.execute(select(_E.kind, _E.outcome).where(of_events(scope, asked)).distinct()).all()
    return tuple(sorted({row.kind for row in found})), tuple(sorted({row.outcome for row in found if row.outcome}))


def _ordered(scope: Scope, asked: Filter, cursor: str, newer: bool) -> Select[tuple[object, ...]]:
    query = select(events).where(of_events(scope, asked))
    if cursor:
        at, event_id = _parse_cursor(cursor)
        if newer:
            query = query.where(_E.at_us >= at, or_(_E.at_us > at, and_(_E.at_us == at, _E.id > event_id)))
        else:
            query = query.where(_E.at_us <= at, or_(_E.at_us < at, and_(_E.at_us == at, _E.id < event_id)))
    return query.order_by(_E.at_us.asc(), _E.id.asc()) if newer else query.order_by(_E.at_us.desc(), _E.id.desc())


def _cursor(row: Row) -> str:
    return f"{row['at_us']}.{row['id']}"


def _parse_cursor(cursor: str) -> tuple[int, str]:
    at, dot, event_id = cursor.partition(".")
    if not dot or not at.isdigit() or len(at) > 18 or len(event_id) > 64:
        raise BadRequest("The cursor is not one of ours.", hint="Start again without a cursor.", param="cursor")
    return int(at), event_id


def _named(connection: Connection, scope: Scope, rows: list[Row]) -> list[Row]:
    """Add what people know beside the ids: the workspace's slug, the alias of the key concerned, the alias of an actor that is a key."""
    ids = {row[name] for row in rows for name in ("key_id", "actor") if row[name]}
    query = select(virtual_keys.c.id, virtual_keys.c.alias).where(virtual_keys.c.org_id == scope.org_id, virtual_keys.c.id.in_(ids))
    aliases = {row.id: row.alias for row in connection.execute(query)} if ids else {}
    return [
        {
            **row,
            "workspace": scope.slug(row["workspace_id"]),
            "key_alias": aliases.get(row["key_id"], ""),
            "actor_alias": aliases.get(row["actor"], ""),
        }
        for row in rows
    ]
