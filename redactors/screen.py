"""What may be sent and what may be kept: one value under two policies."""

from __future__ import annotations

from redactors.engine import Redactor
from redactors.model import Action, Clean, Json, Remark, Verdict


class Screened:
    """A prompt after screening. `outbound` is what policy lets the provider see, `clean` what may be recorded."""

    __slots__ = ("_clean", "_raw", "_telemetry", "outbound", "remarks", "verdict")

    def __init__(self, raw: Json, screened: Clean[Json], telemetry: Redactor) -> None:
        self.outbound: Json = screened.value
        self.verdict: Verdict = screened.verdict
        self.remarks: tuple[Remark, ...] = screened.remarks
        self._raw = raw
        self._telemetry = telemetry
        self._clean: Clean[Json] | None = None

    def __repr__(self) -> str:
        return f"Screened({self.verdict.name}, remarks={len(self.remarks)})"

    @property
    def blocked(self) -> tuple[str, ...]:
        """The ids of the rules whose action is to block, each once, in order."""
        return tuple(sorted({remark.rule for remark in self.remarks if remark.action is Action.BLOCK}))

    @property
    def clean(self) -> Clean[Json]:
        """The value under the telemetry policy; made when first asked for, because most values are never recorded."""
        if self._clean is None:
            self._clean = self._telemetry.tree(self._raw)
        return self._clean


class Screen:
    """Looks at what goes to a provider, under the policies of one workspace, route and key."""

    def __init__(self, outbound: Redactor, telemetry: Redactor) -> None:
        self._outbound = outbound
        self._telemetry = telemetry

    def inspect(self, raw: Json) -> Screened:
        """Redact a request body. Raises RedactionError when that is not possible; nothing may then be sent."""
        return Screened(raw, self._outbound.tree(raw), self._telemetry)
