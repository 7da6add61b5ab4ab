"""The document's rules about approvals as running rules."""

from __future__ import annotations

from pipeline.config.approvals import ApprovalRuleSection, ApprovalsSection
from pipeline.config.money import MICROS
from pipeline.keys.approval_rules import ApprovalRule, ApprovalRules


def compile_approvals(section: ApprovalsSection) -> ApprovalRules:
    """The rules of a document, in its order."""
    return ApprovalRules(tuple(_rule(rule) for rule in section.rules), section.timeout_s)


def _rule(rule: ApprovalRuleSection) -> ApprovalRule:
    return ApprovalRule(
        name=rule.name,
        tools=frozenset(rule.tools),
        models=frozenset(rule.models),
        routes=frozenset(rule.routes),
        above_micros=None if rule.above_usd is None else int(rule.above_usd * MICROS),
        roles=frozenset(rule.roles),
        metadata=dict(rule.metadata),
    )
