"""Which way a command goes that changes state: through the running gateway, or into the store when none runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.cli.admin_client import AdminClient
    from pipeline.cli.offline import OfflineAdmin
    from pipeline.config.environment import Process


def running_gateway(process: Process) -> AdminClient | None:
    """A client of the gateway that runs in this data folder, or None."""
    from pipeline.cli.admin_client import AdminClient
    from pipeline.config.running import live_run

    running = live_run(process.layout)
    return None if running is None else AdminClient(running.url, process.layout.admin_key())


@contextmanager
def administration(process: Process) -> Iterator[AdminClient | OfflineAdmin]:
    """Administer: both ways offer the same operations. ConfigError, or an error of the one or the other."""
    client = running_gateway(process)
    if client is not None:
        yield client
        return
    from pipeline.cli.offline import OfflineAdmin

    admin = OfflineAdmin(process)
    try:
        yield admin
    finally:
        admin.close()
