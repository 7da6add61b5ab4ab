"""Callers that repeat under one `Idempotency-Key` while the gateway is killed: whatever happens, a call is made once and billed once."""

from __future__ import annotations

import http.client
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.books import Books, url_of
from tests.servers.postgres import running_postgres
from tests.servers.provider import Provider, running_provider
from tests.walks.asking import PATHS, SURFACES, Surface, body_for, key_header
from tests.walks.rig import MASK_ALL, Answer, Gateway, anthropic_target, openai_target, running_gateway

PRICES = {
    "openai/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2},
    "anthropic/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2},
}
SCRIPTS = ("slow:30+echo", "slow:0.15+echo", "echo")
BROKEN = (OSError, http.client.HTTPException)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def environment(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    if request.param == "sqlite":
        yield {}
        return
    with running_postgres() as server:
        yield {"LOCKGATE_DATABASE_URL": server.fresh_database()}


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running_provider() as running:
        yield running


@pytest.fixture
def gateway(tmp_path: Path, provider: Provider, environment: dict[str, str]) -> Iterator[Gateway]:
    targets = [
        make(f"{surface}-{number}", script, provider.url)
        for surface, make in (("openai", openai_target), ("anthropic", anthropic_target))
        for number, script in enumerate(SCRIPTS)
    ]
    document = {
        "targets": targets,
        "models": {target["id"]: {"targets": [target["id"]], "fallback": {"enabled": False}} for target in targets},
        "prices": PRICES,
        "policies": {"default": MASK_ALL},
    }
    with running_gateway(tmp_path, document, LOCKGATE_LOG_LEVEL="INFO", **environment) as running:
        yield running


def ask(gateway: Gateway, surface: Surface, script: int, key: str, token: str, *, stream: bool = False) -> Answer:
    """One call whose prompt is its token, so that the provider's log tells which calls were made."""
    body = body_for(surface, f"{surface}-{script}", f"prompt of {token}.", **({"stream": True} if stream else {}))
    return gateway.call("POST", PATHS[surface], body, headers=key_header(surface, key) | {"idempotency-key": token}, timeout=20)


def made(provider: Provider, token: str) -> int:
    """How often the provider was asked for a token's call."""
    return sum(f"prompt of {token}.".encode() in call.raw for call in provider.calls)


def wait_for(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "in vain"
        time.sleep(0.05)


@pytest.mark.timeout(240)
def test_a_call_that_a_crash_cut_off_is_told_as_unknown_and_never_made_again(gateway: Gateway, provider: Provider) -> None:
    key = gateway.create_key(budget={"limit_usd": 1})["key"]
    for surface in SURFACES:
        for stream in (False, True):
            token = f"cut-{surface}-{stream}"
            caller = threading.Thread(target=_ask_in_vain, args=(gateway, surface, key, token, stream), daemon=True)
            caller.start()
            wait_for(lambda token=token: made(provider, token) == 1)  # type: ignore[misc]
    assert gateway.stop(signal.SIGKILL) == -signal.SIGKILL
    gateway.start_again()
    with Books(url_of(gateway)) as books:
        books.settled(60)
        charges = books.charges()
        for surface in SURFACES:
            for stream in (False, True):
                token = f"cut-{surface}-{stream}"
                again = ask(gateway, surface, 0, key, token, stream=stream)
                assert again.status == 409, again.body
                if surface == "openai":
                    assert again.json["error"]["code"] == "idempotency_outcome_unknown"
                assert again.headers["x-should-retry"] == "false"
                assert charges[again.headers["x-lockgate-original-request-id"]]["state"] == "unknown"
                assert made(provider, token) == 1
        assert books.charges() == charges
    assert ask(gateway, "openai", 2, key, "a-new-key").status == 200


def _ask_in_vain(gateway: Gateway, surface: Surface, key: str, token: str, stream: bool) -> None:
    with pytest.raises(BROKEN):
        ask(gateway, surface, 0, key, token, stream=stream)


@pytest.mark.timeout(300)
def test_callers_that_repeat_through_crashes_are_answered_once_each(gateway: Gateway, provider: Provider) -> None:
    rng = random.Random(20261121)
    key = gateway.create_key()["key"]
    ends: dict[str, str] = {}
    bodies: dict[str, set[bytes]] = {}
    original: dict[str, set[str]] = {}
    stop, lock = threading.Event(), threading.Lock()

    def call(number: int) -> None:
        surface, choice = SURFACES[number % 2], random.Random(number)
        count = 0
        while not stop.is_set():
            count += 1
            token, stream, script = f"t-{number}-{count}-", choice.random() < 0.5, choice.randrange(1, 3)
            for _ in range(600):  # as an SDK does: the same key until there is an answer
                try:
                    answer = ask(gateway, surface, script, key, token, stream=stream)
                except BROKEN:
                    time.sleep(0.1)
                    continue
                said = answer.body.decode()
                if answer.status == 503 or "still under way" in said:
                    time.sleep(0.1)
                    continue
                with lock:
                    if answer.status == 200:
                        bodies.setdefault(token, set()).add(answer.body)
                        original.setdefault(token, set()).add(
                            answer.headers.get("x-lockgate-original-request-id", answer.headers["x-request-id"])
                        )
                    ends[token] = "answered" if answer.status == 200 else answer.headers.get("x-should-retry", "") + str(answer.status)
                break

    callers = [threading.Thread(target=call, args=(number,), daemon=True) for number in range(8)]
    for caller in callers:
        caller.start()
    for _ in range(2):
        before = len(ends)
        wait_for(lambda before=before: len(ends) > before + 4)  # type: ignore[misc]
        time.sleep(rng.uniform(0.0, 0.3))
        assert gateway.stop(signal.SIGKILL) == -signal.SIGKILL
        gateway.start_again()
    before = len(ends)
    wait_for(lambda: len(ends) > before + 8, 60)
    stop.set()
    for caller in callers:
        caller.join(60)
        assert not caller.is_alive()
    met = Counter(ends.values())
    assert set(met) <= {"answered", "false409"}, met
    assert met["answered"] > 10
    for token, end in ends.items():
        assert made(provider, token) in ((1,) if end == "answered" else (0, 1)), f"{token}: {end}"
    with Books(url_of(gateway)) as books:
        books.settled(60)
        charges = books.charges()
        for token, end in ends.items():
            if end == "answered":
                assert len(bodies[token]) == 1
                (request_id,) = original[token]
                assert charges[request_id]["state"] in ("observed", "estimated"), token
        starts = [row for row in books.events() if row["kind"] == "gateway:call:start"]
        assert len(starts) <= len(ends), "a repetition starts no call of its own"
    assert gateway.cli("audit", "verify").returncode == 0
