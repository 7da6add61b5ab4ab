"""Which calls need an approval: rules over what is known of a call, compiled from the document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pipeline.keys.caveats import RouteName
from pipeline.keys.model import Role, VirtualKey


@dataclass(frozen=True, slots=True)
class Sought:
    """What is known of a call: `tools` are the names that it offers, `worst_micros` is the most it can cost.

    `ancestors` are those of a child key: a rule for them is one for it, whatever has been changed of them since it was made.
    """

    key: VirtualKey
    route: RouteName
    model: str
    tools: frozenset[str]
    worst_micros: int
    ancestors: tuple[VirtualKey, ...] = ()


@dataclass(frozen=True, slots=True)
class ApprovalRule:
    """One kind of call: it fits when every condition that the rule names does. An empty one names none."""

    name: str
    tools: frozenset[str] = frozenset()
    models: frozenset[str] = frozenset()
    routes: frozenset[str] = frozenset()
    above_micros: int | None = None
    roles: frozenset[Role] = frozenset()
    metadata: Mapping[str, str] = field(default_factory=dict)

    def fits(self, call: Sought) -> bool:
        """Whether a call is of this kind. A tool without a name might be any."""
        return (
            (not self.tools or not self.tools.isdisjoint(call.tools) or "" in call.tools)
            and (not self.models or call.model in self.models)
            and (not self.routes or call.route in self.routes)
            and (self.above_micros is None or call.worst_micros > self.above_micros)
            and any(self._names(key) for key in (call.key, *call.ancestors))
        )

    def _names(self, key: VirtualKey) -> bool:
        return (not self.roles or key.role in self.roles) and all(key.metadata.get(name) == value for name, value in self.metadata.items())


@dataclass(frozen=True, slots=True)
class ApprovalRules:
    """The rules in their order, and how long an approval may take (seconds)."""

    rules: tuple[ApprovalRule, ...] = ()
    timeout_s: int = 900

    def needed(self, call: Sought) -> ApprovalRule | None:
        """The first rule that a call fits; None when it needs no approval."""
        return next((rule for rule in self.rules if rule.fits(call)), None)


NO_APPROVALS: Final = ApprovalRules()
"""No call needs one."""
