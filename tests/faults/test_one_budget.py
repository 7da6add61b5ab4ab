"""One budget, many writers: callers of several processes never overshoot it at any moment, and it ends at what the provider billed.

`LOCKGATE_TEST_CALLERS` says how many callers there are in all (200 always at the ledger; over HTTP 40 in `make test`, 200 in
`make faults`).
"""

from __future__ import annotations

import os
import shutil
import threading
from collections import Counter
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from pipeline.store.migrate import migrate
from tests.benchmarks.hot_budget import run
from tests.faults.books import Books, assert_nothing_lost
from tests.faults.test_kills import PRICE, BudgetWatch
from tests.faults.traffic import BROKEN, PRICES
from tests.servers.postgres import running_postgres
from tests.servers.provider import Provider, running_provider
from tests.walks.asking import SURFACES, Line, Stream
from tests.walks.house import wait_for
from tests.walks.rig import MASK_ALL, Gateway, anthropic_target, openai_target, running_gateway

CALLERS = int(os.environ.get("LOCKGATE_TEST_CALLERS", "40"))
GATEWAYS = 4 if CALLERS >= 200 else 2
SCRIPTS = {"whole": "echo", "slow": "slow:0.02+say:200", "fails": "500", "long": "say:40+pace:0.01"}


@pytest.mark.postgres
@pytest.mark.timeout(120)
def test_two_hundred_callers_of_four_processes_fit_into_one_budget_at_every_moment() -> None:
    """`run` looks at the budgets all the time and, at the end, at the sum of the charges."""
    with running_postgres() as server:
        url = server.fresh_database()
        migrate(url)
        calls, refused, _, _, looks = run(url, ["0"] * 4, callers=50, seconds=3, limit=60_000)
    assert calls > 60, "the budget was used"
    assert refused > 200, "it was fought for"
    assert looks > 20


def models(provider: Provider) -> dict[str, object]:
    targets = []
    for surface, make in (("openai", openai_target), ("anthropic", anthropic_target)):
        targets += [make(f"{surface}-{name}", f"{surface}-{name}--{script}", provider.url) for name, script in SCRIPTS.items()]
    return {
        "targets": targets,
        "models": {target["id"]: {"targets": [target["id"]], "fallback": {"enabled": False}} for target in targets},
        "prices": PRICES,
        "policies": {"default": MASK_ALL},
    }


def knows(gateway: Gateway, key: str) -> bool:
    return gateway.call("GET", "/v1/models", key=key).status == 200


def call(gateway: Gateway, key: str, number: int, seen: Counter[str], lock: threading.Lock) -> None:
    """Four calls of one caller: whole ones, slow ones, ones that fail upstream, and a stream that is left in the middle."""
    surface = SURFACES[number % 2]
    line = Line(gateway.url, timeout=30)
    for step in range(4):
        name = ("whole", "slow", "fails", "long")[(number + step) % 4]
        try:
            if name == "long":
                stream = Stream(gateway.url, surface, f"{surface}-long", key, timeout=30).begin()
                if stream.status == 200:
                    stream.some(2)
                status = f"left {stream.status}"
                stream.leave(reset=number % 3 == 0)
            else:
                status = str(line.ask(surface, f"{surface}-{name}", key, "word " * 200, max_tokens=300).status)
        except BROKEN:
            status = "broken"
            line.close()
            line = Line(gateway.url, timeout=30)
        with lock:
            seen[status] += 1
    line.close()


@pytest.mark.postgres
@pytest.mark.timeout(240)
def test_callers_of_several_gateways_with_failures_and_aborts_spend_what_the_provider_billed(tmp_path: Path) -> None:
    seen, lock = Counter[str](), threading.Lock()
    with ExitStack() as stack:
        url = stack.enter_context(running_postgres()).fresh_database()
        provider = stack.enter_context(running_provider())
        first = stack.enter_context(running_gateway(tmp_path / "0", models(provider), LOCKGATE_DATABASE_URL=url))
        gateways = [first]
        for number in range(1, GATEWAYS):
            # One store, one pepper: what an installation of several machines shares.
            own = shutil.ignore_patterns("journal", "run*", "*.db*", "*.lock")
            shutil.copytree(first.home, tmp_path / str(number) / "home", ignore=own)
            gateways.append(stack.enter_context(running_gateway(tmp_path / str(number), models(provider), LOCKGATE_DATABASE_URL=url)))
        made = first.create_key(budget={"limit_usd": "0.02"})
        first.admin("POST", "/v1/budgets", {"scope": "key", "key": made["id"], "limit_usd": "0.019", "rolling": "24h"})
        first.admin(
            "POST", "/v1/budgets", {"scope": "model", "key": made["id"], "model": "openai-whole", "limit_usd": "0.004", "period": "day"}
        )
        for gateway in gateways:
            wait_for(partial(knows, gateway, made["key"]), "every gateway to know the key")
        books = stack.enter_context(Books(url))
        with BudgetWatch(books) as watch:
            callers = [
                threading.Thread(target=call, args=(gateways[n % GATEWAYS], made["key"], n, seen, lock), daemon=True)
                for n in range(CALLERS)
            ]
            for caller in callers:
                caller.start()
            for caller in callers:
                caller.join(180)
                assert not caller.is_alive(), "a caller hangs"
        books.settled(30)
        assert watch.overshot == []
        assert watch.looks > 10
        assert seen["200"], seen
        assert seen["429"] + seen["402"] + seen["left 429"] + seen["left 402"], "the budget was fought for"
        assert seen["502"], "calls failed upstream"
        assert_nothing_lost(books, (), list(provider.calls), PRICE)
        charges = books.charges()
        observed = sum(row["cost_micros"] for row in charges.values() if row["state"] == "observed")
        charged = {row["upstream_id"] for row in charges.values() if row["state"] == "observed"}
        billed = [call for call in provider.calls if call.billed and f"req_{call.ident}" in charged]
        assert observed == sum(PRICE.micros(call.tally) for call in billed), "to the micro-dollar"
        missed = [call for call in provider.calls if call.billed and call.finished and f"req_{call.ident}" not in charged]
        assert all(f"req_{call.ident}" in {row["upstream_id"] for row in charges.values()} for call in missed), "what was billed is charged"
        print(dict(seen), dict(Counter(row["state"] for row in charges.values())), observed)
