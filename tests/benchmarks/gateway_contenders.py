"""The servers that `gateway_speed` measures beside each other: the floor, Lockgate in several houses, and the peers that are installed.

Peers run bare: no database, no logging, nothing of what Lockgate has switched on. `make peers` installs them; one that is missing is
left out, with the reason.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.benchmarks.load import request_bytes
from tests.walks import rig
from tests.walks.rig import MASK_ALL, ROOT, Gateway, anthropic_target, environment_for, openai_target, running_gateway

SCRIPT, PACED = "say:20", "say:20+slow:0.05+pace:0.01"
PROMPT = ("Summarise the following notes for the weekly report, in three sentences, and keep the names of the products. " * 12)[:1000]
FLOOR, DIRECT, LITELLM = "bare aiohttp pass-through", "direct lane, all on", "LiteLLM lane, all on"
UNWRITTEN, IN_MEMORY = "direct lane, ledger off", "direct lane, no disk"
PROXY, PORTKEY = "LiteLLM's proxy, bare", "Portkey's gateway, bare"
TRANSLATED, TRANSLATING = "OpenAI surface, Anthropic model", "the same, LiteLLM's proxy bare"
PATH = "/v1/chat/completions"
MEMORY = Path("/dev/shm")


@dataclass(frozen=True, slots=True)
class Contender:
    """One server under load, with its three requests."""

    name: str
    port: int
    pid: int
    plain: bytes
    stream: bytes
    paced: bytes


@contextlib.contextmanager
def process(arguments: list[str], *, core: int, python: str = sys.executable, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A server process pinned to a core."""
    env = {**os.environ, **environment}
    started = subprocess.Popen([python, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT, env=env)
    pin(started.pid, core)
    try:
        yield started
    finally:
        started.terminate()
        try:
            started.wait(timeout=10)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()
        assert started.stdout is not None
        started.stdout.close()


def pin(pid: int, core: int) -> None:
    """Keep a process (and every thread that it starts later) on one core, where the machine has more than one."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        for task in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), {core % (os.cpu_count() or 1)})


def bodies(model: str) -> tuple[bytes, bytes]:
    """A request of about 1.2 kB, plain and streamed."""
    plain: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "system", "content": "You are helpful."}, {"role": "user", "content": PROMPT}],
    }
    return json.dumps(plain).encode(), json.dumps({**plain, "stream": True}).encode()


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def document(upstream: str, lanes: tuple[str, ...] = ("direct", "litellm"), sink: str = "http://127.0.0.1:9") -> dict[str, Any]:
    """Everything on: policy, redaction in both directions, ledger, spans to a destination.

    Two models for each lane, by its name; `translated` is an Anthropic model, which the OpenAI surface reaches by translation alone.
    """
    targets = []
    for lane in lanes:
        for script, name in ((SCRIPT, lane), (PACED, f"{lane}-paced")):
            key: dict[str, Any] = {"secret_key_ref": {"env": "BENCH_KEY"}}
            made = anthropic_target(name, script, upstream, **key) if lane == "translated" else None
            targets.append(made or openai_target(name, script, upstream, lane=lane, **key))
    prices = {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2}
    return {
        "targets": targets,
        "models": {target["id"]: {"targets": [target["id"]]} for target in targets},
        "prices": {"openai/*": prices, "anthropic/*": prices},
        "policies": {"default": MASK_ALL},
        "telemetry": {"destinations": [{"id": "sink", "endpoint": sink}]},
    }


def contender(name: str, port: int, pid: int, model: str, paced: str, key: str, headers: Mapping[str, str] | None = None) -> Contender:
    """A contender with its requests ready to be written."""
    (plain, stream), (_, slowly) = bodies(model), bodies(paced)
    at = ("127.0.0.1", port, PATH, key)
    return Contender(name, port, pid, *(request_bytes(*at, body, headers) for body in (plain, stream, slowly)))


@contextlib.contextmanager
def floor(upstream: str) -> Iterator[Contender]:
    """The bare pass-through."""
    port = free_port()
    with process(["-m", "tests.benchmarks.floor", str(port), upstream], core=1) as server:
        wait_for(f"http://127.0.0.1:{port}/")
        yield contender(FLOOR, port, server.pid, SCRIPT, PACED, "sk-loopback")


@contextlib.contextmanager
def lockgate(upstream: str, folder: Path, sink: str, lanes: Mapping[str, str]) -> Iterator[list[Contender]]:
    """One gateway as an operator runs it, as one contender for each of its lanes: name by lane."""
    with running_gateway(folder, document(upstream, tuple(lanes), sink), **settings()) as gateway:
        yield warmed(gateway, lanes)


@contextlib.contextmanager
def unwritten(upstream: str, folder: Path, sink: str) -> Iterator[list[Contender]]:
    """The direct lane of a gateway that writes down no call (gateway_unwritten.py)."""
    home, config, log = folder / "home", folder / "lockgate.yaml", folder / "gateway.log"
    folder.mkdir()
    log.touch()
    config.write_text(yaml.safe_dump(document(upstream, ("direct",), sink)))
    environment = environment_for(home, config, **settings())
    with process(["-m", "tests.benchmarks.gateway_unwritten"], core=1, **environment) as started:
        gateway = Gateway(home, config, environment, log, started)
        gateway.url = rig._ready(started, home, log)
        yield warmed(gateway, {"direct": UNWRITTEN})


def settings() -> dict[str, str]:
    """What a measured gateway finds in its environment."""
    return {"BENCH_KEY": f"sk-{secrets.token_hex(16)}", "LOCKGATE_LOG_LEVEL": "WARNING"}


def warmed(gateway: Gateway, lanes: Mapping[str, str]) -> list[Contender]:
    """The contenders of a gateway, after one call of each lane and when nothing warms up in the background any more."""
    pid, port = gateway.process.pid, int(gateway.url.rsplit(":", 1)[1])
    key = gateway.create_key(alias="bench")["key"]
    for lane in lanes:
        answer = gateway.call("POST", PATH, bodies(lane)[0], key=key)
        assert answer.status == 200, answer.body[:300]
    time.sleep(3.0)
    pin(pid, 1)
    return [contender(name, port, pid, lane, f"{lane}-paced", key) for lane, name in lanes.items()]


@contextlib.contextmanager
def litellm_proxy(upstream: str, folder: Path) -> Iterator[list[Contender]]:
    """LiteLLM's own proxy from its environment, with a master key and nothing else: forwarding, and translating to Anthropic's format."""
    home = ROOT / ".venv-peer-litellm" / "bin"
    if not (home / "litellm").exists():
        print("LiteLLM's proxy is left out: it is not installed (make peers)")
        yield []
        return
    key, port = f"sk-{secrets.token_hex(16)}", free_port()
    providers = (("", "openai", f"{upstream}/v1"), ("translated-", "anthropic", upstream))
    models = [
        {
            "model_name": prefix + name,
            "litellm_params": {"model": f"{provider}/{script}", "api_base": base, "api_key": secrets.token_hex(16)},
        }
        for prefix, provider, base in providers
        for name, script in (("plain", SCRIPT), ("paced", PACED))
    ]
    config = folder / "litellm.yaml"
    config.write_text(yaml.safe_dump({"model_list": models, "general_settings": {"master_key": key}}))
    arguments = [str(home / "litellm"), "--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"]
    quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
    with process(arguments, core=1, python=str(home / "python"), **quiet) as server:
        wait_for(f"http://127.0.0.1:{port}/health/liveliness", 120)
        pin(server.pid, 1)
        yield [
            contender(PROXY, port, server.pid, "plain", "paced", key),
            contender(TRANSLATING, port, server.pid, "translated-plain", "translated-paced", key),
        ]


@contextlib.contextmanager
def portkey(upstream: str) -> Iterator[list[Contender]]:
    """Portkey's gateway from its environment; it takes provider and address from headers, and keeps nothing."""
    server_file = ROOT / ".venv-peer-portkey" / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    node = shutil.which("node")
    if node is None or not server_file.exists():
        print("Portkey's gateway is left out: " + ("Node is not installed" if node is None else "it is not installed (make peers)"))
        yield []
        return
    port = free_port()
    with process([str(server_file), f"--port={port}", "--headless"], core=1, python=node) as server:
        wait_for(f"http://127.0.0.1:{port}/")
        pin(server.pid, 1)
        headers = {"x-portkey-provider": "openai", "x-portkey-custom-host": f"{upstream}/v1"}
        yield [contender(PORTKEY, port, server.pid, SCRIPT, PACED, f"sk-{secrets.token_hex(16)}", headers)]


def wait_for(url: str, seconds: float = 60.0) -> None:
    """Wait until a server answers anything at all."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=1)
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("a server did not start")
