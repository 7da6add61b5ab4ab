"""`lockgate serve`: the gateway alone, with the document that the environment names."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable

import uvloop

from pipeline.bootstrap.policies import open_redaction
from pipeline.bootstrap.serving import Served, announce_run, prepare, run
from pipeline.config.environment import Process
from pipeline.config.home import prepare_home
from pipeline.config.loader import load_with_warnings
from pipeline.config.running import live_run
from pipeline.errors import ConfigError


def serve(process: Process) -> int:
    """Serve until stopped. Raises ConfigError, SecretError or LedgerError when it must not start."""
    config = process.document_path
    other = live_run(process.layout)
    if other is not None:
        raise ConfigError(f"A gateway already runs in this data folder, at {other.url}.", hint="Stop it, or set another LOCKGATE_HOME.")
    home = prepare_home(process.home)
    redaction = open_redaction(home.cache)
    document, warnings = load_with_warnings(config, find_secrets=redaction.finder())
    plan = prepare(process, document, config, home, redaction)
    for warning in warnings:
        sys.stderr.write(f"{warning}\n")
    return uvloop.run(run(process, plan, redaction, _beside))


async def _beside(served: Served) -> Callable[[], Awaitable[None]]:
    announce_run(served)
    sys.stderr.write(f"Lockgate serves at {served.url}\n")
    if served.grpc_url:
        sys.stderr.write(f"OTLP over gRPC at {served.grpc_url}\n")

    async def nothing() -> None:
        return None

    return nothing
