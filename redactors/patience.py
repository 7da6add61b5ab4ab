"""How much CPU one value may cost: what is dear by nature ends in an error and does not keep a thread for a minute.

Nothing makes a short text dear, but megabytes that are made of nothing but findings are: each has to be checked, replaced and reported.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from redactors.model import RedactionError

GoOn = Callable[[], None]
"""Asked between the steps of a long work, of a few hundred milliseconds each; raises RedactionError when it has cost too much."""


def endless() -> None:
    """Goes on for as long as it takes."""


@dataclass(frozen=True, slots=True)
class Patience:
    """`seconds` of the time that `clock` tells: by default the CPU time of the thread that asks, which a busy machine does not shorten."""

    seconds: float
    clock: Callable[[], float] = time.thread_time

    def begin(self) -> GoOn:
        """Begin a work now, in this thread."""
        until, clock = self.clock() + self.seconds, self.clock

        def go_on() -> None:
            if clock() > until:
                raise RedactionError("the value costs more time to redact than one value is given")

        return go_on
