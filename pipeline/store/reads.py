"""The read model: every query of the dashboard, the command line and the admin lists, through connections that cannot write.

Open it once with `open_reads(url)`, then ask `reads.seen_by(tenant)`: each method restricts itself to that tenant. Each figure
that is shown anywhere comes from exactly one method here. All methods are blocking, safe to call from several threads, and
raise ReadError when the store cannot be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine

from pipeline.store import read_charges, read_events, read_keys, read_operations, read_redactions, read_references, read_spend
from pipeline.store.contents import Contents, SealedContent, content, contents_page, contents_total
from pipeline.store.dead_letters import Letters, letter, letters_page, letters_total
from pipeline.store.read_engine import open_read_engine, reading
from pipeline.store.read_model import (
    REDACTION_GROUPS,
    SPEND_GROUPS,
    CallCounts,
    Choices,
    EventPage,
    Filter,
    Latency,
    Overview,
    ReadError,
    RedactionGroup,
    Row,
    SpendGroup,
    Tenant,
    filter_params,
    parse_filter,
    zone_of,
)
from pipeline.store.read_scope import Scope, resolve

P = ParamSpec("P")
T = TypeVar("T")

EVERYTHING = Filter()


def open_reads(url: str, tenant: Tenant | None = None) -> Reads:
    """Open the read model over a SQLAlchemy URL (SQLite file or PostgreSQL). Connects at the first question, not here."""
    return Reads(open_read_engine(url), tenant or Tenant())


class Reads:
    """The questions one tenant may ask. Cheap to make from another one with `seen_by`; the engine is shared."""

    def __init__(self, engine: Engine, tenant: Tenant) -> None:
        self._engine = engine
        self.tenant = tenant

    def seen_by(self, tenant: Tenant) -> Reads:
        """The same store for another viewer."""
        return Reads(self._engine, tenant)

    def close(self) -> None:
        """Close the pooled connections."""
        self._engine.dispose()

    # ---- spend

    def spend_total(self, asked: Filter = EVERYTHING) -> Row:
        """Sums over the matching charges: `charges`, `cost_micros`, `tokens_*`, `not_observed`."""
        return self._ask(read_spend.spend_total, asked, asked)

    def spend(self, asked: Filter = EVERYTHING, group_by: SpendGroup = "key", zone: str = "") -> list[Row]:
        """The same sums per group, dearest first; `zone` (IANA name, UTC when empty) says whose days are meant."""
        return self._ask(read_spend.spend_by, asked, asked, group_by, zone_of(zone))

    def spend_cells(self, asked: Filter = EVERYTHING) -> list[Row]:
        """The same sums by day (UTC), workspace, key and model together."""
        return self._ask(read_spend.spend_cells, asked, asked)

    def spend_timeline(self, asked: Filter = EVERYTHING) -> list[tuple[int, int, int]]:
        """`(start_us, cost_micros, charges)` per quarter of an hour, in time order, empty quarters left out."""
        return self._ask(read_spend.spend_timeline, asked, asked)

    def charges_of(self, request_id: str) -> list[Row]:
        """The charges of one request, by attempt."""
        return self._ask(read_spend.charges_of, EVERYTHING, request_id)

    def charges_page(self, asked: Filter = EVERYTHING, *, limit: int = 100, after: tuple[int, str] = read_charges.START) -> list[Row]:
        """Matching charges one by one, oldest first, after (at_us, id) of the last one of the page before."""
        return self._ask(read_charges.charges_page, asked, asked, limit=limit, after=after)

    def newest_charges(self, asked: Filter = EVERYTHING, *, limit: int = 100) -> list[Row]:
        """The newest matching charges, newest first."""
        return self._ask(read_charges.newest_charges, asked, asked, limit=limit)

    def iterate_charges(self, asked: Filter = EVERYTHING) -> Iterator[Row]:
        """Every matching charge, oldest first, in constant memory."""
        after = read_charges.START
        while page := self.charges_page(asked, limit=read_charges.BATCH, after=after):
            yield from page
            after = (page[-1]["at_us"], page[-1]["id"])

    def latency(self, asked: Filter = EVERYTHING) -> Latency:
        """Median and 95th percentile of the duration of the newest calls."""
        return self._ask(read_spend.latency, asked, asked)

    # ---- audit

    def count_events(self, asked: Filter = EVERYTHING) -> int:
        """How many events match."""
        return self._ask(read_events.count_events, asked, asked)

    def events_page(self, asked: Filter = EVERYTHING, *, limit: int = 50, cursor: str = "", newer: bool = False) -> EventPage:
        """One page of events, newest first, from a cursor of the page before."""
        return self._ask(read_events.events_page, asked, asked, limit=limit, cursor=cursor, newer=newer)

    def iterate_events(self, asked: Filter = EVERYTHING) -> Iterator[Row]:
        """Every matching event, newest first, in constant memory; close `asked.to_us` to keep late arrivals out."""
        read: Callable[[str], EventPage] = partial(self._events_batch, asked)
        return read_events.iterate_events(read)

    def event(self, event_id: str) -> Row | None:
        """One event, or None when it does not exist or is not this viewer's."""
        return self._ask(read_events.event_by_id, EVERYTHING, event_id)

    def events_of_request(self, request_id: str) -> list[Row]:
        """What happened to one request, in order."""
        return self._ask(read_events.events_of_request, EVERYTHING, request_id)

    def calls(self, asked: Filter = EVERYTHING) -> CallCounts:
        """How calls ended."""
        return self._ask(read_events.call_counts, asked, asked)

    # ---- redactions

    def redactions_total(self, asked: Filter = EVERYTHING) -> int:
        """How many values were acted upon."""
        return self._ask(read_redactions.redactions_total, asked, asked)

    def redacted_requests(self, asked: Filter = EVERYTHING) -> int:
        """How many requests had at least one redaction."""
        return self._ask(read_redactions.redacted_requests, asked, asked)

    def redactions(self, asked: Filter = EVERYTHING, group_by: RedactionGroup = "rule", zone: str = "") -> list[Row]:
        """Counts per rule, detector, direction, action or day (of `zone`)."""
        return self._ask(read_redactions.redactions_by, asked, asked, group_by, zone_of(zone))

    def redactions_of(self, request_id: str) -> list[Row]:
        """What was redacted in one request."""
        return self._ask(read_redactions.redactions_of, EVERYTHING, request_id)

    # ---- overview and inventory

    def overview(self, asked: Filter = EVERYTHING) -> Overview:
        """The figures of a period, each from the method of its own."""
        spent = self.spend_total(asked)
        return Overview(spent["cost_micros"], spent["charges"], self.calls(asked), self.redactions_total(asked), self.latency(asked))

    def keys(self, now_us: int, asked: Filter = EVERYTHING) -> list[Row]:
        """Virtual keys with state, budget of the current period, last use and expiry."""
        return self._ask(read_keys.keys, asked, asked, now_us)

    def budgets(self, now_us: int) -> list[Row]:
        """Budgets of the organization and its workspaces in their current period."""
        return self._ask(read_keys.budget_rows, EVERYTHING, now_us)

    def references(self, now_us: int) -> list[Row]:
        """Secret references with health, age, version, fingerprint, targets and remarks."""
        return self._ask(read_references.references, EVERYTHING, now_us)

    def workspaces(self) -> tuple[str, ...]:
        """The slugs of the workspaces that the viewer may choose from."""
        return self._ask(read_keys.workspace_slugs, EVERYTHING)

    def choices(self, asked: Filter = EVERYTHING) -> Choices:
        """What filters can be set to in the period of `asked`; its other fields are ignored, so that a choice can be changed."""
        period = EVERYTHING.between(asked.from_us, asked.to_us)

        def ask(connection: Connection, scope: Scope) -> Choices:
            kinds, outcomes = read_events.vocabulary(connection, scope, period)
            models = read_spend.models(connection, scope, period)
            return Choices(read_keys.workspace_slugs(connection, scope), read_keys.key_labels(connection, scope), models, kinds, outcomes)

        return self._ask(ask, period)

    # ---- operations

    def accounts(self) -> list[Row]:
        """The loss equation per destination and signal; nothing for a viewer of one workspace."""
        return [] if self.tenant.restricted else self._ask_installation(read_operations.accounts)

    def dead_letters(self) -> list[Row]:
        """Dead letters by destination, signal and reason; nothing for a viewer of one workspace."""
        return [] if self.tenant.restricted else self._ask_installation(read_operations.dead_letter_reasons)

    def rejections(self) -> list[Row]:
        """What was rejected by policy, by destination, signal and reason; nothing for a viewer of one workspace."""
        return [] if self.tenant.restricted else self._ask_installation(read_operations.rejections)

    def letters(self, asked: Letters, *, limit: int = 50, after: int = 0) -> list[Row]:
        """Dead letters one by one, oldest first, without what is in them; nothing for a viewer of one workspace."""
        return [] if self.tenant.restricted else self._ask_installation(letters_page, asked, limit=limit, after=after)

    def letters_total(self, asked: Letters) -> Row:
        """How many dead letters match: `rows`, `items`, `bytes`."""
        return self._ask_installation(letters_total, asked if not self.tenant.restricted else Letters(ids=(-1,)))

    def letter(self, ident: int) -> Row | None:
        """One dead letter with its payload; None when there is none, or for a viewer of one workspace."""
        return None if self.tenant.restricted else self._ask_installation(letter, ident)

    # ---- stored content

    def contents(self, asked: Contents, now_us: int, *, limit: int = 50, before: str = "") -> list[Row]:
        """Stored content, newest first, without what was said."""
        return self._ask(contents_page, EVERYTHING, asked, limit=limit, before=before, now_us=now_us)

    def contents_total(self, asked: Contents, now_us: int) -> Row:
        """How many match: `rows`, `bytes`."""
        return self._ask(contents_total, EVERYTHING, asked, now_us=now_us)

    def content(self, ident: str, now_us: int) -> SealedContent | None:
        """One stored content, still sealed; None when there is none, or it expired, or is another tenant's."""
        return self._ask(content, EVERYTHING, ident, now_us)

    def chain_heads(self, limit: int = 10) -> list[Row]:
        """The newest audit chains; nothing for a viewer of one workspace."""
        return [] if self.tenant.restricted else self._ask_installation(read_operations.chain_heads, limit)

    def _ask(self, query: Callable[Concatenate[Connection, Scope, P], T], asked: Filter, *args: P.args, **kwargs: P.kwargs) -> T:
        with reading(self._engine) as connection:
            return query(connection, resolve(connection, self.tenant, asked), *args, **kwargs)

    def _ask_installation(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        with reading(self._engine) as connection:
            return query(connection, *args, **kwargs)

    def _events_batch(self, asked: Filter, cursor: str) -> EventPage:
        return self.events_page(asked, limit=read_events.BATCH, cursor=cursor)


__all__ = [
    "REDACTION_GROUPS",
    "SPEND_GROUPS",
    "CallCounts",
    "Choices",
    "EventPage",
    "Filter",
    "Latency",
    "Overview",
    "ReadError",
    "Reads",
    "RedactionGroup",
    "Row",
    "SpendGroup",
    "Tenant",
    "filter_params",
    "open_reads",
    "parse_filter",
    "zone_of",
]
