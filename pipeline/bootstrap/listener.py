"""The listening side: a bound socket, uvicorn on it, and an orderly end.

The first SIGTERM or SIGINT begins the drain: what runs goes on, what is new is answered 503 with Retry-After, on old connections and on
new ones, so that a load balancer sees it and a caller tries elsewhere. The drain ends when nothing runs any more (and not before the
notice is over), at the latest after the grace period; then the socket closes and what is left is settled. The second signal ends at once
(what was open is recovered at the next start as `unknown`).
"""

from __future__ import annotations

import asyncio
import math
import signal
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn

from pipeline.bootstrap.connection import BoundedConnection
from pipeline.errors import ConfigError
from pipeline.gateway.app import Gateway
from pipeline.gateway.model import Load

BACKLOG = 2048


def bind(host: str, port: int, *, asked_for: bool) -> socket.socket:
    """Bind a TCP socket. A busy port that was asked for is an error; otherwise another free one is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        if asked_for:
            raise ConfigError(
                f"The address {host}:{port} cannot be used: {error.strerror}.",
                hint="Stop the program that uses it, or choose another port with --port or LOCKGATE_PORT.",
            ) from None
        return bind(host, 0, asked_for=True)
    listener.listen(BACKLOG)
    return listener


def address_of(listener: socket.socket, *, tls: bool) -> str:
    """The base URL of a bound socket."""
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if tls else 'http'}://{shown}:{port}"


class Listener(uvicorn.Server):
    """uvicorn with our own handling of signals and draining. `notice_s` is how long a drain lasts at least, `grace_s` at most."""

    def __init__(self, config: uvicorn.Config, load: Load, *, grace_s: float, notice_s: float) -> None:
        super().__init__(config)
        self._load = load
        self._grace_s = grace_s
        self._notice_s = min(notice_s, grace_s)
        self._drain: asyncio.Task[None] | None = None

    def capture_signals(self) -> Any:
        """Leave the signals to `stop_on_signals`."""
        from contextlib import nullcontext

        return nullcontext()

    def stop(self) -> None:
        """Begin the orderly end; a second call ends at once."""
        if self._load.draining:
            self.force_exit = self.should_exit = True
        elif not self.started:
            self._load.draining = self.should_exit = True
        else:
            self._load.draining = True
            self._drain = asyncio.get_running_loop().create_task(self._drained())

    async def _drained(self) -> None:
        """Let what runs come to its end, then stop listening; what is left of the grace is the server's for what still runs."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not self.should_exit:
            passed = loop.time() - began
            if passed >= self._grace_s or (passed >= self._notice_s and self._load.running == 0):
                break
            await asyncio.sleep(0.02)
        self.config.timeout_graceful_shutdown = max(0, math.ceil(self._grace_s - (loop.time() - began)))
        self.should_exit = True


def listener_for(app: Gateway, load: Load, *, grace_s: float, notice_s: float, tls_cert: Path | None, tls_key: Path | None) -> Listener:
    """Configure uvicorn: httptools with bounded heads, no access log of its own, no server header, no proxy headers."""
    connection: Any = partial(BoundedConnection, turned_away=app.turned_away)
    config = uvicorn.Config(
        app,
        http=connection,
        ws="none",
        loop="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=int(grace_s),
        timeout_keep_alive=75,
        backlog=BACKLOG,
        ssl_certfile=str(tls_cert) if tls_cert else None,
        ssl_keyfile=str(tls_key) if tls_key else None,
    )
    return Listener(config, load, grace_s=grace_s, notice_s=notice_s)


def stop_on_signals(stop: Callable[[], None]) -> None:
    """Call `stop` on SIGTERM and SIGINT."""
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop)
