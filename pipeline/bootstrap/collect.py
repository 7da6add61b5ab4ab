"""`lockgate collect`: the receiver of telemetry alone, a redacting collector without the gateway's models.

It reads the same document, so that the same policies and destinations hold; of its targets it resolves the secrets that it can, only in
order to know them: a provider's key in somebody's span is caught here too.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Final

import uvloop

from pipeline.bootstrap.parts import Part
from pipeline.bootstrap.policies import open_redaction
from pipeline.bootstrap.serving import Served, announce_run, prepare, run
from pipeline.config.document import Document
from pipeline.config.environment import Process
from pipeline.config.home import prepare_home
from pipeline.config.loader import load_with_warnings
from pipeline.config.running import live_run
from pipeline.errors import ConfigError
from pipeline.gateway.table import collector_table

HTTP_PORT: Final = 4318
GRPC_PORT: Final = 4317


def without_models(document: Document) -> Document:
    """The document without what callers ask for; no target's secret is required."""
    targets = tuple(target.model_copy(update={"required": False}) for target in document.targets)
    return document.model_copy(update={"models": {}, "targets": targets})


COLLECTOR: Final = Part(routes=collector_table, taken=without_models, port=HTTP_PORT, grpc_port=GRPC_PORT, mirrors=False)


def collect(process: Process) -> int:
    """Receive until stopped. Raises ConfigError, SecretError or LedgerError when it must not start."""
    other = live_run(process.layout)
    if other is not None:
        raise ConfigError(
            f"A gateway already runs in this data folder, at {other.url}; it receives telemetry itself.",
            hint="Send telemetry there, or set another LOCKGATE_HOME; with the gateway's pepper.json and database the same keys hold.",
        )
    home = prepare_home(process.home)
    redaction = open_redaction(home.cache)
    document, warnings = load_with_warnings(process.document_path, find_secrets=redaction.finder())
    plan = prepare(process, document, process.document_path, home, redaction, COLLECTOR)
    if not plan.destinations:
        raise ConfigError("There is nowhere to send telemetry.", hint="Add one of telemetry.destinations to the document.")
    for warning in warnings:
        sys.stderr.write(f"{warning}\n")
    return uvloop.run(run(process, plan, redaction, _beside))


async def _beside(served: Served) -> Callable[[], Awaitable[None]]:
    announce_run(served)
    sys.stderr.write(f"Lockgate collects at {served.url} (OTLP over HTTP)\nOTLP over gRPC at {served.grpc_url}\n")

    async def nothing() -> None:
        return None

    return nothing
