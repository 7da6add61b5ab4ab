"""`lockgate up` and `lockgate demo`: gateway and dashboard in one foreground process, with a key to try them.

`up` keeps its data, `demo` uses a temporary folder. Each start makes a new key with a small budget and revokes the one of the
start before it. A second `up` on a running home says where it runs.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import tempfile
from asyncio.subprocess import Process as Child
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

import uvloop
from sqlalchemy import select

from pipeline.bootstrap.dashboard_process import Kept, start_dashboard
from pipeline.bootstrap.listener import address_of, bind
from pipeline.bootstrap.policies import open_redaction
from pipeline.bootstrap.quickstart import quickstart, quickstart_path
from pipeline.bootstrap.serving import Served, announce_run, prepare, run
from pipeline.config.environment import DEFAULT_DASHBOARD_PORT, Process, env_snapshot
from pipeline.config.home import prepare_home, write_private
from pipeline.config.loader import load_document
from pipeline.config.running import live_run
from pipeline.ids import ulid
from pipeline.keys import people, service
from pipeline.keys.service import Actor
from pipeline.store.tables import virtual_keys

ALIAS = "quickstart"
BUDGET_USD = "1.00"
DASHBOARD_WAIT_S = 20.0


def up(process: Process, *, home: Path | None = None, open_browser: bool = False, out: TextIO | None = None) -> int:
    """Start everything with the quick-start document and stay in the foreground. Returns the exit code."""
    stream = out or sys.stdout
    if home is not None:
        process = process.model_copy(update={"home": home})
    # Until the loop has its own handlers, a SIGTERM ends this like Ctrl-C does, so that `demo` leaves no folder behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    other = live_run(process.layout)
    if other is not None and _answers(other.url):
        _say(
            stream,
            f"Lockgate already runs in this data folder.\n\n  base URL    {other.url}/v1\n"
            f"  dashboard   {other.dashboard_url or '(none)'}\n  process     {other.pid}",
        )
        return 0
    prepared = prepare_home(process.home)
    redaction = open_redaction(prepared.cache)
    path = process.config or quickstart_path()
    if process.config is None:
        document, found = quickstart(env_snapshot(), redaction.finder())
    else:
        document, found = load_document(path, find_secrets=redaction.finder()), ()
    plan = prepare(process, document, path, prepared, redaction)

    async def beside(served: Served) -> Callable[[], Awaitable[None]]:
        return await _beside(served, process, found, stream, open_browser)

    return uvloop.run(run(process, plan, redaction, beside))


def demo(process: Process, *, out: TextIO | None = None) -> int:
    """The same in a temporary folder, which is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="lockgate-demo-") as folder:
        return up(process, home=Path(folder), out=out)


async def _beside(
    served: Served, process: Process, found: tuple[str, ...], stream: TextIO, open_browser: bool
) -> Callable[[], Awaitable[None]]:
    office = served.running.office
    key = await _fresh_key(served)
    link = await people.make_link(office, Actor("system"), "operator", "admin")
    listener = bind(
        "127.0.0.1",
        DEFAULT_DASHBOARD_PORT if process.dashboard_port is None else process.dashboard_port,
        asked_for=process.dashboard_port is not None,
    )
    dashboard_url = address_of(listener, tls=False)
    port = listener.getsockname()[1]
    listener.close()

    async def start() -> Child:
        return await start_dashboard(
            "127.0.0.1",
            port,
            database_url=served.plan.database_url,
            gateway_url=served.url,
            home=served.home.path,
            environment=served.plan.environment,
        )

    dashboard = await start()
    announce_run(served, dashboard_url)
    reachable = await _reachable(port, dashboard)
    if not reachable:
        announce_run(served)
    kept = Kept(dashboard, start, say=_complain, gone=lambda: announce_run(served))
    _greet(stream, served, key, f"{dashboard_url}/login?token={link}" if reachable else "", found)
    if open_browser and reachable:
        import webbrowser

        webbrowser.open(f"{dashboard_url}/login?token={link}")

    return kept.stop


async def _fresh_key(served: Served) -> str:
    """Revoke the key that the start before printed, whose id stands in the data folder, and make a new one with a small budget.

    A key of somebody's own is left alone, whatever it is called: then the new one has a longer name.
    """
    office, house, file = served.running.office, served.running.house, served.home.quickstart_file
    former = file.read_text("utf-8").strip() if file.exists() else ""
    columns = virtual_keys.c

    def standing() -> tuple[bool, bool]:
        """Whether the former key is still there, and whether the name is somebody else's."""
        good = select(columns.id).where(columns.status != "revoked", columns.replaced_by == "")
        with house.desk.reader.connect() as connection:
            there = connection.execute(good.where(columns.id == former)).first() is not None
            return there, connection.execute(good.where(columns.alias == ALIAS, columns.id != former)).first() is not None

    actor = Actor("system")
    there, taken = await asyncio.to_thread(standing)
    if there:
        await service.revoke_key(office, actor, former)
    alias = f"{ALIAS}-{ulid(house.clock.now_us()).lower()}" if taken else ALIAS
    made = await service.create_key(office, actor, {"alias": alias, "budget": {"limit_usd": BUDGET_USD, "period": "day"}, "rpm_limit": 600})
    await asyncio.to_thread(write_private, file, f"{made['id']}\n")
    return str(made["key"])


def _answers(url: str) -> bool:
    """Whether something listens there: after a crash or a reboot the process id of `run.json` may belong to somebody else."""
    where = urlsplit(url)
    try:
        with socket.create_connection((where.hostname or "127.0.0.1", where.port or 80), timeout=2):
            return True
    except OSError:
        return False


async def _reachable(port: int, dashboard: Child) -> bool:
    """Wait until the dashboard listens; give up when it has ended."""
    try:
        async with asyncio.timeout(DASHBOARD_WAIT_S):
            while dashboard.returncode is None:
                with socket.socket() as probe:
                    probe.setblocking(False)
                    try:
                        await asyncio.get_running_loop().sock_connect(probe, ("127.0.0.1", port))
                    except OSError:
                        await asyncio.sleep(0.05)
                        continue
                    return True
    except TimeoutError:
        pass
    return False


def _greet(stream: TextIO, served: Served, key: str, dashboard: str, found: tuple[str, ...]) -> None:
    model = next(iter(served.plan.document.models), "demo")
    body = f'{{"model": "{model}", "messages": [{{"role": "user", "content": "echo my password is hunter2-Correct-Horse"}}]}}'
    configured = "".join(f"\n  found       {line}" for line in found)
    _say(
        stream,
        f"""Lockgate is up.

  base URL    {served.url}/v1
  key         {key}   (new at every start, {BUDGET_USD} USD a day)
  models      {", ".join(served.plan.document.models)}{configured}
  dashboard   {dashboard or "did not start; see " + str(served.home.path / "dashboard.log")}

Try it:

  curl {served.url}/v1/chat/completions \\
    -H "Authorization: Bearer {key}" -H "Content-Type: application/json" \\
    -d '{body}'

With the OpenAI SDK:     OpenAI(base_url="{served.url}/v1", api_key="{key}")
With the Anthropic SDK:  Anthropic(base_url="{served.url}", api_key="{key}")

Stop with Ctrl-C. Data stays in {served.home.path}.""",
    )


def _complain(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


def _say(stream: TextIO, text: str) -> None:
    stream.write(text + "\n")
    stream.flush()
