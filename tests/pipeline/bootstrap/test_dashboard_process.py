"""The dashboard's process: how it gets the store's address, and how often it is started again. Real processes, short ones."""

from __future__ import annotations

import asyncio
import socket
import sys
from asyncio.subprocess import Process
from pathlib import Path

from pipeline.bootstrap.dashboard_process import FIRST_WAIT_S, RESTARTS, Kept, start_dashboard, stop_dashboard
from tests.walks.house import command_of, environment_in


async def process(script: str) -> Process:
    return await asyncio.create_subprocess_exec(sys.executable, "-c", script)


class Watched:
    """A kept process, what was said of it, and how long it was waited."""

    def __init__(self, *scripts: str) -> None:
        self.scripts = list(scripts)
        self.said: list[str] = []
        self.waits: list[float] = []
        self.given_up = asyncio.Event()

    async def start(self) -> Process:
        script = self.scripts.pop(0)
        if script == "cannot start":
            raise FileNotFoundError(script)
        return await process(script)

    async def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        await asyncio.sleep(0)

    async def kept(self) -> Kept:
        return Kept(await self.start(), self.start, say=self.said.append, gone=self.given_up.set, sleep=self.wait)


async def test_a_dashboard_that_ends_is_started_again() -> None:
    watched = Watched("raise SystemExit(3)", "import time; time.sleep(60)")
    kept = await watched.kept()
    first = kept.process
    async with asyncio.timeout(20):
        while kept.process is first:
            await asyncio.sleep(0.01)
    assert watched.said == [f"The dashboard ended (3); it is started again in {FIRST_WAIT_S:g} s (1 of {RESTARTS})."]
    await kept.stop()
    assert kept.process.returncode is not None
    assert len(watched.said) == 1, "an end that was asked for is no accident"


async def test_one_that_cannot_live_is_given_up_after_longer_and_longer_waits() -> None:
    watched = Watched("raise SystemExit(1)", "cannot start", *["raise SystemExit(1)"] * 4)
    kept = await watched.kept()
    async with asyncio.timeout(30):
        await watched.given_up.wait()
    assert watched.waits == [FIRST_WAIT_S * 2**number for number in range(RESTARTS)]
    assert len(watched.said) == RESTARTS + 1
    assert "stays down" in watched.said[-1]
    assert "FileNotFoundError" in watched.said[1] + watched.said[2]
    await kept.stop()


async def test_the_stores_address_stands_neither_in_arguments_nor_in_the_environment(tmp_path: Path) -> None:
    """It has the password of the database in it; both can be read in /proc for as long as the process lives."""
    url = f"sqlite:///{tmp_path / 'planted-name-of-a-store.db'}"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    started = await start_dashboard(
        "127.0.0.1", port, database_url=url, gateway_url="http://127.0.0.1:9", home=tmp_path, environment={"PATH": "/usr/bin:/bin"}
    )
    try:
        async with asyncio.timeout(60):
            while not is_listening(port):
                assert started.returncode is None, (tmp_path / "dashboard.log").read_text()
                await asyncio.sleep(0.05)
        seen = environment_in(started.pid) + command_of(started.pid)
        assert b"dashboard.server" in seen
        assert b"planted-name" not in seen
    finally:
        await stop_dashboard(started)
    assert [path.name for path in tmp_path.iterdir()] == ["dashboard.log"]


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
