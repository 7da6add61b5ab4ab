"""What may be sent and what may be kept: one value under two policies."""

from __future__ import annotations

from collections.abc import Callable

from redactors.engine import Redactor
from redactors.model import Action, AnswerRedactor, Clean, Json, Remark, Totals, Verdict, tally
from redactors.policy import Restorable
from redactors.restore import Restoring, permitted


class Screened:
    """A prompt after screening. `outbound` is what policy lets the provider see, `clean` what may be recorded."""

    __slots__ = ("_clean", "_names", "_raw", "_telemetry", "_totals", "outbound", "remarks", "verdict")

    def __init__(self, raw: Json, screened: Clean[Json], telemetry: Redactor, names: dict[str, str] | None = None) -> None:
        self.outbound: Json = screened.value
        self.verdict: Verdict = screened.verdict
        self.remarks: tuple[Remark, ...] = screened.remarks
        self._raw = raw
        self._telemetry = telemetry
        self._names = names or {}
        self._clean: Clean[Json] | None = None
        self._totals: Totals | None = None

    def __repr__(self) -> str:
        return f"Screened({self.verdict.name}, remarks={len(self.remarks)})"

    @property
    def blocked(self) -> tuple[str, ...]:
        """The ids of the rules whose action is to block, each once, in order."""
        return tuple(sorted({remark.rule for remark in self.remarks if remark.action is Action.BLOCK}))

    @property
    def totals(self) -> Totals:
        """How often what was done to the prompt; counted when first asked for, which takes a while where there was much."""
        if self._totals is None:
            self._totals = tally(self.remarks)
        return self._totals

    @property
    def clean(self) -> Clean[Json]:
        """The value under the telemetry policy; made when first asked for, because most values are never recorded."""
        if self._clean is None:
            self._clean = self._telemetry.tree(self._raw)
        return self._clean

    def answering(self, redactor: AnswerRedactor, restores: Restorable, is_live: Callable[[bytes], bool]) -> AnswerRedactor:
        """What screens the answer to this prompt: `redactor`, and where policy allows it the prompt's pseudonyms are put back.

        A value that holds a live secret (`is_live`) is not put back, whatever rule found it.
        """
        if not self._names or not restores:
            return redactor
        allowed = permitted(self._names, self.remarks, restores)
        names = {name: value for name, value in allowed.items() if not is_live(value.encode("utf-8", "surrogatepass"))}
        return Restoring(redactor, names) if names else redactor


class Screen:
    """Looks at what goes to a provider, under the policies of one workspace, route and key.

    With `noting` a screened prompt knows which values its pseudonyms stand for, so that its answer can be restored.
    """

    def __init__(self, outbound: Redactor, telemetry: Redactor, *, noting: bool = False) -> None:
        self._outbound = outbound
        self._telemetry = telemetry
        self._noting = noting

    @property
    def redactor(self) -> Redactor:
        """What the prompt is redacted with."""
        return self._outbound

    def inspect(self, raw: Json) -> Screened:
        """Redact a request body. Raises RedactionError when that is not possible; nothing may then be sent."""
        if not self._noting:
            return Screened(raw, self._outbound.tree(raw), self._telemetry)
        names: dict[str, str] = {}
        return Screened(raw, self._outbound.noting(names).tree(raw), self._telemetry, names)
