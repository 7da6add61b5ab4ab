"""A store that cannot be written: 503 `audit_unavailable`, never 401, never an unrecorded call, and back by itself. F3, F5, F7, F9."""

from __future__ import annotations

import resource
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.books import Books, assert_nothing_lost, url_of
from tests.servers.postgres import Postgres, running_postgres
from tests.servers.provider import Provider, running_provider
from tests.servers.provider_calls import Price
from tests.walks.asking import SURFACES, Stream, Surface, ask, assert_refused
from tests.walks.rig import MASK_ALL, Gateway, anthropic_target, openai_target, running_gateway

PRICE = Price(input=1_000_000, output=2_000_000)
PRICES = {
    "openai/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2},
    "anthropic/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2},
}
Fault = Callable[[], AbstractContextManager[None]]


@dataclass
class House:
    """A gateway, its provider, a key, and what can go wrong with its store."""

    gateway: Gateway
    provider: Provider
    key: str
    faults: dict[str, Fault]


@contextmanager
def house_on(folder: Path, faults: Callable[[Gateway], dict[str, Fault]], **environment: str) -> Iterator[House]:
    with running_provider() as provider:
        names = {"echo": "echo", "long": "say:60+pace:0.02"}
        targets = [openai_target(f"openai-{name}", f"openai-{name}--{script}", provider.url) for name, script in names.items()]
        targets += [anthropic_target(f"anthropic-{name}", f"anthropic-{name}--{script}", provider.url) for name, script in names.items()]
        document = {
            "targets": targets,
            "models": {target["id"]: {"targets": [target["id"]]} for target in targets},
            "prices": PRICES,
            "policies": {"default": MASK_ALL},
        }
        with running_gateway(folder, document, LOCKGATE_LOG_LEVEL="INFO", **environment) as gateway:
            yield House(gateway, provider, gateway.create_key(budget={"limit_usd": 5})["key"], faults(gateway))


def sqlite_faults(gateway: Gateway) -> dict[str, Fault]:
    @contextmanager
    def locked() -> Iterator[None]:
        """Another process holds the write lock."""
        other = sqlite3.connect(gateway.home / "lockgate.db", isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")
        finally:
            other.close()

    @contextmanager
    def full() -> Iterator[None]:
        """No file of the gateway can grow any more: EFBIG from every write, for database, journal and log alike."""
        before = resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, (4096, before[1]))
        try:
            yield
        finally:
            resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, before)

    @contextmanager
    def moved() -> Iterator[None]:
        """Somebody moves the file away under the running gateway, and puts it back."""
        path = gateway.home / "lockgate.db"
        aside = path.with_name("aside.db")
        path.rename(aside)
        try:
            yield
        finally:
            aside.rename(path)

    return {"locked": locked, "full": full, "moved": moved}


def postgres_faults(server: Postgres) -> dict[str, Fault]:
    @contextmanager
    def frozen() -> Iterator[None]:
        with server.frozen():
            yield

    @contextmanager
    def killed() -> Iterator[None]:
        with server.killed():
            yield

    return {"frozen": frozen, "killed": killed}


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house_on(tmp_path_factory.mktemp("sqlite"), sqlite_faults) as built:
        yield built


@pytest.fixture(scope="module")
def on_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with running_postgres() as server:
        url = server.fresh_database()
        with house_on(tmp_path_factory.mktemp("postgres"), lambda _: postgres_faults(server), LOCKGATE_DATABASE_URL=url) as built:
            yield built


CASES = [
    pytest.param("on_sqlite", "locked", id="sqlite locked"),
    pytest.param("on_sqlite", "full", id="disk full", marks=pytest.mark.skipif(sys.platform != "linux", reason="prlimit is Linux's")),
    pytest.param("on_sqlite", "moved", id="sqlite file moved away"),
    pytest.param("on_postgres", "frozen", id="postgresql frozen", marks=pytest.mark.postgres),
    pytest.param("on_postgres", "killed", id="postgresql killed and started again", marks=pytest.mark.postgres),
]


