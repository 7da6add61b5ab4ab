from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("opentelemetry.sdk", "opentelemetry.exporter", "google.protobuf", "grpc", "aiohttp", "prometheus_client", "structlog")


@pytest.mark.parametrize(
    "module",
    [
        "gate",
        "tracing",
        "genai",
        "metrics",
        "logs",
        "outbox",
        "spool",
        "deadline",
        "otlp.codec",
        "otlp.sender",
        "otlp.destination",
        "sinks.lines",
    ],
)
def test_importing_a_module_loads_nothing_heavy(module: str) -> None:
    script = f"import sys, collectors.{module}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30, cwd=ROOT)

    assert done.stdout.strip() == "[]"
