"""Who is at work in a data folder: the address and process of the running gateway (`run.json`)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from pipeline.config.home import Home, write_private
from pipeline.processes import is_alive


@dataclass(frozen=True, slots=True)
class Running:
    """A running gateway: its base URL, process id, and the dashboard's address ("" when it has none)."""

    url: str
    pid: int
    dashboard_url: str = ""


def write_run(home: Home, running: Running) -> None:
    """Say where the gateway runs."""
    write_private(home.run_file, json.dumps(asdict(running)) + "\n")


def forget_run(home: Home, pid: int) -> None:
    """Take the address back, if it is still ours."""
    running = read_run(home)
    if running is not None and running.pid == pid:
        home.run_file.unlink(missing_ok=True)


def read_run(home: Home) -> Running | None:
    """What `run.json` says, whether or not that process lives; None when there is nothing to read."""
    try:
        tree = json.loads(home.run_file.read_text("utf-8"))
        return Running(str(tree["url"]), int(tree["pid"]), str(tree.get("dashboard_url", "")))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def live_run(home: Home) -> Running | None:
    """The gateway that runs in this data folder, or None."""
    running = read_run(home)
    return running if running is not None and is_alive(running.pid) else None
