"""Two workers over one PostgreSQL, under load: a second after the kill switch neither makes a call with the key."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.servers.postgres import running_postgres
from tests.servers.provider import Provider, running_provider
from tests.walks.canaries import MASK_ALL
from tests.walks.rig import Gateway, running_gateway

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240), pytest.mark.postgres]

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
WITHIN_S = 1.0


@dataclass
class Load:
    """Callers of both workers, for as long as they are wanted: the statuses, and for each call when it was begun."""

    workers: tuple[Gateway, Gateway]
    key: str
    stop: threading.Event = field(default_factory=threading.Event)
    answers: list[tuple[float, int, int]] = field(default_factory=list)

    def run(self, number: int) -> None:
        while not self.stop.is_set():
            worker = number % 2
            began = time.monotonic()
            self.answers.append((began, worker, self.workers[worker].call("POST", "/v1/chat/completions", CHAT, key=self.key).status))

    def since(self, moment: float) -> set[tuple[int, int]]:
        """(worker, status) of the calls that were begun at a moment or later."""
        return {(worker, status) for began, worker, status in self.answers if began >= moment}

    def until(self, found: Callable[[set[tuple[int, int]]], bool]) -> float:
        """Wait until what is answered from now on is so; gives the moment from which it was."""
        for _ in range(200):
            moment = time.monotonic()
            time.sleep(0.1)
            if found(self.since(moment)):
                return moment
        raise AssertionError(f"it did not come to that: {sorted(self.since(time.monotonic() - 1))}")


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running_provider() as running:
        yield running


def test_a_second_after_the_kill_switch_neither_of_two_workers_uses_the_key(tmp_path: Path, provider: Provider) -> None:
    document = {
        "policies": {"default": MASK_ALL},
        "references": {"main": {"manager_type": "env", "secret_path": "MAIN_KEY"}},
        "targets": [
            {"id": "t", "provider": "openai", "model": "echo", "base_url": f"{provider.url}/v1", "secret_key_ref": {"ref": "main"}}
        ],
        "models": {"m": {"targets": ["t"]}},
        "prices": {"openai/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2}},
    }
    with running_postgres() as server:
        environment = {"LOCKGATE_DATABASE_URL": server.fresh_database(), "MAIN_KEY": "the-key-that-is-ended"}
        with running_gateway(tmp_path / "one", document, **environment) as one:
            beside = tmp_path / "two" / "home"
            beside.mkdir(parents=True, mode=0o700)
            for name in ("pepper.json", "store.key"):
                shutil.copy2(one.home / name, beside / name)
            with running_gateway(tmp_path / "two", document, **environment) as two:
                walk(Load((one, two), one.create_key()["key"]), provider)


def walk(load: Load, provider: Provider) -> None:
    one, _ = load.workers
    good, refused = {(0, 200), (1, 200)}, {(0, 503), (1, 503)}
    with ThreadPoolExecutor(4) as pool:
        callers = [pool.submit(load.run, number) for number in range(4)]
        try:
            known = load.until(lambda found: found == good)
            one.admin("POST", "/v1/secret-references/main/disable", {})
            time.sleep(WITHIN_S)
            ended, made = time.monotonic(), len(provider.calls)
            load.until(lambda found: found == refused)
            assert not load.since(ended) & good
            assert len(provider.calls) - made <= 4  # what was under way at that moment, and nothing after it
            one.admin("POST", "/v1/secret-references/main/enable", {})
            load.until(lambda found: found == good)
        finally:
            load.stop.set()
        for caller in callers:
            caller.result(30)
    assert load.since(known) == good | refused
