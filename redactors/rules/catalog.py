"""The whole rule set: every family's rules in one immutable tuple, ids checked for uniqueness."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType

from redactors.rules.model import Rule

FAMILIES = (
    "openai",
    "anthropic",
    "inference",
    "model_tools",
    "aws",
    "google",
    "azure",
    "source_control",
    "delivery",
    "packages",
    "communication",
    "mail",
    "payments",
    "commerce",
    "clouds",
    "databases",
    "vaults",
    "monitoring",
    "model_observability",
    "collaboration",
    "developer_tools",
    "lockgate",
    "auth",
    "headers",
    "commands",
    "markup",
    "generic",
    "told",
    "people",
    "names",
    "addresses",
    "money",
    "network",
    "national_europe",
    "national_europe_east",
    "national_world",
    "national_us",
    "national_asia",
)
"""Modules of this package that have a tuple `RULES`, most specific first."""


@cache
def all_rules() -> tuple[Rule, ...]:
    """Every rule, secrets and PII candidates alike, in the order of the families. Raises ValueError on a repeated id."""
    rules: list[Rule] = []
    for family in FAMILIES:
        rules.extend(import_module(f"redactors.rules.{family}").RULES)
    by_id: set[str] = set()
    for rule in rules:
        if rule.id in by_id:
            raise ValueError(f"two rules have the id {rule.id}")
        by_id.add(rule.id)
    return tuple(rules)


@cache
def rules_by_id() -> Mapping[str, Rule]:
    """The rules by their id."""
    return MappingProxyType({rule.id: rule for rule in all_rules()})
