"""The dashboard beside the gateway: a process of its own, with a read-only store and no key but its visitor's.

It is started again when it ends by itself, later each time and not for ever: one that cannot live is said to be down.
"""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import IO

STOP_S = 5.0
RESTARTS = 5
"""How often in a row it is started again."""

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
STEADY_S = 60.0
"""A dashboard that lived this long was well: the restarts are counted from the beginning again."""

_PASSED = ("PATH", "LANG", "LC_ALL", "TZ", "HOME", "TMPDIR", "NO_COLOR", "PYTHONPATH", "VIRTUAL_ENV")


async def start_dashboard(
    host: str, port: int, *, database_url: str, gateway_url: str, home: Path, environment: Mapping[str, str]
) -> Process:
    """Start it. The database URL goes through a pipe: arguments and environments can be read from outside. No provider key goes."""
    passed = {name: environment[name] for name in _PASSED if name in environment}
    reading, writing = os.pipe()
    try:
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(database_url.encode())
        with _log(home / "dashboard.log") as log:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "dashboard.server",
                "--host",
                host,
                "--port",
                str(port),
                "--gateway",
                gateway_url,
                env={**passed, "LOCKGATE_DATABASE_URL_FILE": f"/dev/fd/{reading}", "LOCKGATE_HOME": str(home)},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=log,
                pass_fds=(reading,),
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
    finally:
        os.close(reading)


class Kept:
    """A dashboard that is started again when it ends. `say` gets a sentence each time, `gone` is called when it is given up.

    `start` makes its process; an OSError of it counts as one more end. `sleep` waits (seconds).
    """

    def __init__(
        self,
        process: Process,
        start: Callable[[], Awaitable[Process]],
        *,
        say: Callable[[str], None],
        gone: Callable[[], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.process = process
        self._start, self._say, self._gone, self._sleep = start, say, gone, sleep
        self._task = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        restarts, began = 0, loop.time()
        while True:
            code: int | str = await self.process.wait()
            if loop.time() - began >= STEADY_S:
                restarts = 0
            while True:
                if restarts >= RESTARTS:
                    self._say(f"The dashboard ended again ({code}) and stays down. The gateway goes on; dashboard.log says why.")
                    self._gone()
                    return
                wait_s = min(FIRST_WAIT_S * 2**restarts, LONGEST_WAIT_S)
                restarts += 1
                self._say(f"The dashboard ended ({code}); it is started again in {wait_s:g} s ({restarts} of {RESTARTS}).")
                await self._sleep(wait_s)
                began = loop.time()
                try:
                    self.process = await self._start()
                    break
                except OSError as error:
                    code = type(error).__name__

    async def stop(self) -> None:
        """End it for good."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await stop_dashboard(self.process)


def _log(path: Path) -> IO[bytes]:
    """Its log, readable by the owner only."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


async def stop_dashboard(process: Process) -> None:
    """End it: politely, then for certain."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _die_with_parent() -> None:
    """Linux: end the dashboard when the gateway is killed, so that no orphan keeps the port (prctl PR_SET_PDEATHSIG)."""
    if sys.platform == "linux":
        import ctypes
        import signal

        ctypes.CDLL(None).prctl(1, signal.SIGTERM)
        if os.getppid() == 1:
            os._exit(1)
