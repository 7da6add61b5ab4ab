"""Which values the `known` detector has been told of, and when it may forget those that were replaced.

A value is announced before anybody is given it, and stays known for a while after its replacement, because copies of it
are still under way. A reference that is merely idle, purged or removed keeps its last value known: the key is still good.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

Announce = Callable[[str, str], object]
"""`announce(value, label)`: from its return on the value is caught on every exit."""

Retire = Callable[[str], object]
"""`retire(label)`: the value may be forgotten."""

Place = tuple[str, str | None, str | None]
"""Slug, pinned version, field: where one value stands at a time."""


class Announcements:
    """Announces each value once and retires it `retire_after_s` after another took its place. Called in vault threads only."""

    def __init__(self, announce: Announce, retire: Retire, retire_after_s: float) -> None:
        self._announce = announce
        self._retire = retire
        self._retire_after_s = retire_after_s
        self._lock = threading.Lock()
        self._current: dict[Place, str] = {}
        self._known: set[str] = set()
        self._leaving: dict[str, float] = {}

    def hold(self, place: Place, label: str, value: str, now: float) -> None:
        """Make sure that a value just read is known, and note which one it replaced. `now` is monotonic seconds.

        Raises whatever `announce` raises: then the value must not be given to anybody.
        """
        with self._lock:
            known = label in self._known
            self._leaving.pop(label, None)
        if not known:
            self._announce(value, label)  # outside the lock: several values may be announced at once
        with self._lock:
            self._known.add(label)
            replaced = self._current.get(place)
            self._current[place] = label
            if replaced is not None and replaced not in self._current.values():
                self._leaving[replaced] = now + self._retire_after_s
            for left in [left for left, due in self._leaving.items() if due <= now]:
                del self._leaving[left]
                self._known.discard(left)
                self._retire(left)
