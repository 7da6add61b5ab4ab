"""The listening side: a bound socket, uvicorn on it, and an orderly end.

The first SIGTERM or SIGINT stops accepting, lets calls finish within the grace period, then settles what is left; the second
one ends at once (what was open is recovered at the next start as `unknown`).
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn

from pipeline.bootstrap.connection import BoundedConnection
from pipeline.errors import ConfigError
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
    """uvicorn with our own handling of signals and draining."""

    def __init__(self, config: uvicorn.Config, load: Load) -> None:
        super().__init__(config)
        self._load = load

    def capture_signals(self) -> Any:
        """Leave the signals to `stop_on_signals`."""
        from contextlib import nullcontext

        return nullcontext()

    def stop(self) -> None:
        """Begin the orderly end; a second call ends at once."""
        if self._load.draining:
            self.force_exit = True
        self._load.draining = True
        self.should_exit = True


def listener_for(app: Any, load: Load, *, grace_s: float, tls_cert: Path | None, tls_key: Path | None) -> Listener:
    """Configure uvicorn: httptools with bounded heads, no access log of its own, no server header, no proxy headers."""
    config = uvicorn.Config(
        app,
        http=BoundedConnection,
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
    return Listener(config, load)


def stop_on_signals(stop: Callable[[], None]) -> None:
    """Call `stop` on SIGTERM and SIGINT."""
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop)
