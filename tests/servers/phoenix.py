"""A real OTLP back end: arize-phoenix in its own environment (`make backend`), with its data in a temporary folder.

Phoenix offers only loopback for HTTP, but binds its gRPC port on every interface whatever host it is told. The launcher below
changes that one address and nothing else; everything that reads the spans is Phoenix's own.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-phoenix" / "bin" / "python"
START_S = 90.0
_LAUNCH = """
import sys
from grpc.aio import _server
bind = _server.Server.add_insecure_port
_server.Server.add_insecure_port = lambda server, address: bind(server, address.replace("[::]", "127.0.0.1"))
from phoenix.server.main import main
sys.argv = ["phoenix", "serve"]
main()
"""
_TOTALS = """
query ($name: String!) {
  projects(filter: {col: name, value: $name}) {
    edges {
      node {
        name
        tokenCountTotal
        spans(first: 1000) {
          edges { node { name spanKind statusCode attributes input { value } output { value } tokenCountPrompt tokenCountCompletion } }
        }
      }
    }
  }
}
"""


@dataclass(frozen=True)
class Phoenix:
    """A running Phoenix: where it takes spans, and what it gives back."""

    url: str
    grpc_url: str
    folder: Path
    log: Path

    def spans(self, project: str) -> list[dict[str, Any]]:
        """Every span of a project as its REST API gives it; none while the project does not exist."""
        found: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            page = self._read(f"/v1/projects/{project}/spans?limit=1000" + (f"&cursor={cursor}" if cursor else ""))
            found.extend(page["data"])
            cursor = page["next_cursor"]
        return found

    def wait_for_spans(self, project: str, count: int, timeout_s: float = 40.0) -> list[dict[str, Any]]:
        """Wait until a project holds so many spans; gives them."""
        deadline = time.monotonic() + timeout_s
        while len(spans := self.spans(project)) < count:
            assert time.monotonic() < deadline, f"{len(spans)} of {count} spans came"
            time.sleep(0.25)
        return spans

    def project(self, name: str) -> dict[str, Any]:
        """A project as its GraphQL API gives it, with its token total and its spans."""
        edges = self._read("/graphql", {"query": _TOTALS, "variables": {"name": name}})["data"]["projects"]["edges"]
        nodes = [edge["node"] for edge in edges if edge["node"]["name"] == name]
        assert len(nodes) == 1, (name, len(nodes))
        node: dict[str, Any] = nodes[0]
        return {**node, "spans": [edge["node"] for edge in node["spans"]["edges"]]}

    def returned(self, project: str) -> bytes:
        """All that it answers about a project: REST, REST in OTLP's shape, traces, GraphQL."""
        answers = [self.spans(project), self.project(project)]
        answers += [self._read(f"/v1/projects/{project}/{what}") for what in ("spans/otlpv1?limit=1000", "traces?limit=1000")]
        return json.dumps(answers, ensure_ascii=False).encode()

    def written(self) -> dict[str, bytes]:
        """Every file that it wrote: the database, its write-ahead log, and its own log."""
        found = {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in sorted(self.folder.rglob("*")) if path.is_file()}
        return {**found, "log": self.log.read_bytes()}

    def _read(self, path: str, body: Any = None) -> Any:
        raw = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=raw, headers={"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            if error.code == 404 and "/spans" in path:
                return {"data": [], "next_cursor": None}
            raise


def is_installed() -> bool:
    """Whether its environment is there."""
    return PYTHON.exists()


@contextlib.contextmanager
def running_phoenix(folder: Path) -> Iterator[Phoenix]:
    """Start it (15 seconds and more), and stop it at the end. It sends nothing anywhere."""
    data, log = folder / "phoenix", folder / "phoenix.log"
    data.mkdir(parents=True)
    http_port, grpc_port = free_port(), free_port()
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "LANG": "C.UTF-8",
        "HOME": str(folder),
        "PHOENIX_WORKING_DIR": str(data),
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(http_port),
        "PHOENIX_GRPC_PORT": str(grpc_port),
        "PHOENIX_TELEMETRY_ENABLED": "false",
        "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
        "PHOENIX_DISABLE_AGENT_ASSISTANT": "true",
        "PHOENIX_ENABLE_MCP_SERVER": "false",
    }
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(PYTHON), "-c", _LAUNCH], env=environment, cwd=folder, stdout=out, stderr=out, stdin=subprocess.DEVNULL
        )
    try:
        _wait(process, http_port, log)
        yield Phoenix(f"http://127.0.0.1:{http_port}", f"http://127.0.0.1:{grpc_port}", data, log)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        assert process.poll() is None, f"Phoenix ended with {process.returncode}: {log.read_text()[-3000:]}"
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2):
            return
        time.sleep(0.2)
    raise AssertionError(f"Phoenix did not start: {log.read_text()[-3000:]}")


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
