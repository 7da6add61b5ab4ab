"""Calls that need somebody's approval before they are made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, model_validator

from pipeline.config.section import Name, Section, Usd
from pipeline.keys.caveats import RouteName
from pipeline.keys.model import Role


class ApprovalRuleSection(Section):
    """One kind of call that needs an approval: one that fits every condition it names."""

    name: Name
    """What people call the rule; it stands in the audit and in what a caller is told."""
    tools: tuple[Annotated[str, Field(min_length=1, max_length=128)], ...] = ()
    """The call offers one of these tools to its model."""
    models: tuple[Name, ...] = ()
    """It asks for one of these models."""
    routes: tuple[RouteName, ...] = ()
    """It comes by one of these routes: `chat`, `messages`, `embeddings`, …"""
    above_usd: Usd | None = None
    """It may cost more than this, at worst."""
    roles: tuple[Role, ...] = ()
    """Its key has one of these roles."""
    metadata: Mapping[str, str] = Field(default_factory=dict)
    """Its key's metadata has these values."""

    @model_validator(mode="after")
    def _says_something(self) -> ApprovalRuleSection:
        if not (self.tools or self.models or self.routes or self.roles or self.metadata) and self.above_usd is None:
            raise ValueError("a rule names at least one condition")
        return self


class ApprovalsSection(Section):
    """Approvals: a call that fits a rule is refused until somebody else has approved exactly this call."""

    rules: tuple[ApprovalRuleSection, ...] = ()
    """The first rule that fits a call asks for an approval; a call that fits none needs none."""
    timeout_s: Annotated[int, Field(ge=10, le=7 * 86_400)] = 900
    """Seconds in which an approval is given and used; without an answer the call is denied."""
