"""Runs a built gateway until it is told to stop: listener, run file, signals, reload on SIGHUP, orderly end."""

from __future__ import annotations

import asyncio
import logging
import resource
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.bootstrap.build import Running, build
from pipeline.bootstrap.listener import Listener, address_of, bind, listener_for, stop_on_signals
from pipeline.bootstrap.parts import Part, Plan
from pipeline.bootstrap.policies import Redaction
from pipeline.bootstrap.receiving import open_grpc
from pipeline.config.checks import check_address
from pipeline.config.document import Document
from pipeline.config.environment import Process, database_url, drop_provider_keys, env_snapshot
from pipeline.config.home import Home
from pipeline.config.otel import read_otel, refuse_named_twice
from pipeline.config.running import Running as RunningAt
from pipeline.config.running import forget_run, write_run
from pipeline.errors import ConfigError, PipelineError
from redactors.detectors.engines import SLOWER

log = logging.getLogger("lockgate")

GRPC_GRACE_S = 5.0
"""Seconds that a telemetry request that is being taken has once HTTP has stopped; its sender keeps what was not acknowledged."""

LOG_LINE_S = 2.0
"""Seconds that the redaction of one log line may take; whoever logs waits no longer, and the line then says only that it failed."""

LOG_WORKERS = 4
"""So many lines may hang for good until every line is a tombstone at once."""

TALKATIVE = ("alembic", "presidio-analyzer", "uvicorn.error", "LiteLLM", "botocore", "httpx")
"""Libraries whose ordinary lines say nothing to an operator."""


@dataclass(frozen=True, slots=True)
class Served:
    """A gateway that listens: its address, its parts, and where its data is."""

    url: str
    running: Running
    home: Home
    plan: Plan
    grpc_url: str = ""


Beside = Callable[[Served], Awaitable[Callable[[], Awaitable[None]]]]
"""What starts beside the gateway once it listens (the dashboard, the greeting); gives what stops it."""


def prepare(process: Process, document: Document, config: Path, home: Home, redaction: Redaction, part: Part | None = None) -> Plan:
    """Everything before the event loop: the address, logs through redaction, keys out of the environment."""
    from collectors.deadline import Deadline
    from collectors.logs import install, use_structlog

    check_address(document, process.host)
    environment: Mapping[str, str] = env_snapshot()
    recorder = Deadline(redaction.recorder(), seconds=LOG_LINE_S, workers=LOG_WORKERS, inline_chars=0)
    installed = install(recorder, level=process.log_level)
    use_structlog()
    if process.log_level != "DEBUG":
        for name in TALKATIVE:
            logging.getLogger(name).setLevel(logging.WARNING)
    for note in home.notes:
        log.warning(note)
    if redaction.engine == "fallback":
        log.warning(SLOWER)
    # No core dump: it would hold every live secret. Child processes inherit it.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    otel = read_otel(environment)
    refuse_named_twice(document, otel)
    for number, value in enumerate(otel.secrets):
        redaction.announce(value, f"process:otel-header-{number}")
    part = part or Part()
    document = part.taken(document)
    url = database_url(process, environment)
    plan = Plan(document, config, home, url, process.host, environment, installed.reseal, otel, installed.follow, part, installed.count)
    drop_provider_keys((*named_variables(document), *otel.names, "LOCKGATE_DATABASE_URL"))
    return plan


def named_variables(document: Document) -> tuple[str, ...]:
    """The environment variables that references and vaults' own credentials name: gone from the process, kept in the snapshot."""
    from pipeline.bootstrap.compile import compile_references
    from pipeline.config.credentials import connections
    from pipeline.vaults.auth import inner_references

    references = compile_references(document)
    inner = (ref for _, _, auth_config in connections(document) for ref in inner_references(auth_config, references.declared).values())
    named = (*references.all(), *references.declared.values(), *inner)
    return tuple(sorted({ref.secret_path for ref in named if ref.manager_type == "env"}))


async def run(process: Process, plan: Plan, redaction: Redaction, beside: Beside) -> int:
    """Build, listen, run until stopped. Returns the exit code."""
    from collectors.logs import watch

    loop = asyncio.get_running_loop()
    watch(loop)
    server = plan.document.server
    listening = bind(process.host, plan.part.port if process.port is None else process.port, asked_for=process.port is not None)
    try:
        running = await build(plan, redaction)
    except BaseException:
        listening.close()
        raise
    folder = plan.config.resolve().parent
    listener = listener_for(
        running.app,
        running.house.load,
        grace_s=plan.document.limits.drain_s,
        notice_s=plan.document.limits.drain_notice_s,
        tls_cert=folder / server.tls_cert if server.tls_cert else None,
        tls_key=folder / server.tls_key if server.tls_key else None,
    )
    running.seal()

    def stop() -> None:
        if sys.stderr.isatty() and not running.house.load.draining:  # a person waits, and would press Ctrl-C again
            limit = plan.document.limits.drain_s
            sys.stderr.write(f"\nStopping. Calls that run have up to {limit:g} s; Ctrl-C again ends them now.\n")
        listener.stop()

    stop_on_signals(stop)
    loop.add_signal_handler(signal.SIGHUP, lambda: loop.create_task(_reload(running)))
    try:
        grpc = await open_grpc(running.app, running.house, plan)
    except BaseException:
        listening.close()
        await running.stop()
        raise
    served = Served(address_of(listening, tls=server.tls_cert is not None), running, plan.home, plan, grpc.url if grpc else "")
    serving = asyncio.create_task(listener.serve(sockets=[listening]))
    undo: Callable[[], Awaitable[None]] | None = None
    try:
        await _started(listener, serving)
        undo = await beside(served)
        await serving
    finally:
        if not serving.done():
            listener.stop()
        await asyncio.gather(serving, return_exceptions=True)
        if undo is not None:
            await undo()
        if grpc is not None:
            await grpc.receiver.stop(GRPC_GRACE_S)
        await running.app.flush()
        await running.stop()
        forget_run(plan.home, _pid())
    return 0


def announce_run(served: Served, dashboard_url: str = "") -> None:
    """Write `run.json`."""
    write_run(served.home, RunningAt(served.url, _pid(), dashboard_url))


async def _started(listener: Listener, serving: asyncio.Task[Any]) -> None:
    while not listener.started:
        if serving.done():
            await serving
            raise ConfigError("The listener ended before it began.", hint="See the log.")
        await asyncio.sleep(0.005)


async def _reload(running: Running) -> None:
    """SIGHUP: like `POST /v1/config/reload`, with the outcome in the log and the audit."""
    house = running.house
    from pipeline.keys.service import Actor, event

    actor = Actor("system")
    try:
        loaded = await house.desk.reload()
        told = {"digest": loaded.digest, "needs_restart": list(loaded.needs_restart), "by": "SIGHUP"}
        await house.ledger.append(event(house.desk.office, actor, "config:document:reload", told))
        log.info("the document was reloaded", extra={"needs_restart": ", ".join(loaded.needs_restart)} if loaded.needs_restart else {})
    except PipelineError as error:
        log.error("the document was not reloaded; the former one stays in force", extra={"code": error.code, "reason": error.message})
        refused = event(house.desk.office, actor, "config:document:reload", {"code": error.code, "by": "SIGHUP"}, outcome="failed")
        await house.ledger.append(refused)


def _pid() -> int:
    import os

    return os.getpid()
