"""kill -9 at random points under traffic: what was acknowledged is written down and charged, and no budget is overshot.

`LOCKGATE_TEST_KILLS` says how often (4 in `make test`, 20 in `make faults`); a failure prints the seed, `LOCKGATE_TEST_SEED` repeats it.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.books import Books, assert_nothing_lost, url_of
from tests.faults.traffic import BROKEN, PRICES, Traffic, document
from tests.servers.postgres import running_postgres
from tests.servers.provider import Provider, running_provider
from tests.servers.provider_calls import Price
from tests.walks.asking import SURFACES, Line
from tests.walks.rig import MASK_ALL, Gateway, anthropic_target, openai_target, running_gateway

KILLS = int(os.environ.get("LOCKGATE_TEST_KILLS", "4"))
SEED = int(os.environ.get("LOCKGATE_TEST_SEED", "20261121"))
PRICE = Price(input=1_000_000, output=2_000_000)


class BudgetWatch:
    """Looks at every budget all the time, also while the gateway is dead, and remembers any moment at which one was overshot."""

    def __init__(self, books: Books) -> None:
        self.overshot: list[dict[str, Any]] = []
        self.looks = 0
        self.most = 0
        self._books = books
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> BudgetWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def _watch(self) -> None:
        while not self._stop.wait(0.02):
            for row in self._books.budgets():
                held = row["spent_micros"] + row["reserved_micros"]
                self.most = max(self.most, held)
                if held > row["limit_micros"]:
                    self.overshot.append(row)
            self.looks += 1


def kill_again_and_again(gateway: Gateway, provider: Provider, kills: int, seed: int) -> Counter[str]:
    """Traffic, kill, start, check; as often as asked. Gives what the callers met and how calls ended, all together."""
    rng = random.Random(seed)
    rich = gateway.create_key(alias="rich")["key"]
    poor = gateway.create_key(alias="poor", budget={"limit_usd": "0.02"})["key"]
    met: Counter[str] = Counter()
    acknowledged: set[str] = set()
    with Books(url_of(gateway)) as books, BudgetWatch(books) as watch:
        for number in range(kills):
            traffic = Traffic(gateway, [rich, rich, poor], seed + number)
            traffic.start()
            traffic.wait(rng.randrange(6, 80), rng.uniform(1.0, 4.0), streamed=number == 0)
            time.sleep(rng.uniform(0.0, 0.1))
            assert gateway.stop(signal.SIGKILL) == -signal.SIGKILL
            traffic.stop()
            acknowledged |= traffic.acknowledged
            met += traffic.seen
            gateway.start_again()
            books.settled()
            endings = assert_nothing_lost(books, acknowledged, list(provider.calls), PRICE)
        assert watch.overshot == []
        assert watch.looks > kills
    assert len(acknowledged) >= kills
    return met + endings


@pytest.mark.timeout(60 + 20 * KILLS)
def test_killed_under_traffic_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    print(f"LOCKGATE_TEST_SEED={SEED}")
    with running_provider() as provider, running_gateway(tmp_path, document(provider), LOCKGATE_LOG_LEVEL="INFO") as gateway:
        met = kill_again_and_again(gateway, provider, KILLS, SEED)
        print(dict(met))
        assert met["200"], "the walk had whole answers"
        assert met["streamed"], "the walk had streamed answers"
        assert met["unknown:unknown"], "calls were under way when it was killed"
        if sum(met.values()) > 200:  # a busy machine gets through few calls
            assert met["left"], "the walk had callers who left"
            assert met["502"], "the walk had failures of the provider"
        assert gateway.cli("audit", "verify").returncode == 0
        assert gateway.stop() == 0
        assert gateway.cli("audit", "verify").returncode == 0
        an_edited_row_is_named(gateway, tmp_path / "copy")


def an_edited_row_is_named(gateway: Gateway, copy: Path) -> None:
    shutil.copytree(gateway.home, copy)
    with sqlite3.connect(copy / "lockgate.db") as database:
        rows = database.execute("SELECT id, chain, seq FROM events WHERE kind = 'gateway:call:finish' ORDER BY at_us").fetchall()
        ident, chain, seq = rows[len(rows) // 2]
        database.execute("UPDATE events SET model = 'another' WHERE id = ?", (ident,))
    gateway.environment["LOCKGATE_HOME"], home = str(copy), gateway.environment["LOCKGATE_HOME"]
    try:
        done = gateway.cli("audit", "verify", check=False)
    finally:
        gateway.environment["LOCKGATE_HOME"] = home
    assert done.returncode == 5, done
    told = (done.stdout + done.stderr).decode()
    assert ident in told, told
    assert f"chain {chain}, event {seq}" in told, told


@pytest.mark.postgres
@pytest.mark.timeout(90 + 20 * KILLS)
def test_killed_under_traffic_on_postgresql_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    print(f"LOCKGATE_TEST_SEED={SEED}")
    with running_postgres() as server, running_provider() as provider:
        url = server.fresh_database()
        with running_gateway(tmp_path, document(provider), LOCKGATE_DATABASE_URL=url, LOCKGATE_LOG_LEVEL="INFO") as gateway:
            met = kill_again_and_again(gateway, provider, max(2, KILLS // 3), SEED)
            assert met["200"]
            assert met["streamed"]
            assert gateway.cli("audit", "verify").returncode == 0


LIMIT_MICROS = 60_000
CALLERS = 50


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def store_url(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "sqlite":
        yield ""
        return
    with running_postgres() as server:
        yield server.fresh_database()


def test_fifty_callers_at_once_never_overshoot_a_budget(tmp_path: Path, store_url: str) -> None:
    """Each call costs about 1,500 micro-dollars and may cost 4,000 at most: about fifteen fit in at a time, about forty in all."""
    with running_provider() as provider:
        targets = [openai_target("openai", "echo", provider.url), anthropic_target("anthropic", "slow:0.02+say:400", provider.url)]
        plain = {
            "targets": targets,
            "models": {name: {"targets": [name]} for name in SURFACES},
            "prices": PRICES,
            "policies": {"default": MASK_ALL},
        }
        environment = {"LOCKGATE_LOG_LEVEL": "INFO"} | ({"LOCKGATE_DATABASE_URL": store_url} if store_url else {})
        with running_gateway(tmp_path, plain, **environment) as gateway:
            key = gateway.create_key(budget={"limit_usd": LIMIT_MICROS / 1_000_000})["key"]
            statuses, lock = Counter[int](), threading.Lock()
            begin = threading.Barrier(CALLERS)

            def call(number: int) -> None:
                surface = SURFACES[number % 2]
                line = Line(gateway.url)
                begin.wait()
                for _ in range(4):
                    try:
                        status = line.ask(surface, surface, key, "word " * 400, max_tokens=500).status
                    except BROKEN:
                        status = 0
                    with lock:
                        statuses[status] += 1
                line.close()

            with Books(url_of(gateway)) as books:
                with BudgetWatch(books) as watch:
                    callers = [threading.Thread(target=call, args=(number,), daemon=True) for number in range(CALLERS)]
                    for caller in callers:
                        caller.start()
                    for caller in callers:
                        caller.join(60)
                books.settled()
                (budget,) = books.budgets()
                assert set(statuses) == {200, 402, 429}, statuses
                assert sum(statuses.values()) == 4 * CALLERS
                assert watch.overshot == []
                assert watch.most > LIMIT_MICROS * 0.8, "the budget was really fought for"
                assert budget["reserved_micros"] == 0
                assert budget["spent_micros"] == provider.bill({"echo": PRICE, "slow:0.02+say:400": PRICE}) <= LIMIT_MICROS
                assert statuses[200] == len(books.charges())
