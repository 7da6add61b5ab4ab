"""Mixed traffic from many callers, each with a seed of its own, and what each of them was promised.

Every model name has a target (and so a provider model) of its own, so that what the provider saw can be found in the audit.
"""

from __future__ import annotations

import contextlib
import http.client
import random
import threading
import time
from collections import Counter
from typing import Any

from tests.servers.provider import Provider
from tests.walks.asking import SURFACES, Line, Stream, Surface, is_complete
from tests.walks.rig import MASK_ALL, Gateway, anthropic_target, openai_target

SCRIPTS = ("say:3", "say:24+pace:0.01", "500", "echo", "say:12+error@4", "slow:0.1+say:2")
MODELS = 60
PRICES = {
    "openai/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2},
    "anthropic/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2},
}
BROKEN = (OSError, http.client.HTTPException, ValueError)


def document(provider: Provider, **more: Any) -> dict[str, Any]:
    """Sixty models on each surface, each with its own target."""
    targets, models = [], {}
    for number in range(MODELS):
        for surface, make in (("openai", openai_target), ("anthropic", anthropic_target)):
            name = f"{surface}-{number:03d}"
            targets.append(make(name, f"{name}--{SCRIPTS[number % len(SCRIPTS)]}", provider.url))
            models[name] = {"targets": [name], "fallback": {"enabled": False}}
    return {"targets": targets, "models": models, "prices": PRICES, "policies": {"default": MASK_ALL}, **more}


class Traffic:
    """Callers in threads. `acknowledged` are the request ids of complete successes; `seen` counts what callers met."""

    def __init__(self, gateway: Gateway, keys: list[str], seed: int, callers: int = 10) -> None:
        self.acknowledged: set[str] = set()
        self.seen: Counter[str] = Counter()
        self._gateway = gateway
        self._keys = keys
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._call, args=(random.Random(f"{seed}:{n}"),), daemon=True) for n in range(callers)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wait(self, acknowledged: int, timeout_s: float, *, streamed: bool = False) -> None:
        """Wait until so many calls were acknowledged, at most so long; on a busy machine until one was, with `streamed` a stream."""
        deadline = time.monotonic() + timeout_s
        while len(self.acknowledged) < acknowledged and time.monotonic() < deadline:
            time.sleep(0.002)
        while not self.acknowledged or (streamed and not self.seen["streamed"]):
            assert time.monotonic() < deadline + 20, f"nothing is acknowledged: {dict(self.seen)}"
            time.sleep(0.002)

    def stop(self) -> None:
        """Let every caller end what it is at."""
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive(), "a caller hangs"

    def _call(self, rng: random.Random) -> None:
        line: Line | None = None
        while not self._stop.is_set():
            surface = rng.choice(SURFACES)
            model = f"{surface}-{rng.randrange(MODELS):03d}"
            key = rng.choice(self._keys)
            try:
                if rng.random() < 0.5:
                    self._stream(rng, surface, model, key)
                else:
                    line = line or Line(self._gateway.url, timeout=15)
                    self._whole(line, surface, model, key)
            except BROKEN:
                self._note("broken")
                if line is not None:
                    line.close()
                line = None
                self._stop.wait(0.05)
        if line is not None:
            line.close()

    def _whole(self, line: Line, surface: Surface, model: str, key: str) -> None:
        answer = line.ask(surface, model, key)
        if answer.status == 200 and answer.json:
            self._acknowledge(answer.headers["x-request-id"])
        self._note(str(answer.status))

    def _stream(self, rng: random.Random, surface: Surface, model: str, key: str) -> None:
        stream = Stream(self._gateway.url, surface, model, key, timeout=15)
        with contextlib.closing(stream._http):
            stream.begin()
            if rng.random() < 0.2:
                stream.some(rng.randrange(1, 4))
                stream.leave(reset=rng.random() < 0.5)
                self._note("left")
                return
            raw = stream.rest()
            complete = stream.status == 200 and is_complete(surface, raw)
            if complete:
                self._acknowledge(stream.request_id)
            self._note("streamed" if complete else f"stream {stream.status}")

    def _acknowledge(self, request_id: str) -> None:
        with self._lock:
            self.acknowledged.add(request_id)

    def _note(self, what: str) -> None:
        with self._lock:
            self.seen[what] += 1
