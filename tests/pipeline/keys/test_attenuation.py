"""The law of attenuation as properties: whatever is asked for, no descendant permits what its parent refuses, and no money appears."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, create_engine, select, update

from pipeline.errors import BudgetExceeded, PipelineError
from pipeline.keys.attenuation import ChildRules, read_child
from pipeline.keys.caveats import Circumstances, every
from pipeline.keys.lineage import purse
from pipeline.keys.model import Caller, Descent, VirtualKey
from pipeline.ledger.budgets import Standing, reserve, set_budget, settle
from pipeline.ledger.carves import Carve, carve, close_budget
from pipeline.ledger.model import Scope
from pipeline.store.tables import budgets, metadata, reservations
from tests.pipeline.keys.clocks import START_US

MODELS = ("m", "n", "o")
NETWORKS = ("10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "2001:db8::/32")
some = st.one_of(st.none(), st.lists(st.sampled_from(MODELS), max_size=3, unique=True))
CAVEATS = st.fixed_dictionaries(
    {},
    optional={
        "routes": st.none() | st.lists(st.sampled_from(["chat", "embeddings", "children"]), min_size=1, max_size=3, unique=True),
        "tools": st.none() | st.lists(st.sampled_from(["search", "shell"]), max_size=2, unique=True),
        "cidrs": st.none() | st.lists(st.sampled_from(NETWORKS), min_size=1, max_size=2, unique=True),
        "environments": st.none() | st.lists(st.sampled_from(["test", "live"]), min_size=1, max_size=2, unique=True),
        "audiences": st.none() | st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=2, unique=True),
        "max_calls": st.none() | st.integers(1, 3),
    },
)
BODIES = st.fixed_dictionaries(
    {},
    optional={
        "models": some,
        "caveats": CAVEATS,
        "ttl": st.sampled_from([1, 60, 900, 3_600]),
        "rpm_limit": st.sampled_from([None, 0, 1, 5]),
        "tpm_limit": st.sampled_from([None, 0, 1, 5]),
        "max_parallel_requests": st.sampled_from([None, 0, 1, 5]),
    },
)
CALLS = st.builds(
    Circumstances,
    route=st.sampled_from(["chat", "embeddings", "children"]),
    address=st.sampled_from(["10.1.2.3", "10.1.9.9", "10.9.9.9", "192.0.2.1", "2001:db8::1", ""]),
    at_us=st.integers(START_US, START_US + 4_000 * 1_000_000),
    environment=st.sampled_from(["", "test", "live"]),
    audience=st.sampled_from([frozenset(), frozenset({"a"}), frozenset({"a", "b"})]),
    model=st.sampled_from([*MODELS, "unknown"]),
    tools=st.sampled_from([frozenset(), frozenset({"search"}), frozenset({"shell", "search"}), frozenset({""})]),
)


def root(body: dict[str, Any]) -> VirtualKey:
    """A key that an administrator might have made: the body of a child of a key without limits."""
    free = VirtualKey("K0", "default", "W", "default", "", "key", "active", "")
    new, _ = read_child(body, (free,), ChildRules(), START_US)
    return key_of("K0", new, Descent())


def key_of(key_id: str, new: Any, descent: Descent) -> VirtualKey:
    same = {name: getattr(new, name) for name in ("models", "expires_us", "rpm_limit", "tpm_limit", "max_parallel_requests", "caveats")}
    return replace(VirtualKey(key_id, "default", "W", "default", "", "key", "active", ""), metadata=new.metadata, descent=descent, **same)


@settings(max_examples=150, deadline=None)
@given(bodies=st.lists(BODIES, min_size=2, max_size=5), calls=st.lists(CALLS, min_size=5, max_size=20))
def test_no_sequence_of_creations_makes_a_descendant_that_permits_what_its_parent_refuses(
    bodies: list[dict[str, Any]], calls: list[Circumstances]
) -> None:
    lineage: tuple[VirtualKey, ...] = (root(bodies[0]),)
    refused: list[PipelineError] = []
    for number, body in enumerate(bodies[1:], 1):
        try:
            new, descent = read_child(body, lineage, ChildRules(max_depth=9), START_US)
        except PipelineError as error:
            refused.append(error)
            continue
        child, parent = key_of(f"K{number}", new, descent), lineage[0]
        for call in calls:
            if parent.limited_by.permits(call) is not None:
                assert child.limited_by.permits(call) is not None
                assert any(caveat.permits(call) for caveat in Caller(child, ancestors=lineage).caveats)
        assert not every(child.caveats, child.models, child.expires_us).wider_than(parent.limited_by)
        for name in ("rpm_limit", "tpm_limit", "max_parallel_requests"):
            above, below = getattr(parent, name), getattr(child, name)
            assert not above or 0 < below <= above
        lineage = (child, *lineage)
    assert all(error.param for error in refused), "the field is named"


ACTS = st.lists(
    st.tuples(st.sampled_from(["child", "call", "settle", "end"]), st.integers(0, 9), st.integers(1, 60), st.integers(0, 60)),
    min_size=3,
    max_size=40,
)


class Books:
    """A tree of keys with one budget at its root, worked on as the ledger does: reserve, settle, carve, give back."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.lineages: list[tuple[VirtualKey, ...]] = [(VirtualKey("K0", "default", "W", "default", "", "key", "active", ""),)]
        self.ended: set[str] = set()
        self.calls: list[tuple[tuple[Scope, ...], int]] = []
        self.billed = 0
        set_budget(connection, Scope("key", "K0"), 100, "", START_US)

    def of(self, scopes: tuple[Scope, ...]) -> list[Standing]:
        wanted = {(scope.kind, scope.id) for scope in scopes}
        names = ("id", "scope_kind", "scope_id", "limit_micros", "period", "period_start_us", "spent_micros", "reserved_micros")
        rows = self.connection.execute(select(*(budgets.c[name] for name in names)).order_by(budgets.c.id))
        return [Standing(*row) for row in rows if (row[1], row[2]) in wanted]

    def write(self, standings: list[Standing]) -> None:
        for each in standings:
            changed = update(budgets).where(budgets.c.id == each.id)
            self.connection.execute(changed.values(spent_micros=each.spent, reserved_micros=each.reserved))

    def child(self, of: int, amount: int) -> None:
        above = self.lineages[of % len(self.lineages)]
        if any(key.id in self.ended for key in above):
            return
        child_id = f"K{len(self.lineages)}"
        carved = False
        if amount > 10:  # a small one asks for no money of its own
            try:
                carved = carve(self.connection, Carve(child_id, amount, "default", "W"), purse(above), START_US)
            except BudgetExceeded:
                return
            set_budget(self.connection, Scope("child", child_id), amount, "", START_US)
        descent = Descent(above[0].id, len(above), budget_micros=amount if carved else 0, carved=carved)
        self.lineages.append((replace(above[0], id=child_id, descent=descent), *above))

    def call(self, of: int, amount: int) -> None:
        scopes = purse(self.lineages[of % len(self.lineages)])
        standings = self.of(scopes)
        if reserve(standings, amount) is None:
            self.write(standings)
            self.calls.append((scopes, amount))

    def settle(self, of: int, cost: int) -> None:
        if self.calls:
            scopes, amount = self.calls.pop(of % len(self.calls))
            self._spend(scopes, amount, min(cost, amount))
            self.billed += min(cost, amount)

    def end(self, of: int) -> None:
        """End a child and give back what it held, if nothing below it is open; twice, which must change nothing."""
        lineage = self.lineages[of % len(self.lineages)]
        self.ended.add(lineage[0].id)
        if not lineage[0].descent.carved:
            return
        for _ in range(2):
            spent = close_budget(self.connection, lineage[0].id)
            open_one = (reservations.c.request_id == lineage[0].id) & (reservations.c.state == "open")
            held = self.connection.execute(update(reservations).where(open_one).values(state="closed")) if spent is not None else None
            if spent is not None and held is not None and held.rowcount:
                self._spend(purse(lineage[1:]), lineage[0].descent.budget_micros, spent)

    def _spend(self, scopes: tuple[Scope, ...], reserved: int, spent: int) -> None:
        standings = self.of(scopes)
        for each in standings:
            settle(each, reserved, spent)
        self.write(standings)

    def check(self) -> None:
        rows = {(row.scope_kind, row.scope_id): row for row in self.connection.execute(select(budgets))}
        for row in rows.values():
            assert row.spent_micros + row.reserved_micros <= row.limit_micros
        top = rows["key", "K0"]
        held = {row.request_id for row in self.connection.execute(select(reservations).where(reservations.c.state == "open"))}
        spent_below = sum(rows["child", each].spent_micros for each in held)
        assert top.spent_micros + spent_below == self.billed, (
            "every call is spent once: at the top, or in a child that still holds its money"
        )


@settings(max_examples=60, deadline=None)
@given(acts=ACTS)
def test_what_children_hold_and_what_is_spent_never_exceeds_the_parents_limit(acts: list[tuple[str, int, int, int]]) -> None:
    """At every instant, whoever makes children, calls, settles and ends them in whatever order."""
    engine: Engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.connect() as connection:
        books = Books(connection)
        for act, of, amount, cost in acts:
            match act:
                case "child":
                    books.child(of, amount)
                case "call":
                    books.call(of, amount)
                case "settle":
                    books.settle(of, cost)
                case _:
                    books.end(of)
            books.check()
    engine.dispose()
