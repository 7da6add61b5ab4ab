"""The dashboard's process: `python -m dashboard.server --port 8501 --gateway http://127.0.0.1:4000`.

The database URL comes in the variable LOCKGATE_DATABASE_URL, or from the file (or pipe) that LOCKGATE_DATABASE_URL_FILE names, never on
the command line; both are taken out of the environment at once. The server listens on loopback, asks nobody but the gateway, and prints
one line when it is ready.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dashboard.gate import LOOPBACK
from dashboard.settings import Settings

if TYPE_CHECKING:
    import uvicorn

SCRIPT = Path(__file__).with_name("app.py")


def make_app(settings: Settings, monotonic: Callable[[], float] = time.monotonic) -> Any:
    """The ASGI application: Streamlit behind the gate, with sign-in and export routes beside it."""
    from streamlit.web import bootstrap

    # Before the first look at any option; options given here win over files and variables.
    bootstrap.load_config_options(_options(settings))

    import streamlit as st
    from starlette.middleware import Middleware

    from dashboard.gate import Gate
    from dashboard.routes import make_routes
    from dashboard.session import Gateway, Sessions

    sessions = Sessions(Gateway(settings.gateway_url, settings.gateway_ca), monotonic)
    gate: Any = Middleware(Gate, sessions=sessions, hosts=(settings.host, *settings.hosts))
    return st.App(SCRIPT, secrets=settings.as_section(), routes=make_routes(sessions), middleware=[gate])


def serve(
    host: str, port: int, database_url: str, gateway_url: str, *, gateway_ca: str = "", hosts: Sequence[str] = (), parent: int = 0
) -> int:
    """Serve until SIGINT or SIGTERM (or until the process `parent` is gone); port 0 takes a free one.

    Prints `dashboard: http://host:port` on stdout once it listens. Returns the exit code: 0,
    1 when the port is taken, 2 when the address is open to others and no proxy is named.
    """
    import uvicorn

    if host not in LOOPBACK and not hosts:
        print(f"dashboard: {host} is not loopback; serve it behind a TLS proxy and name that with --allow-host", file=sys.stderr)  # noqa: T201
        return 2
    try:
        listener = socket.create_server((host, port))
    except OSError as error:
        print(f"dashboard: cannot listen on {host}:{port}: {error.strerror}", file=sys.stderr)  # noqa: T201
        return 1
    port = listener.getsockname()[1]
    settings = Settings(database_url, gateway_url, host, port, gateway_ca, tuple(hosts))
    app = make_app(settings)
    config = uvicorn.Config(
        app,
        ws="websockets-sansio",
        ws_max_size=16 * 1024 * 1024,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=3,
    )
    server = uvicorn.Server(config)
    if parent:
        threading.Thread(target=_end_with, args=(server, parent), daemon=True).start()
    print(f"dashboard: http://{host}:{port}", flush=True)  # noqa: T201
    with listener:
        server.run(sockets=[listener])
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line and the one variable, then serve."""
    parser = argparse.ArgumentParser(prog="python -m dashboard.server", description="The dashboard of Lockgate.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8501, help="port to listen on, 0 for a free one (default: %(default)s)")
    parser.add_argument("--gateway", default="http://127.0.0.1:4000", help="base URL of the gateway (default: %(default)s)")
    parser.add_argument("--gateway-ca", default="", help="CA file for a gateway that serves TLS")
    parser.add_argument("--allow-host", action="append", default=[], help="another host name to be reached under; repeatable")
    parser.add_argument("--parent", type=int, default=0, help="stop when the process with this id is gone")
    found = parser.parse_args(arguments)
    # This process has no configuration document: its one variable is read here and nowhere else.
    database_url = os.environ.pop("LOCKGATE_DATABASE_URL", "")  # noqa: TID251
    path = os.environ.pop("LOCKGATE_DATABASE_URL_FILE", "")  # noqa: TID251
    if path and not database_url:
        try:
            database_url = Path(path).read_text("utf-8").strip()
        except (OSError, ValueError) as error:
            print(f"dashboard: LOCKGATE_DATABASE_URL_FILE cannot be read ({type(error).__name__})", file=sys.stderr)  # noqa: T201
            return 2
    if not database_url:
        print("dashboard: LOCKGATE_DATABASE_URL is not set; it names the store to read", file=sys.stderr)  # noqa: T201
        return 2
    return serve(
        found.host,
        found.port,
        database_url,
        found.gateway,
        gateway_ca=found.gateway_ca,
        hosts=found.allow_host,
        parent=found.parent,
    )


def _options(settings: Settings) -> dict[str, Any]:
    from dashboard.theme import streamlit_options

    return streamlit_options(settings.host, settings.port)


def _end_with(server: uvicorn.Server, parent: int) -> None:
    """Ask the server to stop once this process has another parent."""
    while os.getppid() == parent:
        time.sleep(1)
    server.should_exit = True


if __name__ == "__main__":
    sys.exit(main())
