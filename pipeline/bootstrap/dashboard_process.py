"""The dashboard beside the gateway: a process of its own, with a read-only store and no key but its visitor's."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import Process
from collections.abc import Mapping
from pathlib import Path
from typing import IO

STOP_S = 5.0
_PASSED = ("PATH", "LANG", "LC_ALL", "TZ", "HOME", "TMPDIR", "NO_COLOR", "PYTHONPATH", "VIRTUAL_ENV")


async def start_dashboard(
    host: str, port: int, *, database_url: str, gateway_url: str, home: Path, environment: Mapping[str, str]
) -> Process:
    """Start it. The database URL goes through its environment, never its arguments; provider keys do not go at all."""
    passed = {name: environment[name] for name in _PASSED if name in environment}
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
        env={**passed, "LOCKGATE_DATABASE_URL": database_url, "LOCKGATE_HOME": str(home)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=_log(home / "dashboard.log"),
        start_new_session=True,
        preexec_fn=_die_with_parent,
    )


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
