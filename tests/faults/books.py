"""The checker: what the callers saw and what the provider saw, against what stands in the store (reference/reliability A3, I1 and I3)."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Table, func, select

from pipeline.store import tables
from pipeline.store.engine import open_reader
from tests.servers.provider_calls import Call, Price
from tests.walks.rig import Gateway

ENDINGS = ("gateway:call:finish", "gateway:call:unknown", "gateway:call:abandon")


def url_of(gateway: Gateway) -> str:
    """The store of a gateway."""
    return gateway.environment.get("LOCKGATE_DATABASE_URL") or f"sqlite:///{gateway.home / 'lockgate.db'}"


class Books:
    """Reads a store beside (or after) the gateway that writes it."""

    def __init__(self, url: str) -> None:
        self._engine = open_reader(url)

    def __enter__(self) -> Books:
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.dispose()

    def rows(self, table: Table, **equal: Any) -> list[dict[str, Any]]:
        """The rows of a table."""
        query = select(table).where(*(table.c[name] == value for name, value in equal.items()))
        with self._engine.connect() as connection:
            return [dict(row._mapping) for row in connection.execute(query)]

    def open_calls(self) -> int:
        """How many reservations are open."""
        query = select(func.count()).select_from(tables.reservations).where(tables.reservations.c.state == "open")
        with self._engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def settled(self, timeout_s: float = 15.0) -> None:
        """Wait until no reservation is open."""
        deadline = time.monotonic() + timeout_s
        while left := self.open_calls():
            assert time.monotonic() < deadline, f"{left} reservations are still open"
            time.sleep(0.05)

    def events(self) -> list[dict[str, Any]]:
        """Every event that stands: without those of a transaction that did not commit, which recovery gave back from the journal."""
        rows = [{**row, "detail": json.loads(row["detail"])} for row in self.rows(tables.events)]
        undone = [span for row in rows if row["kind"] == "ledger:event:recover" for span in row["detail"]["spans"] if not span["stands"]]
        return [row for row in rows if not any(s["chain"] == row["chain"] and s["from"] <= row["seq"] <= s["to"] for s in undone)]

    def endings(self) -> dict[str, dict[str, Any]]:
        """The one event by which each call ended; a second one is a failure."""
        found: dict[str, dict[str, Any]] = {}
        for row in self.events():
            if row["kind"] in ENDINGS:
                assert row["request_id"] not in found, f"{row['request_id']} ended twice"
                found[row["request_id"]] = row
        return found

    def charges(self) -> dict[str, dict[str, Any]]:
        """The last charge of each call, whose attempts are charged once each; `cost_micros` is what all of them come to."""
        found: dict[str, dict[str, Any]] = {}
        for row in sorted(self.rows(tables.charges), key=lambda row: int(row["attempt"])):
            before = found.get(row["request_id"])
            assert before is None or before["attempt"] < row["attempt"], "an attempt was charged twice"
            found[row["request_id"]] = {**row, "cost_micros": row["cost_micros"] + (before["cost_micros"] if before else 0)}
        return found

    def charges_of(self, request_id: str) -> list[dict[str, Any]]:
        """The charges of one call, by attempt."""
        return sorted(self.rows(tables.charges, request_id=request_id), key=lambda row: int(row["attempt"]))

    def budgets(self) -> list[dict[str, Any]]:
        """Every budget row."""
        return self.rows(tables.budgets)


def assert_nothing_lost(books: Books, acknowledged: Iterable[str], calls: list[Call], price: Price) -> Counter[str]:
    """I1 and I3 over a store in which every call has ended. Gives how often each ending was there, to see that the walk had them."""
    starts = [row for row in books.events() if row["kind"] == "gateway:call:start"]
    endings, charges = books.endings(), books.charges()
    ids = {row["request_id"] for row in starts}
    assert len(ids) == len(starts), "a call was started twice"
    assert endings.keys() == ids, "every call that was started has ended, and none that was not"
    for request_id in acknowledged:
        assert request_id in endings, f"{request_id} was acknowledged and is not in the audit"
        ending = endings[request_id]
        assert (ending["kind"], ending["outcome"], ending["status"]) == ("gateway:call:finish", "ok", 200), ending
        assert request_id in charges, f"{request_id} was acknowledged and is not charged"
    _charges_are_told(endings, charges)
    _provider_is_known(starts, charges, calls, price)
    for budget in books.budgets():
        spent = sum(row["cost_micros"] for row in charges.values() if _scope_id(row, budget["scope_kind"]) == budget["scope_id"])
        assert (budget["reserved_micros"], budget["spent_micros"]) == (0, spent), budget
        assert spent <= budget["limit_micros"], budget
    return Counter(f"{row['kind'].rsplit(':', 1)[1]}:{row['outcome']}" for row in endings.values())


def _scope_id(charge: Mapping[str, Any], kind: str) -> str:
    """The scope of a kind that a charge belongs to."""
    if kind == "model":
        return f"{charge['key_id']}/{charge['model']}"
    return str(charge[{"org": "org_id", "workspace": "workspace_id", "key": "key_id"}[kind]])


def _charges_are_told(endings: Mapping[str, Any], charges: Mapping[str, Any]) -> None:
    for request_id, charge in charges.items():
        assert request_id in endings, f"{request_id} is charged and not in the audit"
        assert endings[request_id]["detail"]["cost_micros"] == charge["cost_micros"], request_id
    for request_id, ending in endings.items():
        charged = ending["kind"] == "gateway:call:unknown" or ending["detail"].get("charge_state", "none") != "none"
        assert charged == (request_id in charges), (request_id, ending["kind"], ending["outcome"], ending["status"])


def _provider_is_known(starts: list[dict[str, Any]], charges: Mapping[str, Any], calls: list[Call], price: Price) -> None:
    """What the provider saw was written down before (by model: each has a target of its own), and what it billed is what was charged."""
    asked = Counter(row["model"] for row in starts)
    for model, count in Counter(call.model.partition("--")[0] for call in calls).items():
        assert count <= asked[model], f"the provider saw {count} calls of {model}, the audit has {asked[model]}"
    billed = {f"req_{call.ident}": price.micros(call.tally) for call in calls if call.billed and call.finished}
    for request_id, charge in charges.items():
        bill = billed.pop(charge["upstream_id"], None)
        if charge["state"] == "observed":
            assert charge["cost_micros"] == bill, request_id
    # What is left was answered and never settled, because the process died: those calls were charged what they could cost at most.
    unknown = sum(row["cost_micros"] for row in charges.values() if row["state"] == "unknown")
    assert sum(billed.values()) <= unknown, "the provider billed what nobody was charged for"
