"""Processes of this machine, by id: whether one that wrote its id down is still there."""

from __future__ import annotations

import os


def is_alive(pid: int) -> bool:
    """Whether a process exists (also when it belongs to somebody else)."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
