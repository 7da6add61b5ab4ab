"""Small calls with good defaults, and a clock that stands still unless it is moved."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Table, create_engine, func, select, text

from collectors.model import OutboxRow
from pipeline.ids import ulid
from pipeline.ledger.budgets import set_budget
from pipeline.ledger.ledger import DurableLedger
from pipeline.ledger.model import Charge, Event, Intent, RedactionCount, Scope, Settlement
from pipeline.store.engine import open_reader, parse_url
from redactors.model import seal

NOW = 1_795_000_000_000_000  # 2026-11-18
KEY = Scope("key", "K1")
WORKSPACE = Scope("workspace", "W1")


class Clock:
    """Wall time that is set by hand."""

    def __init__(self, now_us: int = NOW) -> None:
        self.at = now_us

    def now_us(self) -> int:
        return self.at

    def monotonic(self) -> float:
        return time.monotonic()


def event(kind: str = "gateway:call:start", request_id: str = "", detail: Any = None, **fields: Any) -> Event:
    values: dict[str, Any] = {"org_id": "default", "workspace_id": "W1", "key_id": "K1", "model": "gpt-5-mini", **fields}
    clean: Any = seal({"n": 1} if detail is None else detail)
    return Event(ulid(NOW), NOW, kind, "K1", "ok", clean, request_id, **values)


def intent(request_id: str = "", amount: int = 100, scopes: tuple[Scope, ...] = (KEY,)) -> Intent:
    return Intent(event(request_id=request_id or ulid(NOW)), amount, scopes)


def charge(request_id: str, cost: int = 60, **fields: Any) -> Charge:
    values: dict[str, Any] = {"id": ulid(NOW), "state": "observed", "tokens_input": 10, "tokens_output": 5, **fields}
    return Charge(
        request_id=request_id, at_us=NOW, org_id="default", workspace_id="W1", key_id="K1", model="gpt-5-mini", target_id="openai",
        provider="openai", provider_model="gpt-5-mini", cost_micros=cost, price_digest="0" * 64, **values,
    )  # fmt: skip


def settlement(request_id: str, cost: int = 60, **fields: Any) -> Settlement:
    values: dict[str, Any] = {
        "charges": (charge(request_id, cost),),
        "outbox": (OutboxRow("sre", "traces", b"payload", 3),),
        "redactions": (RedactionCount("prompt", "pii", "email", "email", "mask", 2),),
        **fields,
    }
    return Settlement(request_id, (event("gateway:call:finish", request_id),), **values)


def made(url: str, *, clock: Any = None, journal_dir: Path | None = None, epoch_id: str = "", **fields: Any) -> DurableLedger:
    values: dict[str, Any] = {"require": "all", "host": "test", "pid": os.getpid(), "version": "0", **fields}
    return DurableLedger(url, clock=clock or Clock(), journal_dir=journal_dir, epoch_id=epoch_id or ulid(time.time_ns() // 1_000), **values)


@asynccontextmanager
async def running(url: str, **fields: Any) -> AsyncIterator[DurableLedger]:
    ledger = made(url, **fields)
    await ledger.start()
    try:
        yield ledger
    finally:
        await ledger.stop()


async def budget(ledger: DurableLedger, scope: Scope = KEY, limit: int = 1_000, period: str = "", now_us: int = NOW) -> None:
    await ledger.change(event("admin:budget:set"), lambda connection: set_budget(connection, scope, limit, period, now_us))


def rows(url: str, table: Table) -> list[dict[str, Any]]:
    """Everything in a table, as another process sees it."""
    engine = open_reader(url)
    try:
        with engine.connect() as connection:
            return [dict(row) for row in connection.execute(select(table).order_by(*table.primary_key.columns)).mappings()]
    finally:
        engine.dispose()


def total(url: str, table: Table, column: str) -> int:
    engine = open_reader(url)
    try:
        with engine.connect() as connection:
            return int(connection.execute(select(func.coalesce(func.sum(table.c[column]), 0))).scalar_one())
    finally:
        engine.dispose()


def tamper(url: str, *statements: str) -> None:
    """Change the store behind the ledger's back."""
    engine = create_engine(parse_url(url))
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()
