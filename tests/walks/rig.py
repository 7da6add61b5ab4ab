"""A whole house for a walk: a real gateway process with its own home, in front of loopback servers, and a look at every exit.

The gateway runs exactly as an operator runs it (`lockgate serve`), with its document, environment and data folder under one
temporary path, so that the leak scan can read every file it ever wrote.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.engines import python_path
from tests.servers.otlp import OtlpSink

ROOT = Path(__file__).resolve().parents[2]
START_S = 90.0


@dataclass
class Answer:
    """One HTTP answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Gateway:
    """A running gateway and everything it writes."""

    home: Path
    config: Path
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] = field(repr=False)
    url: str = ""
    command: str = "serve"

    @property
    def admin_key(self) -> str:
        """The admin key of its home."""
        return (self.home / "admin.key").read_text().strip()

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 30,
    ) -> Answer:
        """One HTTP request; any status is an answer."""
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = {"content-type": "application/json", **(headers or {})}
        if key is not None:
            sent["authorization"] = f"Bearer {key}"
        request = urllib.request.Request(self.url + path, data=raw, headers=sent, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                return Answer(response.status, {name.lower(): value for name, value in response.headers.items()}, response.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, {name.lower(): value for name, value in error.headers.items()}, error.read())

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        """One admin request that must succeed."""
        answer = self.call(method, path, body, key=self.admin_key)
        assert answer.status < 300, (method, path, answer.status, answer.body[:500])
        return answer.json

    def create_key(self, **fields: Any) -> dict[str, Any]:
        """A new virtual key; its token stands in `key`."""
        created: dict[str, Any] = self.admin("POST", "/v1/keys", fields)
        return created

    def events(self, **filters: str) -> list[dict[str, Any]]:
        """Audit events, newest first."""
        query = "&".join(f"{name}={value}" for name, value in {"limit": "500", **filters}.items())
        rows: list[dict[str, Any]] = self.admin("GET", f"/v1/audit/events?{query}")["data"]
        return rows

    def cli(self, *arguments: str, given: bytes | None = None, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        """Run the command line in this home."""
        done = subprocess.run(
            [sys.executable, "-m", "pipeline.cli.main", *arguments],
            input=given,
            capture_output=True,
            cwd=self.home.parent,
            env=self.environment,
            check=False,
            timeout=60,
        )
        if check:
            assert done.returncode == 0, (arguments, done.returncode, done.stdout[-800:], done.stderr[-800:])
        return done

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Stop it and wait."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(timeout=30)

    def start_again(self) -> None:
        """Start the same house again after it was stopped or killed."""
        self.process = _spawn(self.environment, self.log, self.command)
        self.url = _ready(self.process, self.home, self.log)

    def written(self) -> dict[str, bytes]:
        """Every file it ever wrote, by name: database, write-ahead log, journal, logs, caches."""
        found = {}
        for folder in (self.home,):
            for path in sorted(folder.rglob("*")):
                if path.is_file() and path.name not in ("admin.key", "pepper.json", "store.key"):
                    found[path.relative_to(self.home).as_posix()] = path.read_bytes()
        found["log"] = self.log.read_bytes()
        return found


def _spawn(environment: dict[str, str], log: Path, command: str = "serve") -> subprocess.Popen[bytes]:
    with log.open("ab") as stream:
        return subprocess.Popen(
            [sys.executable, "-m", "pipeline.cli.main", command],
            stdout=stream,
            stderr=stream,
            stdin=subprocess.DEVNULL,
            cwd=log.parent,
            env=environment,
        )


def _ready(process: subprocess.Popen[bytes], home: Path, log: Path) -> str:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"the gateway ended with {process.returncode}: {log.read_text()[-3000:]}")
        with contextlib.suppress(OSError, ValueError, KeyError):
            run = json.loads((home / "run.json").read_text())
            if run["pid"] == process.pid:
                urllib.request.urlopen(f"{run['url']}/health/live", timeout=2).read()
                return str(run["url"])
        time.sleep(0.05)
    raise AssertionError(f"the gateway did not start: {log.read_text()[-3000:]}")


def environment_for(home: Path, config: Path, **more: str) -> dict[str, str]:
    """The environment of the gateway: nothing of the person's own but PATH."""
    passed = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {
        **passed,
        "PYTHONPATH": python_path(),
        "LOCKGATE_HOME": str(home),
        "LOCKGATE_CONFIG": str(config),
        "LOCKGATE_PORT": "0",
        "LOCKGATE_LOG_LEVEL": "DEBUG",
        **more,
    }


@contextlib.contextmanager
def running_gateway(folder: Path, document: Mapping[str, Any], *, command: str = "serve", **environment: str) -> Iterator[Gateway]:
    """Start a gateway with a document, or what another command starts, and stop it at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    home, config, log = folder / "home", folder / "lockgate.yaml", folder / "gateway.log"
    config.write_text(yaml.safe_dump(dict(document), sort_keys=False))
    log.touch()
    env = environment_for(home, config, **environment)
    process = _spawn(env, log, command)
    gateway = Gateway(home, config, env, log, process, command=command)
    try:
        gateway.url = _ready(process, home, log)
        yield gateway
    finally:
        if gateway.process.poll() is None:
            gateway.process.terminate()
            try:
                gateway.process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                gateway.process.kill()
                gateway.process.wait()


def refused_start(folder: Path, document: Mapping[str, Any], **environment: str) -> tuple[int, str]:
    """Start a gateway that must refuse to: its exit code, and all that it printed."""
    folder.mkdir(parents=True, exist_ok=True)
    config, log = folder / "lockgate.yaml", folder / "gateway.log"
    config.write_text(yaml.safe_dump(dict(document), sort_keys=False))
    process = _spawn(environment_for(folder / "home", config, **environment), log)
    try:
        return process.wait(timeout=START_S), log.read_text()
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise AssertionError(f"the gateway started: {log.read_text()[-2000:]}") from None


MASK_ALL = {
    "prompt": [{"detect": ["secrets", "known", "keynames"], "action": "mask"}, {"detect": ["pii"], "action": "mask"}],
    "answer": [{"detect": ["secrets", "known", "keynames"], "action": "mask"}],
    "telemetry": [{"detect": ["secrets", "known", "keynames", "pii"], "action": "hash"}],
}
BLOCK_SECRETS = {
    **MASK_ALL,
    "prompt": [{"detect": ["secrets", "known"], "action": "block"}, {"blocked_terms": ["project nightfall"], "action": "block"}],
}


def openai_target(name: str, model: str, url: str, **more: Any) -> dict[str, Any]:
    """A target that speaks OpenAI's format at a loopback provider."""
    return {"id": name, "provider": "openai", "model": model, "base_url": f"{url}/v1", **more}


def anthropic_target(name: str, model: str, url: str, **more: Any) -> dict[str, Any]:
    """A target that speaks Anthropic's format at a loopback provider."""
    return {"id": name, "provider": "anthropic", "model": model, "base_url": url, **more}


def run_client(environment: str, script: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Run a client script in its own environment; its key goes through standard input."""
    python = ROOT / f".venv-{environment}" / "bin" / "python"
    passed = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    done = subprocess.run(
        [str(python), str(ROOT / "tests/walks/clients" / f"{script}.py")],
        input=json.dumps(given).encode(),
        capture_output=True,
        env=passed,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def has_environment(name: str) -> bool:
    """Whether a client environment is installed (`make clients`)."""
    return (ROOT / f".venv-{name}" / "bin" / "python").exists()


class Sink:
    """The OTLP sink of `tests.servers.otlp` on a loop of its own, for tests that are not async."""

    def __init__(self, sink: OtlpSink) -> None:
        self.sink = sink
        self.http_url = sink.http_url
        self.grpc_url = sink.grpc_url

    def bodies(self) -> list[bytes]:
        """Every request as it came and decompressed."""
        return [part for request in list(self.sink.requests) for part in (request.wire, request.body)]

    def spans(self) -> list[Any]:
        """Every span of the accepted requests."""
        spans: list[Any] = self.sink.spans()
        return spans

    def wait_for_spans(self, count: int, timeout_s: float = 30.0) -> None:
        """Wait until so many spans have come."""
        deadline = time.monotonic() + timeout_s
        while len(self.sink.spans()) < count:
            assert time.monotonic() < deadline, f"{len(self.sink.spans())} of {count} spans came"
            time.sleep(0.1)


@contextlib.contextmanager
def running_sink(port: int = 0) -> Iterator[Sink]:
    """An OTLP sink over HTTP (on a given or a free port) and gRPC in a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    sink = OtlpSink()
    asyncio.run_coroutine_threadsafe(sink.start(port), loop).result(10)
    try:
        yield Sink(sink)
    finally:
        asyncio.run_coroutine_threadsafe(sink.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()
