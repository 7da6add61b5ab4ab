"""A real OTLP back end: an MLflow tracking server in its own environment (`make backend`), on SQLite in a temporary folder.

It takes spans at `/v1/traces`, into the experiment that a header names, and gives traces back by its search API.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.servers.phoenix import free_port

ROOT: Final = Path(__file__).resolve().parents[2]
PYTHON: Final = ROOT / ".venv-mlflow" / "bin" / "python"
START_S: Final = 120.0
EXPERIMENT_HEADER: Final = "x-mlflow-experiment-id"
_PAGE: Final = 100


@dataclass(frozen=True)
class Mlflow:
    """A running MLflow server: where it takes spans, and what it gives back."""

    url: str
    folder: Path
    log: Path

    def create_experiment(self, name: str) -> str:
        """Make an experiment; its id is what spans are sent under."""
        return str(self._read("/api/2.0/mlflow/experiments/create", {"name": name})["experiment_id"])

    def traces(self, experiment: str) -> list[dict[str, Any]]:
        """Every trace of an experiment as the search API describes it: state, token usage, previews, tags."""
        place = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}
        found: list[dict[str, Any]] = []
        token: str | None = ""
        while token is not None:
            asked = {"locations": [place], "max_results": _PAGE, **({"page_token": token} if token else {})}
            page = self._read("/api/3.0/mlflow/traces/search", asked)
            found.extend(page.get("traces", []))
            token = page.get("next_page_token") or None
        return found

    def spans(self, trace: dict[str, Any]) -> list[dict[str, Any]]:
        """The spans of a trace, their attributes as plain values."""
        [whole] = self._read(f"/api/3.0/mlflow/traces/batchGet?trace_ids={trace['trace_id']}")["traces"]
        return [{**span, "attributes": _plain(span["attributes"])} for span in whole["spans"]]

    def wait_for_traces(self, experiment: str, count: int, timeout_s: float = 60.0) -> list[dict[str, Any]]:
        """Wait until an experiment holds so many finished traces; gives them."""
        deadline = time.monotonic() + timeout_s
        while True:
            traces = self.traces(experiment)
            finished = [trace for trace in traces if trace["state"] != "IN_PROGRESS"]
            if len(finished) == len(traces) >= count:
                return traces
            assert time.monotonic() < deadline, f"{len(finished)} of {count} traces came"
            time.sleep(0.25)

    def written(self) -> dict[str, bytes]:
        """Every file that it wrote: the database, its write-ahead log, and its own log."""
        found = {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in sorted(self.folder.rglob("*")) if path.is_file()}
        return {**found, "log": self.log.read_bytes()}

    def _read(self, path: str, body: Any = None) -> Any:
        raw = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=raw, headers={"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)


def is_installed() -> bool:
    """Whether its environment is there."""
    return PYTHON.exists()


@contextlib.contextmanager
def running_mlflow(folder: Path) -> Iterator[Mlflow]:
    """Start it (10 seconds and more), and stop it at the end. It sends nothing anywhere."""
    data, log = folder / "mlflow", folder / "mlflow.log"
    data.mkdir(parents=True)
    port = free_port()
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "LANG": "C.UTF-8",
        "HOME": str(folder),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "GIT_PYTHON_REFRESH": "quiet",
    }
    command = [str(PYTHON), "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{data / 'mlflow.db'}", "--default-artifact-root", str(data / "artifacts")]
    with log.open("wb") as out:
        # The server is a child of the command: both are in a group of their own, and end together.
        process = subprocess.Popen(
            command, env=environment, cwd=folder, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True
        )
    try:
        _wait(process, port, log)
        yield Mlflow(f"http://127.0.0.1:{port}", data, log)
    finally:
        _end(process)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        assert process.poll() is None, f"MLflow ended with {process.returncode}: {log.read_text()[-3000:]}"
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2):
            return
        time.sleep(0.2)
    raise AssertionError(f"MLflow did not start: {log.read_text()[-3000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    for how in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(15)
    process.wait()


def _plain(attributes: list[dict[str, Any]]) -> dict[str, Any]:
    """Attributes of OTLP's shape as a mapping. MLflow reads JSON in an attribute: messages come back as trees."""
    return {pair["key"]: _value(pair["value"]) for pair in attributes}


def _value(wrapped: dict[str, Any]) -> Any:
    [(kind, value)] = wrapped.items()
    if kind == "array_value":
        return [_value(item) for item in value.get("values", [])]
    if kind == "kvlist_value":
        return _plain(value.get("values", []))
    return int(value) if kind == "int_value" else value  # 64-bit integers may come as texts
