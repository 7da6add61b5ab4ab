"""A back end that is dead under load while the gateway is killed again and again: nothing is lost, every moment's account is exact.

In `make test` the sink is dead for some seconds and the gateway killed twice; in `make faults` (LOCKGATE_TEST_SINK_S) for ten minutes
and five times. A gateway with a living sink takes turns with it under the same load and kills, and both p99 are printed.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pipeline.store.reads import open_reads
from tests.faults.books import Books, url_of
from tests.faults.outbox import PARTS, account, agree_everywhere, rejections, wait_until
from tests.faults.test_sink import free_port, request_ids
from tests.servers.otlp import Answer
from tests.servers.provider import Provider, running_provider
from tests.walks.asking import SURFACES, Line
from tests.walks.rig import MASK_ALL, Gateway, anthropic_target, openai_target, running_gateway, running_sink

DEAD_S = float(os.environ.get("LOCKGATE_TEST_SINK_S", "6"))
KILLS = 2 if DEAD_S < 60 else 5
CALLERS = 4
PAUSE_S = 0.02
TURN_S = 20.0
QUIET = {"LOCKGATE_LOG_LEVEL": "WARNING"}
BROKEN = (OSError, http.client.HTTPException, ValueError)


@dataclass
class Load:
    """Callers that call all the time, on connections that they keep. `took` are seconds of answered calls."""

    gateway: Gateway
    key: str
    acknowledged: set[str] = field(default_factory=set)
    took: list[float] = field(default_factory=list)
    broken: int = 0

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        stop = threading.Event()
        threads = [threading.Thread(target=self._call, args=(stop, number), daemon=True) for number in range(CALLERS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join(60)
                assert not thread.is_alive(), "a caller hangs"

    def p99_ms(self) -> float:
        """The slowest of a hundred, in milliseconds."""
        return statistics.quantiles(self.took, n=100)[-1] * 1e3

    def _call(self, stop: threading.Event, number: int) -> None:
        line: Line | None = None
        while not stop.wait(PAUSE_S):
            surface = SURFACES[number % 2]
            try:
                line = line or Line(self.gateway.url, timeout=30)
                began = time.monotonic()
                answer = line.ask(surface, surface, self.key)
                if answer.status == 200 and answer.json:
                    self.took.append(time.monotonic() - began)
                    self.acknowledged.add(answer.headers["x-request-id"])
                else:
                    assert answer.status == 503, answer.status  # it is being stopped
            except BROKEN:
                self.broken += 1
                if line is not None:
                    line.close()
                line = None
                stop.wait(0.2)


class Watch:
    """Looks at the account in the store all the time, also while the gateway is dead, and remembers any moment at which it did not hold."""

    def __init__(self, gateway: Gateway) -> None:
        self.wrong: list[dict[str, Any]] = []
        self.looks = 0
        self._reads = open_reads(url_of(gateway))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)
        self._reads.close()

    def _watch(self) -> None:
        while not self._stop.wait(0.1):
            for row in self._reads.accounts():
                if row["accepted"] != sum(row[part] for part in PARTS):
                    self.wrong.append(row)
            self.looks += 1


def document(provider: Provider, endpoint: str) -> dict[str, Any]:
    return {
        "targets": [openai_target("openai", "echo", provider.url), anthropic_target("anthropic", "echo", provider.url)],
        "models": {name: {"targets": [name]} for name in SURFACES},
        "prices": {f"{name}/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2} for name in SURFACES},
        "policies": {"default": MASK_ALL},
        "telemetry": {"destinations": [{"id": "sre", "endpoint": endpoint, "timeout_s": 2}]},
    }


def in_turns(loads: Sequence[Load], seconds: float, kills: int) -> None:
    """Load for so long on each gateway (their starts come on top), in turns of at most `TURN_S`, so that both see the same machine.

    Each is killed under its load so many times.
    """
    turns = max(kills + 1, round(seconds / TURN_S))
    killed = {round(turns * (kill + 1) / (kills + 1)) - 1 for kill in range(kills)}
    for turn in range(turns):
        for load in loads:
            with load.running():
                before = len(load.took)
                time.sleep(seconds / turns)
                if turn in killed:
                    assert load.gateway.stop(signal.SIGKILL) == -signal.SIGKILL
                    load.gateway.start_again()
                if turn == turns - 1:
                    wait_until(lambda load=load, before=before: len(load.took) > before)  # type: ignore[misc]  # a busy machine takes its time


@pytest.mark.timeout(900 + int(4 * DEAD_S) + 60 * KILLS)
def test_a_sink_that_is_dead_under_load_while_the_gateway_is_killed_loses_nothing(tmp_path: Path) -> None:
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"  # nobody listens
    with (
        running_provider() as provider,
        running_sink() as alive,
        running_gateway(tmp_path / "alive", document(provider, alive.http_url), **QUIET) as other,
        running_gateway(tmp_path / "dead", document(provider, endpoint), **QUIET) as gateway,
        Watch(gateway) as watch,
    ):
        living, dead = Load(other, other.create_key()["key"]), Load(gateway, gateway.create_key()["key"])
        in_turns((living, dead), DEAD_S, KILLS)
        print(f"p99 of calls: {living.p99_ms():.1f} ms of {len(living.took)} with the sink alive, {dead.p99_ms():.1f} ms of ", end="")
        print(f"{len(dead.took)} with the sink dead ({DEAD_S:g} s of load each, in turns, {KILLS} kills each), ", end="")
        print(f"{dead.p99_ms() / living.p99_ms():.2f} times; medians {1e3 * statistics.median(living.took):.1f} and ", end="")
        print(f"{1e3 * statistics.median(dead.took):.1f} ms")
        assert other.stop() == 0
        queued = account(gateway, "sre")
        assert (queued["delivered"], queued["queued"]) == (0, queued["accepted"])
        assert queued["accepted"] >= len(dead.acknowledged)
        with running_sink(port) as sink:
            sink.sink.answer(Answer(status=500), Answer(status=408), Answer(rejected=3), Answer(status=302), Answer(status=304))
            wait_until(lambda: account(gateway, "sre")["queued"] == 0, 600)  # pauses had grown to a minute
            final = agree_everywhere(gateway)["sre", "traces"]
            assert (final["dead_letter"], final["rejected_by_policy"]) == (0, 3)
            assert rejections(gateway, "sre") == {"partial_success": 3}
            spans = sink.spans()
            assert dead.acknowledged <= request_ids(spans), "every call that was answered is told"
            assert len({span.span_id for span in spans}) == final["accepted"] == final["delivered"] + 3
        assert watch.wrong == []
        assert watch.looks > KILLS
        with Books(url_of(gateway)) as books:
            finished = [row["request_id"] for row in books.endings().values() if row["kind"] == "gateway:call:finish"]
        assert set(finished) == request_ids(spans), "and no call that was not"
        assert gateway.cli("audit", "verify").returncode == 0