def until_answered(house: House, surface: Surface, timeout_s: float = 15.0) -> None:
    """The gateway comes back by itself."""
    deadline = time.monotonic() + timeout_s
    while (status := ask(house.gateway.url, surface, f"{surface}-echo", house.key).status) != 200:
        assert status == 503, status
        assert time.monotonic() < deadline, "it does not come back"
        time.sleep(0.1)


def assert_all_written(house: House) -> None:
    with Books(url_of(house.gateway)) as books:
        books.settled()
        assert_nothing_lost(books, (), house.provider.calls, PRICE)
    assert house.gateway.cli("audit", "verify").returncode == 0


@pytest.mark.parametrize(("where", "what"), CASES)
def test_without_its_store_nothing_is_sent_and_it_comes_back(request: pytest.FixtureRequest, where: str, what: str) -> None:
    house: House = request.getfixturevalue(where)
    url = house.gateway.url
    for surface in SURFACES:
        assert ask(url, surface, f"{surface}-echo", house.key).status == 200
    before = len(house.provider.calls)
    with house.faults[what]():
        for surface in (*SURFACES, *SURFACES):
            for streamed in (False, True):
                answer = ask(url, surface, f"{surface}-echo", house.key, stream=streamed)
                assert_refused(answer, surface, 503, "server_error", "audit_unavailable")
                assert int(answer.headers["retry-after"]) >= 1
        wrong = ask(url, "openai", "openai-echo", "lgk_" + "0" * 43)
        assert_refused(wrong, "openai", 401, "invalid_request_error", "invalid_api_key")
        assert house.gateway.call("GET", "/health/live").status == 200
        ready = house.gateway.call("GET", "/health/ready")
        assert (ready.status, list(ready.json["reasons"])) == (503, ["ledger"])
        assert house.gateway.call("POST", "/v1/keys", {}, key=house.gateway.admin_key).status == 503
        assert len(house.provider.calls) == before, "nothing was sent without having been written down"
    for surface in SURFACES:
        until_answered(house, surface)
    assert house.gateway.call("GET", "/health/ready").status == 200
    assert_all_written(house)


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize(("where", "what"), CASES)
def test_a_stream_whose_end_cannot_be_written_does_not_end_as_a_success(
    request: pytest.FixtureRequest, where: str, what: str, surface: Surface
) -> None:
    """The answer was given, its settlement is owed: the caller gets an error event, and the store gets it when it is back."""
    house: House = request.getfixturevalue(where)
    stream = Stream(house.gateway.url, surface, f"{surface}-long", house.key).begin()
    stream.some(3)
    with house.faults[what]():
        raw = stream.rest()
        assert not stream.complete
        assert b"audit" in raw[-600:] or b"api_error" in raw[-600:], raw[-600:]
        assert "error" in stream.events[-1]
    until_answered(house, surface)
    with Books(url_of(house.gateway)) as books:
        books.settled()
        charge = books.charges()[stream.request_id]
    answered = [call for call in house.provider.calls if call.model.startswith(f"{surface}-long")][-1]
    assert (charge["state"], charge["cost_micros"]) == ("observed", PRICE.micros(answered.tally))
    assert_all_written(house)


@pytest.mark.postgres
def test_cut_connections_cost_no_call(on_postgres: House) -> None:
    """A connection that has gone stale is opened anew within the call."""
    for _ in range(5):
        _terminate(on_postgres)
        for surface in SURFACES:
            assert ask(on_postgres.gateway.url, surface, f"{surface}-echo", on_postgres.key).status == 200
    assert_all_written(on_postgres)


def _terminate(house: House) -> None:
    import psycopg

    url = url_of(house.gateway).replace("postgresql+psycopg://", "postgresql://", 1)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
