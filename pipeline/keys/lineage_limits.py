"""A call's place within the limits of its key and of every key that this one descends from: children do not multiply a limit."""

from __future__ import annotations

from pipeline.keys.limits import Admission, Need, RateLimits
from pipeline.keys.model import Caller, VirtualKey


class LineageAdmission(Admission):
    """The places of a call in the limits of a whole lineage, as one."""

    __slots__ = ("_above",)

    def __init__(self, own: Admission, above: tuple[Admission, ...]) -> None:
        super().__init__(own._limits, own._key, own._held, own._running)
        self._above = above

    def used(self, tokens: int) -> None:
        """Put what the call used in the place of what it held, at every key."""
        super().used(tokens)
        for admission in self._above:
            admission.used(tokens)

    def release(self) -> None:
        """Give every place back. Idempotent."""
        super().release()
        for admission in self._above:
            admission.release()


def admitted_all(rates: RateLimits, caller: Caller, need: Need) -> Admission:
    """Take a call's place in the limits of its key, then of its ancestors, or in none: RateLimited (429) of the first that is full.

    What an ancestor refuses has counted in the windows below it, never the other way: a child that is refused costs its parent nothing.
    """
    own = rates.admit(caller.key, need)
    above: list[Admission] = []
    try:
        for ancestor in filter(_is_limited, caller.ancestors):
            above.append(rates.admit(ancestor, need))
    except BaseException:
        for admission in (own, *above):
            admission.release()
        raise
    return LineageAdmission(own, tuple(above)) if above else own


def take_exports(rates: RateLimits, caller: Caller) -> None:
    """Count one request with telemetry of a key and of its ancestors. RateLimited (429) of the first that is full."""
    for key in caller.lineage:
        rates.take_export(key)


def _is_limited(key: VirtualKey) -> bool:
    return bool(key.rpm_limit or key.tpm_limit or key.max_parallel_requests)
